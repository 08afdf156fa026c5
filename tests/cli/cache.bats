#!/usr/bin/env bats
# The cache's options of build: what is refused, and that a build goes on without the usual folder.

load store.bash

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	new_key a
	mkdir tree
	printf '%s\n' "name: small" "from: {dir: tree}" >p.yaml
}

build() {
	swarmboot build --key a.pub --agent /bin/true "$@" p.yaml
}

@test "a cache that was asked for must be good" {
	mkdir -m 0777 open
	chmod 0777 open
	touch file
	run -1 build --cache open
	[[ $output == "swarmboot build: open: everybody may write to it"* ]]
	run -1 build --cache file
	[[ $output == "swarmboot build: file: Not a directory" ]]
	run -2 build --cache-size 1x
	[[ $output == *"--cache-size='1x': bytes, or a number with KiB, MiB, GiB, TiB"* ]]
	run -2 build --cache new --no-cache
	[[ $output == *"--cache and --no-cache: one of both is allowed"* ]]
	[ ! -e new ]
	[ ! -e "$SWARMBOOT_STORE" ]
}

# The tree is no system, so the build ends at its check; by then the cache has been opened.
@test "without the usual folder a build goes on, with a warning" {
	touch file
	SWARMBOOT_CACHE=$PWD/file run -1 build
	[[ $output == *"building without a cache: $PWD/file: Not a directory"* ]]
	[[ $output == *"the image is not fit to be served"* ]]
	run -1 build
	[[ $output != *"without a cache"* && $output == *"the image is not fit to be served"* ]]
	[ "$(stat -c %a "$SWARMBOOT_CACHE")" = 700 ]
}
