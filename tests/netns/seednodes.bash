# What the tests of seeding share: a real head in the namespace "head", 10.77.0.1/24 on its bridge, and the nodes n001 to n003,
# which are only what is left of the agent after the switch: its seed and policy roles. Load it after lib.sh and
# ../cli/store.bash. All is below the test's folder.
# shellcheck shell=bash

URL=http://10.77.0.1:8080
AGENT=$BUILD_DIR/swarmboot-init
SIZE=$((24 << 20))

# seed_head: a head that serves one release, with no word on seeding in its cluster file
seed_head() {
	cd "$BATS_TEST_TMPDIR" || return 1
	chmod 755 "$BATS_RUN_TMPDIR" "${BATS_TEST_TMPDIR%/*}" .
	ns_switch head
	ip -n "$NS_PREFIX-head" address add 10.77.0.1/24 dev br0
	new_key release
	head -c $SIZE /dev/urandom >image
	FIXTURE_ROOT=$PWD/image publish slurm one
	swarmboot sign slurm --key release.key --yes
	swarmboot tag slurm stable
	digest=$(sha256sum image | cut -d ' ' -f 1)
	cluster_file '{}' >cluster.yaml
	serve
}

cluster_file() { # SEED
	cat <<-END
		store: store
		state: state
		trust: [release.pub]
		networks:
		  boot: {interface: br0, address: 10.77.0.1/24, range: 10.77.0.100-10.77.0.199}
		seed: $1
		groups:
		  compute: {channel: "slurm:stable"}
		nodes:
		  n001: {mac: "52:54:00:aa:00:01", group: compute, rack: r1, address: 10.77.0.11}
		  n002: {mac: "52:54:00:aa:00:02", group: compute, rack: r1, address: 10.77.0.12}
		  n003: {mac: "52:54:00:aa:00:03", group: compute, rack: r1}
	END
}

serve() {
	spawn head log swarmboot serve --config cluster.yaml
	head_pid=$spawned
	wait_for_line log 'offers slurm:' 20
	ns head curl -sf "http://127.0.0.1:8080/v1/torrents/sha256:$digest.torrent" >torrent
}

reload() { # SEED
	cluster_file "$1" >cluster.yaml
	kill -HUP "$head_pid"
}

host() { # NUMBER [RATE]
	ns_host "n00$1" head "10.77.0.1$1/24" "${@:2}"
	mkdir -p "n00$1/image" "n00$1/seed/jobs"
}

role() { # NUMBER ROLE [OPTION...]
	spawn "n00$1" "n00$1/$2.log" "$AGENT" "$2" --torrent torrent --root "$PWD/n00$1/image" \
		--file "$PWD/n00$1/image/x" --name "$digest" --size $SIZE --listen "10.77.0.1$1:6881" --seeder $URL "${@:3}"
}

policy() { # NUMBER
	spawn "n00$1" "n00$1/policy.log" "$AGENT" policy --node "n00$1" --mac "52:54:00:aa:00:0$1" \
		--listen "10.77.0.1$1" --control "$PWD/n00$1/seed" --seeder $URL
}

booted() { # NUMBER [RATE]: a node that has the image and seeds
	host "$@"
	cp image "n00$1/image/x"
	policy "$1"
	role "$1" seed --control "$PWD/n00$1/seed"
	wait_for_line "n00$1/seed.log" '^seeds$' 10
	row_becomes "n00$1" .seeding on
}

fetch() { # NUMBER
	host "$1"
	chown 61000:61000 "n00$1/image"
	# As its firmware does: so its address is known.
	ns "n00$1" curl -sf -o /dev/null "$URL/v1/boot/52:54:00:aa:00:0$1.ipxe"
	role "$1" fetch
}

fetched() { # NUMBER
	wait_for_line "n00$1/fetch.log" '^done$' 40
	[ "$(sha256sum <"n00$1/image/x" | cut -d ' ' -f 1)" = "$digest" ]
}

sent() { # NUMBER: bytes that its link has sent
	ns "n00$1" cat /sys/class/net/eth0/statistics/tx_bytes
}

await_sent() { # NUMBER BYTES: until it has sent so many
	local deadline=$((SECONDS + 20))
	until [ "$(sent "$1")" -ge "$2" ]; do
		[ $SECONDS -lt $deadline ] || return 1
		read -rt 0.05 <> <(:) || true
	done
}

sent_in() { # NUMBER SECONDS: bytes a second over that time
	local before
	before=$(sent "$1")
	read -rt "$2" <> <(:) || true
	echo $((($(sent "$1") - before) / $2))
}

row() { # NODE JQ
	ns head swarmboot status --json "$1" | jq -r ".nodes[0]$2"
}

row_becomes() { # NODE JQ VALUE
	local i
	for ((i = 0; i < 100; i++)); do
		[ "$(row "$1" "$2")" != "$3" ] || return 0
		read -rt 0.05 <> <(:) || true
	done
	echo "row $1 $2 is '$(row "$1" "$2")', not '$3'" >&2
	return 1
}
