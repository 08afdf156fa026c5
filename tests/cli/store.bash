# What the cli tests share: the programs, a store of their own, releases without content.
# shellcheck shell=bash
bats_require_minimum_version 1.5.0

PATH=$BUILD_DIR:$BUILD_DIR/tests:$PATH
export SWARMBOOT_STORE=$BATS_TEST_TMPDIR/store
export SWARMBOOT_CACHE=$BATS_TEST_TMPDIR/cache

# publish PROFILE WORD: another word is another release
publish() {
	fixture_release "$SWARMBOOT_STORE" "$1" "$2"
}

# new_key NAME: NAME.key and NAME.pub in the test's folder, without a password
new_key() {
	swarmboot keygen --no-password --output "$BATS_TEST_TMPDIR/$1"
}

# blob JQ-PATH [REF]: the path of a blob by its place in what `show --json` prints
blob() {
	local digest
	digest=$(swarmboot show --json "${2:-slurm}" | jq -er "$1")
	echo "$SWARMBOOT_STORE/blobs/sha256/${digest#sha256:}"
}

# flip FILE: changes one bit in its middle
flip() {
	local at=$(($(stat -c %s "$1") / 2)) byte
	byte=$(od -An -tu1 -j "$at" -N 1 "$1")
	# shellcheck disable=SC2059 # the escape is the point
	printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}

# small_tree DIR: with a real kernel, a few modules and a shell, fit for `build`
small_tree() {
	local package release file tree
	tree=$(realpath -m "$1")
	package=$("$BATS_TEST_DIRNAME/../kernel-tree")
	release=${package##*linux-image-}
	mkdir -p "$tree"/{boot,dev,etc,proc,run,sys,tmp,usr/{bin,sbin,lib,lib64},var}
	for file in bin sbin lib lib64; do ln -s usr/$file "$tree/$file"; done
	cp "$package"/boot/{vmlinuz,config}-* "$tree/boot"
	mkdir -p "$tree/usr/lib/modules/$release"
	(cd "$package/lib/modules/$release" && cp -a --parents modules.order modules.builtin modules.builtin.modinfo \
		kernel/drivers/{block/loop.ko,virtio,net/{virtio_net,net_failover}.ko} kernel/net/core/failover.ko \
		kernel/fs/{squashfs,overlayfs,isofs} "$tree/usr/lib/modules/$release")
	cp /bin/sh "$tree/usr/bin/sh"
	for file in $(ldd /bin/sh | grep -o '/[^ ]*'); do
		mkdir -p "$tree/usr${file%/*}"
		cp -L "$file" "$tree/usr$file"
	done
	printf '#!/bin/sh\n' >"$tree/usr/sbin/init"
	chmod 0755 "$tree/usr/sbin/init"
	printf 'root:*:20000::::::\n' >"$tree/etc/shadow"
	printf 'root:x:0:0::/root:/bin/sh\n' >"$tree/etc/passwd"
	find "$tree" -exec touch -h -d @1700000000 {} +
}
