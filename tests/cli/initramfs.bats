#!/usr/bin/env bats
# The initramfs of a build: what a profile adds to it, what is said when that is not there, and the cache.

load store.bash

setup_file() {
	small_tree "$BATS_FILE_TMPDIR/tree"
	mkdir -p "$BATS_FILE_TMPDIR/tree/usr/lib/firmware/bnx2x"
	echo e2 >"$BATS_FILE_TMPDIR/tree/usr/lib/firmware/bnx2x/e2.fw"
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	export SWARMBOOT_CACHE=$BATS_TEST_TMPDIR/cache
	new_key a
}

# build KERNEL [OPTION]...: a profile with this `kernel:`
build() {
	printf '%s\n' "name: small" "from: {dir: $BATS_FILE_TMPDIR/tree}" "kernel: $1" >p.yaml
	shift
	swarmboot build --key a.pub --agent /bin/true "$@" p.yaml
}

# The names in the newest release's initramfs, read by programs that did not write it.
names() {
	zstd -dcq "$(blob .release.initramfs.digest small)" | cpio -t --quiet
}

@test "modules, network drivers and firmware as the profile names them" {
	build "{modules: [isofs], nics: [virtio_net], firmware: ['bnx2x/*']}"
	names >all
	for name in isofs/isofs.ko virtio_net.ko squashfs/squashfs.ko overlayfs/overlay.ko block/loop.ko firmware/bnx2x/e2.fw; do
		grep -q "$name\$" all
	done
	grep -qx usr/sbin/modprobe all
	build "{}"
	run ! grep -E 'isofs|firmware/' <(names)
	grep -q virtio_net.ko <(names)
}

@test "what the tree has not: the line of the profile, exit 2, no release" {
	while IFS='|' read -r kernel sentence; do
		run -2 build "$kernel"
		[[ $output == *"p.yaml:3: $sentence"* ]]
		swarmboot images --json | jq -e '.releases == []'
	done <<-'EOF'
		{modules: [loop, nosuch]}|kernel.modules: kernel 6
		{modules: [drivers/nosuch/]}|kernel.modules: kernel 6
		{nics: [virtio_net, mlx5_core]}|kernel.nics: kernel 6
		{firmware: ['bnx2x/e2.fw', 'ice/*']}|kernel.firmware: the image has no firmware ice/*
		{firmware: [../shadow]}|kernel.firmware: '../shadow' is not allowed
		{nics: ['a/b']}|kernel.nics: 'a/b' is not allowed
	EOF
}

@test "a rebuild takes it from the cache, another one is made anew; the bytes are the same without a cache" {
	build "{}"
	first=$(blob .release.initramfs.digest small)
	[ "$(find cache/initramfs -type f | wc -l)" = 1 ]
	touch -d @1 cache/initramfs/*
	build "{cmdline: quiet}"
	[ "$(find cache/initramfs -type f -newermt @1 | wc -l)" = 1 ]
	cmp "$first" "$(blob .release.initramfs.digest small)"
	build "{modules: [isofs]}"
	[ "$(find cache/initramfs -type f | wc -l)" = 2 ]
	build "{}" --no-cache --jobs 1
	cmp "$first" "$(blob .release.initramfs.digest small)"
	rm -rf "$SWARMBOOT_STORE"
	build "{}" --no-cache --jobs 3
	zstd -tq "$(blob .release.initramfs.digest small)"
}
