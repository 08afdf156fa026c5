#!/usr/bin/env bats
# gc from the command line: who is asked, what goes; and the parts of a store that older versions wrote.

load store.bash

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() {
	[ -z "${server_pid:-}" ] || kill "$server_pid" 2>/dev/null || true
}

# nodes REF...: a node table, each node running one of these
nodes() {
	local ref
	for ref in "$@"; do
		swarmboot show --json "$ref" | jq '{node: .name, phase: "up", release: .digest, image: .release.root.digest}'
	done | jq -s '{nodes: .}'
}

names() {
	swarmboot images --json | jq -r '[.releases[].name] | join(" ")'
}

# server: what is in ./v1 by HTTP; $server is its URL
server() {
	mkfifo port
	python3 -u -c '
import http.server, sys
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
print(s.server_port, flush=True)
s.serve_forever()' >port 2>/dev/null 3>&- &
	server_pid=$!
	read -r server <port
	server=http://127.0.0.1:$server
}

@test "gc: keeps the last N, channels, and what nodes run" {
	for word in one two three four five six; do publish slurm $word; done
	publish k3s other
	swarmboot tag slurm:2 stable
	nodes slurm:1 >nodes.json
	before=$(find store/blobs -type f | wc -l)
	run -0 swarmboot gc --nodes nodes.json --keep 2 --dry-run
	[ "${lines[0]}" = "would remove slurm:3" ]
	[ "${lines[1]}" = "would remove slurm:4" ]
	[[ ${lines[2]} == "10 blobs, "*", would go" ]]
	[ "$(find store/blobs -type f | wc -l)" = "$before" ]
	run -0 swarmboot gc --nodes nodes.json --keep 2
	[ "${lines[0]}" = "removed slurm:3" ]
	[ "$(names)" = "k3s:1 slurm:1 slurm:2 slurm:5 slurm:6" ]
	[ "$(find store/blobs -type f | wc -l)" = $((before - 10)) ]
	for ref in k3s:1 slurm:1 slurm:2 slurm:5 slurm:6; do
		skopeo copy --quiet "oci:store:$ref" "oci:copy:$ref"
	done
	run -0 swarmboot gc --nodes nodes.json --json
	[ "$(jq -c '[.blobs, .bytes, .left]' <<<"$output")" = "[0,0,0]" ]
	[ "$(jq -r '[.releases[] | "\(.name)=\(.reason)"] | join(" ")' <<<"$output")" = \
		"k3s:1=last slurm:1=needed slurm:2=named slurm:5=last slurm:6=last" ]
	[ -z "$(ls -A store/.tmp)" ]
	# a number is never used again
	[ "$(publish slurm seven)" = slurm:7 ]
}

@test "gc: a seeder is asked, and what it offers and its nodes run stays" {
	for word in one two three four five; do publish slurm $word; done
	server
	mkdir v1
	nodes slurm:2 >v1/nodes
	jq -n --arg d "$(swarmboot show --json slurm:3 | jq -r .digest)" \
		'{ready: true, channels: [{channel: "slurm:1", release: null}, {channel: "x:stable", release: $d}]}' >v1/health
	run -0 swarmboot gc --server "$server" --keep 1
	[ "${lines[0]}" = "removed slurm:4" ]
	[ "$(names)" = "slurm:1 slurm:2 slurm:3 slurm:5" ]
	SWARMBOOT_SERVER=$server run -0 swarmboot gc --keep 1
	[ "$(names)" = "slurm:1 slurm:2 slurm:3 slurm:5" ]
	echo '{"ready": false, "channels": []}' >v1/health
	run -1 swarmboot gc --server "$server" --keep 1
	[[ $output == *"/v1/health: has not read its store yet"*"nothing is removed"* ]]
	echo '{"nodes": [{"node": "n1", "phase": "up", "release": "", "image": ""}]}' >v1/nodes
	run -1 swarmboot gc --server "$server" --keep 1
	[[ $output == *"node 'n1' is up and does not say what it runs"* ]]
	rm v1/nodes
	run -1 swarmboot gc --server "$server" --keep 1
	[[ $output == *"/v1/nodes: "*"nothing is removed"* ]]
	[ "$(names)" = "slurm:1 slurm:2 slurm:3 slurm:5" ]
}

@test "gc: when nobody can be asked nothing goes, unless it is said that no node runs" {
	for word in one two; do publish slurm $word; done
	run -1 swarmboot gc --keep 1 --server http://127.0.0.1:1
	[[ $output == *"http://127.0.0.1:1/v1/nodes: Connection refused"*"nothing is removed (--without-nodes"* ]]
	SWARMBOOT_SERVER=http://127.0.0.1:1 run -1 swarmboot gc --keep 1
	[[ $output == *"http://127.0.0.1:1/v1/nodes: Connection refused"* ]]
	echo '{"nodes": 7}' >bad.json
	run -1 swarmboot gc --keep 1 --nodes bad.json
	[[ $output == *"bad.json: not JSON with a list 'nodes'"* ]]
	run -1 swarmboot gc --keep 1 --nodes missing.json
	[ "$(names)" = "slurm:1 slurm:2" ]
	run -2 swarmboot gc --without-nodes --nodes bad.json
	run -2 swarmboot gc --without-nodes --keep 0
	run -2 swarmboot gc --without-nodes --keep x
	run -0 swarmboot gc --without-nodes
	[ "$(names)" = "slurm:1 slurm:2" ]
	run -0 swarmboot gc --without-nodes --keep 1
	[ "$(names)" = "slurm:2" ]
}

@test "gc: another image in the folder is left alone, and a copy under another name keeps its release" {
	for word in one two three; do publish slurm $word; done
	skopeo copy --quiet oci:store:slurm:1 oci:store:mine
	run -0 swarmboot gc --without-nodes --keep 1
	[ "$(names)" = "slurm:1 slurm:3" ]
	run -0 skopeo inspect --raw oci:store:mine
	skopeo copy --quiet oci:store:mine oci:copy:slurm:1
}

@test "a plain package list keeps its media type when the release is signed" {
	publish slurm one
	manifest=$(jq -r '.manifests[0].digest' store/index.json | cut -d: -f2)
	sed 's|application/spdx+json|application/vnd.swarmboot.packages.v1|; s|packages.spdx.json|packages.json|' \
		"store/blobs/sha256/$manifest" >former
	hash=$(sha256sum <former | cut -d' ' -f1)
	cp former "store/blobs/sha256/$hash"
	sed -i "s/$manifest/$hash/; s/\"size\": [0-9]*/\"size\": $(stat -c %s former)/" store/index.json
	new_key a
	swarmboot sign slurm --key a.key --yes
	run -0 swarmboot verify slurm --key a.pub
	[ "$(skopeo inspect --raw oci:store:slurm:1 | jq -r '.layers[3].mediaType')" = \
		application/vnd.swarmboot.packages.v1 ]
	swarmboot export slurm former.tar
	swarmboot import former.tar --store new
	cmp <(skopeo inspect --raw oci:store:slurm:1) <(skopeo inspect --raw oci:new:slurm:1)
}
