#!/usr/bin/env bats
# from: oci: layouts, archives and a registry; the tree against umoci's.

load store.bash

# Shared by all tests, changed by none: img, a layout with the images small (two layers) and other.
setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	small_tree tree
	mkdir -p tree/usr/share/{old,opaque} tree/usr/lib/x
	echo old >tree/usr/share/old/file
	echo old >tree/usr/share/opaque/file
	echo one >tree/usr/lib/x/one
	ln tree/usr/lib/x/one tree/usr/lib/x/two
	ln tree/usr/bin/sh tree/usr/bin/dash
	cp tree/usr/bin/sh tree/usr/bin/ping
	setcap cap_net_raw+ep tree/usr/bin/ping
	setfattr -n user.note -v kept tree/etc/passwd
	mknod tree/usr/share/null c 1 3
	mkfifo -m 0620 tree/usr/share/pipe
	chmod 4711 tree/usr/bin/sh
	chown -h 12:34 tree/usr/share/null tree/lib
	chmod 2770 tree/etc
	find tree -exec touch -h -d @1700000000 {} +
	umoci init --layout img
	umoci new --image img:small
	umoci unpack --image img:small bundle
	cp -a tree/. bundle/rootfs
	umoci repack --refresh-bundle --image img:small bundle
	# the second layer: removes, replaces by another kind, links to what is below, adds
	rm -r bundle/rootfs/usr/share/old bundle/rootfs/usr/share/opaque bundle/rootfs/usr/lib/x/one
	echo new >bundle/rootfs/usr/share/old
	mkdir bundle/rootfs/usr/share/opaque
	echo new >bundle/rootfs/usr/share/opaque/new
	ln bundle/rootfs/usr/lib/x/two bundle/rootfs/usr/lib/x/three
	chmod 0750 bundle/rootfs/usr/lib/x
	touch -d @1700000100 bundle/rootfs/usr/share/{old,opaque/new,opaque} bundle/rootfs/usr/{share,lib/x}
	umoci repack --image img:small bundle
	umoci new --image img:other
	rm -rf bundle
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	new_key a
	cp -a "$BATS_FILE_TMPDIR/img" .
	server=
}

teardown() {
	[ -z "$server" ] || kill "$server"
}

# profile WHAT LINE...: p.yaml from this image
profile() {
	printf '%s\n' "name: small" "squashfs: {level: 1}" "from:" "  oci: {$1}" "${@:2}" >p.yaml
}

build() {
	swarmboot build --key a.pub --agent /bin/true "$@" p.yaml
}

# root_of JSON: the digest of the root image
root_of() { jq -r .root.digest "$1"; }

# listing DIR: each name with its type, mode, owner, device, size and time, each set of hard links, each xattr;
# without what a build takes out or makes
listing() (
	cd "$1" || return 1
	rm -rf boot/* etc/{machine-id,shadow} usr/lib/modules
	find . -mindepth 1 ! -path ./boot ! -path ./etc ! -path ./usr/lib -printf '%P %y %m %U:%G %l %Ts\n' | sort
	find . -type f -links +1 -printf '%i %P\n' | sort | awk '{
		names[$1] = names[$1] " " $2 } END { for (i in names) print "links" names[i] }' | sort
	find . \( -type b -o -type c \) -exec stat -c '%n %t:%T' {} + | sort
	find . -exec getfattr -h -d -m - -e hex {} + 2>/dev/null | sort
	find . -type f -exec sha256sum {} + | sort
)

# serve: a registry on loopback; $registry is its address
serve() {
	local port
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	registry=127.0.0.1:$port
	printf '%s\n' "version: 0.1" "storage: {filesystem: {rootdirectory: $PWD/registry}}" \
		"http: {addr: '$registry'}" >registry.yml
	docker-registry serve registry.yml >registry.log 2>&1 3>&- &
	server=$!
	curl -s --retry 100 --retry-connrefused --retry-delay 0 --retry-max-time 30 -o index "http://$registry/v2/"
}

@test "the tree is what umoci makes of the image, name by name" {
	profile "layout: img, ref: small"
	build
	swarmboot show --json small | jq -e '.release.created == 1700000100'
	unsquashfs -d out "$(blob .release.root.digest small)" >/dev/null
	umoci unpack --image img:small theirs
	listing out >ours.list
	listing theirs/rootfs >theirs.list
	diff theirs.list ours.list
	grep -q "^links usr/bin/dash usr/bin/sh$" ours.list
	grep -q "^security.capability=0x" ours.list
	[ "$(cat out/usr/share/old)" = new ]
	[ "$(ls out/usr/share/opaque)" = new ]
}

@test "layout, archives of both kinds and a registry give the same image" {
	profile "layout: img, ref: small"
	build --json >layout.json
	skopeo copy -q oci:img:small oci-archive:a.tar:small
	skopeo copy -q oci:img:small docker-archive:d.tar:registry.example/small:1
	gzip -k d.tar
	serve
	skopeo copy -q --dest-tls-verify=false oci:img:small "docker://$registry/small:1"
	digest=$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$registry/small:1")
	for from in "archive: a.tar" "archive: a.tar, ref: small" "archive: d.tar" "archive: d.tar.gz" \
		"archive: d.tar, ref: 'registry.example/small:1'" "image: '$registry/small:1', insecure: true" \
		"image: '$registry/small@$digest', insecure: true"; do
		profile "$from"
		build --json >other.json
		[ "$(root_of layout.json)" = "$(root_of other.json)" ]
	done
	# the docker format in a registry, which has no OCI manifest
	skopeo copy -q --dest-tls-verify=false --format v2s2 oci:img:small "docker://$registry/small:2"
	profile "image: '$registry/small:2', insecure: true"
	build --json >other.json
	[ "$(root_of layout.json)" = "$(root_of other.json)" ]
}

@test "from the cache without a network, and without one not" {
	serve
	skopeo copy -q --dest-tls-verify=false oci:img:small "docker://$registry/small:1"
	profile "image: '$registry/small:1', insecure: true"
	run -2 build --cache cache --offline
	[[ $output == *"p.yaml:4: from.oci.image: $registry/small:1 is not in the cache"*"--offline"* ]]
	build --cache cache --json >one.json
	kill "$server"
	wait "$server" || true
	server=
	build --cache cache --offline --json >two.json
	[ "$(root_of one.json)" = "$(root_of two.json)" ]
	run -2 build --cache cache
	[[ $output == *"p.yaml:4: from.oci.image: "*"$registry"* ]]
	# a damaged blob in it is found
	layer=$(jq -r '.layers[0].digest' "img/blobs/sha256/$(jq -r '.manifests[] |
		select(.annotations["org.opencontainers.image.ref.name"] == "small") | .digest' img/index.json | cut -d: -f2)")
	flip "cache/oci/sha256/${layer#sha256:}"
	run -2 build --cache cache --offline
	[[ $output == *"p.yaml:4: from.oci: "*"${layer#sha256:}: not the bytes that its digest and size say"* ]]
}

@test "which image: the profile's line, and those there are" {
	profile "layout: img"
	run -2 build
	[[ $output == *"p.yaml:4: from.oci: "*"more than one image, so one must be named: "*small* ]]
	profile "layout: img, ref: none"
	run -2 build
	[[ $output == *"p.yaml:4: from.oci: "*"no image 'none'; there are: "*other* ]]
	profile "layout: img, ref: other"
	run -2 build
	[[ $output == *"the image has 0 layers"* ]]
	echo nothing >x
	tar -cf x.tar x
	profile "archive: x.tar"
	run -2 build
	[[ $output == *"p.yaml:4: from.oci.archive: "*"x.tar: neither an oci-archive nor a docker-archive"* ]]
	profile "archive: x"
	run -2 build
	[[ $output == *"p.yaml:4: from.oci.archive: "*"x: "* ]]
	profile "image: '127.0.0.1:1/none:1'"
	run -2 build
	[[ $output == *"p.yaml:4: from.oci.image: "*127.0.0.1:1* ]]
	[ -z "$(ls "$SWARMBOOT_STORE/.tmp")" ]
}

# blob_of FILE: puts it into img; its descriptor's digest and size
blob_of() {
	local sum
	sum=$(sha256sum "$1" | cut -d' ' -f1)
	cp "$1" "img/blobs/sha256/$sum"
	printf '"digest": "sha256:%s", "size": %d' "$sum" "$(stat -c %s "$1")"
}

@test "an image for several architectures: this machine's, or none" {
	small=$(jq -c '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == "small") |
		del(.annotations)' img/index.json)
	jq -n --argjson m "$small" '{schemaVersion: 2, manifests: [
		($m + {platform: {os: "linux", architecture: "riscv64"}, digest: ("sha256:" + "0" * 64)}),
		($m + {platform: {os: "linux", architecture: "'"$(dpkg --print-architecture)"'"}}),
		($m + {platform: {os: "unknown", architecture: "unknown"}})]}' >list.json
	jq ".manifests = [{mediaType: \"application/vnd.oci.image.index.v1+json\", $(blob_of list.json)}]" img/index.json >i
	mv i img/index.json
	profile "layout: img"
	build
	jq '.manifests |= [.[0]]' list.json >one.json
	jq ".manifests = [{mediaType: \"application/vnd.oci.image.index.v1+json\", $(blob_of one.json)}]" img/index.json >i
	mv i img/index.json
	run -2 build
	[[ $output == *"p.yaml:4: from.oci: "*"the image is not there for linux/$(dpkg --print-architecture)"* ]]
}

@test "blobs that are not what their digests say" {
	profile "layout: img, ref: small"
	for file in img/blobs/sha256/*; do
		cp "$file" saved
		flip "$file"
		status=0
		build >log 2>&1 || status=$?
		# the blobs of the other image are not looked at
		[ "$status" = 0 ] || grep -q "p.yaml:4: from.oci: .*${file##*/}: not the bytes" log
		echo "$status" >>all
		cp saved "$file"
	done
	[ "$(grep -c 2 all)" = 4 ]
	run -0 build
}

@test "what the image means by name is part of what the release was made of" {
	profile "layout: img, ref: small"
	build
	before=$(swarmboot show --json small | jq -r .release.source)
	umoci unpack --image img:small bundle
	cp p.yaml bundle/rootfs/etc/added
	umoci repack --image img:small bundle
	build
	[ "$(swarmboot show --json small | jq -r .release.source)" != "$before" ]
	[ "$(unsquashfs -cat "$(blob .release.root.digest small)" etc/added)" = "$(cat p.yaml)" ]
}
