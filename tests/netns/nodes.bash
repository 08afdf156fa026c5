# What the tests of whole nodes share: a real head in the namespace "head", 10.77.0.1/16 on its bridge, and nodes beside it
# by the script `node`. Load it after lib.sh and ../cli/store.bash. All is below the current folder.
# shellcheck shell=bash

URL=http://10.77.0.1:8080
PROFILE=slurm

mac_of() { # NUMBER
	printf '52:54:00:aa:%02x:%02x' $(($1 >> 8)) $(($1 & 255))
}

# head_make NODES BYTES [CLUSTER-LINES]: a signed release with an image of so many bytes, and a cluster file that names
# the nodes n1 ... with the addresses 10.77.0.11 ... in one rack
head_make() {
	local i
	chmod 755 "$BATS_RUN_TMPDIR" . # TFTP is read by dnsmasq's own user
	ns_switch head
	ip -n "$NS_PREFIX-head" address add 10.77.0.1/16 dev br0
	swarmboot keygen --no-password --output release
	head -c "$2" /dev/urandom >image
	FIXTURE_KERNEL=$(uname -r) FIXTURE_ROOT=image publish $PROFILE one
	swarmboot sign $PROFILE --key release.key --yes
	swarmboot tag $PROFILE stable
	image=$(swarmboot show --json $PROFILE | jq -r .release.root.digest)
	image_blob=$SWARMBOOT_STORE/blobs/sha256/${image#sha256:}
	{
		printf '%s\n' 'store: store' 'state: state' 'trust: [release.pub]' "${3:-}" 'networks:' \
			'  boot: {interface: br0, address: 10.77.0.1/16, range: 10.77.9.1-10.77.9.199}' 'groups:' \
			"  compute: {channel: \"$PROFILE:stable\"}" 'nodes:'
		for ((i = 1; i <= $1; i++)); do
			echo "  n$i: {mac: \"$(mac_of $i)\", group: compute, rack: r1, address: 10.77.0.$((10 + i))}"
		done
	} >cluster.yaml
}

# head_start: until its first catalog is there; $head_pid
head_start() {
	spawn head head.log swarmboot serve --config cluster.yaml
	head_pid=$spawned
	wait_for_line head.log "offers $PROFILE:" 20
}

head_kill() {
	kill -KILL "$head_pid"
	wait "$head_pid" || true
}

# host NUMBER [RATE]: the host n<NUMBER>, with its MAC
host() {
	ns_host "n$1" head "10.77.0.$((10 + $1))/16" "${2:-}"
	ip -n "$NS_PREFIX-n$1" link set eth0 address "$(mac_of "$1")"
}

# boot NUMBER [BASE-URL]: the node, which writes n<NUMBER>.log
boot() {
	mkdir -p "n$1/etc"
	cp release.pub "n$1/etc/keys"
	echo "{\"profile\": \"$PROFILE\", \"arch\": \"amd64\", \"kernel\": \"$(uname -r)\"}" >"n$1/etc/agent.json"
	spawn "n$1" "n$1.log" "$BATS_TEST_DIRNAME/node" "$(mac_of "$1")" "${2:-$URL}" "$PWD/n$1"
}

# child NUMBER NAME: the pid of the node's role (fetch, http or seed) that runs now
child() {
	pgrep -P "$(pgrep -P "$(cat "n$1/pid")")" -f -- " $2 --torrent"
}

rows() { # JQ...
	ns head swarmboot status --json --server "$URL" | jq "$@"
}

# becomes SECONDS NUMBER JQ-CONDITION: of the node's row, asked until it is so
becomes() {
	local end=$((SECONDS + $1))
	until rows -e ".nodes[] | select(.node == \"n$2\") | $3" >/dev/null 2>&1; do
		if [ "$SECONDS" -ge "$end" ]; then
			echo "n$2 is not '$3' after $1 s"
			rows -c ".nodes[] | select(.node == \"n$2\")" || true
			tail -n 20 "n$2.log" head.log
			return 1
		fi
		sleep 0.2
	done
}

# proved SECONDS NUMBER: the node has the whole image, and has checked it
proved() {
	becomes "$1" "$2" ".image == \"$image\" and .phase == \"mount\""
}

# completes SECONDS NUMBER: the same by the node's own word, for when reports get lost: a seeder that did not take one is left
# alone for some seconds, and a node of these tests sends none after its mount
completes() {
	wait_for_line "n$2.log" 'phase mount' "$1"
}

# percent SECONDS NUMBER PERCENT: the node has fetched so much, by its own word, which it writes at every tenth; reports are rarer
percent() {
	# shellcheck disable=SC2016  # for the inner shell
	timeout "$1" bash -c 'until sed -n "s/.*: fetch \([0-9]*\) % of.*/\1/p" "$0" |
		awk -v wanted="$1" "\$1 >= wanted { found = 1 } END { exit !found }"; do sleep 0.1; done' "n$2.log" "$3" ||
		{ echo "n$2 has not fetched $3 % after $1 s" >&2; tail -n 20 "n$2.log" >&2; return 1; }
}
