#!/usr/bin/env bats
# The shipped profiles and fragments, each built from Debian's packages. What comes from elsewhere is stood in for by files and
# packages of the same names, made on the spot and served on loopback: k3s and its images, ThinkParQ's and NVIDIA's repositories.

load store.bash

top=$BATS_TEST_DIRNAME/../..
profiles=$top/profiles

# package NAME [FOLDER]: a .deb of that name in www/pool, with the folder's content
package() {
	local root=$BATS_FILE_TMPDIR/deb/$1
	mkdir -p "$root/DEBIAN" "$BATS_FILE_TMPDIR/www/pool"
	[ -z "${2:-}" ] || cp -a "$2/." "$root"
	printf '%s\n' "Package: $1" "Version: 1.0" "Architecture: amd64" "Maintainer: a test <test@example.org>" \
		"Depends: ${3:-base-files}" "Description: stands in for $1" >"$root/DEBIAN/control"
	dpkg-deb --root-owner-group -b "$root" "$BATS_FILE_TMPDIR/www/pool" >/dev/null
}

# A package that builds a kernel module as NVIDIA's does, by dkms from its postinst.
module_package() {
	local root=$BATS_FILE_TMPDIR/module
	mkdir -p "$root/usr/src/nvidia-1.0" "$root/DEBIAN"
	printf '%s\n' 'PACKAGE_NAME=nvidia' 'PACKAGE_VERSION=1.0' 'BUILT_MODULE_NAME[0]=nvidia' \
		'DEST_MODULE_LOCATION[0]=/updates/dkms' 'AUTOINSTALL=yes' >"$root/usr/src/nvidia-1.0/dkms.conf"
	printf 'obj-m := nvidia.o\nall:\n\t$(MAKE) -C $(kernel_source_dir) M=$(CURDIR) modules\n' \
		>"$root/usr/src/nvidia-1.0/Makefile"
	printf '#include <linux/module.h>\nMODULE_LICENSE("GPL");\n' >"$root/usr/src/nvidia-1.0/nvidia.c"
	printf '#!/bin/sh\nexec /usr/lib/dkms/common.postinst nvidia 1.0 "" "" "$2"\n' >"$root/DEBIAN/postinst"
	chmod 0755 "$root/DEBIAN/postinst"
	package nvidia-kernel-open-dkms "$root" dkms
}

client_package() {
	mkdir -p "$BATS_FILE_TMPDIR/beegfs/etc/beegfs"
	printf '# of the package\nsysMgmtdHost                  =\nconnAuthFile = /etc/beegfs/conn.auth\n' \
		>"$BATS_FILE_TMPDIR/beegfs/etc/beegfs/beegfs-client.conf"
	package beegfs-client-dkms "$BATS_FILE_TMPDIR/beegfs"
}

# release_of FOLDER: signs the Release file of a repository
sign_release() {
	local release
	release=$(cd "$1" && apt-ftparchive -o APT::FTPArchive::Release::Suite=bookworm \
		-o APT::FTPArchive::Release::Codename=bookworm -o APT::FTPArchive::Release::Components=non-free \
		-o APT::FTPArchive::Release::Architectures=amd64 release .)
	gpg --batch --quiet --clearsign -o "$1/InRelease" <<<"$release"
}

vendor_repositories() {
	local www=$BATS_FILE_TMPDIR/www dists
	export GNUPGHOME=$BATS_FILE_TMPDIR/gnupg
	mkdir -m 0700 "$GNUPGHOME"
	gpg --batch --quiet --passphrase '' --quick-generate-key "a vendor <vendor@example.org>" ed25519 sign never 2>/dev/null
	gpg --batch --armor --export >"$BATS_FILE_TMPDIR/vendor.asc"
	client_package
	package beegfs-helperd
	package beegfs-utils
	module_package
	package nvidia-driver-cuda
	package nvidia-persistenced
	# ThinkParQ's has suites and components, NVIDIA's is a flat one
	dists=$www/dists/bookworm
	mkdir -p "$dists/non-free/binary-amd64"
	(cd "$www" && apt-ftparchive packages pool) >"$dists/non-free/binary-amd64/Packages"
	sign_release "$dists"
	mkdir "$www/flat"
	cp "$www"/pool/nvidia* "$www/flat"
	(cd "$www/flat" && apt-ftparchive packages .) >"$www/flat/Packages"
	sign_release "$www/flat"
	gpgconf --kill all
}

setup_file() {
	local port
	mkdir -p "$BATS_FILE_TMPDIR/www"
	cd "$BATS_FILE_TMPDIR" || return 1
	vendor_repositories
	printf '#!/bin/sh\necho stands in for k3s\n' >www/k3s
	echo stands in for images | zstd -q >www/images.tar.zst
	swarmboot keygen --no-password --output a
	mkfifo port
	python3 -c '
import http.server, functools
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory="www")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print(server.server_port, file=open("port", "w"), flush=True)
server.serve_forever()' 3>&- 2>/dev/null &
	echo $! >server
	read -r port <port
	echo "http://127.0.0.1:$port" >url
}

teardown_file() {
	kill "$(cat "$BATS_FILE_TMPDIR/server")"
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	export SWARMBOOT_CACHE=$BATS_FILE_TMPDIR/cache
	url=$(cat "$BATS_FILE_TMPDIR/url")
	mapfile -t k3s < <(printf '%s\n' --set "k3s_url=$url/k3s" --set "k3s_sha256=$(sum k3s)" \
		--set "k3s_images_url=$url/images.tar.zst" --set "k3s_images_sha256=$(sum images.tar.zst)")
	vendors=(--set "beegfs_url=$url" --set "beegfs_key=$BATS_FILE_TMPDIR/vendor.asc" --set "nvidia_url=$url/flat"
		--set "nvidia_key=$BATS_FILE_TMPDIR/vendor.asc")
}

sum() { sha256sum "$BATS_FILE_TMPDIR/www/$1" | cut -d' ' -f1; }

# build PROFILE FRAGMENTS [OPTION]...: packed quickly, with any program for the agent; its names are in "list" then
build() {
	local profile=$1 fragments=$2
	shift 2
	{
		printf 'include:\n- %s\n' "$profiles/$profile.yaml"
		for fragment in $fragments; do printf -- '- %s\n' "$profiles/fragments/$fragment.yaml"; done
		printf 'squashfs: {level: 1}\n'
		[ ! -e more.yaml ] || cat more.yaml
	} >p.yaml
	swarmboot build --key "$BATS_FILE_TMPDIR/a.pub" --agent /bin/true "$@" p.yaml --json >built.json
	image=$(blob .release.root.digest "$profile")
	unsquashfs -lln "$image" | sed 's|squashfs-root||' >list
}

in_image() { unsquashfs -cat "$image" "$1"; }

# has PATTERN...: the list has a line for each
has() {
	local pattern
	for pattern; do
		grep -qE -e "$pattern" list || {
			echo "missing: $pattern"
			return 1
		}
	done
}

# lacks PATTERN...: nothing is called so (what a link leads to is not a name)
lacks() {
	local pattern
	for pattern; do
		if grep -E -e "[0-9]$pattern" list; then return 1; fi
	done
}

# What every profile has, and none.
check_node() {
	has ' /usr/lib/systemd/systemd$' ' /etc/machine-id$' ' /etc/systemd/system/multi-user.target.wants/swarmboot-hostkeys.service ' \
		' /etc/systemd/system/fstrim.timer -> /dev/null$' ' /usr/lib/modules/[^/]*/kernel/fs/overlayfs/overlay.ko$' \
		' /usr/lib/modules/[^/]*/modules.dep$'
	lacks ' /etc/munge/munge.key$' ' /etc/ssh/ssh_host_.*_key' ' /etc/rancher/(k3s/token|node)' ' /var/lib/(rancher|kubelet)/' \
		' /usr/lib/modules/[^/]*/kernel/sound/.' ' /usr/share/man/.'
}

# Units name programs, folders and each other as systemd wants them.
check_units() {
	mkdir -p tree
	unsquashfs -q -n -f -d tree "$image" etc usr/lib/systemd usr/local lib sbin bin usr/bin usr/sbin usr/lib/x86_64-linux-gnu \
		usr/share/k3s lib64 usr/lib64 >/dev/null
	SYSTEMD_LOG_LEVEL=warning systemd-analyze --root="$PWD/tree" --recursive-errors=no --man=no verify "$@"
}

@test "every profile and fragment can be shown" {
	for profile in slurm-compute slurm-login; do
		run -0 swarmboot profile show "$profiles/$profile.yaml"
		[[ $output == *"name: $profile"* ]]
	done
	for profile in k3s-agent k3s-server slurm-bridge; do
		run -0 swarmboot profile show "${k3s[@]}" "$profiles/$profile.yaml"
		[[ $output == *"$(sum k3s)"* ]]
		run -2 swarmboot profile show "$profiles/$profile.yaml"
		[[ $output == *"fragments/k3s.yaml:"*": "* ]]
	done
	printf 'include:\n' >p.yaml
	for fragment in "$profiles"/fragments/*.yaml; do printf -- '- %s\n' "$fragment" >>p.yaml; done
	printf 'name: all\n' >>p.yaml
	run -0 swarmboot profile show "${k3s[@]}" "${vendors[@]}" p.yaml
}

@test "slurm-compute; the same bytes again, with users of its own" {
	printf 'users: [{name: bob, uid: 1500, groups: [adm]}]\ngroups: [{name: hpc, gid: 1600}]\n' >more.yaml
	build slurm-compute ""
	check_node
	has ' /usr/sbin/slurmd' ' /usr/bin/sinfo' ' /usr/sbin/munged$' ' 1500/1500 .* /home/bob$' \
		' /etc/systemd/system/slurmd.service.d/swarmboot.conf$' '^-rwxr-xr-x .* /etc/slurm/(pro|epi)log.d/swarmboot$'
	in_image etc/shadow | grep -q '^bob:!:'
	check_units slurmd.service munge.service swarmboot-hostkeys.service ssh.service
	jq -e .new built.json
	build slurm-compute ""
	jq -e '.new | not' built.json
}

@test "slurm-login with all the fragments that are for any node" {
	build slurm-login "monitoring debug beegfs-client gpu-nvidia" "${vendors[@]}"
	check_node
	has ' /usr/bin/gcc ' ' /usr/bin/sbatch' ' /usr/bin/gdb$' ' /usr/bin/perf' ' /usr/bin/tcpdump$' ' /usr/bin/prometheus-node-exporter$' \
		' /usr/lib/modules/[^/]*/updates/dkms/nvidia.ko' ' /etc/modprobe.d/nouveau-off.conf$' \
		' /etc/systemd/system/user-.slice.d/swarmboot.conf$'
	run ! grep -q 'Module signature appended' <(in_image "$(sed -n 's|.* /\(usr/lib/modules/[^/]*/updates/dkms/nvidia.ko\)$|\1|p' list)")
	lacks ' /var/lib/dkms/.' ' /usr/sbin/slurmd' ' /.*/nouveau.ko' ' /usr/src/linux-headers' ' /etc/apt/sources.list.d/.'
	in_image "$(sed -n 's| -> .*||; s|.* /\(usr/lib/modules/[^/]*/modules.dep\)$|\1|p' list)" | grep -q '^updates/dkms/nvidia.ko'
	[ "$(in_image etc/beegfs/beegfs-client.conf | grep Mgmtd)" = "sysMgmtdHost = beegfs" ]
	[ "$(in_image etc/beegfs/beegfs-mounts.conf)" = "/mnt/beegfs /etc/beegfs/beegfs-client.conf" ]
	in_image etc/default/prometheus-node-exporter | grep -q 'listen-address=:9100 '
	check_units prometheus-node-exporter.service
}

check_k3s() {
	check_node
	has '^-rwxr-xr-x 0/0 .* /usr/local/bin/k3s$' ' /usr/local/bin/kubectl -> k3s$' \
		' /usr/share/k3s/images/k3s-airgap-images.tar.zst$' ' /etc/systemd/system/var-lib-rancher.mount$' \
		" /etc/systemd/system/multi-user.target.wants/$1 "
	in_image usr/local/bin/k3s | cmp - "$BATS_FILE_TMPDIR/www/k3s"
	in_image etc/systemd/system/var-lib-rancher.mount | grep -qx "Options=mode=0755,size=$2"
	check_units "$1" var-lib-rancher.mount var-lib-kubelet.mount var-lib-rancher-k3s-agent-images.mount
	jq -e '.release.memory_reserve == 2147483648' <(swarmboot show --json "$3")
}

@test "k3s-agent" {
	build k3s-agent "" "${k3s[@]}" --set k3s_server=https://s.example.org:6443 --set k3s_state=3G
	check_k3s k3s-agent.service 3G k3s-agent
	[ "$(in_image etc/rancher/k3s/config.yaml)" = "$(printf '%s\n' "server: https://s.example.org:6443" \
		"token-file: /etc/rancher/k3s/token")" ]
	lacks ' /etc/systemd/system/k3s.service$'
}

@test "k3s-server" {
	build k3s-server "" "${k3s[@]}"
	check_k3s k3s.service 50% k3s-server
	in_image etc/systemd/system/k3s.service | grep -q '^ConditionPathExists=.*/datastore.yaml$'
	lacks ' /etc/systemd/system/k3s-agent.service$'
}

@test "slurm-bridge" {
	build slurm-bridge "" "${k3s[@]}"
	check_k3s k3s-agent.service 50% slurm-bridge
	has ' /usr/sbin/slurmd' ' /usr/sbin/munged$'
}

@test "a K3s program with another digest stops the build" {
	local other
	other=$(echo other | sha256sum | cut -d' ' -f1)
	run -2 swarmboot build --key "$BATS_FILE_TMPDIR/a.pub" --agent /bin/true "${k3s[@]}" --set "k3s_sha256=$other" "$profiles/k3s-agent.yaml"
	[[ $output == *"fragments/k3s.yaml:"*": sha256: $url/k3s has the SHA-256 $(sum k3s), and $other is wanted"* ]]
}
