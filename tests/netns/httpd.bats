#!/usr/bin/env bats
# The head's HTTP server and how many connections it takes.

bats_require_minimum_version 1.5.0

load lib.sh
load ../cli/store.bash
spawned=
HEAD=10.77.0.1

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	chmod 755 "$BATS_RUN_TMPDIR" "${PWD%/*}" .
	ns_switch rack
	ns_host head rack $HEAD/24
	ns_host client rack 10.77.0.9/24
	for i in 10 11 12; do ip -n "$NS_PREFIX-client" address add 10.77.0.$i/24 dev eth0; done
	new_key release
	cat >cluster.yaml <<-END
		store: store
		state: state
		trust: [release.pub]
		networks:
		  boot: {interface: eth0, address: $HEAD/24, range: 10.77.0.100-10.77.0.149}
		groups:
		  compute: {channel: "slurm:stable"}
		nodes:
		  n001: {mac: "52:54:00:aa:00:01", group: compute, address: 10.77.0.11}
	END
	spawn head head.log swarmboot serve --config cluster.yaml
	wait_for_tcp head $HEAD 8080 10
}

teardown() {
	[ -n "$BATS_TEST_COMPLETED" ] || tail -n 30 ./*.log
	ns_cleanup
}

# connections SOURCE OPTION...
connections() {
	ns client python3 -B "$BATS_TEST_DIRNAME/connections.py" --to $HEAD:8080 --source "$@"
}

@test "an address has 256 connections, whichever threads they fall on, and one that ends makes room" {
	mkfifo held
	spawn client other.log bash -c 'exec python3 -B "$0" --to "$1" --source 10.77.0.12 --open 200 --hold <held' \
		"$BATS_TEST_DIRNAME/connections.py" $HEAD:8080
	exec {fd}>held
	wait_for_line other.log '^210$' 20

	[ "$(connections 10.77.0.9 --open 256 | xargs)" = "256 256" ]
	[ "$(connections 10.77.0.10 --open 400 --close 100 | xargs)" = "256 256" ]
	[ "$(connections 10.77.0.11 --open 255 --close 255 --room | xargs)" = "255 256" ]
	exec {fd}>&-
}
