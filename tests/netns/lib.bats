#!/usr/bin/env bats
# The helpers of lib.sh do what the other tests take for granted.

bats_require_minimum_version 1.5.0

load lib.sh
spawned=

setup() {
	ns_switch rack1
}

teardown() {
	ns_cleanup
}

http_server() { # NAME ADDRESS
	spawn "$1" "$BATS_TEST_TMPDIR/$1.log" python3 -u -m http.server --bind "$2" \
		--directory "$BATS_TEST_TMPDIR" 8000
	wait_for_tcp "$1" "$2" 8000 10
}

@test "hosts on two switches reach each other, and are gone after cleanup" {
	ns_switch core
	ns_uplink rack1 core 100mbit
	ns_host n1 rack1 10.9.0.1/24
	ns_host n2 core 10.9.0.2/24
	http_server n1 10.9.0.1
	ns n2 curl -fsS http://10.9.0.1:8000/ >/dev/null
	ns_cleanup
	[ -z "$(ns_list)" ]
	run ! kill -0 "$spawned"
}

@test "a rate holds in both directions" {
	ns_host n1 rack1 10.9.0.1/24 8mbit
	ns_host n2 rack1 10.9.0.2/24
	head -c 2000000 /dev/zero >"$BATS_TEST_TMPDIR/file"
	http_server n1 10.9.0.1
	ns n2 curl -fsS -o /dev/null -w '%{speed_download}\n' http://10.9.0.1:8000/file >"$BATS_TEST_TMPDIR/speed"
	awk '{ exit !($1 > 500000 && $1 < 1100000) }' "$BATS_TEST_TMPDIR/speed"
}

@test "loss is there, and can be taken away" {
	ns_host n1 rack1 10.9.0.1/24
	ns_host n2 rack1 10.9.0.2/24
	ns_loss n1 100
	run -28 ns n2 curl -sS --connect-timeout 0.5 http://10.9.0.1:8000/
	ns_loss n1 0
	run -7 ns n2 curl -sS --connect-timeout 5 http://10.9.0.1:8000/
}

@test "reap gives the exit status, and kills what ignores TERM" {
	ns_host n1 rack1 10.9.0.1/24
	spawn n1 "$BATS_TEST_TMPDIR/log" bash -c 'trap "exit 9" TERM; echo ready; while :; do sleep 0.05; done'
	wait_for_line "$BATS_TEST_TMPDIR/log" '^ready$' 10
	local status=0
	reap "$spawned" || status=$?
	[ "$status" -eq 9 ]

	spawn n1 "$BATS_TEST_TMPDIR/deaf" bash -c 'trap "" TERM; echo ready; while :; do sleep 0.05; done'
	wait_for_line "$BATS_TEST_TMPDIR/deaf" '^ready$' 10
	status=0
	reap "$spawned" 0.2 || status=$?
	[ "$status" -eq 137 ]
}

@test "wait_for_line sees old lines, new lines and late files, and gives up" {
	local log=$BATS_TEST_TMPDIR/log
	ns_host n1 rack1 10.9.0.1/24
	run -1 wait_for_line "$log" never 0.2
	[[ $output == *"no line with 'never' after 0.2 s" ]]
	spawn n1 "$log" bash -c 'echo one; exec sleep 100'
	[ "$(wait_for_line "$log" 'on.' 10)" = one ]
	echo two >>"$log"
	[ "$(wait_for_line "$log" two 10)" = two ]
	run -1 wait_for_tcp n1 10.9.0.1 8000 0.2
}
