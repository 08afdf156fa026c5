#!/usr/bin/env bats
# images, show, tag; and the store as other tools see it.

load store.bash

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

@test "images: no store, then an empty list, then releases in order" {
	run -1 swarmboot images
	[[ $output == *"store: not a store: it has no oci-layout"* ]]
	for word in one two; do publish slurm $word; done
	publish k3s one
	run -0 swarmboot images
	[ ${#lines[@]} = 4 ]
	[[ ${lines[0]} == RELEASE* ]]
	[[ ${lines[1]} == k3s:1* ]]
	[[ ${lines[2]} == slurm:1* ]]
	[[ ${lines[3]} == slurm:2* ]]
}

@test "images: the store by option, by environment" {
	publish slurm one
	mv store elsewhere
	run -1 swarmboot images
	run -0 swarmboot images --store elsewhere
	SWARMBOOT_STORE=elsewhere run -0 swarmboot images
	[[ ${lines[1]} == slurm:1* ]]
}

@test "images --json and show --json agree" {
	publish slurm one
	new_key a
	swarmboot sign slurm --key a.key --yes
	swarmboot tag slurm stable
	swarmboot images --json >list.json
	swarmboot show slurm --json >one.json
	[ "$(jq -S '.releases[0]' list.json)" = "$(jq -S . one.json)" ]
	[ "$(jq -r .name one.json)" = slurm:1 ]
	[ "$(jq -r '.channels[0]' one.json)" = stable ]
	[ "$(jq -r '.signatures | length' one.json)" = 1 ]
	[ "$(jq -r .release.kernel.release one.json)" = 6.1.0-fixture-amd64 ]
	[ "sha256:$(sha256sum <"$(blob .digest)" | cut -d' ' -f1)" = "$(jq -r .digest one.json)" ]
}

@test "publishing the same content twice is one release" {
	[ "$(publish slurm one)" = slurm:1 ]
	[ "$(publish slurm one)" = slurm:1 ]
	[ "$(publish slurm two)" = slurm:2 ]
	[ "$(publish slurm one)" = slurm:3 ]
}

@test "show: by sequence, newest, channel, digest; else the known names" {
	for word in one two; do publish slurm $word; done
	swarmboot tag slurm:1 stable
	digest=$(swarmboot show --json slurm:2 | jq -r .digest)
	[ "$(swarmboot show --json slurm | jq -r .name)" = slurm:2 ]
	[ "$(swarmboot show --json slurm:stable | jq -r .name)" = slurm:1 ]
	[ "$(swarmboot show --json "$digest" | jq -r .name)" = slurm:2 ]
	run -0 swarmboot show slurm:1
	[[ $output == *6.1.0-fixture-amd64* ]]
	run -1 swarmboot show slurm:9
	[[ $output == *"slurm:9: no such release"*"slurm:1, slurm:2"* ]]
	run -2 swarmboot show
}

@test "tag: moves a channel, refuses what is no channel" {
	for word in one two; do publish slurm $word; done
	run -0 swarmboot tag slurm:1 stable
	[ "$output" = "slurm:stable -> slurm:1" ]
	run -0 swarmboot tag slurm:2 slurm:stable
	[ "$output" = "slurm:stable -> slurm:2" ]
	[ "$(swarmboot show --json slurm:1 | jq '.channels | length')" = 0 ]
	for channel in 7 Stable a/b k3s:stable ""; do
		run -1 swarmboot tag slurm:1 "$channel"
		[[ $output == *"cannot be a channel"* ]]
	done
}

@test "a release that cannot be read is named and hides no other" {
	for word in one two; do publish slurm $word; done
	truncate -s 10 "$(blob .digest slurm:2)"
	run -1 --separate-stderr swarmboot images
	[[ ${lines[1]} == slurm:1* ]]
	[ ${#lines[@]} = 2 ]
	# shellcheck disable=SC2154 # bats sets it
	[[ $stderr == *slurm:2* ]]
	run -0 swarmboot show slurm:1
	[ "$(publish slurm three)" = slurm:3 ]
}

@test "skopeo copies a release to another store and back, signature and all" {
	publish slurm one
	new_key a
	swarmboot sign slurm --key a.key --yes
	skopeo copy --quiet "oci:$SWARMBOOT_STORE:slurm:1" oci:other:slurm:1
	cmp <(skopeo inspect --raw "oci:$SWARMBOOT_STORE:slurm:1") <(skopeo inspect --raw oci:other:slurm:1)
	run -0 swarmboot verify slurm --key a.pub --store other
	[ "$(swarmboot images --json --store other)" = "$(swarmboot images --json)" ]
	# what skopeo made is a store like any other
	swarmboot tag slurm stable --store other
	skopeo copy --quiet oci:other:slurm:stable oci:third:slurm:1
	run -0 swarmboot verify slurm:1 --key a.pub --store third
}

@test "another image in the folder is left alone" {
	publish slurm one
	mkdir -p foreign/blobs/sha256
	skopeo copy --quiet "oci:$SWARMBOOT_STORE:slurm:1" "oci:$SWARMBOOT_STORE:copy"
	put() {
		local hash
		hash=$(printf %s "$1" | sha256sum | cut -d' ' -f1)
		printf %s "$1" >"$SWARMBOOT_STORE/blobs/sha256/$hash"
		echo "$hash"
	}
	config=$(put '{}')
	manifest='{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json",'
	manifest+='"digest":"sha256:'$config'","size":2},"layers":[]}'
	hash=$(put "$manifest")
	jq --arg d "sha256:$hash" --argjson s ${#manifest} '.manifests += [{
		mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $d, size: $s,
		annotations: {"org.opencontainers.image.ref.name": "app:1"}}]' store/index.json >index.new
	mv index.new store/index.json
	run -0 swarmboot images
	[ ${#lines[@]} = 2 ]
	publish slurm two
	swarmboot tag slurm stable
	run -0 skopeo inspect --raw "oci:$SWARMBOOT_STORE:app:1"
	[ -e "store/blobs/sha256/$config" ]
	[ "$(jq '[.manifests[].annotations["org.opencontainers.image.ref.name"]] | sort | join(" ")' -r \
		store/index.json)" = "app:1 copy slurm:1 slurm:2 slurm:stable" ]
}

@test "every OCI descriptor of the store fits its blob" {
	publish slurm one
	new_key a
	swarmboot sign slurm --key a.key --yes
	skopeo inspect --raw "oci:$SWARMBOOT_STORE:slurm:1" >manifest
	[ "$(jq .schemaVersion manifest)" = 2 ]
	[ "$(jq -r .config.mediaType manifest)" = application/vnd.swarmboot.release.v1+json ]
	jq -r '.config, .layers[] | "\(.digest) \(.size)"' manifest >descriptors
	[ "$(wc -l <descriptors)" = 6 ]
	while read -r digest size; do
		path=store/blobs/sha256/${digest#sha256:}
		[ "$(stat -c %s "$path")" = "$size" ]
		[ "$(sha256sum <"$path" | cut -d' ' -f1)" = "${digest#sha256:}" ]
	done <descriptors
}

@test "a folder that holds other things is never made a store" {
	mkdir store
	echo mine >store/notes
	run -1 publish slurm one
	[[ $output == *"neither a store nor empty"* ]]
	[ "$(ls -A store)" = notes ]
}
