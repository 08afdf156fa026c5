#!/usr/bin/env bats
# Real swarms in namespaces: the bytes arrive, add up, and go the way the tracker wants them to.

bats_require_minimum_version 1.5.0

load lib.sh
spawned=
SIZE=$((32 << 20))
SEEDER=10.9.200.1
PEER=$BUILD_DIR/tests/swarm_peer

setup() {
	T=$BATS_TEST_TMPDIR
	head -c "$SIZE" /dev/urandom >"$T/image"
	ns_switch core
	ns_host seeder core $SEEDER/16 200mbit
	seed
}

teardown() {
	ns_cleanup
}

seed() {
	spawn seeder "$T/seeder.log" "$PEER" seed "$T/image" "$T/image.torrent" $SEEDER
	seeder_pid=$spawned
	wait_for_line "$T/seeder.log" '^ready$' 10
}

# fetch NAME ADDRESS [RATE]: a node that begins to fetch
fetch() {
	ns_host "$1" core "$2/16" "${3:-100mbit}"
	again "$1" "$2"
	wait_for_line "$T/$1.log" '^ready$' 10
}

again() {
	spawn "$1" "$T/$1.log" "$PEER" fetch "$T/$1.img" "$T/image.torrent" "$2" $SEEDER
}

# count LINE KEY: the number
count() {
	sed -n "s/.* $2=\([0-9]*\).*/\1/p" <<<"$1"
}

# check_whole NAME: it is done; $line has its counts
check_whole() {
	line=$(wait_for_line "$T/$1.log" '^done' 60)
	cmp "$T/image" "$T/$1.img"
	[ "$(count "$line" "done")" -eq "$SIZE" ]
}

@test "three nodes fetch one copy each, the seeder sends one copy in all" {
	local i total=0 marked=0
	for i in 1 2 3; do fetch n$i 10.9.0.$i; done
	for i in 1 2 3; do
		check_whole n$i
		[ "$(count "$line" downloaded)" -le $((SIZE + SIZE / 50)) ]
		total=$((total + $(count "$line" downloaded)))
		marked=$((marked + $(count "$line" from_marked)))
	done
	reap "$seeder_pid"
	line=$(wait_for_line "$T/seeder.log" '^end' 5)
	echo "downloaded $total, from the seeder $marked; $line"
	[ "$(count "$line" uploaded)" -ge "$marked" ]
	[ "$(count "$line" uploaded)" -le $((marked + SIZE / 50)) ]
	[ "$marked" -le $((SIZE + SIZE / 10)) ]
}

@test "every rack is entered once" {
	local i marked=0
	for i in 0 1 2; do fetch r0n$i 10.9.0.1$i; fetch r1n$i 10.9.1.1$i; done
	for i in 0 1 2; do
		check_whole r0n$i
		marked=$((marked + $(count "$line" from_marked)))
		check_whole r1n$i
		marked=$((marked + $(count "$line" from_marked)))
	done
	echo "from the seeder $marked"
	[ "$marked" -le $((2 * SIZE + SIZE / 5)) ]
}

@test "who comes late gets it from a complete neighbour" {
	fetch n1 10.9.0.1
	check_whole n1
	fetch n2 10.9.0.2
	check_whole n2
	[ "$(count "$line" from_marked)" -eq 0 ]
}

@test "a node in the middle is killed: the one behind it is done all the same" {
	fetch n1 10.9.0.1 25mbit
	fetch n2 10.9.0.2 25mbit
	local victim=$spawned
	fetch n3 10.9.0.3 25mbit
	timeout 20 sh -c 'until [ "$(stat -c %b "$0")" -gt 0 ] && cmp -s -n 2097152 "$0" "$1"; do sleep 0.05; done' \
		"$T/n3.img" "$T/image"
	kill -KILL "$victim"
	check_whole n1
	check_whole n3
	[ "$(count "$line" downloaded)" -le $((SIZE + SIZE / 10)) ]
}

@test "an upstream that vanishes with pieces asked of it is left at once" {
	local begun
	fetch n1 10.9.0.1 25mbit
	timeout 20 sh -c 'until cmp -s -n 2097152 "$0" "$1"; do sleep 0.05; done' "$T/n1.img" "$T/image"
	ip -n "$NS_PREFIX-seeder" link set eth0 down
	begun=$SECONDS
	# the library's own patience is 10 s
	timeout 20 sh -c 'while ip netns exec "$0" ss -Htn state established dst "$1" dport = 6881 | grep -q .; do sleep 0.1; done' \
		"$NS_PREFIX-n1" $SEEDER
	[ $((SECONDS - begun)) -le 7 ]
	ip -n "$NS_PREFIX-seeder" link set eth0 up
	check_whole n1
}

@test "a fetcher that is killed goes on where it was" {
	fetch n1 10.9.0.1 50mbit
	timeout 20 sh -c 'until cmp -s -n 8388608 "$0" "$1"; do sleep 0.05; done' "$T/n1.img" "$T/image"
	kill -KILL "$spawned"
	again n1 10.9.0.1
	check_whole n1
	[ "$(count "$line" downloaded)" -lt $((SIZE - SIZE / 8)) ]
}

@test "the end comes within 3 s although the tracker is silent" {
	fetch n1 10.9.0.1
	local fetcher=$spawned
	check_whole n1
	kill -STOP "$seeder_pid"
	reap "$fetcher"
	kill -CONT "$seeder_pid"
	line=$(wait_for_line "$T/n1.log" '^end' 1)
	[ "$(count "$line" free_ms)" -lt 3000 ]
}

@test "a node whose address is not there says so" {
	ns_make lonely
	run -1 ns lonely "$PEER" fetch "$T/x.img" "$T/image.torrent" 10.9.0.9 $SEEDER
	[[ $output == "failed cannot listen on 10.9.0.9:6881: "* ]]
}

@test "no room for the image is said before the first byte" {
	ns_host n1 core 10.9.0.1/16
	mkdir "$T/small"
	# the mount is the command's own and ends with it
	run -1 ns n1 unshare -m sh -c 'mount -t tmpfs -o size=8m tmpfs "$0" && exec "$1" fetch "$0/img" "$2" 10.9.0.1 "$3"' \
		"$T/small" "$PEER" "$T/image.torrent" $SEEDER
	[[ $output == "failed "*"No space left on device"* ]]
}

@test "aria2c and transmission, strangers, join nodes by the same tracker and end with the right bytes" {
	local url=http://$SEEDER:8080/announce name
	fetch n1 10.9.0.1
	fetch n2 10.9.0.2
	for name in x1 x2; do ns_host $name core 10.9.201.${name#x}/16 100mbit; done
	mkdir "$T/aria" "$T/transmission" "$T/config"
	# our nodes speak TCP alone, and it would wait for an answer by uTP
	echo '{"utp-enabled": false, "dht-enabled": false}' >"$T/config/settings.json"
	spawn x1 "$T/aria.log" aria2c --no-conf -d "$T/aria" --seed-time=0 --enable-dht=false --enable-peer-exchange=false \
		--bt-enable-lpd=false --bt-tracker=$url --file-allocation=none --summary-interval=0 \
		--console-log-level=warn "$T/image.torrent"
	local aria=$spawned
	# it has no option for a tracker; the torrent's key "announce" comes before "info"
	{ printf 'd8:announce%d:%s' ${#url} $url; tail -c +2 "$T/image.torrent"; } >"$T/announce.torrent"
	printf '#!/bin/sh\necho complete\n' >"$T/finished"
	chmod +x "$T/finished"
	spawn x2 "$T/transmission.log" transmission-cli -g "$T/config" -w "$T/transmission" -f "$T/finished" -M -et -p 51413 \
		"$T/announce.torrent"
	local transmission=$spawned
	wait "$aria"
	cmp "$T/image" "$T/aria/image"
	wait_for_line "$T/transmission.log" 'complete$' 90 >/dev/null
	cmp "$T/image" "$T/transmission/image"
	reap "$transmission" || true
	check_whole n1
	check_whole n2
}
