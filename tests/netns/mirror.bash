# What the tests of mirrors share: a head, a mirror that follows it, a client, each in a namespace. After lib.sh.
# shellcheck shell=bash
load ../cli/store.bash
spawned=
export SWARMBOOT_STORE=$BATS_TEST_TMPDIR/head/store
HEAD=http://10.77.0.1:8080
MIRROR=http://10.77.0.2:8080

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	chmod 755 "$BATS_RUN_TMPDIR" "${PWD%/*}" .
	mkdir head mirror
	ns_switch rack
	ns_host head rack 10.77.0.1/24
	ns_host mirror rack 10.77.0.2/24
	ns_host client rack 10.77.0.9/24
	new_key release
	cluster_file 10.77.0.1 100-149 >head/cluster.yaml
	cluster_file 10.77.0.2 150-199 >mirror/cluster.yaml
}

teardown() {
	[ -n "$BATS_TEST_COMPLETED" ] || tail -n 30 ./*.log
	ns_cleanup
}

release() { # PROFILE WORD: published and signed
	publish "$1" "$2"
	swarmboot sign "$1" --key release.key --yes
}

cluster_file() { # ADDRESS RANGE
	cat <<-END
		store: store
		state: state
		trust: [../release.pub]
		seeders: [$HEAD, $MIRROR]
		networks:
		  boot: {interface: eth0, address: $1/24, range: 10.77.0.${2/-/-10.77.0.}}
		groups:
		  compute: {channel: "slurm:stable"}
		nodes:
		  n001: {mac: "52:54:00:aa:00:01", group: compute, rack: r1, address: 10.77.0.11}
		  n002: {mac: "52:54:00:aa:00:02", group: compute, rack: r1, address: 10.77.0.12}
	END
}

start_head() {
	spawn head head.log swarmboot serve --config head/cluster.yaml
	head_pid=$spawned
	wait_for_line head.log 'has read the store' 10
}

start_mirror() {
	spawn mirror mirror.log swarmboot serve --config mirror/cluster.yaml --mirror $HEAD
	mirror_pid=$spawned
	wait_for_line mirror.log 'has read the store' 10
}

killed() { # PID
	kill -KILL "$1"
	wait "$1" || true
}

get() { # URL
	ns client curl -fsS --max-time 10 "$@"
}

health() { # JQ: of the mirror
	get $MIRROR/v1/health | jq -r "$1"
}

becomes() { # VALUE COMMAND...: asked until it is so
	local want=$1 i
	shift
	for ((i = 0; i < 200; i++)); do
		[ "$("$@")" != "$want" ] || return 0
		sleep 0.1
	done
	echo "'$*' is '$("$@")', not '$want'" >&2
	return 1
}

row() { # JQ: of n001 in the mirror's node table
	get $MIRROR/v1/nodes | jq -r ".nodes[0]$1"
}
