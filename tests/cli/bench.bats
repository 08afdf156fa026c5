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

@test "the model agrees with what was measured, and says so when it does not" {
	run -0 "$bench/model" --stated --check "$bench/points.json"
	[ "${#lines[@]}" = 3 ]
	run -0 "$bench/model" --check "$bench/points.json" --tolerance 0.01
	jq '.cases["32"] = {swarmboot: {nodes: 32, last_s: 60}}' "$bench/points.json" >wrong.json
	run -1 "$bench/model" --check wrong.json
	[[ $output == *" 32 "*"60.0"* ]]
	run -1 "$bench/model" --check missing.json
	[ "$output" = "model: missing.json: there is no such file" ]
}

@test "the page of the model names the first bottleneck of every row" {
	"$bench/model" --stated --swarm none.json --capacity none.json --output scale.md
	[ "$(grep -cE '^\| [0-9]+ \| [0-9]+ \| [0-9]+ \|' scale.md)" = 60 ]
	grep -qE '^\| 100 \| 1 \| 100 \| 100 \| .* \| one fetcher.s thread \|$' scale.md
	grep -qE '^\| 10000 \| 250 \| 1 \| 10 \| .* \| kernel and initramfs from the head \|$' scale.md
	! grep -q '| *|$' scale.md
	# what limits has a remedy
	[ "$(sed -nE 's/^\| [0-9]+ \| [0-9]+ \| [0-9]+ \| [0-9]+ \|.*\| (.*) \|$/\1/p' scale.md | sort -u | while read -r what; do grep -c "^| $what |" scale.md; done | sort -u)" = 1 ]
}

@test "the report of bench-capacity judges what was measured" {
	cat >cases.py <<-'EOF'
		import capacity_report
		label = {"good": 10, "refused": 0, "broken": 1, "timeouts": 0, "bytes": 0, "p50_us": 500, "p99_us": 9000, "max_us": 9000}
		def done(server, kinds):
		    return {server: {"labels": {kind: label for kind in kinds}, "per_s": 6000.0, "cpu_us": 70.0, "errors": 1, "good": 1000000,
		                     "rss_peak_mib": 50.0}}
		cases = {"pace": done("swarmboot", ["announce"]) | done("opentracker", ["announce"]),
		         "storm": done("swarmboot", ["announce", "script"])}
		print(capacity_report.write("out/capacity.json", "docs", {"nodes": 10, "cpus": 2, "initramfs_kib": 256, "cases": cases}))
	EOF
	PYTHONPATH=$bench run -0 python3 -B cases.py
	[[ $output == *"announces_per_s"*"not measured"*"pace_p99_ms                    9.00"*"goal"* ]]
	[ "$(jq -r '.keys | keys_unsorted | join(" ")' out/capacity.json)" = \
		"announce_cpu_vs_opentracker pace_p99_ms storm_announce_p99_ms storm_script_p99_ms storm_failed_per_million storm_rss_mib" ]
	grep -F '| `storm_failed_per_million` |' docs/capacity.md | grep -q '| goal |$'
	xmllint --noout docs/capacity.svg
}
