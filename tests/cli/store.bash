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
