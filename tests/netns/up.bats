#!/usr/bin/env bats
# The up role of a booted node, with two heads that keep what they are told (head.py), and a systemctl of ours.

bats_require_minimum_version 1.5.0

load lib.sh
spawned=
AGENT=$BUILD_DIR/swarmboot-init
MAC=52:54:00:aa:00:01

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	ns_switch head
	ip -n "$NS_PREFIX-head" address add 10.77.0.1/24 dev br0
	ip -n "$NS_PREFIX-head" address add 10.77.0.2/24 dev br0
	ns_host n1 head 10.77.0.11/24
	mkdir -p run/swarmboot bin 1 2
	touch 1/reports 2/reports
	echo "swarmboot.node=n001 swarmboot.mac=$MAC swarmboot.release=sha256:$(printf x | sha256sum | cut -d ' ' -f 1)" \
		"swarmboot.seeder=http://10.77.0.1:8080,http://10.77.0.2:8080" >cmdline
	# As PID 1 left it: the switch has lasted for no time yet.
	printf '{"node":"n001","mac":"%s","phase":"switch","phases":[{"name":"mount","ms":100},{"name":"switch","ms":0}]}' $MAC \
		>run/swarmboot/report.json
	cat >bin/systemctl <<-'END'
		#!/bin/sh
		case $1 in
		is-system-running) : >asked; until [ -e started ]; do sleep 0.05; done; echo degraded; exit 1 ;;
		list-units) echo "bad.service loaded failed failed a unit" ;;
		esac
	END
	chmod +x bin/systemctl
}

teardown() {
	[ -n "$BATS_TEST_COMPLETED" ] || tail -n 20 ./*.log ./[12]/reports
	ns_cleanup
}

head_up() { # NUMBER [OPTION]...
	spawn head "head$1.log" python3 -B "$BATS_TEST_DIRNAME/head.py" --listen "10.77.0.$1:8080" --root "$1" "${@:2}"
	wait_for_tcp head "10.77.0.$1" 8080 10
}

up() {
	# shellcheck disable=SC2016 # for the inner shell
	spawn n1 up.log env PATH="$PWD/bin:$PATH" unshare -m sh -ec 'mount --bind "$0/run" /run
		mount --bind "$0/cmdline" /proc/cmdline; exec "$1" up' "$PWD" "$AGENT"
	up_pid=$spawned
}

told() { # NUMBER PHASE SECONDS: the head has been told so
	wait_for_line "$1/reports" "\"phase\":\"$2\"" "$3" >/dev/null
}

@test "each head is told once, the one that was away later, with the times of the moment" {
	head_up 1
	up
	told 1 switch 5
	touch started
	told 1 up 5
	head_up 2
	told 2 up 15
	wait "$up_pid"
	[ "$(grep -c '"phase":"up"' 1/reports)/$(grep -c '"phase":"up"' 2/reports)" = 1/1 ]
	cmp <(grep '"phase":"up"' 1/reports) <(grep '"phase":"up"' 2/reports)
	jq -e 'select(.phase == "up") | .state == "degraded" and .failed_units == "bad.service" and .percent == 100
		and (.phases[] | select(.name == "up") | .ms) == 0' 1/reports
	grep -x 'reported up, degraded' up.log
}

@test "a head that was away at the switch hears that the node starts before it is up" {
	up
	timeout 10 bash -c 'until [ -e asked ]; do sleep 0.05; done'
	head_up 1
	told 1 switch 10
	[ ! -e started ]
	head_up 2
	told 2 switch 10
	touch started
	told 1 up 5
	told 2 up 5
	wait "$up_pid"
	# the restart of the role repeats neither the boot nor its times
	up
	wait "$up_pid"
	[ "$(jq -c 'select(.phase == "up") | .phases' 1/reports | sort -u | wc -l)" = 1 ]
}

@test "a head that refuses the report has answered, but was not told" {
	up
	timeout 10 bash -c 'until [ -e asked ]; do sleep 0.05; done'
	head_up 1 --refuse
	head_up 2 --refuse
	touch started
	told 1 up 15
	told 2 up 15
	wait "$up_pid"
	grep 'no seeder takes the report: .*code=403' up.log
	run -1 grep 'reported up' up.log
}
