#!/usr/bin/env bats
# Twenty whole nodes boot while each of two seeders is lost in turn: the head is killed and comes back, then the mirror's
# cable is pulled, so that it is silent and refuses nothing.

bats_require_minimum_version 1.5.0

load lib.sh
load ../cli/store.bash
load nodes.bash
spawned=
MIRROR=http://10.77.0.2:8080
NODES=20
RATE=12mbit
SIZE=24000000

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	head_make $NODES $SIZE "seeders: [$URL, $MIRROR]"
	ns_host mirror head 10.77.0.2/16
	sed 's/store: store/store: mirror-store/; s/state: state/state: mirror-state/; s/br0, address: 10.77.0.1/eth0, address: 10.77.0.2/' \
		cluster.yaml >mirror.yaml
	head_start
	spawn mirror mirror.log swarmboot serve --config mirror.yaml --mirror $URL
	wait_for_line mirror.log "offers $PROFILE:" 20
}

teardown() {
	[ -n "$BATS_TEST_COMPLETED" ] || tail -n 15 ./*.log
	# they were stopped at the mount, and hear no TERM
	cat n*/pid | xargs kill -KILL 2>/dev/null || true
	ns_cleanup
}

start_nodes() { # FIRST LAST BASE-URLS
	local i
	for ((i = $1; i <= $2; i++)); do
		host "$i" $RATE
		boot "$i" "$3"
	done
}

at() { # WHAT
	echo "$(((($(date +%s%N) - began)) / 1000000)) ms: $1"
}


@test "twenty nodes boot while the head, then the mirror is lost; each completes, and the survivor knows" {
	began=$(date +%s%N)
	start_nodes 1 8 "$URL $MIRROR"
	percent 40 8 15
	head_kill
	at "the head is killed"
	start_nodes 9 14 "$URL $MIRROR"
	URL=$MIRROR percent 40 14 5
	head_start
	at "the head is back"
	start_nodes 15 $NODES "$MIRROR $URL"
	percent 40 $NODES 15
	URL=$MIRROR rows . >mirror.json
	ip -n "$NS_PREFIX-mirror" link set eth0 down
	at "the mirror is silent"
	for ((i = 1; i <= NODES; i++)); do
		wait_for_line n$i.log 'phase mount' 90 >/dev/null
	done
	at "all are complete"
	run ! grep -h rebooting n*.log
	# one that was done before the head came back has told the mirror, which had its cable then
	for ((i = 1; i <= NODES; i++)); do
		jq -e ".nodes[] | select(.node == \"n$i\") | .image == \"$image\"" mirror.json >/dev/null || proved 10 $i
	done
	[ "$(rows '[.nodes[] | select(.phase == "unknown")] | length')" = 0 ]
	# each of the seeders is the first to be asked for some of the nodes
	first=$(grep -l "seeder=$URL,$MIRROR " n*.log | wc -l)
	[ "$first" -gt 2 ]
	[ "$first" -lt 18 ]
}
