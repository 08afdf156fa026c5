#!/usr/bin/env bats
# A second seeder that follows the first: its store, its keys, and what becomes of boots when either is gone.

bats_require_minimum_version 1.5.0

load lib.sh
load mirror.bash

@test "a mirror brings what the head offers, follows its channels, and goes on without it" {
	release slurm one
	swarmboot tag slurm stable
	start_head
	start_mirror
	wait_for_line mirror.log 'slurm:stable: offers slurm:1' 20
	[ "$(health '.mirror.fault, (.mirror.behind | length)' | xargs)" = 0 ]
	[ ! -e mirror/store/.mirror ]
	for part in kernel initramfs root packages; do
		cmp "$(blob ".release.$part.digest")" \
			"$(SWARMBOOT_STORE=mirror/store blob ".release.$part.digest")"
	done
	SWARMBOOT_STORE=mirror/store swarmboot verify slurm:1 --key release.pub
	cmp <(get $HEAD/v1/boot/52:54:00:aa:00:01.ipxe | grep -o 'swarmboot.release=.*') \
		<(get $MIRROR/v1/boot/52:54:00:aa:00:01.ipxe | grep -o 'swarmboot.release=.*')

	release slurm two
	swarmboot tag slurm:2 stable
	wait_for_line mirror.log 'slurm:stable: offers slurm:2' 15
	swarmboot tag slurm:1 stable
	wait_for_line mirror.log 'slurm:stable moves back from slurm:2 to slurm:1' 15

	killed "$head_pid"
	wait_for_line mirror.log 'mirror: .*10.77.0.1:8080/v1/channels: Connection refused; what is here is served on' 15
	[[ $(health .mirror.fault) == *"Connection refused" ]]
	[[ $(get $MIRROR/v1/boot/52:54:00:aa:00:01.ipxe) == *"boots slurm:1"* ]]
}

@test "a release that the mirror's keys did not sign is refused, the one before it is served on" {
	new_key other
	sed -i 's/trust: .*/trust: [..\/release.pub, ..\/other.pub]/' head/cluster.yaml
	release slurm one
	swarmboot tag slurm stable
	start_head
	start_mirror
	wait_for_line mirror.log 'slurm:stable: offers slurm:1' 20

	publish slurm two
	swarmboot sign slurm:2 --key other.key --yes
	swarmboot tag slurm:2 stable
	wait_for_line head.log 'slurm:stable: offers slurm:2' 10
	wait_for_line mirror.log 'mirror: slurm:stable: ' 15
	[[ $(health '.mirror.behind[0] | "\(.channel) \(.reason)"') == "slurm:stable signed by "* ]]
	[ "$(health '.channels[0].sequence')" = 1 ]
	[ "$(SWARMBOOT_STORE=mirror/store swarmboot images --json | jq '.releases | length')" = 1 ]
	[[ $(get $MIRROR/v1/boot/52:54:00:aa:00:01.ipxe) == *"boots slurm:1"* ]]

	release slurm three
	swarmboot tag slurm:3 stable
	wait_for_line mirror.log 'slurm:stable: offers slurm:3' 15
	becomes 0 health '.mirror.behind | length'
}

@test "groups that differ from the head's are told of, in the log and in health" {
	sed -i 's/^groups:/&\n  gpu: {channel: "k3s:stable"}/' head/cluster.yaml
	sed -i 's/^groups:/&\n  old: {channel: "slurm:7"}/' mirror/cluster.yaml
	release slurm one
	swarmboot tag slurm stable
	start_head
	start_mirror
	wait_for_line mirror.log 'mirror: .* has groups with k3s:stable, and no group of the cluster file here has that' 10
	wait_for_line mirror.log 'mirror: slurm:7: .* does not offer it: none of its groups has it' 10
	[ "$(health '.mirror | "\(.others) \(.behind[0].channel)"')" = "k3s:stable slurm:7" ]
}

@test "a transfer that was interrupted goes on where it was" {
	head -c 8000000 /dev/urandom >root
	FIXTURE_ROOT=root release slurm one
	swarmboot tag slurm stable
	start_head
	ns_shape head eth0 20mbit
	start_mirror
	part=mirror/store/.mirror/$(basename "$(blob .release.root.digest)").part
	timeout 20 bash -c 'until [ "$(stat -c %s "$0" 2>/dev/null || echo 0)" -gt 3000000 ]; do sleep 0.05; done' "$part"
	[[ $(health .mirror.part) == "root image" ]]
	[[ $(get $MIRROR/v1/boot/52:54:00:aa:00:01.ipxe) == *"n001 has no release to boot yet"* ]]
	waits() { # as iPXE does: the row is what it was told
		get $MIRROR/v1/boot/52:54:00:aa:00:01.ipxe >/dev/null && row '.error | sub(".*there are none; "; "")'
	}
	becomes "the mirror: it is on its way from $HEAD" waits
	killed "$mirror_pid"
	left=$(stat -c %s "$part")
	before=$(ns head cat /sys/class/net/eth0/statistics/tx_bytes)
	start_mirror
	wait_for_line mirror.log 'slurm:stable: offers slurm:1' 20
	sent=$(($(ns head cat /sys/class/net/eth0/statistics/tx_bytes) - before))
	[ "$sent" -lt $(((8000000 - left) * 11 / 10 + 100000)) ]
	[ ! -e mirror/store/.mirror ]
}

@test "the head is down when the mirror starts: what is here is served, and the head's return seen" {
	release slurm one
	swarmboot tag slurm stable
	start_head
	start_mirror
	wait_for_line mirror.log 'slurm:stable: offers slurm:1' 20
	killed "$mirror_pid"
	killed "$head_pid"
	start_mirror
	wait_for_line mirror.log 'Connection refused; what is here is served on' 10
	becomes 1 health '.channels[0].sequence'
	[[ $(get $MIRROR/v1/boot/52:54:00:aa:00:01.ipxe) == *"boots slurm:1"* ]]
	release slurm two
	swarmboot tag slurm:2 stable
	start_head
	wait_for_line mirror.log 'slurm:stable: offers slurm:2' 20
	[ "$(health .mirror.fault)" = "" ]
}

@test "a release that a node still boots comes along after its channel has moved, and is served to it" {
	release slurm one
	swarmboot tag slurm stable
	start_head
	get $HEAD/v1/boot/52:54:00:aa:00:01.ipxe >/dev/null
	old=$(get $HEAD/v1/channels | jq -r '.channels[0].release')
	release slurm two
	swarmboot tag slurm:2 stable
	wait_for_line head.log 'slurm:stable: offers slurm:2' 10
	start_mirror
	wait_for_line mirror.log 'mirror: brought slurm:1' 20
	becomes "" health .mirror.part
	becomes 2 health '.channels[0].sequence'
	code() { ns client curl -sS -o /dev/null -w '%{http_code}' "$MIRROR/v1/releases/$old"; }
	[ "$(code)" = 404 ]
	get $MIRROR/v1/report --data-binary \
		"{\"node\":\"n001\",\"mac\":\"52:54:00:aa:00:01\",\"phase\":\"start\",\"release\":\"$old\"}"
	becomes 200 code
}

# liar FILE...: a web server that has copied all the head offers
liar() {
	local release digest
	release=$(get $HEAD/v1/channels | jq -r '.channels[0].release')
	mkdir -p liar/v1/{releases,blobs}
	get $HEAD/v1/channels >liar/v1/channels
	get "$HEAD/v1/releases/$release" >"liar/v1/releases/$release"
	get "$HEAD/v1/releases/$release.minisig" >"liar/v1/releases/$release.minisig"
	for digest in $(jq -r '.. | .digest? // empty' "liar/v1/releases/$release" | sort -u); do
		get "$HEAD/v1/blobs/$digest" >"liar/v1/blobs/$digest" || true
	done
	spawn client liar.log python3 -B "$BATS_TEST_DIRNAME/head.py" --listen 10.77.0.9:8080 --root liar
	wait_for_tcp client 10.77.0.9 8080 10
}

@test "wrong bytes, wrong lists: nothing of it gets into the store" {
	release slurm one
	swarmboot tag slurm stable
	start_head
	liar
	root=liar/v1/blobs/sha256:$(basename "$(blob .release.root.digest)")
	flip "$root"
	HEAD=http://10.77.0.9:8080 start_mirror
	wait_for_line mirror.log 'slurm:stable: root image: .* sends other bytes than those of the signed digest' 15
	[ "$(find mirror/store/blobs -type f | wc -l)" = 0 ]
	[[ $(get $MIRROR/v1/boot/52:54:00:aa:00:01.ipxe) == *"n001 has no release to boot yet"* ]]
	wait_for_line mirror.log 'nothing to offer: .*sends other bytes' 10
	get $MIRROR/v1/boot/52:54:00:aa:00:01.ipxe >/dev/null
	[[ $(row .error) == *"sends other bytes"* ]]

	cp liar/v1/channels channels
	jq -c '.channels[0].sequence = 9' channels >liar/v1/channels
	wait_for_line mirror.log 'calls it sequence 9, its signed manifest 1' 20
	echo '{"seeders":[]' >liar/v1/channels
	wait_for_line mirror.log 'list of channels: not a JSON object' 15
	jq -c --argjson ids "$(get $MIRROR/v1/channels | jq .seeders)" '.seeders += $ids' channels >liar/v1/channels
	wait_for_line mirror.log 'is this seeder itself or follows it' 15

	flip "$root"
	cp channels liar/v1/channels
	wait_for_line mirror.log 'slurm:stable: offers slurm:1' 20
}

@test "wrong use of --mirror: one sentence, exit 2" {
	refused() { # URL REGEX
		run -2 ns mirror timeout 10 swarmboot serve --config mirror/cluster.yaml --mirror "$1"
		[[ ${lines[0]} =~ $2 ]]
	}
	for url in ftp://10.77.0.1:8080 10.77.0.1:8080 http://10.77.0.1 http://10.77.0.1:8080/v1 http://10.77.0.1:0 http://:80; do
		refused "$url" "--mirror: '$url' is not allowed: http://HOST:PORT, such as"
	done
	refused $MIRROR '--mirror: .* is this seeder itself'
	refused http://localhost:8080 '--mirror: .* is this seeder itself'
	sed -i 's/seeders: .*/seeders: [http:\/\/head:8080]/' mirror/cluster.yaml
	refused $HEAD "cluster.yaml:4: seeders: 'http://head:8080' is not allowed: http://ADDRESS:PORT"
	sed -i 's/seeders: .*/seeders: [http:\/\/10.77.0.11:8080]/' mirror/cluster.yaml
	refused $HEAD 'seeders: has the address of node n001'
	[ ! -e mirror/state ]
}
