#!/usr/bin/env bats
# Diskless machines boot the real image from a real head; and what must never be mounted is not.

bats_require_minimum_version 1.5.0
load lib.sh

setup() {
	image_make
	store_copy
	lab up
}

teardown() {
	lab down
}

# memory WHEN KEY: what the node printed; KiB
memory() {
	awk -v when="$1" -v key="$2" '$2 == when && $3 == key { print $4 }' "$BATS_TEST_TMPDIR/memory"
}

# One copy of the image: what was fetched is what is mounted and what is seeded, and no cache holds it again.
check_memory() {
	local size shmem used
	size=$(memory file size)
	[ "$(memory loop inode)" = "$(memory file inode)" ]
	[ "$(memory seeder inode)" = "$(memory file inode)" ]
	shmem=$(memory seeding Shmem)
	used=$(memory tmpfs used)
	# All shared memory is files of a tmpfs, of which the image is one; what is not the image is the agent's bundle,
	# the overlay and /run.
	[ "$shmem" -ge "$size" ]
	[ $((shmem - used)) -lt 4096 ] && [ $((used - shmem)) -lt 4096 ]
	[ $((used - size)) -lt $((size / 10 + 65536)) ]
	[ "$(memory seeder RssAnon)" -lt 32768 ]
	# Nothing of it is held by a cache that cannot be given back.
	[ $(($(memory dropped Cached) - $(memory dropped Shmem))) -lt 65536 ]
	# Files of 100 MiB were read, a third of all: what was unpacked is kept, but not the blocks it was unpacked from.
	[ $(($(memory read Cached) - $(memory dropped Cached))) -gt 65536 ]
	[ $(($(memory read Buffers) - $(memory dropped Buffers))) -lt $((size / 20)) ]
	[ $(($(memory read Shmem) - shmem)) -lt 4096 ]
	# Were they kept, it would show: whoever reads the device itself does fill its cache.
	[ $(($(memory device Buffers) - $(memory read Buffers))) -gt $((size * 9 / 10)) ]
}

@test "a node that no file names is discovered, waits, and boots once it is named" {
	mac=52:54:00:77:00:01
	node_cmdline=test.memory
	sign_by good
	cluster_file "$cache/good.pub" "{}"
	head_start
	lab boot n001 --mac $mac --memory 1024
	await 60 ".nodes[] | select(.mac == \"$mac\" and .phase == \"discovered\")"

	cluster_file "$cache/good.pub" "{n001: {mac: \"$mac\", group: compute, address: 10.77.0.11}}"
	kill -HUP "$head_pid"
	await 240 '.nodes[] | select(.node == "n001" and .phase == "up")'

	nodes_json | jq -e --arg d "$image" '.nodes[] | select(.node == "n001") |
		.image == $d and (.state == "running" or .state == "degraded") and .bytes_from_seeder > 0'

	lab console n001 --wait 'memory end of report' --timeout 120
	lab console n001 | tr -d '\r' | grep '^memory ' >"$BATS_TEST_TMPDIR/memory"
	cat "$BATS_TEST_TMPDIR/memory"
	check_memory

	# The booted system is told at once.
	await 30 '.nodes[0].seeding == "on"'
	lab exec -- "$BUILD_DIR/swarmboot" seed pause n001
	await 5 '.nodes[0].seeding == "paused" and .nodes[0].seed_paused'
	head_stop
}

@test "a foreign signature and a flipped byte are refused, said, and overcome" {
	mac=52:54:00:77:00:02
	# The initramfs trusts the good key alone; the head is told to trust another as well, which signs alone at first.
	cat "$cache/good.pub" "$cache/other.pub" >"$BATS_TEST_TMPDIR/trust.pub"
	sign_by other
	cluster_file "$BATS_TEST_TMPDIR/trust.pub" \
		"{n001: {mac: \"$mac\", group: compute, address: 10.77.0.11}}"
	head_start
	lab boot n001 --mac $mac --memory 1024
	await 120 '.nodes[] | select(.node == "n001" and .phase == "release" and .failed and (.error | test("unknown key|not.*trusted"; "i")))'

	# The right key signs; a byte of the image rots under the seeder's hands before the node asks again.
	lab qmp n001 stop
	foreign=$(served_signature)
	sign_by good
	await_signature "$foreign"
	flip "$image_blob" 4000000
	lab qmp n001 cont
	# No peer's piece is good; then HTTP brings the whole image, and its digest is another.
	await 120 '.nodes[] | select(.node == "n001" and .phase == "verify" and .failed and (.error | test("digest is")))'
	run lab console n001
	[[ $output != *"phase mount"* ]]

	flip "$image_blob" 4000000
	await 240 '.nodes[] | select(.node == "n001" and .phase == "up" and .error == "")'
	head_stop
}

@test "nobody can be reached by BitTorrent: the image comes by HTTP, and the node says so" {
	mac=52:54:00:77:00:03
	sign_by good
	cluster_file "$cache/good.pub" "{n001: {mac: \"$mac\", group: compute, address: 10.77.0.11}}"
	head_start
	lab exec -- nft -f - <<-END
		table inet test {
			chain input { type filter hook input priority 0; tcp dport 6881 drop; }
		}
	END
	lab boot n001 --mac $mac --memory 1024
	await 240 '.nodes[] | select(.node == "n001" and .phase == "up")'
	nodes_json | jq -e --argjson size "$(stat -c %s "$image_blob")" '.nodes[] | select(.node == "n001") |
		.bytes_by_http == $size and .bytes_from_seeder == 0 and .bytes_from_peers == 0'
	head_stop
}
