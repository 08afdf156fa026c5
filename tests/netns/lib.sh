# shellcheck shell=bash
# Hosts and switches as network namespaces, for tests of real processes on one machine. Source it.
#
# Every namespace carries $NS_PREFIX, by default this process' id, so runs do not meet. Switches
# live in namespaces too: nothing of the machine's own network is touched, and ns_cleanup, which
# belongs into teardown or a trap, removes all of it whatever state it is in.
#
#   ns_switch rack1                     a bridge
#   ns_host n1 rack1 10.9.0.1/24 25mbit a host on it, its link shaped both ways (rate is optional)
#   ns_uplink rack1 core 100mbit        a cable between two switches (rate is optional)
#   ns_loss n1 5                        n1 loses 5 % of what it is sent
#   spawn n1 n1.log CMD ...             start CMD there; its pid is in $spawned
#   wait_for_tcp n1 10.9.0.1 80 10      until someone accepts there, seconds at most
#   wait_for_line n1.log REGEX 10       until a line matches, which is printed
#   reap PID                            end it, TERM first; returns its exit status

: "${NS_PREFIX:=t$$}"
export NS_PREFIX

spawned=
ns_spawned=()

ns() {
	local name=$1
	shift
	ip netns exec "$NS_PREFIX-$name" "$@"
}

ns_make() {
	local name
	for name; do
		ip netns add "$NS_PREFIX-$name" && ip -n "$NS_PREFIX-$name" link set lo up || return
	done
}

ns_switch() {
	local name=$1
	ns_make "$name" &&
		ip -n "$NS_PREFIX-$name" link add br0 type bridge forward_delay 0 mcast_snooping 0 &&
		ip -n "$NS_PREFIX-$name" link set br0 up
}

# ns_shape NAME DEV RATE: what leaves DEV is held to RATE (a tc rate such as 25mbit).
ns_shape() {
	ns "$1" tc qdisc replace dev "$2" root tbf rate "$3" burst 32kb latency 100ms
}

# ns_port SWITCH PORT [RATE]: a new cable's end becomes a port of the switch.
ns_port() {
	local name=$1 port=$2 rate=${3:-}
	ip -n "$NS_PREFIX-$name" link set "$port" master br0 up || return
	[ -z "$rate" ] || ns_shape "$name" "$port" "$rate"
}

# ns_attach HOST DEV SWITCH ADDRESS/LEN [RATE]: a further card for a host. HOST-DEV has 15 letters at most.
ns_attach() {
	local name=$1 dev=$2 switch=$3 address=$4 rate=${5:-}
	ip -n "$NS_PREFIX-$name" link add "$dev" type veth peer name "$name-$dev" netns "$NS_PREFIX-$switch" &&
		ip -n "$NS_PREFIX-$name" address add "$address" broadcast + dev "$dev" &&
		ip -n "$NS_PREFIX-$name" link set "$dev" up &&
		ns_port "$switch" "$name-$dev" "$rate" || return
	[ -z "$rate" ] || ns_shape "$name" "$dev" "$rate"
}

ns_host() {
	local name=$1
	shift
	ns_make "$name" && ns_attach "$name" eth0 "$@"
}

ns_uplink() {
	local lower=$1 upper=$2 rate=${3:-}
	ip -n "$NS_PREFIX-$lower" link add "to-$upper" type veth \
		peer name "to-$lower" netns "$NS_PREFIX-$upper" &&
		ns_port "$lower" "to-$upper" "$rate" && ns_port "$upper" "to-$lower" "$rate"
}

ns_loss() {
	local name=$1 percent=$2 which="numgen random mod 100 < $2"
	[ "$percent" -lt 100 ] || which= # numgen cannot say "all"
	ns "$name" nft "add table inet loss; flush table inet loss;
		add chain inet loss input { type filter hook input priority 0; };
		add rule inet loss input iifname != lo $which drop"
}

# The pid is the command's own: ip replaces itself by it. bats' descriptor 3 stays here.
spawn() {
	local name=$1 log=$2
	shift 2
	# Appended to: what an earlier process still writes lands behind, not over what was begun anew.
	: >"$log"
	ip netns exec "$NS_PREFIX-$name" "$@" >>"$log" 2>&1 </dev/null 3>&- &
	spawned=$!
	ns_spawned+=("$spawned")
}

reap() {
	local pid=$1 grace=${2:-5} status=0
	kill -TERM "$pid" 2>/dev/null || true
	timeout "$grace" tail -s 0.05 --pid="$pid" -f /dev/null || kill -KILL "$pid" 2>/dev/null || true
	wait "$pid" || status=$?
	return "$status"
}

wait_for_tcp() {
	local name=$1 host=$2 port=$3 seconds=$4
	# shellcheck disable=SC2016  # for the inner shell
	ns "$name" timeout "$seconds" bash -c \
		'until (: <"/dev/tcp/$0/$1") 2>/dev/null; do sleep 0.05; done' "$host" "$port" ||
		{ echo "$name: nobody listens on $host:$port after $seconds s" >&2; return 1; }
}

# tail waits with inotify, also for a file that is not there yet.
wait_for_line() {
	local file=$1 regex=$2 seconds=$3 fd pid status=0
	exec {fd}< <(exec timeout "$seconds" tail -n +1 -F -- "$file" 2>/dev/null 3>&-)
	pid=$!
	grep -m 1 -E -- "$regex" <&"$fd" ||
		{ echo "$file: no line with '$regex' after $seconds s" >&2; status=1; }
	exec {fd}<&-
	kill "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	return "$status"
}

ns_list() {
	ip netns list | sed -n "s/^\($NS_PREFIX-[^ ]*\).*/\1/p"
}

# ns_end NAMESPACE: TERM to all in it, KILL for what is there 5 s later.
ns_end() {
	local signal=TERM i pids
	for ((i = 0; i < 200; i++)); do
		mapfile -t pids < <(ip netns pids "$1")
		[ ${#pids[@]} -gt 0 ] || return 0
		[ "$i" -lt 100 ] || signal=KILL
		[ $((i % 100)) -ne 0 ] || kill -"$signal" "${pids[@]}" 2>/dev/null || true
		sleep 0.05
	done
}

ns_cleanup() {
	local namespace pid
	for namespace in $(ns_list); do
		ns_end "$namespace"
		ip netns del "$namespace"
	done
	for pid in "${ns_spawned[@]}"; do
		wait "$pid" 2>/dev/null || true
	done
	ns_spawned=()
}
