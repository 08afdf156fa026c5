#!/usr/bin/env bats
# The serve command as a whole: in the namespace of a head, asked by a client on its bridge.

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
	release slurm one
	swarmboot tag slurm stable
	cluster_file >cluster.yaml
}

teardown() {
	ns_cleanup
}

release() { # PROFILE WORD: published and signed
	publish "$1" "$2"
	swarmboot sign "$1" --key release.key --yes
}

cluster_file() {
	cat <<-END
		store: store
		state: state
		trust: [release.pub]
		networks:
		  boot:
		    interface: br0
		    address: 10.77.0.1/24
		    range: 10.77.0.100-10.77.0.199
		    gateway: 10.77.0.1
		    lease: 10m
		groups:
		  compute: {channel: "slurm:stable", cmdline: "console=ttyS0"}
		  k3s: {channel: "k3s:stable"}
		nodes:
		  n001: {mac: "52:54:00:aa:00:01", group: compute, rack: r1, address: 10.77.0.11}
		  n002: {mac: "52:54:00:aa:00:02", group: compute, rack: r1}
		  k001: {mac: "52:54:00:aa:00:03", group: k3s}
	END
}

serve() { # until all parts run and the store was read
	spawn head log swarmboot serve --config cluster.yaml
	wait_for_line log 'serves nodes=' 10
	wait_for_line log 'has read the store' 10
}

get() { # PATH [CURL OPTIONS]
	local path=$1
	shift
	ns client curl -sS "$@" "$URL$path"
}

code() { # PATH [CURL OPTIONS]: the status alone
	get "$@" -o /dev/null -w '%{http_code}'
}

refused() { # STATUS REGEX: serve ends at once, with one sentence
	run "-$1" ns head timeout 10 swarmboot serve --config cluster.yaml
	[[ $output =~ $2 ]]
}

report() { # NODE MAC PHASE [JSON MEMBERS]
	code /v1/report --data-binary "{\"node\":\"$1\",\"mac\":\"$2\",\"phase\":\"$3\"${4:+,$4}}"
}

row() { # NODE JQ: of the node table
	ns head swarmboot status --json "$1" | jq -r ".nodes[0]$2"
}

row_becomes() { # NODE JQ VALUE: asked until it is so
	local i
	for ((i = 0; i < 100; i++)); do
		[ "$(row "$1" "$2")" != "$3" ] || return 0
		sleep 0.1
	done
	echo "row $1 $2 is '$(row "$1" "$2")', not '$3'" >&2
	return 1
}

child() {
	pgrep -P "$spawned" -x dnsmasq
}

@test "faults of the cluster file: file, line and key, exit 2" {
	sed -i 's/group: k3s/group: gpu/' cluster.yaml
	refused 2 "cluster.yaml:17: group: there is no group 'gpu'; the file has compute, k3s"
	cluster_file | sed 's/:aa:00:02/:aa:00:01/' >cluster.yaml
	refused 2 'cluster.yaml:16: mac: nodes n001 and n002 have the same one'
	cluster_file | sed 's/10.77.0.199/10.78.0.199/' >cluster.yaml
	refused 2 'cluster.yaml:[0-9]+: range: lies outside the network'
	cluster_file | sed 's/release.pub/missing.pub/' >cluster.yaml
	refused 2 'trust: .*missing.pub: No such file'
	[ ! -e state ]
}

@test "a missing interface and ports in use: one sentence, exit 1" {
	cluster_file | sed 's/br0/eth7/' >cluster.yaml
	refused 1 'network boot: there is no interface eth7 on this host$'
	cluster_file >cluster.yaml
	spawn head port python3 -m http.server --bind 10.77.0.1 8080
	wait_for_tcp head 10.77.0.1 8080 10
	refused 1 'cannot listen for HTTP on port 8080: Address already in use$'
	reap "$spawned" || true
	spawn head port python3 -m http.server --bind 10.77.0.1 6881
	wait_for_tcp head 10.77.0.1 6881 10
	refused 1 '6881.*in use$'
}

@test "boot scripts: the entry, a node, a node without a release, an unknown MAC" {
	serve
	[[ $(get /boot.ipxe) == *"chain --replace --autofree $URL/v1/boot/\${netX/mac}.ipxe"* ]]

	script=$(get /v1/boot/52-54-00-AA-00-01.ipxe)
	[[ $script == "#!ipxe"* ]]
	[[ $script == *"initrd=initramfs quiet console=ttyS0 panic=30 swarmboot.node=n001 "* ]]
	[[ $script == *" swarmboot.seeder=$URL "* ]]
	[[ $script == *" ip=10.77.0.11::10.77.0.1:255.255.255.0:n001::off "* ]]
	[[ $script == *"kernel $URL/v1/blobs/$(swarmboot show --json slurm | jq -r .release.kernel.digest) "* ]]
	[[ $(get /v1/boot/52:54:00:aa:00:02.ipxe) == *" ip=10.77.0.50::10.77.0.1:255.255.255.0:n002::off "* ]]

	[[ $(get /v1/boot/52:54:00:aa:00:03.ipxe) == *"k001 has no release to boot yet"*"sleep 10"* ]]
	[[ $(get /v1/boot/52:54:00:aa:00:99.ipxe) == *"52:54:00:aa:00:99 is in no cluster file"* ]]
	[ "$(code /v1/boot/nonsense.ipxe)" = 400 ]

	[ "$(row n001 .phase)" = offered ]
	[ "$(row n001 .sequence)" = 1 ]
	[[ $(row k001 .error) == "k3s:stable: no such release"* ]]
	[ "$(get /v1/nodes | jq -r '.nodes[] | select(.node == "") | "\(.mac) \(.phase)"')" = \
		"52:54:00:aa:00:99 discovered" ]
}

@test "files: whole, by range, by digest only, and nothing else" {
	serve
	root=$(blob .release.root.digest)
	path=/v1/blobs/sha256:${root##*/}
	get "$path" | cmp - "$root"
	for range in 0-0:1:0 1000-1999:1000:1000 299000-:8200:299000 -5:5:307195 307199-999999:1:307199; do
		IFS=: read -r range count skip <<<"$range"
		get "$path" -r "$range" | cmp - <(tail -c +$((skip + 1)) "$root" | head -c "$count")
	done
	[ "$(code "$path" -r 5-9)" = 206 ]
	[ "$(code "$path" -r 307200-)" = 416 ]
	[ "$(code "$path" -r 0-1 -H 'If-Range: "other"')" = 200 ]
	[[ $(get "$path" -I) == *"Content-Length: 307200"* ]]

	release=$(get /v1/health | jq -r '.channels[0].release')
	[ "sha256:$(get "/v1/releases/$release" | sha256sum | cut -d' ' -f1)" = "$release" ]
	get "/v1/releases/$release" >manifest
	get "/v1/releases/$release.minisig" >manifest.minisig
	minisign -V -q -p release.pub -m manifest
	[[ $(get "/v1/torrents/sha256:${root##*/}.torrent" | tr -d '\0') == d* ]]

	list=$(blob .release.packages.digest)
	get "/v1/blobs/sha256:${list##*/}" | cmp - "$list"
	[ "$(get /v1/channels | jq -r '.channels[] | "\(.channel) \(.release) \(.sequence)"' | head -n 1)" = \
		"slurm:stable $release 1" ]
	[ "$(code "/v1/blobs/${root##*/}")" = 404 ]
	[ "$(code "/v1/blobs/../index.json" --path-as-is)" = 404 ]
	[ "$(code /boot/../nodes.db --path-as-is)" = 404 ]
	[ "$(code /)" = 404 ]
	[ "$(code /v1/nodes -X POST)" = 405 ]
	get /boot/snponly.efi | cmp - /usr/lib/ipxe/snponly.efi
}

@test "DHCP and TFTP: the way in for BIOS, UEFI, UEFI over HTTP and iPXE" {
	serve
	dhcp() { ns client python3 "$BATS_TEST_DIRNAME/dhcp.py" "$@"; }
	run -0 dhcp --mac 52:54:00:aa:00:01
	[[ $output == *"address=10.77.0.11"*"router=10.77.0.1"*"server=10.77.0.1"*"file=undionly.kpxe"*"lease=600"* ]]
	run -0 dhcp --mac 52:54:00:aa:00:01 --arch 7
	[[ $output == *"file=snponly.efi"* ]]
	run -0 dhcp --mac 52:54:00:aa:00:02 --arch 16 --vendor HTTPClient
	[[ $output == *"file=$URL/boot/snponly.efi"*"vendor=HTTPClient"* ]]
	run -0 dhcp --mac 52:54:00:aa:00:99 --arch 7 --ipxe
	[[ $output == *"address=10.77.0.1"[0-9][0-9]* ]]
	[[ $output == *"file=$URL/boot.ipxe"* ]]
	for file in undionly.kpxe snponly.efi; do
		ns client curl -sS "tftp://10.77.0.1/$file" | cmp - "/usr/lib/ipxe/$file"
	done
}

@test "reports fill the node table; what is not as it should be is refused" {
	serve
	[ "$(report n001 52:54:00:aa:00:01 fetch '"percent":40,"bytes_from_peers":7')" = 204 ]
	[ "$(row n001 .phase)/$(row n001 .percent)/$(row n001 .bytes_from_peers)" = fetch/40/7 ]
	[ "$(report n001 52:54:00:aa:00:01 verify '"failed":true,"error":"wrong digest"')" = 204 ]
	[ "$(report n001 52:54:00:aa:00:01 fetch)" = 204 ]
	[ "$(row n001 .error)" = "wrong digest" ]
	[ "$(report n001 52:54:00:aa:00:01 mount '"phases":[{"name":"fetch","ms":1500}]')" = 204 ]
	[ "$(row n001 .error)" = "" ]
	[ "$(row n001 '.phases[0].seconds')" = 1.5 ]

	[ "$(report n001 52:54:00:aa:00:02 up)" = 403 ]
	[ "$(report n009 52:54:00:aa:00:01 up)" = 403 ]
	[ "$(report n009 52:54:00:aa:00:09 up)" = 404 ]
	[ "$(row n001 .phase)" = mount ]
	[ "$(code /v1/report --data-binary '{"node":')" = 400 ]
	head -c 20000 /dev/zero >large
	[ "$(code /v1/report --data-binary @large)" = 413 ]

	run -0 ns head swarmboot status 'n[001-002]'
	[[ $output == NODE*n001*compute*mount*n002* ]]
	[[ $output != *k001* ]]
	run -1 ns head swarmboot status 'n[001-003]'
	[[ $output == *"1 of 3 nodes"* ]]
}

@test "texts of any bytes: a node's in its report, a path in a reason" {
	mkdir $'caf\xe9'
	cp -r cluster.yaml release.pub store $'caf\xe9'
	spawn head log swarmboot serve --config $'caf\xe9/cluster.yaml'
	wait_for_line log 'offers slurm:' 10
	printf '{"node":"n001","mac":"52:54:00:aa:00:01","phase":"fetch","failed":true,"error":"raw \xff\xc3"}' >body
	[ "$(code /v1/report --data-binary @body)" = 204 ]
	[ "$(row n001 .error)" = $'raw \uFFFD\uFFFD' ]
	[[ $(get /v1/channels | jq -r '.channels[1].reason') == *$'caf\uFFFD/store; '* ]]
	[[ $(get /v1/health | jq -r '.channels[1].reason') == *$'caf\uFFFD/store; '* ]]
	get /v1/boot/52:54:00:aa:00:03.ipxe >/dev/null
	[[ $(row k001 .error) == *$'caf\uFFFD/store; '* ]]
	[[ $(ns head swarmboot status k001) == *$'caf\uFFFD/store; '* ]]
}

@test "status without a seeder: one sentence" {
	run -1 ns head swarmboot status --server http://10.77.0.1:9
	[[ $output == "swarmboot status: http://10.77.0.1:9/v1/nodes: "* ]]
}

@test "dnsmasq is started again when it is killed, and ends with us" {
	serve
	first=$(child)
	kill -KILL "$first"
	wait_for_line log 'dnsmasq killed by signal 9' 10
	run -0 ns client python3 "$BATS_TEST_DIRNAME/dhcp.py" --mac 52:54:00:aa:00:01 --ipxe
	[[ $output == *"address=10.77.0.11"* ]]
	second=$(child)
	[ "$first" != "$second" ]
	reap "$spawned"
	run ! kill -0 "$second"
	[ -z "$(ip netns pids "$NS_PREFIX-head")" ]
	serve
}

@test "a dnsmasq that a killed seeder left behind is ended by the next one" {
	serve
	first=$(child)
	kill -KILL "$spawned"
	wait "$spawned" || true
	ip netns pids "$NS_PREFIX-head" | grep -x "$first"
	rm log # it writes there as well
	serve
	[ "$(ip netns pids "$NS_PREFIX-head" | sort)" = "$(printf '%s\n' "$spawned" "$(child)" | sort)" ]
	[ "$(child)" != "$first" ]
}

@test "SIGHUP: a good file is taken, a wrong one reported and nothing changed" {
	serve
	printf '  n004: {mac: "52:54:00:aa:00:04", group: compute, address: 10.77.0.14}\n' >>cluster.yaml
	kill -HUP "$spawned"
	wait_for_line log 'read cluster.yaml again nodes=4' 10
	[[ $(get /v1/boot/52:54:00:aa:00:04.ipxe) == *"swarmboot.node=n004"* ]]
	run -0 ns client python3 "$BATS_TEST_DIRNAME/dhcp.py" --mac 52:54:00:aa:00:04
	[[ $output == *"address=10.77.0.14"* ]]
	pid=$(child)

	echo 'vlans: 1' >>cluster.yaml
	kill -HUP "$spawned"
	wait_for_line log 'keeps the cluster as it was: cluster.yaml:[0-9]+: vlans: unknown key' 10
	[[ $(get /v1/boot/52:54:00:aa:00:04.ipxe) == *"swarmboot.node=n004"* ]]
	cluster_file | sed 's/^store.*/&\nhttp: {port: 8081}/' >cluster.yaml
	kill -HUP "$spawned"
	wait_for_line log 'http has changed, which needs a restart' 10
	[ "$(child)" = "$pid" ]
}

@test "a new release is picked up, and a transfer that runs is not dropped" {
	serve
	root=$(blob .release.root.digest)
	get "/v1/blobs/sha256:${root##*/}" --limit-rate 150k -o slow &
	slow=$!
	publish slurm two
	swarmboot tag slurm:2 stable
	wait_for_line log 'nothing to offer: slurm:2: ' 10
	row_becomes n001 .phase unknown
	[[ $(get /v1/boot/52:54:00:aa:00:01.ipxe) == *"has no release to boot yet"* ]]
	swarmboot sign slurm:2 --key release.key --yes
	wait_for_line log 'slurm:stable: offers slurm:2' 10
	[[ $(get /v1/boot/52:54:00:aa:00:01.ipxe) == *"boots slurm:2"* ]]
	[ "$(row n001 .sequence)/$(row n001 .error)" = 2/ ]
	wait "$slow"
	cmp slow "$root"
}

@test "a release a node runs is served on after its channel has moved" {
	serve
	get /v1/boot/52:54:00:aa:00:01.ipxe >/dev/null
	old=$(row n001 .release)
	release slurm two
	swarmboot tag slurm:2 stable
	wait_for_line log 'slurm:stable: offers slurm:2' 10
	[ "$(code "/v1/releases/$old")" = 200 ]
}

@test "a key that is not trusted: nothing is offered, and the node table says why" {
	new_key other
	sed -i 's/release.pub/other.pub/' cluster.yaml
	serve
	[[ $(get /v1/boot/52:54:00:aa:00:01.ipxe) == *"has no release to boot yet"* ]]
	[[ $(row n001 .error) == slurm:1:* ]]
	[ "$(code "/v1/blobs/sha256:$(blob .release.root.digest | xargs basename)")" = 404 ]
}

@test "a flipped byte in the image: no longer served or seeded, again when it is whole" {
	serve
	root=$(blob .release.root.digest)
	flip "$root"
	wait_for_line log 'is no longer seeded: its file was changed' 10
	wait_for_line log 'root image: its bytes are not those of the signed digest' 10
	[[ $(get /v1/boot/52:54:00:aa:00:01.ipxe) == *"has no release to boot yet"* ]]
	[[ $(row n001 .error) == *"its bytes are not those"* ]]
	flip "$root"
	: >log
	wait_for_line log 'offers slurm:1' 20
	get "/v1/blobs/sha256:${root##*/}" | cmp - "$root"
	[[ $(get /v1/boot/52:54:00:aa:00:01.ipxe) == *"boots slurm:1"* ]]
	[ "$(row n001 .error)" = "" ]
}

@test "the node table and what was hashed survive a restart" {
	serve
	report n001 52:54:00:aa:00:01 up '"state":"running"'
	before=$(row n001 .since)
	timeout 10 bash -c 'until grep -aq running state/nodes.db*; do sleep 0.05; done'
	kill -KILL "$spawned"
	wait "$spawned" || true
	cp state/verified verified
	root=$(blob .release.root.digest)
	# What is remembered is not read again: a bit that flips behind its back is not seen, mtime kept.
	touch -r "$root" stamp
	flip "$root"
	touch -r stamp "$root"
	serve
	[ "$(row n001 .phase)/$(row n001 .state)/$(row n001 .since)" = "up/running/$before" ]
	cmp state/verified verified
	[ "$(code "/v1/blobs/sha256:${root##*/}")" = 200 ]
}

# The first connection that is taken at all: nothing lies between one try and the next.
first_script() { # MAC
	# shellcheck disable=SC2016 # for the inner shell
	ns client timeout 20 bash -c 'until exec {fd}<>/dev/tcp/10.77.0.1/8080; do :; done 2>/dev/null
		printf "GET /v1/boot/%s.ipxe HTTP/1.1\r\nHost: head\r\nConnection: close\r\n\r\n" "$0" >&"$fd"
		cat <&"$fd"' "$1"
}

@test "who asks first after a restart gets its release, not a wait" {
	serve
	reap "$spawned"
	spawn head log swarmboot serve --config cluster.yaml
	[[ $(first_script 52:54:00:aa:00:01) == *"boots slurm:1"* ]]
	[ "$(get /v1/health | jq .ready)" = true ]
}

failed_scans() { # NUMBER: so many were logged
	timeout 10 bash -c 'until [ "$(grep -c "the store cannot be read" log)" = "$0" ]; do sleep 0.05; done' "$1"
}

told_to_wait() { # NODE MAC: for the scan, and why
	[[ $(get "/v1/boot/$2.ipxe") == *$'\nsleep 10\n'* ]]
	[[ $(row "$1" .error) == *"state/verified: Is a directory" ]]
}

@test "a scan that fails is told to those that wait for it, and they come again later" {
	mkdir -p state/verified
	spawn head log swarmboot serve --config cluster.yaml
	wait_for_line log 'serves nodes=' 10
	failed_scans 1
	told_to_wait n001 52:54:00:aa:00:01
	[[ $(get /v1/health | jq -c '[.ready, .fault]') == '[false,"'*'state/verified: Is a directory"]' ]]

	rmdir state/verified
	kill -HUP "$spawned"
	wait_for_line log 'has read the store' 5
	[[ $(get /v1/boot/52:54:00:aa:00:01.ipxe) == *"boots slurm:1"* ]]
	[ "$(get /v1/health | jq -c '[.ready, .fault]')" = '[true,""]' ]

	# a new group, and what is offered goes on to be
	rm state/verified
	mkdir state/verified
	cluster_file | sed 's/^  k3s: .*/&\n  late: {channel: "slurm:1"}/; s/group: k3s/group: late/' >cluster.yaml
	kill -HUP "$spawned"
	failed_scans 2
	told_to_wait k001 52:54:00:aa:00:03
	[[ $(get /v1/boot/52:54:00:aa:00:01.ipxe) == *"boots slurm:1"* ]]
}

@test "a peer fetches the image from the seeder, found by its tracker" {
	serve
	root=$(blob .release.root.digest)
	get "/v1/torrents/sha256:${root##*/}.torrent" >image.torrent
	mkdir got
	ns client timeout 60 aria2c --quiet --enable-dht=false --bt-enable-lpd=false --seed-time=0 \
		--bt-tracker="$URL/announce" --dir got image.torrent
	cmp "got/${root##*/}" "$root"
}

@test "a node known by its address alone is in the rack of that address" {
	cluster_file | sed 's/^groups:/racks:\n  r1: {nodes: n001}\n  r2: {addresses: 10.77.0.100-10.77.0.149}\n&/' >cluster.yaml
	serve
	root=$(blob .release.root.digest)
	hash=$(get "/v1/torrents/sha256:${root##*/}.torrent" | python3 -c \
		'import hashlib, sys; i = sys.stdin.buffer.read(); print(hashlib.sha1(i[i.index(b"4:info") + 6 : -1]).hexdigest())')
	announce() { # ADDRESS: who feeds it
		ip -n "$NS_PREFIX-client" address add "$1/24" dev eth0
		get "/announce?info_hash=$(sed 's/../%&/g' <<<"$hash")&port=6881&left=307200&event=started" --interface "$1" |
			python3 -c 'import sys; p = sys.stdin.buffer.read().split(b":", 6)[-1][:4]; print(*p, sep=".")'
	}
	[ "$(announce 10.77.0.140)" = 10.77.0.1 ]
	[ "$(announce 10.77.0.141)" = 10.77.0.140 ]
	[ "$(announce 10.77.0.149)" = 10.77.0.141 ]
	# not in a rack, no node: the seeder first, as everybody who is no node
	[ "$(announce 10.77.0.150)" = 10.77.0.1 ]
	# a node without an address of its own, known by where it boots from
	ip -n "$NS_PREFIX-client" address add 10.77.0.110/24 dev eth0
	get /v1/boot/52:54:00:aa:00:03.ipxe --interface 10.77.0.110 >/dev/null
	[ "$(row k001 .rack)" = r2 ]
	[ "$(row n001 .rack)" = r1 ]
}
