#!/usr/bin/env bats
# The agent's fetch and seed roles, each on a host of its own, with a torrent and a tracker that are not ours.

bats_require_minimum_version 1.5.0

load lib.sh
spawned=

AGENT=$BUILD_DIR/swarmboot-init
HEAD=10.9.0.1
URL=http://$HEAD:8080

setup() {
	W=$BATS_TEST_TMPDIR
	mkdir "$W/www" "$W/n1" "$W/n2"
	chmod 755 "$BATS_RUN_TMPDIR" "${W%/*}" "$W" "$W/www"
	head -c 8000000 /dev/urandom >"$W/www/image"
	digest=$(sha256sum "$W/www/image" | cut -d ' ' -f 1)
	ns_switch rack
	ns_host head rack $HEAD/24
	ns_host n1 rack 10.9.0.11/24
}

teardown() {
	ns_cleanup
}

# start_head [PEER...]: tracker that names these peers to everybody, and the torrent.
start_head() {
	local peers=() peer
	for peer; do
		peers+=(--peer "$peer")
	done
	spawn head "$W/head.log" python3 -B "$BATS_TEST_DIRNAME/head.py" --listen $HEAD:8080 --root "$W/www" \
		--torrent "$W/www/image" "$digest" "$W/www/torrent" "${peers[@]}"
	wait_for_tcp head $HEAD 8080 10
}

# role HOST ROLE FOLDER FILE [OPTION...], in the background
role() {
	local host=$1 word=$2 root=$3 file=$4
	shift 4
	spawn "$host" "$W/$host-$word.log" "$AGENT" "$word" --torrent "$W/www/torrent" --root "$root" \
		--file "$root/$file" --name "$digest" --size 8000000 --listen 0.0.0.0:6881 --seeder $URL "$@"
}

seed() { # HOST FOLDER FILE [OPTION...]
	local host=$1
	role "$host" seed "${@:2}"
	wait_for_line "$W/$host-seed.log" '^seeding on port 6881$' 10
}

fetch() { # HOST [OPTION...]
	local host=$1
	shift
	chown 61000:61000 "$W/$host"
	role "$host" fetch "$W/$host" image "$@"
}

fetched() { # HOST
	wait_for_line "$W/$1-fetch.log" '^done$' 30
	[ "$(sha256sum "$W/$1/image" | cut -d ' ' -f 1)" = "$digest" ]
}

@test "a node fetches from the seeder, and says how far it is" {
	start_head $HEAD:6881
	seed head "$W/www" image
	fetch n1
	local pid=$spawned
	fetched n1
	wait "$pid"
	grep -Eq '^progress 8000000 8000000 8[0-9]{6} 8[0-9]{6} [0-9]+ [0-9]+ [1-9][0-9]{6,}$' "$W/n1-fetch.log"
}

@test "a node fetches from a neighbour, and counts that as no seeder's bytes" {
	start_head
	ns_host n2 rack 10.9.0.12/24
	cp "$W/www/image" "$W/n2/image"
	seed n2 "$W/n2" image
	fetch n1
	fetched n1
	grep -Eq '^progress 8000000 8000000 0 8[0-9]{6} ' "$W/n1-fetch.log"
}

@test "the roles have no rights, and see no file but their own" {
	start_head
	fetch n1
	local pid=$spawned
	wait_for_line "$W/n1-fetch.log" '^progress 0 ' 10
	grep -E '^(Uid|Gid|CapEff|CapBnd|NoNewPrivs|Seccomp):' "/proc/$pid/status" >"$W/status"
	diff "$W/status" - <<-END
		Uid:	61000	61000	61000	61000
		Gid:	61000	61000	61000	61000
		CapEff:	0000000000000000
		CapBnd:	0000000000000000
		NoNewPrivs:	1
		Seccomp:	2
	END
	[ "$(readlink "/proc/$pid/root")" = "$(realpath "$W/n1")" ]
}

@test "nobody has the image yet: the node waits, and completes when somebody has" {
	start_head $HEAD:6881
	fetch n1
	wait_for_line "$W/n1-fetch.log" '^progress 0 ' 10
	seed head "$W/www" image
	fetched n1
}

@test "the tracker is down at first" {
	PYTHONPATH=$BATS_TEST_DIRNAME python3 -B -c 'import head, sys; open(sys.argv[3], "wb").write(head.torrent(*sys.argv[1:3]))' \
		"$W/www/image" "$digest" "$W/www/torrent"
	seed head "$W/www" image
	fetch n1
	wait_for_line "$W/n1-fetch.log" '^warning: .*/announce' 20
	start_head $HEAD:6881
	fetched n1
}

@test "a fetcher that was killed goes on with what it left" {
	ns_shape head eth0 20mbit
	start_head $HEAD:6881
	seed head "$W/www" image
	fetch n1
	local pid=$spawned
	wait_for_line "$W/n1-fetch.log" '^progress [4-7][0-9]{6} ' 20
	reap "$pid" 0.01 || true
	mv "$W/n1-fetch.log" "$W/first.log"
	fetch n1
	fetched n1
	tail -n 2 "$W/n1-fetch.log" | awk '/^progress/ { exit !($5 < 6000000) }'
}

@test "a seeder takes over from the one before it, on the same port" {
	start_head $HEAD:6881
	seed head "$W/www" image --pid-file "$W/pid"
	local first=$spawned
	wait_for_line "$W/pid" "^$first\$" 10
	mv "$W/head-seed.log" "$W/first.log"
	seed head "$W/www" image --pid-file "$W/pid"
	wait_for_line "$W/pid" "^$spawned\$" 10
	wait "$first"
	fetch n1
	fetched n1
}

@test "a pid file that names some other process ends nobody" {
	start_head
	spawn head "$W/sleep.log" sleep 60
	local other=$spawned
	echo "$other" >"$W/pid"
	seed head "$W/www" image --pid-file "$W/pid"
	kill -0 "$other"
}

@test "no room for the image: nothing is fetched" {
	start_head $HEAD:6881
	seed head "$W/www" image
	chown 61000:61000 "$W/n1"
	# ip netns exec gives a mount namespace: the small tmpfs ends with the process.
	# shellcheck disable=SC2016  # for the inner shell
	spawn n1 "$W/n1-fetch.log" bash -c 'mount -t tmpfs -o size=4m,uid=61000 none "$1" && shift && exec "$@"' - \
		"$W/n1" "$AGENT" fetch --torrent "$W/www/torrent" --root "$W/n1" --file "$W/n1/image" \
		--name "$digest" --size 8000000 --listen 0.0.0.0:6881 --seeder $URL
	wait_for_line "$W/n1-fetch.log" '^failed .*No space left on device$' 10
	run -1 grep '^progress' "$W/n1-fetch.log"
}

@test "a torrent for another name or size is refused" {
	start_head
	digest=00$digest fetch n1
	wait_for_line "$W/n1-fetch.log" '^failed the torrent is for the file [0-9a-f]{64}, not 00' 10
	rm "$W/n1-fetch.log"
	fetch n1 --size 8000001
	wait_for_line "$W/n1-fetch.log" "^failed the torrent's file has 8000000 bytes, the release says 8000001" 10
}

# torrent_of INFO-KEYS: one with these keys before "piece length".
torrent_of() {
	printf 'd4:infod%s12:piece lengthi262144e6:pieces20:aaaaaaaaaaaaaaaaaaaa7:privatei1eee' "$1" >"$W/www/torrent"
}

@test "a torrent of two files, or with a path for a name, is refused" {
	start_head
	torrent_of '5:filesld6:lengthi1e4:pathl1:aeed6:lengthi1e4:pathl1:beee4:name2:ab'
	fetch n1
	wait_for_line "$W/n1-fetch.log" '^failed torrent: not a v1 torrent of one file' 10
	rm "$W/n1-fetch.log"
	torrent_of '6:lengthi1e4:name5:../ab'
	fetch n1
	wait_for_line "$W/n1-fetch.log" '^failed torrent: its file name is no plain name' 10
}

# wasted HOST: bytes that came for nothing, of its last line of progress
wasted() {
	tail -n 2 "$W/$1-fetch.log" | awk '/^progress/ { print $6 }'
}

@test "a corrupt peer beside a good one: less than a quarter is wasted" {
	start_head $HEAD:6881 10.9.0.12:6881
	ns_host n2 rack 10.9.0.12/24 50mbit
	ns_shape head eth0 50mbit
	seed head "$W/www" image
	head -c 8000000 /dev/urandom >"$W/n2/image"
	seed n2 "$W/n2" image
	fetch n1
	fetched n1
	echo "wasted $(wasted n1)"
	[ "$(wasted n1)" -lt 2000000 ]
	# it was asked
	[ "$(wasted n1)" -gt 0 ]
}

@test "a peer at 1 KiB/s beside a good one: done as fast as the good one alone, nearly" {
	start_head $HEAD:6881 10.9.0.12:6881
	ns_host n2 rack 10.9.0.12/24
	ns_shape n2 eth0 8kbit
	ns_shape head eth0 20mbit
	seed head "$W/www" image
	cp "$W/www/image" "$W/n2/image"
	seed n2 "$W/n2" image
	local begin=$SECONDS
	fetch n1
	fetched n1
	# 3.4 s over the link, and one request of the slow peer that runs into its time-out
	[ $((SECONDS - begin)) -le 15 ]
}
