# shellcheck shell=bash
# What the tests of whole machines share: an image built once per build folder, a head in the lab, waiting on the node table.
# Source it; $BATS_TEST_TMPDIR holds the lab.

: "${BUILD_DIR:?is the folder of the programs to test}"
top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
cache=$BUILD_DIR/qemu

lab() { "$top/tests/lab/lab" --dir "$BATS_TEST_TMPDIR/lab" "$@"; }
swarmboot() { "$BUILD_DIR/swarmboot" "$@"; }

# The digest of all that decides what the image is.
image_inputs() {
	(cd "$top" && find profiles tests/qemu/node* -type f -print0 | sort -z | xargs -0 sha256sum) | cat - <(cd "$BUILD_DIR" &&
		sha256sum swarmboot swarmboot-init)
}

# $cache/store holds slurm-compute:1 of the present sources (and node.yaml), unsigned; its initramfs trusts $cache/good.pub, not other.pub.
image_make() {
	[ "$(cat "$cache/inputs" 2>/dev/null)" = "$(image_inputs)" ] && return
	rm -rf "$cache"
	mkdir -p "$cache"
	swarmboot keygen --output "$cache/good" --no-password
	swarmboot keygen --output "$cache/other" --no-password
	swarmboot build "$top/tests/qemu/node.yaml" --store "$cache/store" --cache "$BUILD_DIR/cache" \
		--key "$cache/good.pub"
	image_inputs >"$cache/inputs"
}

# $store, the test's own, with the same blobs, except that the image is a copy it may spoil.
store_copy() {
	store=$BATS_TEST_TMPDIR/store
	cp -al "$cache/store" "$store"
	image=$(swarmboot show slurm-compute:1 --json --store "$store" | jq -r .release.root.digest)
	image_blob=$store/blobs/sha256/${image#sha256:}
	cp "$image_blob" "$image_blob.copy"
	mv "$image_blob.copy" "$image_blob"
}

# sign_by KEY: the release of $store carries this signature alone, and is what nodes get.
sign_by() {
	cp -aln "$cache/store/blobs" "$store"
	cp "$cache/store/index.json" "$store/index.new"
	mv "$store/index.new" "$store/index.json"
	swarmboot sign slurm-compute:1 --store "$store" --key "$cache/$1.key" --yes
	swarmboot tag slurm-compute:1 stable --store "$store"
}

# cluster_file TRUST NODES-YAML; $node_cmdline: further kernel arguments
cluster_file() {
	cat >"$BATS_TEST_TMPDIR/cluster.yaml" <<-EOF
		store: $store
		state: $BATS_TEST_TMPDIR/state
		trust: [$1]
		http: {port: 8080}
		swarm: {port: 6881}
		networks:
		  boot: {interface: sbr0, address: 10.77.0.1/24, range: 10.77.0.100-10.77.0.199}
		groups:
		  compute: {channel: "slurm-compute:stable", cmdline: "console=ttyS0 ${node_cmdline:-}"}
		nodes: $2
	EOF
}

head_start() {
	# Not by the function above: the pid would be a shell's.
	"$top/tests/lab/lab" --dir "$BATS_TEST_TMPDIR/lab" exec -- "$BUILD_DIR/swarmboot" serve --config \
		"$BATS_TEST_TMPDIR/cluster.yaml" >"$BATS_TEST_TMPDIR/head.log" 2>&1 3>&- &
	head_pid=$!
	await 30 '.nodes | length >= 0'
}

head_stop() {
	kill "$head_pid"
	wait "$head_pid"
}

nodes_json() {
	lab exec -- "$BUILD_DIR/swarmboot" status --json --server http://10.77.0.1:8080 2>/dev/null
}

# await SECONDS JQ-CONDITION: until the node table fulfils it; prints the table when it never does.
await() {
	local deadline=$((SECONDS + $1)) table=
	while [ "$SECONDS" -lt "$deadline" ]; do
		table=$(nodes_json) && jq -e "$2" <<<"$table" >/dev/null && return
		read -rt 0.5 <> <(:) || true
	done
	echo "never came true in $1 s: $2"
	echo "$table"
	tail -n 20 "$BATS_TEST_TMPDIR/head.log"
	return 1
}

# The signature that the head hands out.
served_signature() {
	lab exec -- curl -sf "http://10.77.0.1:8080/v1/releases/$(swarmboot show slurm-compute:1 --json --store "$store" |
		jq -r .digest).minisig"
}

# await_signature OTHER: until the head hands out one that is not OTHER.
await_signature() {
	local deadline=$((SECONDS + 30)) now
	until now=$(served_signature) && [ "$now" != "$1" ]; do
		[ "$SECONDS" -lt "$deadline" ] || { tail "$BATS_TEST_TMPDIR/head.log"; return 1; }
		read -rt 0.2 <> <(:) || true
	done
}

# flip FILE OFFSET: one bit of one byte, in place and with the old times: rot, which the seeder does not see.
flip() {
	python3 - "$1" "$2" <<-'EOF'
		import os, sys
		path, offset = sys.argv[1], int(sys.argv[2])
		times = os.stat(path)
		with open(path, "r+b") as f:
		    f.seek(offset)
		    byte = f.read(1)[0]
		    f.seek(offset)
		    f.write(bytes([byte ^ 1]))
		os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
	EOF
}
