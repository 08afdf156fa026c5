#!/usr/bin/env bats
# gc beside a head that serves: what its nodes run stays, and what goes is served to its end.

bats_require_minimum_version 1.5.0

load lib.sh
load ../cli/store.bash
spawned=
URL=http://10.77.0.1:8080

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	chmod 755 . # TFTP is read by dnsmasq's own user
	ns_switch head
	ip -n "$NS_PREFIX-head" address add 10.77.0.1/24 dev br0
	ns_host client head 10.77.0.50/24
	new_key release
	cat >cluster.yaml <<-END
		store: store
		state: state
		trust: [release.pub]
		networks: {boot: {interface: br0, address: 10.77.0.1/24, range: 10.77.0.100-10.77.0.199}}
		groups:
		  compute: {channel: "slurm:stable"}
		  old: {channel: "slurm:2"}
		nodes:
		  n001: {mac: "52:54:00:aa:00:01", group: compute, rack: r1}
	END
}

teardown() {
	ns_cleanup
}

release() { # WORD: slurm, published and signed
	publish slurm "$1"
	swarmboot sign slurm --key release.key --yes
}

serve() { # until the first catalog is there
	spawn head log swarmboot serve --config cluster.yaml
	wait_for_line log 'has read the store' 10
}

names() {
	swarmboot images --json | jq -r '[.releases[].name] | join(" ")'
}

becomes() { # VALUE COMMAND...: until it prints this
	local i want=$1
	shift
	for ((i = 0; i < 100; i++)); do
		[ "$("$@")" != "$want" ] || return 0
		sleep 0.1
	done
	echo "'$*' prints '$("$@")', not '$want'" >&2
	return 1
}

digest() { # REF JQ
	swarmboot show --json "$1" | jq -r "$2"
}

code() { # PATH
	ns client curl -sS -o /dev/null -w '%{http_code}' "$URL$1"
}

@test "what a node reported, a channel and a pinned group need stays" {
	for word in one two three four five six; do release $word; done
	swarmboot tag slurm:4 stable
	serve
	[ "$(ns client curl -sS -o /dev/null -w '%{http_code}' "$URL/v1/report" --data-binary \
		"{\"node\":\"n001\",\"mac\":\"52:54:00:aa:00:01\",\"phase\":\"up\",\"release\":\"$(digest slurm:1 .digest)\"}")" = 204 ]
	run -0 ns head swarmboot gc --server "$URL" --keep 1
	[ "${lines[0]}" = "removed slurm:3" ]
	[ "${lines[1]}" = "removed slurm:5" ]
	[ "$(names)" = "slurm:1 slurm:2 slurm:4 slurm:6" ]
	ns head swarmboot status --json >nodes.json
	# the file knows the node, not the group that pins slurm:2
	run -0 swarmboot gc --nodes nodes.json --keep 1
	[ "$(names)" = "slurm:1 slurm:4 slurm:6" ]
	reap "$spawned"
	run -1 ns head swarmboot gc --server "$URL" --keep 1
	[ "$(names)" = "slurm:1 slurm:4 slurm:6" ]
}

@test "an image that goes is served to its end, and not again" {
	head -c 40000000 /dev/urandom >large
	FIXTURE_ROOT=large release one
	swarmboot tag slurm:1 stable
	serve
	image=$(digest slurm:1 .release.root.digest)
	ns client curl -sS --limit-rate 8M "$URL/v1/blobs/$image" -o got 3>&- &
	fetch=$!
	becomes yes bash -c '[ "$(stat -c %s got 2>/dev/null || echo 0)" -gt 100000 ] && echo yes'
	release two
	release three
	swarmboot tag slurm:3 stable
	[ "$(stat -c %s got)" -lt 40000000 ]
	swarmboot gc --without-nodes --keep 1
	[ "$(names)" = slurm:3 ]
	[ ! -e "store/blobs/sha256/${image#sha256:}" ]
	wait "$fetch"
	[ "sha256:$(sha256sum <got | cut -d' ' -f1)" = "$image" ]
	becomes 200 code "/v1/releases/$(digest slurm:3 .digest)"
	[[ $(code "/v1/blobs/$image") == 404 ]]
}
