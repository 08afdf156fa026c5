#!/usr/bin/env bats
# bench-imager: that the bench itself works, on a small tree; its numbers are of no meaning here.

load store.bash

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	bench=$BATS_TEST_DIRNAME/../bench
	mkdir -p tree/a build/tests
	seq 200000 >tree/a/numbers
	head -c 300000 /dev/urandom >tree/noise
	ln tree/noise tree/a/noise
	cp "$BUILD_DIR/tests/pack" build/tests/pack
}

@test "a tree is packed by all three in turn; JSON, table and plot agree" {
	run -0 --separate-stderr "$bench/imager" --tree tree --packs 2 --build build --output out/imager.json --docs docs
	# shellcheck disable=SC2154 # bats sets it
	[[ $stderr == *"pack 2 of 2 by tar2sqfs"*"repack 2 of 2"* ]]
	[ "$(jq -r 'keys_unsorted | join(" ")' out/imager.json)" = \
		"pack_wall_vs_mksquashfs pack_wall_vs_tar2sqfs size_vs_smaller pack_rss_mib repack_cpu_vs_cold" ]
	jq -e 'all(.[]; type == "number" and . > 0)' out/imager.json
	jq -e '.packs | (.swarmboot, .mksquashfs, .tar2sqfs) | length == 2 and all(.[]; .wall_s > 0 and .rss_mib > 1 and .size > 4096)' \
		out/imager-runs.json
	jq -e '.repacks.repack | length == 2' out/imager-runs.json
	size=$(jq .size_vs_smaller out/imager.json)
	grep -F "| \`size_vs_smaller\` | image size / the smaller of theirs | $(printf %.3f "$size") | 1.01 | 1 |" docs/imager.md
	[ "$(grep -c '^| .[a-z]*_[a-z_2]*. |' docs/imager.md)" = 9 ]
	[ "$(grep -c 'not measured' docs/imager.md)" = 4 ]
	xmllint --noout docs/imager.svg
	# nothing is left of its work, and the tree is as it was
	[ "$(ls out)" = "$(printf '%s\n' imager-runs.json imager.json)" ]
	[ "$(find tree -type f | wc -l)" = 3 ]
}

@test "a program that is missing is named, and what was measured before stays" {
	printf '#!/bin/sh\necho no space >&2\nexit 3\n' >build/tests/pack
	run -1 "$bench/imager" --tree tree --packs 1 --build build --output out/imager.json --docs docs
	[[ $output == *"bench-imager: build/tests/pack ended with 3: no space"* ]]
	rm build/tests/pack
	run -1 "$bench/imager" --tree tree --packs 1 --build build --output out/imager.json --docs docs
	[[ $output == *"build/tests/pack is wanted"* ]]
	[ ! -e docs ]
	[ -z "$(find out -name 'imager-*' ! -name '*.json')" ]
}

@test "the recipe for the script is the profile's" {
	cat >p.yaml <<-'EOF'
		name: p
		from: {debian: {suite: bookworm}}
		kernel: {package: linux-image-amd64}
		packages: [systemd, munge]
		exclude: ["/usr/share/doc/*"]
		keep: ["/usr/share/doc/*/copyright"]
		files: [{path: /etc/a/b, content: "text\n", mode: 0600}]
		units: {enable: [x.service], mask: [y.timer], target: multi-user.target}
		scripts: [{name: s, run: "depmod"}]
		squashfs: {level: 5, block: 128KiB}
	EOF
	cat >recipe.py <<-'EOF'
		import imager_recipe
		profile = imager_recipe.edited("p.yaml", "own", "text of ours\n", ["virtio_net"])
		imager_recipe.Recipe("swarmboot", profile, "recipe")
	EOF
	PYTHONPATH=$bench python3 -B recipe.py
	[ "$(cat recipe/packages)" = "$(printf '%s\n' linux-image-amd64 systemd munge)" ]
	[ "$(cat recipe/dpkg.cfg)" = "$(printf '%s\n' 'path-exclude=/usr/share/doc/*' 'path-include=/usr/share/doc/*/copyright')" ]
	[ "$(cat recipe/units)" = "$(printf '%s\n' 'enable x.service' 'mask y.timer')" ]
	[ "$(cat recipe/overlay/etc/a/b)" = text ]
	[ "$(stat -c %a recipe/overlay/etc/a/b)" = 600 ]
	[ "$(cat recipe/level) $(cat recipe/block) $(cat recipe/target)" = "5 131072 multi-user.target" ]
	grep -q '^deb http.* bookworm main$' recipe/sources
	[ "$(cat recipe/scripts/00)" = depmod ]
	[ "$(cat recipe/overlay/etc/edited-by-bench)" = "text of ours" ]
	swarmboot profile show --json own/bench.yaml | jq -e '.profile.kernel.nics == ["virtio_net"]'
}
