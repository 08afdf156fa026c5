#!/usr/bin/env bats
# The agent's http role, for when the swarm fails: from a web server that is not ours.

bats_require_minimum_version 1.5.0

load lib.sh
spawned=

AGENT=$BUILD_DIR/swarmboot-init
HEAD=10.9.0.1

setup() {
	W=$BATS_TEST_TMPDIR
	mkdir -p "$W/www/v1/blobs" "$W/n1"
	chmod 755 "$BATS_RUN_TMPDIR" "${W%/*}" "$W" "$W/www"
	head -c 8000000 /dev/urandom >"$W/image"
	digest=$(sha256sum "$W/image" | cut -d ' ' -f 1)
	ln "$W/image" "$W/www/v1/blobs/sha256:$digest"
	chown 61000:61000 "$W/n1"
	ns_switch rack
	ns_host head rack $HEAD/24
	ns_host n1 rack 10.9.0.11/24
}

teardown() {
	ns_cleanup
}

# serve PORT [OPTION...]
serve() {
	spawn head "$W/head-$1.log" python3 -B "$BATS_TEST_DIRNAME/head.py" --listen "$HEAD:$1" --root "$W/www" "${@:2}"
	wait_for_tcp head $HEAD "$1" 10
}

# http OPTION...: the role, in the background
http() {
	spawn n1 "$W/http.log" "$AGENT" http --torrent none --root "$W/n1" --file "$W/n1/image" --name "$digest" \
		--size 8000000 --listen 0.0.0.0:6881 "$@"
}

fetched() {
	wait_for_line "$W/http.log" '^done$' 30
	[ "$(sha256sum "$W/n1/image" | cut -d ' ' -f 1)" = "$digest" ]
}

@test "the image comes by HTTP, into a role without rights" {
	ns_shape head eth0 40mbit
	serve 8080
	http --seeder http://$HEAD:8080
	wait_for_line "$W/http.log" '^progress [1-9]' 10
	grep -E '^(Uid|CapEff|Seccomp):' "/proc/$spawned/status" >"$W/status"
	diff "$W/status" - <<-END
		Uid:	61000	61000	61000	61000
		CapEff:	0000000000000000
		Seccomp:	2
	END
	fetched
	grep -Eq '^progress 8000000 8000000 8000000 8000000 0 1 [1-9][0-9]{6,}$' "$W/http.log"
}

@test "an answer that breaks off is gone on with, by a range" {
	serve 8080 --cut 3000000
	http --seeder http://$HEAD:8080
	fetched
	[ "$(grep -c 'broke off' "$W/http.log")" = 2 ]
	grep -q '^progress 8000000 8000000 8000000 8000000 ' "$W/http.log"
}

@test "what is there already is not asked for again" {
	head -c 5000000 "$W/image" >"$W/n1/image"
	chown 61000:61000 "$W/n1/image"
	serve 8080
	http --seeder http://$HEAD:8080 --from 5000000
	fetched
	grep -q '^progress 8000000 8000000 3000000 3000000 ' "$W/http.log"
}

@test "one seeder is down, the other lacks the image, the third has it" {
	mkdir "$W/empty"
	spawn head "$W/head-8082.log" python3 -B "$BATS_TEST_DIRNAME/head.py" --listen "$HEAD:8082" --root "$W/empty"
	wait_for_tcp head $HEAD 8082 10
	serve 8083
	http --seeder http://$HEAD:8080 --seeder http://$HEAD:8082 --seeder http://$HEAD:8083
	fetched
	grep -q 'warning: .*:8080/.*: Connection refused' "$W/http.log"
	grep -q 'warning: .*:8082/.*: HTTP status 404' "$W/http.log"
}

@test "no seeder has it: the reason is said, and what is there stays" {
	printf abc >"$W/n1/image"
	chown 61000:61000 "$W/n1/image"
	rm "$W/www/v1/blobs/sha256:$digest"
	serve 8080
	http --seeder http://$HEAD:8080
	local pid=$spawned
	wait_for_line "$W/http.log" '^failed .*HTTP status 404$' 20
	run -1 wait "$pid"
	[ "$(head -c 3 "$W/n1/image")" = abc ]
}

@test "no room for the image: nothing is fetched" {
	serve 8080
	# shellcheck disable=SC2016  # for the inner shell
	spawn n1 "$W/http.log" bash -c 'mount -t tmpfs -o size=4m,uid=61000 none "$1" && shift && exec "$@"' - \
		"$W/n1" "$AGENT" http --torrent none --root "$W/n1" --file "$W/n1/image" --name "$digest" --size 8000000 \
		--listen 0.0.0.0:6881 --seeder http://$HEAD:8080
	wait_for_line "$W/http.log" '^failed .*No space left on device$' 10
	run -1 grep '^progress' "$W/http.log"
}
