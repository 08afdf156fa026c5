#!/usr/bin/env bats
# What else happens to a build: others at the same time, a full disk, a kill at any moment.

load store.bash

# Shared by all tests, changed by none; and what a cache makes quick.
setup_file() {
	small_tree "$BATS_FILE_TMPDIR/tree"
	export WARM=$BATS_FILE_TMPDIR/warm
}

setup() {
	export SWARMBOOT_CACHE=$WARM
	cd "$BATS_TEST_TMPDIR" || return 1
	new_key a
	small=
}

teardown() {
	[ -z "$small" ] || umount "$small"
}

# profile NAME LINE...: NAME.yaml from the shared tree, with these further lines
profile() {
	printf '%s\n' "name: ${1%-*}" "from: {dir: $BATS_FILE_TMPDIR/tree}" "${@:2}" >"$1.yaml"
}

# build NAME [OPTION]...: of NAME.yaml
build() {
	swarmboot build --key a.pub --agent /bin/true --sign a.key "${@:2}" "$1.yaml"
}

# The whole store but its lock and empty folders, as one line.
fingerprint() {
	(cd "$SWARMBOOT_STORE" && find . -type f ! -name .lock -exec sha256sum {} + | sort | sha256sum)
}

# wait_for COMMAND...: until it succeeds, at most three minutes
wait_for() {
	local end=$((SECONDS + 180))
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		read -rt 0.02 <> <(:) || true
	done
}

# Every release of the store is whole, and nobody left anything.
sound() {
	local name
	for name in $(swarmboot images --json | jq -r '.releases[].name'); do
		swarmboot verify "$name" --key a.pub
	done
	[ -z "$(ls "$SWARMBOOT_STORE/.tmp")" ]
	run ! grep -F "$BATS_TEST_TMPDIR/store" /proc/mounts
}

@test "builds at the same time, into one store with one cache: each as if it were alone" {
	local name pids=()
	export SWARMBOOT_CACHE=$PWD/cache
	for name in a-1 a-2 a-3 b-1 b-2; do
		profile $name "files: [{path: /etc/word, content: $name}]"
		build $name --json >$name.json 2>$name.err 3>&- &
		pids+=($!)
	done
	for name in "${pids[@]}"; do wait "$name"; done
	[ "$(jq -rs 'map(.ref) | sort | join(" ")' ./?-?.json)" = "a:1 a:2 a:3 b:1 b:2" ]
	sound
	for name in a-1 a-2 a-3 b-1 b-2; do
		[ "$(unsquashfs -cat "$(blob .release.root.digest "$(jq -r .ref $name.json)")" etc/word)" = $name ]
		# alone, without what the others left in the cache
		build $name --json --no-cache --store alone >alone.json
		[ "$(jq .root,.initramfs $name.json)" = "$(jq .root,.initramfs alone.json)" ]
	done
}

@test "the same build twice at the same time is one release" {
	profile a
	build a --json >one.json 2>/dev/null 3>&- &
	build a --json >two.json
	wait $!
	[ "$(jq -rs 'map(.ref) | join(" ")' one.json two.json)" = "a:1 a:1" ]
	[ "$(jq -rs 'map(.new) | sort | join(" ")' one.json two.json)" = "false true" ]
	[ -z "$(ls "$SWARMBOOT_STORE/.tmp")" ]
}

# shellcheck disable=SC2030,SC2031 # each test has its own
use_store() { SWARMBOOT_STORE=$small/store; }

# room KIB: that much is free on the store's own file system
room() {
	mount -o "remount,size=$(($1 + $(du -sk "$small" | cut -f1)))k" "$small"
}

# try KIB: the build of b with so much room. Either it fits, and all is put back as it was; or one sentence says
# what does not, and nothing is left of it. Sets $fits.
try() {
	room "$1"
	fits=1
	"${how[@]}" swarmboot build --key a.pub --agent /bin/true --sign a.key b.yaml >out 2>err || fits=0
	if [ $fits = 1 ]; then
		room 90000
		rm -r "$SWARMBOOT_STORE"
		cp -a before "$SWARMBOOT_STORE"
		return
	fi
	[ "$(grep -c ^swarmboot err)" = 1 ]
	tail -n 1 err | grep -E "^swarmboot build: .*No space left on device"
	tail -n 1 err | grep -F "$small/store"
	[ "$(fingerprint)" = "$before" ]
	[ -z "$(ls "$SWARMBOOT_STORE/.tmp")" ]
	failed+=" $(grep ' s  ' err | tail -n 1 | cut -d' ' -f1)"
}

# on_small_disk: the store on a file system of its own, with one release; b is of 12 MiB more now
on_small_disk() {
	small=$PWD/small
	mkdir small
	mount -t tmpfs -o size=100m small small
	use_store
	profile b
	build b
	before=$(fingerprint)
	cp -a "$SWARMBOOT_STORE" before
	head -c 12M /dev/urandom >noise
	profile b "files: [{path: /noise, source: noise}]"
	failed=
}

# The disk has room again.
goes_on() {
	room 90000
	build b
	sound
}

@test "a full disk: one sentence, and the store as it was; with room it goes on" {
	local how=() failed before fits low=14000 high=40000 middle
	on_small_disk
	for middle in 0 8000 "$low"; do try "$middle"; done
	# up to the little that is missing in the end
	while [ $((high - low)) -gt 500 ]; do
		middle=$(((high + low) / 2))
		try $middle
		if [ $fits = 1 ]; then high=$middle; else low=$middle; fi
	done
	[[ $failed == " clean "*" boot" ]]
	goes_on
}

@test "a full disk that has the tree too" {
	local how failed before fits middle
	echo "MemAvailable: 1 kB" >meminfo
	how=(unshare --mount sh -c "mount --bind meminfo /proc/meminfo && exec \"\$@\"" sh)
	on_small_disk
	for middle in 0 6000 18000 30000; do try $middle; done
	[ "$failed" = " describe describe obtain clean" ]
	goes_on
}

@test "no room for a store at all" {
	small=$PWD/small
	mkdir small
	mount -t tmpfs -o size=4k small small
	use_store
	profile a
	run -1 build a
	[[ ${lines[-1]} == "swarmboot build: $small/store/"*": No space left on device" ]]
	run -1 swarmboot images
	[[ $output == *"not a store"* ]]
	mount -o remount,size=90m small
	build a
	sound
}

@test "a cache without room: the build does without" {
	small=$PWD/small
	mkdir small
	mount -t tmpfs -o size=64k small small
	chmod 0700 small
	profile a
	build a --json --cache small/cache >full.json
	build a --json --no-cache >none.json
	[ "$(jq .digest full.json)" = "$(jq .digest none.json)" ]
	sound
}

done_with() { grep -q "^$1 " err; }
no_process() { [ -z "$(pgrep -f "$SWARMBOOT_STORE")" ]; }

@test "a build killed at any stage: the store is sound, nothing goes on, the next one cleans up" {
	local stage pid before
	profile a
	build a
	before=$(swarmboot images --json)
	profile a "files: [{path: /etc/word, content: other}]"
	for stage in describe obtain shape clean boot pack bind publish; do
		: >err
		swarmboot build --key a.pub --agent /bin/true --no-cache --store "$SWARMBOOT_STORE" a.yaml >/dev/null 2>err 3>&- &
		pid=$!
		wait_for done_with "$stage" || { cat err; false; }
		kill -9 "$pid" 2>/dev/null || true
		wait "$pid" || true
		wait_for no_process
		run ! grep -F "$SWARMBOOT_STORE" /proc/mounts
		[ "$stage" = publish ] || [ "$stage" = bind ] || [ "$(swarmboot images --json)" = "$before" ]
		swarmboot verify a:1 --key a.pub
	done
	build a
	swarmboot verify a:2 --key a.pub
	sound
	# blobs that no release names are gone as well
	[ -z "$(comm -23 <(ls "$SWARMBOOT_STORE/blobs/sha256") \
		<(grep -rhoE 'sha256:[0-9a-f]{64}' "$SWARMBOOT_STORE"/{index.json,blobs} | cut -d: -f2 | sort -u))" ]
}
