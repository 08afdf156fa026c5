#!/usr/bin/env bats
# What goes wrong in the swarm and what becomes of it, with whole nodes: the real head, the real agent as PID 1. A node has
# come through when it has the image and has proved it. Times are those of the code: a stall is found after 15 s.

bats_require_minimum_version 1.5.0

load lib.sh
load ../cli/store.bash
load scenario.bash
load nodes.bash
spawned=

SIZE=6000000
AGENT=$BUILD_DIR/swarmboot-init

setup_file() {
	scenarios_start corrupt seeders_return never_returns slow_peer loss truncated fetcher_dies head_dies trackers storm
}

# Of a test that is no scenario; theirs have names that begin like the file's.
teardown() {
	[ -z "${is_own:-}" ] || ns_cleanup
}

teardown_file() {
	scenarios_stop
}

# peer NUMBER FILE: a client in the node's place that seeds the file as if it were the image
peer() {
	ns "n$1" curl -sf -o torrent "$URL/v1/torrents/$image.torrent"
	spawn "n$1" "n$1.log" "$AGENT" seed --torrent torrent --file "$2" --name "${image#sha256:}" --size $SIZE \
		--listen "10.77.0.$((10 + $1)):6881" --seeder "$URL"
	wait_for_line "n$1.log" '^seeding' 10
	ns "n$1" timeout 10 bash -c "until curl -sf $URL/scrape | grep -aq completei2; do sleep 0.1; done"
}

swarm_port_closed() {
	ns head nft 'add table inet test; add chain inet test input { type filter hook input priority 0; };
		add rule inet test input tcp dport 6881 drop'
}

seconds_of() { # NUMBER PHASE
	rows -r ".nodes[] | select(.node == \"n$1\").phases[] | select(.name == \"$2\").seconds | ceil"
}

scenario_corrupt() {
	head_make 2 $SIZE
	head_start
	swarm_port_closed
	host 1
	host 2
	head -c $SIZE /dev/urandom >rotten
	peer 2 rotten
	boot 1
	wait_for_line head.log 'node n1: fetch: swarm, try 1: no piece of the image came for 15 s' 60
	proved 40 1
	rows -e ".nodes[] | select(.node == \"n1\") | .bytes_by_http == $SIZE and .bytes_from_peers > 0"
	[ "$(seconds_of 1 fetch)" -le 25 ]
}

@test "the only peer sends corrupt pieces: seen after 15 s, said, and the image comes by HTTP" {
	scenario_ends corrupt 120
}

scenario_seeders_return() {
	local i
	head_make 3 $SIZE
	head_start
	for i in 1 2 3; do host $i 8mbit; done
	for i in 1 2 3; do boot $i; done
	percent 30 1 50
	head_kill
	wait_for_line n1.log 'HTTP, try 2: .*Connection refused' 60
	head_start
	for i in 1 2 3; do completes 60 $i; done
}

@test "the head stops at 50 % and returns after a stall and a try by HTTP: every node completes" {
	scenario_ends seeders_return 150
}

scenario_never_returns() {
	head_make 1 $SIZE
	head_start
	host 1 8mbit
	boot 1
	percent 30 1 30
	rm "$image_blob"
	becomes 100 1 '.phase == "fetch" and .failed and (.error | test("no piece of the image came|HTTP status 404"))'
	wait_for_line n1.log 'again in [12] s' 5
	# one that got somewhere, and six in a row that did not
	[ "$(sed '/ error: fetch: /q' n1.log | grep -c ', try [0-9]*: ')" = 7 ]
}

@test "the image never returns: a bounded number of tries, the reason in the node table, back-off" {
	scenario_ends never_returns 150
}

scenario_slow_peer() {
	head_make 2 $SIZE
	head_start
	host 1
	host 2
	peer 2 image
	ns_shape n2 eth0 8kbit
	boot 1
	proved 60 1
	[ "$(seconds_of 1 fetch)" -le 40 ]
}

@test "the neighbour that has the image sends 1 KiB/s: the node completes all the same" {
	scenario_ends slow_peer 120
}

scenario_loss() {
	head_make 2 1000000
	head_start
	host 1
	host 2
	ns_loss n1 5
	ns_loss n2 20
	boot 1
	boot 2
	completes 60 1
	completes 120 2
	run ! grep -h ', try ' n1.log n2.log
}

@test "a loss of 5 % and of 20 %" {
	scenario_ends loss 150
}

scenario_truncated() {
	head_make 1 $SIZE
	head_start
	host 1 8mbit
	boot 1
	percent 30 1 20
	truncate -s 1000 "$image_blob"
	wait_for_line head.log 'is no longer seeded: ' 10
	wait_for_line head.log 'nothing to offer: slurm:1: .*root image' 20
	cat image >"$image_blob" # in place
	: >head.log
	wait_for_line head.log 'offers slurm:1' 20
	proved 80 1
	kill -0 "$head_pid"
}

@test "the seeder's file is cut off under its hands: no longer seeded, said, and again once it is whole" {
	scenario_ends truncated 150
}

scenario_fetcher_dies() {
	local i agent
	head_make 3 $SIZE
	head_start
	for i in 1 2 3; do host $i 8mbit; done
	boot 1
	percent 30 1 20
	kill -KILL "$(child 1 fetch)"
	wait_for_line head.log 'node n1: fetch: swarm, try 1: the fetcher killed by signal 9' 20
	boot 2
	percent 30 2 20
	kill -SYS "$(child 2 fetch)"
	wait_for_line head.log 'node n2: fetch: swarm, try 1: the fetcher killed by signal 31 .*: it tried what it may not' 20
	boot 3
	percent 30 3 20
	# from now on each dies at its first write
	agent=$(pgrep -P "$(cat n3/pid)")
	prlimit --pid "$agent" --fsize=0:unlimited
	kill -SEGV "$(child 3 fetch)"
	becomes 60 3 '.failed and (.error | test("killed by signal 25"))'
	[ "$(sed '/ error: fetch: /q' n3.log | grep -c ', try [0-9]*: ')" = 7 ]
	prlimit --pid "$agent" --fsize=unlimited:unlimited
	for i in 1 2 3; do proved 60 $i; done
	rows -e '.nodes[] | select(.node == "n1" or .node == "n2") | .bytes_by_http > 0'
}

@test "the fetcher is killed, for memory or by the filter of system calls: HTTP goes on; by a crash each time: bounded" {
	scenario_ends fetcher_dies 150
}

scenario_head_dies() {
	head_make 3 $SIZE
	head_start
	for i in 1 2 3; do host $i 8mbit; done
	boot 1
	percent 30 1 20
	boot 2
	wait_for_line n2.log 'phase fetch' 10
	head_kill
	boot 3
	wait_for_line n3.log 'does not answer' 10
	head_start
	for i in 1 2 3; do completes 60 $i; done
	# nobody stalled, the swarm went on by itself
	run ! grep -h ', try ' n1.log n2.log n3.log
}

@test "the head dies in the middle of a boot, and is started anew: nodes at the kernel and at the image complete" {
	scenario_ends head_dies 120
}

# bad_head NUMBER HOW: what the real head has for the node, from a head whose tracker does not do its work
bad_head() {
	local url=http://10.77.0.1:808$1 www=www$1 mac
	mac=$(mac_of "$1")
	mkdir -p "$www"/v1/{boot,blobs,releases,torrents}
	for name in kernel initramfs root; do
		name=$(swarmboot show --json $PROFILE | jq -r ".release.$name.digest")
		ln "$SWARMBOOT_STORE/blobs/sha256/${name#sha256:}" "$www/v1/blobs/$name"
	done
	release=$(swarmboot show --json $PROFILE | jq -r .digest)
	for name in boot.ipxe "v1/boot/$mac.ipxe"; do
		ns head curl -sf "$URL/$name" | sed "s|$URL|$url|g" >"$www/$name"
	done
	for name in "releases/$release" "releases/$release.minisig" "torrents/$image.torrent"; do
		ns head curl -sf "$URL/v1/$name" -o "$www/v1/$name"
	done
	spawn head "bad$1.log" python3 -B "$BATS_TEST_DIRNAME/head.py" --listen "10.77.0.1:808$1" --root "$www" --tracker "$2"
	wait_for_tcp head 10.77.0.1 "808$1" 10
	host "$1"
	boot "$1" "$url"
}

scenario_trackers() {
	local i=0 how
	head_make 5 $SIZE
	head_start
	for how in 500 html huge garbage silent; do
		i=$((i + 1))
		bad_head $i $how
	done
	for i in 1 2 3 4 5; do
		completes 60 $i
		# On a busy machine the last report may get lost: nobody repeats it here, as a node that goes on would.
		jq -se "(map(.agent_rss) | max | . > 0 and . < 67108864) and
			all(.[] | select(.phase == \"mount\"); .bytes_by_http == $SIZE)" www$i/reports
		grep -q 'swarm, try 1: no piece of the image came for 15 s, 0 peers' n$i.log
	done
}

@test "the tracker answers 500, HTML, 100 MB, garbage, nothing: the image comes by HTTP, the memory stays small" {
	scenario_ends trackers 120
}

scenario_storm() {
	local i hash storm
	head_make 200 100000
	head_start
	host 1
	for ((i = 2; i <= 200; i++)); do echo "address add 10.77.0.$((10 + i))/16 dev eth0"; done |
		ip -n "$NS_PREFIX-n1" -batch -
	hash=$(ns n1 curl -sf "$URL/v1/torrents/$image.torrent" | python3 -c \
		'import hashlib, sys; i = sys.stdin.buffer.read(); print(hashlib.sha1(i[i.index(b"4:info") + 6 : -1]).hexdigest())')
	spawn n1 storm.log python3 -B "$BATS_TEST_DIRNAME/storm.py" --base "$URL" --image "$image" \
		--infohash "$(sed 's/../%&/g' <<<"$hash")"
	storm=$spawned
	timeout 30 bash -c 'until [ "$(grep -c "node n[0-9]*: fetch" head.log)" -ge 60 ]; do sleep 0.1; done'
	head_kill
	sleep 40 # that long it is away
	head_start
	wait "$storm"
	cat storm.log
	[ "$(sed -n 's/.*failed=\([0-9]*\).*/\1/p' storm.log)" -ge 50 ]
	[ "$(sed -n 's/.*spread=\([0-9]*\).*/\1/p' storm.log)" -ge 30 ]
	[ "$(sed -n 's/.*peak=\([0-9]*\).*/\1/p' storm.log)" -le 30 ]
	[ "$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$head_pid/status")" -le 102400 ]
	[ "$(rows '[.nodes[] | select(.phase == "fetch" and .percent == 12)] | length')" = 200 ]
}

@test "200 nodes lose the head for 40 s: they come back over half a minute, all complete, its memory stays below 100 MiB" {
	scenario_ends storm 200
}

@test "a seeder that was killed serves again within 2 s, and hashes nothing anew" {
	cd "$BATS_TEST_TMPDIR"
	SWARMBOOT_STORE=$PWD/store
	NS_PREFIX=$NS_PREFIX-killed
	is_own=1
	local begin end
	head_make 1 300000000
	head_start
	head_kill
	begin=$(date +%s%N)
	head_start
	wait_for_tcp head 10.77.0.1 6881 2
	ns head curl -sf -r 0-0 -o /dev/null "$URL/v1/blobs/$image"
	end=$(date +%s%N)
	echo "$(((end - begin) / 1000000)) ms, $(grep rchar "/proc/$head_pid/io")"
	[ $((end - begin)) -le 2000000000 ]
	[ "$(sed -n 's/^rchar: //p' "/proc/$head_pid/io")" -lt 50000000 ]
}
