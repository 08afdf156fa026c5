#!/usr/bin/env bats
# build: from small trees to releases; what is refused, and what a build that ends early leaves behind.

load store.bash

# Shared by all tests, changed by none.
setup_file() {
	small_tree "$BATS_FILE_TMPDIR/tree"
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	new_key a
}

# profile LINE...: p.yaml from the shared tree, with these further lines
profile() {
	printf '%s\n' "name: small" "from: {dir: $BATS_FILE_TMPDIR/tree}" "$@" >p.yaml
}

# build [OPTION]...: of p.yaml; any program does for the agent here
build() {
	swarmboot build --key a.pub --agent /bin/true "$@" p.yaml
}

# The whole store but its lock and empty folders, as one line.
fingerprint() {
	(cd "$SWARMBOOT_STORE" && find . -type f ! -name .lock -exec sha256sum {} + | sort | sha256sum)
}

# in_image PATH: its bytes in the newest release
in_image() {
	unsquashfs -cat "$(blob .release.root.digest small)" "$1"
}

@test "a build makes a release that verifies; its parts are in the store" {
	profile "kernel: {cmdline: quiet}" "overlay: {limit: 64MiB}" "version: '1.2'"
	run -0 --separate-stderr build --sign a.key
	[[ $output == "small:1 sha256:"*" root "*", kernel "*", initramfs "*", 0 packages" ]]
	# shellcheck disable=SC2154 # bats sets it
	for stage in describe obtain shape clean "boot files" pack bind publish sign; do
		[[ $stderr == *"$stage "* ]]
	done
	run -0 swarmboot verify small --key a.pub
	swarmboot show small --json >show.json
	[ "$(jq -r .release.kernel.cmdline show.json)" = quiet ]
	[ "$(jq -r .release.version show.json)" = 1.2 ]
	[ "$(jq -r .release.created show.json)" = 1700000000 ]
	[ "$(in_image usr/sbin/init)" = "#!/bin/sh" ]
	[ -z "$(ls "$SWARMBOOT_STORE/.tmp")" ]
}

@test "the same inputs are the same release, at any number of jobs" {
	profile "files: [{path: /etc/x, content: y}]"
	build --json --jobs 1 --sign a.key >one.json
	before=$(fingerprint)
	build --json --jobs 4 --sign a.key >two.json
	[ "$(jq .new one.json)" = true ]
	[ "$(jq .new two.json)" = false ]
	for key in ref digest kernel initramfs root packages signed; do
		[ "$(jq ".$key" one.json)" = "$(jq ".$key" two.json)" ]
	done
	[ "$(jq -r '.stages | map(.name) | join(" ")' one.json)" = \
		"describe obtain shape clean boot files pack bind publish sign" ]
	[ "$(fingerprint)" = "$before" ]
	# another text is another release
	profile "files: [{path: /etc/x, content: z}]"
	build --json | jq -e '.ref == "small:2" and .new and (.signed | not)'
}

@test "a tar of the tree makes the same image as the tree" {
	profile
	build --json >dir.json
	tar --numeric-owner -C "$BATS_FILE_TMPDIR/tree" -cf tree.tar .
	sed -i 's/from: .*/from: {tar: tree.tar}/' p.yaml
	build --json >tar.json
	[ "$(jq .root dir.json)" = "$(jq .root tar.json)" ]
}

@test "scripts run in the tree, with no network and nothing of this machine" {
	mkdir -p files
	echo hello >files/motd
	cat >check.sh <<-'EOF'
		read -r host </proc/sys/kernel/hostname
		[ "$host" = localhost ]
		while read -r name _; do
			case $name in Inter-* | face | lo:) ;; *) exit 9 ;; esac
		done </proc/net/dev
		while read -r _ _ _ _ point _; do
			[ "$point" != / ] || own_root=1
		done </proc/self/mountinfo
		[ "$own_root" = 1 ]
		while read -r key rights; do
			[ "$key" != CapEff: ] || [ "$rights" = 00000000a00405fb ]
		done </proc/self/status
		[ "$$" -lt 5 ]
		[ -z "${BATS_TEST_TMPDIR:-}" ]
		echo seen >/dev/null
		echo left >/tmp/left
		echo left >/run/left
		echo "$SOURCE_DATE_EPOCH" >/etc/made
	EOF
	profile "files: [{path: /etc/motd, source: files/motd, mode: 0600}]" "scripts:" "- name: check" "  run: |" \
		"$(sed 's/^/    /' check.sh)"
	build
	[ "$(in_image etc/made)" = 1700000000 ]
	[ "$(in_image etc/motd)" = hello ]
	image=$(blob .release.root.digest small)
	[[ $(unsquashfs -lln "$image" etc/motd) == *"-rw------- 0/0"* ]]
	run ! grep -e left <(unsquashfs -l "$image")
	[[ $(unsquashfs -lln "$image" | grep -c " squashfs-root/\(dev\|proc\|sys\|run\|tmp\|boot\)/") == 0 ]]
}

@test "a script that fails ends the build, and the store is as it was" {
	profile
	build
	before=$(fingerprint)
	profile "scripts: [{name: bad, run: 'echo what is wrong >&2; exit 3'}]"
	run -1 build
	[[ $output == *"scripts: bad: /bin/sh exited with status 3: what is wrong" ]]
	[ "$(fingerprint)" = "$before" ]
	[ -z "$(ls "$SWARMBOOT_STORE/.tmp")" ]
}

@test "faults of the profile: place and sentence, exit 2, no store" {
	while IFS='|' read -r lines sentence; do
		printf "%b\n" "$lines" >p.yaml
		run -2 build
		[[ $output == "swarmboot build: p.yaml:$sentence"* && $output != *--help* ]]
		[ ! -e "$SWARMBOOT_STORE/index.json" ]
	done <<-'EOF'
		name: n\nfrom: {dir: /}\nfoo: 1|3: foo: unknown key; allowed are name, include
		name: n\nfrom: {dir: /}\noverlay: {limit: [1]}|3: limit: a single value is wanted
		name: n\nfrom: {dir: /}\nfiles:\n- path: /x\n  source: gone|5: source: /
		name: n\nfrom: {dir: /gone}|2: from.dir: /gone: No such file
		name: n\nfrom: {tar: gone.tar}|2: from.tar: /
		name: N\nfrom: {dir: /}|1: name: 'N' is not allowed
	EOF
	run -1 swarmboot build --key a.pub gone.yaml
	[[ $output == *"gone.yaml: No such file or directory"* ]]
}

@test "a package that does not exist: its line in the profile, exit 2, no release" {
	printf '%s\n' "name: n" "from:" "  debian: {suite: bookworm, variant: custom}" "packages:" "  - base-files" \
		"  - swarmboot-no-such-package" >p.yaml
	run -2 build
	[[ $output == *"p.yaml:6: packages: swarmboot-no-such-package: Unable to locate package"*"in suite bookworm"* ]]
	run -0 swarmboot images
	[ ${#lines[@]} = 1 ]
	[ -z "$(ls "$SWARMBOOT_STORE/.tmp")" ]
}

@test "a suite that this machine's apt does not know wants a mirror" {
	printf '%s\n' "name: n" "from: {debian: {suite: nosuchsuite}}" >p.yaml
	run -2 build
	[[ $output == *"p.yaml:2: from.debian.mirror: this machine's apt has no source for nosuchsuite"* ]]
}

@test "a secret in the tree: named, exit 1, nothing in the store" {
	profile "files:" "- {path: /opt/key.pem, source: secret.pem}" "- {path: /etc/rancher/node/password, content: x}"
	openssl genpkey -algorithm ed25519 -out secret.pem
	run -1 build
	[[ $output == *"/opt/key.pem: a secret: a private key (PEM)"* ]]
	[[ $output == *"/etc/rancher/node/password: a secret: a K3s node password"* ]]
	[[ $output == *"the image is not fit to be served: 2 faults, named above" ]]
	[ -z "$(find "$SWARMBOOT_STORE/blobs" -type f)" ]
}

@test "keys, agent and jobs are checked before any work" {
	profile
	run -2 swarmboot build p.yaml
	[[ $output == *"--key is wanted"* ]]
	echo nonsense >bad.pub
	run -1 swarmboot build --key bad.pub p.yaml
	[[ $output == "swarmboot build: bad.pub: not a minisign public key file" ]]
	run -1 swarmboot build --key a.pub --agent gone p.yaml
	[[ $output == *"the agent gone: No such file or directory"* ]]
	run -2 build --jobs 1000
	run -1 build --sign gone.key
	for date in soon 0 4294967296; do
		SOURCE_DATE_EPOCH=$date run -2 build
		[[ $output == *"SOURCE_DATE_EPOCH='$date'"* ]]
	done
	[ ! -e "$SWARMBOOT_STORE" ]
}

@test "a user without subordinate ids is told how to have them" {
	printf 'name: small\nfrom: {dir: /usr}\n' >p.yaml
	chmod 0777 .
	chmod 0644 a.pub p.yaml
	run -1 setpriv --reuid 65534 --regid 65534 --clear-groups "$(command -v swarmboot)" build --key a.pub \
		--agent /bin/true --store mine p.yaml
	[[ $output == *"/etc/subuid has no ids for nobody"*"usermod --add-subuids 100000-165535 nobody"* ]]
}

# wait_for COMMAND...: until it succeeds, at most a minute
wait_for() {
	local end=$((SECONDS + 60))
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		read -rt 0.05 <> <(:) || true
	done
}

packing() { compgen -G "$SWARMBOOT_STORE/.tmp/*/dir-*/root.squashfs" >/dev/null; }
script_pid() { script=$(pgrep -f "$1"); }
is_gone() { [ ! -e "/proc/$1/cwd" ]; }

@test "a build killed while it packs leaves the store as it was; the next one cleans up" {
	profile
	build
	before=$(fingerprint)
	head -c 48M /dev/urandom >noise
	profile "files: [{path: /noise, source: noise}]" "squashfs: {level: 22, block: 1MiB}"
	swarmboot build --key a.pub --agent /bin/true --jobs 1 p.yaml >/dev/null 2>&1 3>&- &
	pid=$!
	wait_for packing
	kill -9 $pid
	wait $pid || true
	[ -n "$(ls "$SWARMBOOT_STORE/.tmp")" ]
	run ! grep -F "$SWARMBOOT_STORE" /proc/mounts
	run -0 swarmboot images
	[ ${#lines[@]} = 2 ]
	profile
	build --json | jq -e '.ref == "small:1" and (.new | not)'
	[ -z "$(ls "$SWARMBOOT_STORE/.tmp")" ]
	[ "$(fingerprint)" = "$before" ]
}

@test "a build killed inside a script takes the script along" {
	marker=marker-$BASHPID
	profile "scripts: [{name: waits, run: ': $marker; while :; do :; done'}]"
	swarmboot build --key a.pub --agent /bin/true p.yaml >/dev/null 2>&1 3>&- &
	pid=$!
	wait_for script_pid "^/bin/sh -e -c : $marker"
	kill -9 $pid
	wait $pid || true
	wait_for is_gone "$script"
	run ! grep -F "$SWARMBOOT_STORE" /proc/mounts
}
