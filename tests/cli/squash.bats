#!/usr/bin/env bats
# pack: what unsquashfs, the kernel and veritysetup, none of them ours, say of an image that a build made.

load store.bash

setup_file() {
	small_tree "$BATS_FILE_TMPDIR/tree"
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	new_key a
	mounted=
}

teardown() {
	[ -z "$mounted" ] || umount "$mounted"
}

# build [OPTION]...: of p.yaml; any program does for the agent here
build() {
	swarmboot build --key a.pub --sign a.key --agent /bin/true "$@" p.yaml
}

profile() {
	printf '%s\n' "name: small" "from: {dir: $BATS_FILE_TMPDIR/tree}" "$@" >p.yaml
}

# verity KEY: of the newest release
verity() {
	swarmboot show --json small | jq -er ".release.root.verity.$1"
}

@test "veritysetup verifies the tree that the release names" {
	profile
	build
	image=$(blob .release.root.digest small)
	[ $(($(verity data_size) % 4096)) = 0 ]
	run -0 veritysetup verify "$image" "$image" "$(verity root_hash)" --hash-offset="$(verity hash_offset)"
	[[ $(veritysetup dump "$image" --hash-offset="$(verity hash_offset)") == *"Salt:"*"$(verity salt)"* ]]
	run -0 swarmboot verify small --key a.pub
}

@test "the image with the tree behind it mounts, and shows what unsquashfs shows" {
	profile "files:" "- {path: /opt/x, content: \"hello\\n\", mode: 0640, owner: root}"
	build
	image=$(blob .release.root.digest small)
	mkdir mnt
	mount -t squashfs -o loop,ro "$image" mnt
	mounted=$PWD/mnt
	[ "$(cat mnt/opt/x)" = hello ]
	unsquashfs -q -n -d out "$image" >/dev/null
	list() { (cd "$1" && find . -printf '%p %y %m %U:%G %s %T@ %l\n' | sed 's/\( d .*\) [0-9]* \([0-9.]* \)$/\1 \2/' | LC_ALL=C sort); }
	diff <(list mnt) <(list out)
	diff -r --no-dereference mnt out
}

@test "cold, warm, without a cache, on one thread and on three: the same release" {
	profile
	build --json --no-cache --jobs 1 >none.json
	build --json --jobs 3 >cold.json
	[ -n "$(ls "$SWARMBOOT_CACHE/block")" ]
	build --json --jobs 2 >warm.json
	for key in ref digest root; do
		[ "$(jq ".$key" none.json)" = "$(jq ".$key" cold.json)" ]
		[ "$(jq ".$key" none.json)" = "$(jq ".$key" warm.json)" ]
	done
}

# What squashfs cannot hold is told, and nothing else of the file is lost.
@test "an access control list is named in a warning" {
	cp -a "$BATS_FILE_TMPDIR/tree" tree
	acl=0x0200000001000600ffffffff020004003930000004000400ffffffff10000400ffffffff20000400ffffffff
	setfattr -n system.posix_acl_access -v "$acl" tree/etc/passwd || skip "no access control lists on this file system"
	setfattr -n user.note -v kept tree/etc/passwd
	printf '%s\n' "name: small" "from: {dir: tree}" >p.yaml
	run -0 build
	[[ $output == *"1 attributes are not in the image"*"/etc/passwd: system.posix_acl_access"* ]]
	mkdir mnt
	mount -t squashfs -o loop,ro "$(blob .release.root.digest small)" mnt
	mounted=$PWD/mnt
	[ "$(getfattr --only-values --absolute-names -n user.note mnt/etc/passwd)" = kept ]
	run ! getfattr --absolute-names -n system.posix_acl_access mnt/etc/passwd
}
