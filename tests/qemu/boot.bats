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

@test "a node that no file names is discovered, waits, and boots once it is named" {
	mac=52:54:00:77:00:01
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
