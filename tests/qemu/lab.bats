#!/usr/bin/env bats
# The lab itself: one BIOS and one UEFI node fetch an iPXE script from the head by PXE, and
# nothing is left afterwards. dnsmasq and Python's HTTP server stand in for `swarmboot serve`.

bats_require_minimum_version 1.5.0

load ../netns/lib.sh # for wait_for_line

root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
ipxe=/usr/lib/ipxe

lab() { "$root/tests/lab/lab" --dir "$BATS_TEST_TMPDIR/lab" "$@"; }
other_lab() { "$root/tests/lab/lab" --dir "$BATS_TEST_TMPDIR/other" "$@"; }
netns() { lab status --json | sed -n 's/.*"netns": "\(.*\)",/\1/p'; }

# What a lab could leave behind on the machine, other people's processes aside.
leftovers() {
	ip netns list | grep -F "$1" || true
	grep -F "$1" /proc/self/mounts || true
	pgrep -af -- "$BATS_TEST_TMPDIR/lab/" || true
}

assert_nothing_left() {
	local left
	left=$(leftovers "$(netns)")
	[ -z "$left" ] || { echo "left behind: $left"; return 1; }
	[ "$(ip -br link)" = "$links" ]
	[ -z "$(find "$BATS_TEST_TMPDIR/lab" ! -type d ! -name '*.log' ! -name lock)" ]
}

setup() {
	links=$(ip -br link)
}

teardown() {
	lab down
	other_lab down
}

# Run in the background on the head; `lab down` ends it.
on_head() {
	local log=$1
	shift
	lab exec -- "$@" >"$BATS_TEST_TMPDIR/$log" 2>&1 3>&- &
}

head_dhcp() {
	mkdir "$BATS_TEST_TMPDIR/tftp"
	cp "$ipxe/snponly.efi" "$BATS_TEST_TMPDIR/tftp"
	cat >"$BATS_TEST_TMPDIR/dnsmasq.conf" <<-EOF
		port=0
		user=root
		interface=sbr0
		except-interface=lo
		bind-interfaces
		no-ping
		dhcp-range=10.77.0.100,10.77.0.200,1h
		dhcp-leasefile=$BATS_TEST_TMPDIR/leases
		enable-tftp
		tftp-root=$BATS_TEST_TMPDIR/tftp
		dhcp-match=set:ipxe,175
		dhcp-match=set:efi,option:client-arch,7
		dhcp-option=tag:ipxe,encap:175,176,1b
		dhcp-boot=tag:efi,tag:!ipxe,snponly.efi
		dhcp-boot=tag:ipxe,http://10.77.0.1:8080/boot.ipxe
	EOF
	on_head dnsmasq.log dnsmasq --keep-in-foreground --log-facility=- "--conf-file=$BATS_TEST_TMPDIR/dnsmasq.conf"
	wait_for_line "$BATS_TEST_TMPDIR/dnsmasq.log" 'TFTP root is' 30
}

head_http() {
	mkdir "$BATS_TEST_TMPDIR/http"
	cat >"$BATS_TEST_TMPDIR/http/boot.ipxe" <<-'EOF'
		#!ipxe
		echo lab-marker ${platform} ${mac}
		prompt --timeout 60000 waiting
	EOF
	on_head http.log python3 -u -m http.server --bind 10.77.0.1 --directory "$BATS_TEST_TMPDIR/http" 8080
	wait_for_line "$BATS_TEST_TMPDIR/http.log" 'Serving HTTP on' 30
}

@test "a BIOS and a UEFI node boot by PXE into a script of the head" {
	lab up
	head_dhcp
	head_http
	lab boot bios1 --firmware bios --mac 52:54:00:77:00:01 --memory 256
	lab boot uefi1 --firmware uefi --mac 52:54:00:77:00:02 --memory 512

	lab console bios1 --wait 'lab-marker pcbios 52:54:00:77:00:01' --timeout 90
	lab console uefi1 --wait 'NBP filename is snponly.efi' --timeout 90
	lab console uefi1 --wait 'lab-marker efi 52:54:00:77:00:02' --timeout 90
	[ "$(grep -c '"GET /boot.ipxe HTTP/1.1" 200' "$BATS_TEST_TMPDIR/http.log")" -eq 2 ]

	lab down
	assert_nothing_left
}

@test "an e1000 card and a second card are there too" {
	lab up
	head_dhcp
	head_http
	lab boot n1 --nic e1000 --mac 52:54:00:77:00:03 --mac 52:54:00:77:00:04 --memory 256
	lab console n1 --wait 'lab-marker pcbios 52:54:00:77:00:03' --timeout 90
	lab qmp n1 qom-list '{"path": "/machine/peripheral/nic1"}' >/dev/null
	[ "$(lab exec -- ip -br link show master sbr0 | wc -l)" -eq 2 ]
	lab down
	assert_nothing_left
}

@test "a BIOS node that finds nothing to boot starts again" {
	lab up
	head_dhcp
	lab boot n1 --memory 128 --mac 52:54:00:77:00:05
	lab console n1 --wait 'No bootable device' --timeout 120
	head_http
	lab console n1 --wait 'lab-marker pcbios 52:54:00:77:00:05' --timeout 120
}

@test "kill ends one node and its tap, the other runs on" {
	lab up
	lab boot n1 --memory 128
	lab boot n2 --memory 128
	lab kill n1
	run -0 lab status
	[[ $output == *"n1 "*" ended "* ]]
	[[ $output == *"n2 "*" running "* ]]
	[ "$(lab exec -- ip -br link show master sbr0 | wc -l)" -eq 1 ]
	lab boot n1 --memory 128
	[ "$(lab exec -- ip -br link show master sbr0 | wc -l)" -eq 2 ]
}

@test "wait says time-out and end of the node apart" {
	lab up
	lab boot n1 --memory 128
	run -4 lab console n1 --wait 'never printed' --timeout 0.5
	[[ $output == *"no 'never printed' within 0.5 s"* ]]
	lab console n1 --wait 'never printed' --timeout 60 3>&- & # ends when the node does
	local waiter=$!
	lab kill n1
	local status=0
	wait "$waiter" || status=$?
	[ "$status" -eq 5 ]
	run -5 lab send n1 hello
}

@test "a signal to a boot in the foreground ends the node" {
	lab up
	"$root/tests/lab/lab" --dir "$BATS_TEST_TMPDIR/lab" boot n1 --memory 128 --foreground \
		>"$BATS_TEST_TMPDIR/out" 3>&- &
	local boot=$!
	until lab console n1 --wait SeaBIOS --timeout 60 2>/dev/null; do kill -0 "$boot"; done
	kill -TERM "$boot"
	local status=0
	wait "$boot" || status=$?
	[ "$status" -eq 143 ]
	run -0 lab status
	[[ $output == *"n1 "*" ended "* ]]
	grep -q SeaBIOS "$BATS_TEST_TMPDIR/out"
	[ -z "$(lab exec -- ip -br link show master sbr0)" ]
}

@test "a node that cannot start leaves nothing and says why" {
	lab up
	run -1 lab boot n1 --cpu no-such-cpu
	[[ $output == *"n1: QEMU did not start: "*"no-such-cpu"* ]]
	[ -z "$(lab exec -- ip -br link show master sbr0)" ]
	run -1 lab console n1
	[[ $output == *"n1: was never booted"* ]]
}

@test "wrong input is one sentence" {
	run -1 lab boot n1
	[[ $output == "lab: namespace "*" is not there: run 'lab up' first" ]]
	run -1 lab up --address 10.77.0.1/33
	[[ $output == "lab: --address 10.77.0.1/33: "* ]]
	lab up
	run -1 lab up
	[[ $output == *"is there already: run 'lab down' first" ]]
	run -1 lab boot ../n1
	run -1 lab boot n1 --mac 53:54:00:77:00:01
	run -1 lab boot n1 --kernel /nonexistent
	run -2 lab boot n1 --firmware coreboot
	lab boot n1 --memory 128
	run -1 lab boot n1
	[[ $output == *"runs already as pid"* ]]
}

@test "down works after a crash, without the folder, and twice" {
	lab up
	lab boot n1 --memory 128
	on_head sleep.log sleep 1000
	local ns
	ns=$(netns)
	kill -KILL "$(lab status --json | sed -n 's/.*"pid": \([0-9]*\),/\1/p')"
	rm -r "$BATS_TEST_TMPDIR/lab"
	lab down
	lab down
	[ -z "$(leftovers "$ns")" ]
}

@test "two labs stand side by side" {
	lab up
	other_lab up
	lab boot n1 --memory 128
	other_lab boot n1 --memory 128
	other_lab down
	run -0 lab status
	[[ $output == *"n1 "*" running "* ]]
}
