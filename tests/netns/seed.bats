#!/usr/bin/env bats
# Seeding after the switch: the real head, and nodes that are only what is left of the agent by then, its seed
# and policy roles. Who sends what is read from the links.

bats_require_minimum_version 1.5.0

load lib.sh
load ../cli/store.bash
load seednodes.bash
spawned=

SLURM=$BATS_TEST_DIRNAME/../../profiles/fragments/slurm

setup() {
	seed_head
}

teardown() {
	ns_cleanup
}

@test "a node that is paused in the middle sends nothing more, who fetched from it goes on elsewhere" {
	booted 1 40mbit
	fetch 2
	await_sent 1 4000000
	run -0 ns head swarmboot seed pause n001
	[ "$output" = "paused 1 node" ]
	local begin=$EPOCHREALTIME
	wait_for_line n001/seed.log '^paused$' 2
	read -rt 1 <> <(:) || true # what was on its way in the link's queue
	local rest
	rest=$(sent_in 1 1)
	echo "paused: $rest"
	[ "$rest" -lt 20000 ] # of questions and answers
	row_becomes n001 .seeding paused
	fetched 2
	awk -v begin="$begin" -v now="$EPOCHREALTIME" 'BEGIN { exit !(now - begin < 10) }'
	run ! grep -E '^(warning|failed)' n002/fetch.log
	# The whole rest came from the head.
	awk '/^progress/ { from = $4; all = $5 } END { exit !(from > 12000000 && from < all - 3000000) }' n002/fetch.log
	[[ $(ns head swarmboot status n001) == *"seeding paused"* ]]

	ns head swarmboot seed resume 'n[001-002]'
	wait_for_line n001/seed.log '^seeds$' 2
	row_becomes n001 .seeding on
	fetch 3
	await_sent 1 8000000
	fetched 3
	awk '/^progress/ { from = $4 } END { exit !(from == 0) }' n003/fetch.log
}

@test "the rate of the cluster file holds, also when it changes, and its end" {
	reload '{rate: 2MiB/s}'
	wait_for_line log 'read cluster.yaml again' 5
	booted 1
	wait_for_line n001/policy.log 'rate=2097152$' 5
	fetch 2
	# What it did not send at the begin it may send later, up to three seconds' worth.
	await_sent 1 8000000
	local rate
	rate=$(sent_in 1 2)
	echo "2 MiB/s: $rate"
	[ "$rate" -gt $((2097152 * 80 / 100)) ]
	[ "$rate" -lt $((2097152 * 120 / 100)) ]
	reload '{rate: 4MiB/s}'
	wait_for_line n001/policy.log 'rate=4194304$' 2
	rate=$(sent_in 1 2)
	echo "4 MiB/s: $rate"
	[ "$rate" -gt $((4194304 * 80 / 100)) ]
	[ "$rate" -lt $((4194304 * 120 / 100)) ]
	reload '{until: 1s}'
	wait_for_line n001/seed.log '^seeds no more, its time is over$' 2
	row_becomes n001 .seeding over
	[[ $(ns head swarmboot status n001) == *"seeding over"* ]]
	fetched 2
}

# As slurmd runs it: SLURM_JOB_ID set, the node's own /run.
slurm() { # prolog|epilog JOB
	# shellcheck disable=SC2016 # for the inner shell
	SLURM_JOB_ID=$2 unshare -m sh -ec 'mount -t tmpfs none /run; mkdir -p /run/swarmboot/seed
		mount --bind "$0" /run/swarmboot/seed; exec "$@"' "$PWD/n001/seed" "$SLURM/$1"
}

@test "jobs pause a node where the cluster file says so, until the last one has ended" {
	booted 1
	slurm prolog 17
	slurm prolog 18
	run ! grep '^paused' n001/seed.log
	# It counts from now on, also for the jobs that run already.
	reload '{pause_when: job}'
	wait_for_line n001/seed.log '^paused while a job runs$' 2
	row_becomes n001 .seeding job
	[[ $(ns head swarmboot status n001) == *"seeding paused for a job"* ]]
	slurm prolog 18
	slurm epilog 18
	slurm epilog 18
	fetch 2
	fetched 2
	awk '/^progress/ { from = $4; all = $5 } END { exit !(from == all) }' n002/fetch.log
	[ "$(cat n001/seed/state)" = job ]
	# A new seed role, as after a crash, begins where it was.
	ip netns pids "$NS_PREFIX-n001" | while read -r pid; do
		[ "$(cat "/proc/$pid/comm")" != swarmboot-seed ] || kill -KILL "$pid"
	done
	role 1 seed --control "$PWD/n001/seed"
	wait_for_line n001/seed.log '^paused while a job runs$' 5
	slurm epilog 17
	wait_for_line n001/seed.log '^seeds$' 2
	row_becomes n001 .seeding on
}

@test "the prolog and the epilog never fail a job" {
	local word
	for word in prolog epilog; do
		# no swarmboot on this node; no number; nothing at all; a folder that takes nothing
		run -0 env SLURM_JOB_ID=1 unshare -m sh -c 'mount -t tmpfs none /run && exec "$0"' "$SLURM/$word"
		[ -z "$output" ]
		run -0 env SLURM_JOB_ID=../../x "$SLURM/$word"
		run -0 env -u SLURM_JOB_ID "$SLURM/$word"
		run -0 env SLURM_JOB_ID=1 unshare -m sh -c 'mount -t tmpfs none /run && mkdir -p /run/swarmboot/seed/jobs &&
			mount -o remount,ro /run && exec "$0"' "$SLURM/$word"
		[ -z "$output" ]
	done
}

@test "who is down is paused when it boots; a restart of the head forgets nothing" {
	ns head swarmboot seed pause 'n[001,003]'
	[ "$(row n003 .seed_paused)/$(row n003 .seeding)" = true/unknown ]
	[[ $(ns head swarmboot status n003) == *"seeding to be paused"* ]]
	reap "$head_pid"
	serve
	[ "$(row n001 .seed_paused)/$(row n002 .seed_paused)/$(row n003 .seed_paused)" = true/false/true ]
	host 3
	cp image n003/image/x
	policy 3
	wait_for_line n003/policy.log 'seed policy: paused' 5
	role 3 seed --control "$PWD/n003/seed"
	wait_for_line n003/seed.log '^paused$' 5
	row_becomes n003 .seeding paused
	# Its address is not in the cluster file, and the head was started since: it is known from its question.
	ns head swarmboot seed resume n003
	wait_for_line n003/seed.log '^seeds$' 2
}

# A second head of its own, on the same store.
second_head() {
	ns_host second head 10.77.0.2/24
	cluster_file '{}' | sed 's/state: state/state: second/; s/br0, address: 10.77.0.1/eth0, dhcp: false, address: 10.77.0.2/' >second.yaml
	spawn second second.log swarmboot serve --config second.yaml
	wait_for_line second.log 'offers slurm:' 20
}

policy_of_two() {
	spawn n001 n001/policy.log "$AGENT" policy --node n001 --mac 52:54:00:aa:00:01 --listen 10.77.0.11 \
		--control "$PWD/n001/seed" --seeder $URL --seeder $SECOND
	policy_pid=$spawned
}

at_second() { # JQ VALUE
	SWARMBOOT_SERVER=$SECOND row_becomes n001 "$1" "$2"
}

words() { # SERVER: what status says behind the times
	ns head swarmboot status n001 --server "$1" | sed -n 's/^n001 .*[0-9-][smhd]\? \{2,\}//p'
}

@test "two heads: each says who has paused the node, which stays so while that head is down and its role restarts" {
	SECOND=http://10.77.0.2:8080
	second_head
	host 1
	cp image n001/image/x
	policy_of_two
	role 1 seed --control "$PWD/n001/seed"
	wait_for_line n001/seed.log '^seeds$' 10
	at_second .seeding on
	ns head swarmboot seed pause n001
	row_becomes n001 .seeding paused
	at_second .seeding paused
	at_second .seed_paused_by $URL
	[ "$(words $URL)" = "seeding paused" ]
	[ "$(words $SECOND)" = "seeding paused by $URL" ]
	ns second swarmboot seed pause n001
	row_becomes n001 .seed_paused_by $SECOND
	[ "$(words $URL)" = "seeding paused here and by $SECOND" ]
	ns second swarmboot seed resume n001
	row_becomes n001 .seed_paused_by ''

	# The head that has paused it is gone; the role begins anew, and hears of no pause.
	reap "$head_pid"
	reap "$policy_pid" || true
	policy_of_two
	wait_for_line n001/policy.log 'warning: .*10.77.0.1:8080' 10
	[ "$(jq -c .paused n001/seed/policy)" = true ]
	[ "$(cat n001/seed/state)" = paused ]
	serve
	row_becomes n001 .seeding paused
	ns head swarmboot seed resume n001
	row_becomes n001 .seeding on
	at_second .seeding on
	[ -z "$(words $SECOND)" ]
	[ "$(grep -c '^seeds$' n001/seed.log)" = 2 ]
}

@test "what is refused: nothing is changed" {
	run -1 ns head swarmboot seed pause 'n[001-005]'
	[ "$output" = "swarmboot seed: the cluster file has no node n[004-005]; nothing was changed" ]
	[ "$(row n001 .seed_paused)" = false ]
	run -2 ns head swarmboot seed stop n001
	[[ $output == *"'stop' is not allowed: pause or resume"* ]]
	run -2 ns head swarmboot seed pause 'n[1-'
	# a wish that is not known is not passed over
	run -0 ns head curl -s http://127.0.0.1:8080/v1/pause -w ' %{http_code}' -d '{"nodes":"n001","paused":true,"for":"1h"}'
	[ "${output//$'\n'/}" = 'for: unknown key; wanted is {"nodes": HOSTLIST, "paused": true or false} 400' ]
	[ "$(row n001 .seed_paused)" = false ]
	host 2
	run -1 ns n002 swarmboot seed pause n001 --server $URL
	[ "$output" = "swarmboot seed: $URL refuses: nodes are paused on the head itself alone (http://127.0.0.1:8080)" ]
	run -0 ns head swarmboot seed pause n001 --server $URL
	[ "$(ns n002 curl -s $URL/v1/seed -d '{"node":"n001","mac":"52:54:00:aa:00:02","state":"on"}' -o /dev/null -w '%{http_code}')" = 403 ]
	[ "$(ns n002 curl -s $URL/v1/seed -d '{"node":"n009","mac":"52:54:00:aa:00:09","state":"on"}' -o /dev/null -w '%{http_code}')" = 404 ]
	[ "$(ns n002 curl -s $URL/v1/seed -d '{' -o /dev/null -w '%{http_code}')" = 400 ]
	# A node's question is taken from its own address alone, or from the head, and moves nobody's address.
	local ask='{"node":"n001","mac":"52:54:00:aa:00:01","state":"over"}' policy='{"pause_for_job":false,"paused":true,"rate":0,"until":0}'
	run -0 ns n002 curl -s $URL/v1/seed -w ' %{http_code}' -d "$ask"
	[ "${output//$'\n'/}" = '10.77.0.12 may not speak for node n001: that is the address of n002 403' ]
	wait_for_line log 'refused: 10.77.0.12 may not speak for node n001: that is the address of n002 requests=1' 2
	[ "$(row n001 .seeding)" = unknown ]
	[ "$(ns n002 curl -s $URL/v1/report -d '{"node":"n001","mac":"52:54:00:aa:00:01","phase":"up"}' -o /dev/null -w '%{http_code}')" = 403 ]
	[ "$(row n001 .phase)" = unknown ]
	[ "$(ns head curl -s http://127.0.0.1:8080/v1/seed -d "$ask" | jq -c .)" = "$policy" ]
	host 1
	[ "$(ns n001 curl -s $URL/v1/seed -d "$ask" | jq -c .)" = "$policy" ]
	[ "$(row n001 .seeding)" = over ]
	# n003 has no address in the cluster file: it is where it booted, also after a restart of the head
	host 3
	ns n003 curl -s -o /dev/null "$URL/v1/boot/52:54:00:aa:00:03.ipxe"
	reap "$head_pid"
	serve
	ip -n "$NS_PREFIX-n003" address add 10.77.0.99/24 dev eth0
	ask='{"node":"n003","mac":"52:54:00:aa:00:03","state":"on"}'
	[ "$(ns n003 curl -s --interface 10.77.0.99 $URL/v1/seed -d "$ask")" = '10.77.0.99 may not speak for node n003: it is at 10.77.0.13' ]
	[ "$(ns n003 curl -s --interface 10.77.0.13 $URL/v1/seed -d "$ask" | jq -c .paused)" = false ]
}
