#!/usr/bin/env bats
# A mirror whose own store is damaged, and one that is told to end while it is at something long.

bats_require_minimum_version 1.5.0

load lib.sh
load mirror.bash

of_mirror() { # JQ-PATH: the path of a blob in the mirror's store
	SWARMBOOT_STORE=mirror/store blob "$1"
}

# whole FILE: its bytes are those of its name again
whole() {
	local i
	for ((i = 0; i < 200; i++)); do
		[ "$(sha256sum "$1" 2>/dev/null | cut -d ' ' -f 1)" != "$(basename "$1")" ] || return 0
		sleep 0.1
	done
	echo "$1 is still missing or damaged" >&2
	return 1
}

mirror_reason() { # what a node that waits is told of the mirror
	get $MIRROR/v1/boot/52:54:00:aa:00:01.ipxe >/dev/null
	row '.error | sub(".*; the mirror: "; "")'
}

@test "what is damaged or missing in a running mirror comes anew, and what is said of it is true" {
	release slurm one
	swarmboot tag slurm stable
	start_head
	start_mirror
	wait_for_line mirror.log 'slurm:stable: offers slurm:1' 20
	becomes 0 health '.mirror.behind | length'
	root=$(of_mirror .release.root.digest) kernel=$(of_mirror .release.kernel.digest)

	ns_shape head eth0 1mbit
	flip "$root"
	wait_for_line mirror.log 'nothing to offer: .*bytes are not those of the signed digest; the mirror: it is (looked at in its turn|on its way)' 10
	becomes "it is on its way from $HEAD" mirror_reason
	wait_for_line mirror.log 'its root image was missing or damaged here and has come anew' 15
	whole "$root"
	becomes 1 health '.channels[0].sequence'
	ns head tc qdisc del dev eth0 root

	killed "$head_pid"
	wait_for_line mirror.log 'Connection refused; what is here is served on' 10
	rm "$kernel"
	becomes "" health '.channels[0].release'
	[[ $(mirror_reason) == *"Connection refused" ]]
	start_head
	wait_for_line mirror.log 'its kernel was missing or damaged here' 15
	whole "$kernel"
	becomes 1 health '.channels[0].sequence'
}

@test "what was damaged while the mirror was down comes anew when it starts, manifests too" {
	release slurm one
	swarmboot tag slurm stable
	start_head
	start_mirror
	wait_for_line mirror.log 'slurm:stable: offers slurm:1' 20
	mapfile -t blobs < <(find mirror/store/blobs -type f)
	initramfs=$(of_mirror .release.initramfs.digest) packages=$(of_mirror .release.packages.digest)
	manifest=$(of_mirror .digest)
	oci=mirror/store/blobs/sha256/$(jq -r '.manifests[0].digest | sub("sha256:"; "")' mirror/store/index.json)
	signature=mirror/store/blobs/sha256/$(jq -r \
		'.layers[] | select(.mediaType | contains("signature")).digest | sub("sha256:"; "")' "$oci")

	reap "$mirror_pid"
	flip "$initramfs"
	rm "$oci"
	start_mirror
	whole "$initramfs"
	whole "$oci"
	becomes 1 health '.channels[0].sequence'

	reap "$mirror_pid"
	flip "$manifest"
	flip "$signature"
	rm "$packages"
	start_mirror
	for file in "${blobs[@]}"; do whole "$file"; done
	SWARMBOOT_STORE=mirror/store swarmboot verify slurm:1 --key release.pub
	becomes 1 health '.channels[0].sequence'
	[ ! -e mirror/store/.mirror ]
}

blob_of() { # DIGEST: the path of a blob in the head's store
	echo "$SWARMBOOT_STORE/blobs/sha256/${1#sha256:}"
}

# hollow: a release whose root image is a hole that takes minutes to hash, and a web server that offers it
hollow() {
	local release manifest digest
	FIXTURE_HOLE=400000000000 FIXTURE_KEY=release.key publish slurm one
	release=$(swarmboot show --json slurm | jq -r .digest)
	manifest=$(blob_of "$(jq -r '.manifests[0].digest' head/store/index.json)")
	mkdir -p liar/v1/{releases,blobs}
	ln "$(blob_of "$release")" "liar/v1/releases/$release"
	ln "$(blob_of "$(jq -r '.layers[] | select(.mediaType | contains("signature")).digest' "$manifest")")" \
		"liar/v1/releases/$release.minisig"
	for digest in $(jq -r '.. | .digest? // empty' "$manifest"); do
		ln "$(blob_of "$digest")" "liar/v1/blobs/$digest"
	done
	jq -n --arg release "$release" '{seeders: ["0123456789abcdef0123456789abcdef"], ready: true, releases: [],
		channels: [{channel: "slurm:stable", release: $release, sequence: 1, reason: ""}]}' >liar/v1/channels
	spawn client liar.log python3 -B "$BATS_TEST_DIRNAME/head.py" --listen 10.77.0.9:8080 --root liar
	wait_for_tcp client 10.77.0.9 8080 10
}

ends_within() { # SECONDS PID: far less than what it is at would take
	local begun=${EPOCHREALTIME/./}
	reap "$2" 8
	[ $((${EPOCHREALTIME/./} - begun)) -lt $(($1 * 1000000)) ]
}

ends_while_open() { # PID FILE: although it has begun to hash the file
	timeout 10 bash -c 'until [[ $(readlink /proc/$0/fd/* 2>/dev/null) == *"$1"* ]]; do sleep 0.02; done' "$1" "$2"
	ends_within 5 "$1"
}

# until_connection STATE: the mirror has one to the head; as ss names it
until_connection() {
	timeout 15 bash -c 'until [ -n "$(ip netns exec "$0" ss -Htn state "$1" dst 10.77.0.1)" ]; do sleep 0.02; done' \
		"$NS_PREFIX-mirror" "$1"
}

@test "SIGTERM ends a mirror that waits for a head that says nothing" {
	release slurm one
	start_head
	kill -STOP "$head_pid"
	spawn mirror mirror.log swarmboot serve --config mirror/cluster.yaml --mirror $HEAD
	until_connection established
	ends_within 3 "$spawned"

	ns_loss head 100
	spawn mirror mirror.log swarmboot serve --config mirror/cluster.yaml --mirror $HEAD
	until_connection syn-sent
	ends_within 3 "$spawned"
	run -1 grep 'warning: mirror: ' mirror.log
	kill -KILL "$head_pid"
}

@test "SIGTERM ends a hash that would take minutes: a head's scan, a mirror's proof" {
	hollow
	swarmboot tag slurm stable
	spawn head head.log swarmboot serve --config head/cluster.yaml
	ends_while_open "$spawned" "$(basename "$(blob .release.root.digest)")"

	SWARMBOOT_STORE=mirror/store publish other one
	mkdir mirror/store/.mirror
	part=mirror/store/.mirror/$(basename "$(blob .release.root.digest)").part
	truncate -s 400000000000 "$part"
	spawn mirror mirror.log swarmboot serve --config mirror/cluster.yaml --mirror http://10.77.0.9:8080
	ends_while_open "$spawned" "$part"
	[ "$(stat -c %s "$part")" = 400000000000 ]
}
