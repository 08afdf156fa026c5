#!/usr/bin/env bats
# from: debian: one small Debian from a repository of our own; caches, --offline, --lock, further repositories.

load store.bash

# What is the same for all tests: keys, the real packages, a kernel and an init as packages.
setup_file() {
	local tree
	GNUPGHOME=$BATS_FILE_TMPDIR/gpg
	export GNUPGHOME
	mkdir -m 0700 "$GNUPGHOME"
	for name in archive vendor; do
		gpg --batch --quiet --passphrase '' --quick-generate-key "$name" default default never
	done
	gpg --batch --export archive >"$BATS_FILE_TMPDIR/archive.gpg"
	gpg --batch --armor --export vendor >"$BATS_FILE_TMPDIR/vendor.asc"
	mkdir -p "$BATS_FILE_TMPDIR/debs"
	ln "$("$BATS_TEST_DIRNAME/../debian-debs")"/*.deb "$BATS_FILE_TMPDIR/debs" 2>/dev/null ||
		cp "$("$BATS_TEST_DIRNAME/../debian-debs")"/*.deb "$BATS_FILE_TMPDIR/debs"
	tree=$BATS_FILE_TMPDIR/tree
	small_tree "$tree"
	mkdir -p "$BATS_FILE_TMPDIR/kernel/usr/lib" "$BATS_FILE_TMPDIR/kernel/usr/sbin"
	cp -a "$tree/boot" "$BATS_FILE_TMPDIR/kernel/"
	cp -a "$tree/usr/lib/modules" "$BATS_FILE_TMPDIR/kernel/usr/lib"
	cp -a "$tree/usr/sbin/init" "$BATS_FILE_TMPDIR/kernel/usr/sbin"
	package kernel 1 "$BATS_FILE_TMPDIR/kernel" "$BATS_FILE_TMPDIR/debs"
}

teardown_file() {
	gpgconf --homedir "$BATS_FILE_TMPDIR/gpg" --kill all
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	export GNUPGHOME=$BATS_FILE_TMPDIR/gpg
	new_key a
	mkdir -p repo/pool
	ln "$BATS_FILE_TMPDIR"/debs/*.deb repo/pool
	tool 1 repo/pool
	index repo archive
}

# package NAME VERSION TREE DIR [FIELD...]: a package of the tree's files in DIR
package() {
	local tree=$3
	mkdir -p "$tree/DEBIAN"
	printf '%s\n' "Package: $1" "Version: $2" "Architecture: all" "Maintainer: Test <test@example.org>" \
		"Description: for a test" "${@:5}" >"$tree/DEBIAN/control"
	find "$tree" -exec touch -h -d @1700000000 {} +
	dpkg-deb --root-owner-group -Zgzip -z1 -b "$tree" "$4" >/dev/null
	rm -r "$tree/DEBIAN"
}

# tool VERSION DIR: a package that has nothing but its version
tool() {
	mkdir -p tool/usr/share
	echo "$1" >tool/usr/share/tool
	package tool "$1" tool "$2"
}

# index REPO KEY: Packages and a signed InRelease over what is in its pool
index() {
	local dist=$1/dists/small
	mkdir -p "$dist/main/binary-amd64"
	(cd "$1" && dpkg-scanpackages --multiversion pool 2>/dev/null) >"$dist/main/binary-amd64/Packages"
	sign "$dist" main/binary-amd64/Packages "$2"
}

# sign DIR FILE KEY: DIR/InRelease, signed by KEY, tells the FILE below it
sign() {
	printf '%s\n' "Origin: Test" "Suite: small" "Codename: small" "Date: $(LC_ALL=C date -Ru)" \
		"Architectures: amd64 all" "Components: main" "SHA256:" \
		" $(sha256sum "$1/$2" | cut -d ' ' -f 1) $(stat -c %s "$1/$2") $2" >"$1/Release"
	gpg --batch --yes --quiet --local-user "$3" --clearsign --output "$1/InRelease" "$1/Release"
	rm "$1/Release"
}

# profile LINE...: p.yaml from the repository, with these further lines
profile() {
	cat >p.yaml <<-EOF
		name: small
		from:
		  debian: {suite: small, mirror: "file:$PWD/repo", keyring: "$BATS_FILE_TMPDIR/archive.gpg", variant: custom}
		kernel: {package: kernel}
		packages:
		$(for name in base-files base-passwd coreutils dash diffutils dpkg findutils grep gzip libc-bin mawk sed tar usr-is-merged \
			${packages-tool}; do echo "- $name"; done)
	EOF
	printf '%s\n' "$@" >>p.yaml
}

# build [OPTION]...: of p.yaml; any program does for the agent here. What it prints as JSON is checked by jq.
build() {
	swarmboot build --key a.pub --agent /bin/true --json "$@" p.yaml
}

# in_image PATH: its bytes in the newest release
in_image() {
	unsquashfs -cat "$(blob .release.root.digest small)" "$1"
}

# has PATH: whether the newest release's image has it
has() {
	unsquashfs -l "$(blob .release.root.digest small)" "$1" | grep -qxF "squashfs-root/$1"
}

@test "cold, cached, offline, without a cache, from a lock: the same image" {
	profile "files: [{path: /etc/motd, content: one}]"
	build --lock lock.json >cold.json
	run ! ls "$SWARMBOOT_STORE"/.tmp/*
	[ "$(in_image usr/share/tool)" = 1 ]
	[ "$(jq -r '.packages | map(.name) | join(" ")' lock.json)" = \
		"$(cd repo/pool && printf '%s\n' *.deb | sed 's/_.*//' | LC_ALL=C sort | paste -sd ' ')" ]
	jq -e '.suite == "small" and .variant == "custom" and (.wanted | index("tool"))' lock.json
	jq -r '.packages[] | "\(.digest[7:])  \(.uri | sub("^copy:"; "") | gsub("%"; "\\x"))"' lock.json |
		while read -r line; do printf '%b\n' "$line"; done | sha256sum --check --quiet
	# a warm cache: nothing is installed, wherever the archive is by now
	mv repo moved
	build --offline >offline.json
	mv moved repo
	build --lock again.json >cached.json
	cmp lock.json again.json
	build --locked lock.json --offline >locked.json
	build --no-cache --jobs 1 >none.json
	for file in offline cached locked none; do
		jq -e '.new | not' $file.json
		[ "$(jq -r .digest $file.json)" = "$(jq -r .digest cold.json)" ]
	done
	# another file is another image of the same base
	profile "files: [{path: /etc/motd, content: two}]"
	build >two.json 2>two.log
	jq -e '.new' two.json
	[ "$(in_image etc/motd)" = two ]
	run ! grep -q mmdebstrap two.log
	[ "$(find "$SWARMBOOT_CACHE/base" -type f | wc -l)" = 2 ]
	# nothing of how it was made is in it
	run ! grep '[.]deb$' <(unsquashfs -l "$(blob .release.root.digest small)")
	[ "$(in_image etc/apt/sources.list)" = "deb file:$PWD/repo small main" ]
	run ! has etc/apt/apt.conf.d/99mmdebstrap
}

@test "offline: what is in the cache will do, what is not is named" {
	packages='' profile
	run -1 build --offline
	[[ $output == *"from: debian: offline, and the cache has no package lists of these sources"* ]]
	build >/dev/null
	# the lists are there now, but one package is not
	profile
	run -1 build --offline
	[[ $output == *"tool=1 (all): not in the cache"*"offline, and 1 of 31 packages are not in the cache" ]]
	[ "$(swarmboot images --json | jq '.releases | length')" = 1 ]
	# a package that is there, in another list of packages
	build >/dev/null
	packages='tool:all' profile
	sed -i '/^- gzip/d' p.yaml
	mv repo moved
	build --offline | jq -e '.new and .package_count == 30'
	# damage is found: as good as missing
	for file in "$SWARMBOOT_CACHE"/base/* "$SWARMBOOT_CACHE/deb/$(sha256sum moved/pool/tool_1_all.deb | cut -d ' ' -f 1)"; do
		flip "$file"
	done
	run -1 build --offline
	[[ $output == *"tool=1 (all): not in the cache"* ]]
	mv moved repo
	build | jq -e '.new | not'
}

@test "locked: the same packages although the archive has moved on; what is gone is named" {
	profile
	build --lock lock.json >one.json
	rm repo/pool/tool_1_all.deb repo/pool/sed_*.deb
	tool 2 repo/pool
	package sed 9 tool repo/pool
	index repo archive
	build --locked lock.json >locked.json
	jq -e '.new | not' locked.json
	# from a cache that never saw them
	export SWARMBOOT_CACHE=$PWD/other
	run -1 build --locked lock.json
	[[ $output == *"sed=$(jq -r '.packages[] | select(.name == "sed").version' lock.json) (amd64): "* ]]
	[[ $output == *"tool=1 (all): copy:$PWD/repo/pool/tool_1_all.deb"* ]]
	[[ $output == *"2 of 31 packages cannot be had from where they were when the lock file was made: "* ]]
	[ -z "$(ls "$SWARMBOOT_STORE/.tmp")" ]
	# a package with another content under the same name
	tool 2 repo/pool
	jq '(.packages[] | select(.name == "tool") | .uri) |= sub("tool_1"; "tool_2")' lock.json >other.json
	run -1 build --locked other.json
	[[ $output == *"tool=1 (all)"* ]]
}

@test "a lock that is not for the profile: the line, exit 2" {
	local line
	printf '{"format":"swarmboot-lock-1","source":"debian","suite":"small","variant":"custom","arch":"%s","wanted":[%s"kernel"],"packages":[]}' \
		"$(dpkg --print-architecture)" '"tool",' >lock.json
	profile
	run -2 build --locked lock.json
	[[ $output == *"p.yaml:6: packages: base-files: the lock file was made without it: it has to be made anew (--lock)"* ]]
	sed -i '/^- /d; s/^packages:/packages: []/' p.yaml
	run -2 build --locked lock.json
	[[ $output == *"packages: tool is missing, but the lock file was made with it"* ]]
	sed -i 's/"suite":"small"/"suite":"other"/' lock.json
	run -2 build --locked lock.json
	[[ $output == *"p.yaml:3: from.debian.suite: is small, but the lock file was made for other"* ]]
	echo '{"format": 1}' >lock.json
	run -2 build --locked lock.json
	[[ $output == *"lock.json: no lock file"* ]]
	run -1 build --locked gone.json
	[[ $output == *"gone.json: No such file or directory"* ]]
	[ "$(swarmboot images --json | jq '.releases | length')" = 0 ]
}

@test "further repositories: by their own keys, left in the image if they are to be" {
	mkdir -p flat/amd64 other
	tool 3 flat/amd64
	package other 1 other flat/amd64
	(cd flat && dpkg-scanpackages amd64 2>/dev/null) >flat/Packages
	sign flat Packages vendor
	cp "$BATS_FILE_TMPDIR/vendor.asc" .
	packages='tool other' profile "repositories:" "- {name: vendor, url: 'file://$PWD/flat', suite: ./, key: vendor.asc}"
	build >one.json
	[ "$(in_image usr/share/tool)" = 3 ]
	run ! has etc/apt/sources.list.d/vendor.list
	run ! has etc/apt/keyrings/vendor.asc
	sed -i 's/key: vendor.asc/key: vendor.asc, keep: true/' p.yaml
	build >two.json
	[ "$(in_image etc/apt/sources.list.d/vendor.list)" = \
		"deb [signed-by=/etc/apt/keyrings/vendor.asc] file://$PWD/flat ./" ]
	in_image etc/apt/keyrings/vendor.asc | cmp - vendor.asc
	# signed by another key than it says
	gpg --batch --export archive >vendor.asc
	run -1 build
	[[ $output == *"from: debian: "*"flat"*"is not signed"* ]]
	# and without the repository the package's line is at fault
	sed -i '/^repositories/,$d' p.yaml
	run -2 build
	[[ $output == *"p.yaml:21: packages: other: Unable to locate package other in suite small"* ]]
}
