#!/usr/bin/env bats
# push and pull against a registry of Debian's on the loopback; export and import. skopeo has the second word.

load store.bash

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown() {
	[ -z "${registry_pid:-}" ] || kill "$registry_pid" 2>/dev/null || true
}

# registry [CONFIG-LINE]...: starts one with its blobs in ./registry; $registry is HOST:PORT
registry() {
	local port
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	registry=127.0.0.1:$port
	printf '%s\n' "version: 0.1" "log: {accesslog: {disabled: true}}" \
		"storage: {filesystem: {rootdirectory: $PWD/registry}}" "http: {addr: '$registry'}" "$@" >registry.yml
	docker-registry serve registry.yml >registry.log 2>&1 3>&- &
	registry_pid=$!
	curl --silent --output /dev/null --retry 100 --retry-connrefused --retry-delay 0 --retry-max-time 60 \
		"http://$registry/v2/"
}

# The store's blobs and names, as one line.
content() {
	(cd "$SWARMBOOT_STORE" && find blobs -type f -exec sha256sum {} + | sort | sha256sum)
}

# stored DIGEST: the file of the registry that holds this blob
stored() {
	local hex=${1#sha256:}
	echo "registry/docker/registry/v2/blobs/sha256/${hex:0:2}/$hex/data"
}

nothing_left() {
	[ -z "$(ls -A "$SWARMBOOT_STORE/.tmp" 2>/dev/null)" ]
	[ -z "$(find . -path ./registry -prune -o -name '*.tmp.*' -print)" ]
}

@test "push, wipe, pull: the same bytes, sequence and signature" {
	for word in one two three; do publish slurm $word; done
	new_key a
	swarmboot sign slurm:2 --key a.key --yes
	registry
	run -0 --separate-stderr swarmboot push slurm:2 "$registry/images/slurm" --insecure
	[ "$output" = "slurm:2 -> docker://$registry/images/slurm:2" ]
	run -0 skopeo inspect --tls-verify=false --raw "docker://$registry/images/slurm:2"
	cmp <(printf '%s\n' "$output") <(skopeo inspect --raw "oci:$SWARMBOOT_STORE:slurm:2")
	[ "$(skopeo list-tags --tls-verify=false "docker://$registry/images/slurm" | jq -c .Tags)" = '["2"]' ]
	mv store first
	run -0 --separate-stderr swarmboot pull "$registry/images/slurm:2" --insecure
	[ "$output" = "slurm:2 $(swarmboot show --json slurm:2 --store first | jq -r .digest)" ]
	run -0 swarmboot verify slurm:2 --key a.pub
	[ "$(swarmboot images --json | jq -c '.releases')" = \
		"$(swarmboot images --json --store first | jq -c '[.releases[] | select(.name == "slurm:2")]')" ]
	for file in store/blobs/sha256/*; do cmp "$file" "first/blobs/sha256/${file##*/}"; done
	[ "$(find store/blobs -type f | wc -l)" = 7 ]
	nothing_left
	# a build goes on from there
	[ "$(publish slurm four)" = slurm:3 ]
}

@test "pull: what is here is not fetched again, and gets the signatures it lacks" {
	publish slurm one
	registry
	new_key a
	new_key b
	swarmboot push slurm "$registry/slurm:unsigned" --insecure
	cp -a store other
	swarmboot sign slurm --key a.key --yes
	swarmboot push slurm "$registry/slurm:a" --insecure
	swarmboot sign slurm --key b.key --store other --yes
	# the root image is gone from the registry, and not missed
	rm "$(stored "$(swarmboot show --json slurm | jq -r .release.root.digest)")"
	run -0 --separate-stderr swarmboot pull "$registry/slurm:unsigned" --insecure
	[[ $output == "slurm:1 sha256:"*", here already" ]]
	run -0 --separate-stderr swarmboot pull "$registry/slurm:a" --insecure --store other
	[[ $output == "slurm:1 sha256:"*", here already; 1 signature added" ]]
	run -0 swarmboot verify slurm --key a.pub --store other
	run -0 swarmboot verify slurm --key b.pub --store other
	[ "$(swarmboot show slurm --json --store other | jq '.signatures | length')" = 2 ]
	nothing_left
}

@test "push: a release that is not as its digests say is refused, and nothing sent" {
	publish slurm one
	registry
	for part in kernel initramfs root packages; do
		flip "$(blob ".release.$part.digest")"
		run -1 swarmboot push slurm "$registry/slurm" --insecure
		[[ $output == *"slurm:1: "*"its bytes are not those of its digest"* ]]
		run -1 swarmboot export slurm archive
		[[ $output == *"slurm:1: "*"its bytes are not those of its digest"* ]]
		flip "$(blob ".release.$part.digest")"
	done
	[ ! -e registry/docker ]
	[ ! -e archive ]
	nothing_left
}

@test "a verity root that does not recompute is refused everywhere, though all digests are right" {
	FIXTURE_VERITY=good publish slurm good
	FIXTURE_VERITY=bad publish slurm bad
	new_key a
	registry
	for ref in slurm:1 slurm:2; do
		# as another builder might send it
		skopeo copy --quiet --dest-tls-verify=false "oci:$SWARMBOOT_STORE:$ref" "docker://$registry/$ref"
		skopeo copy --quiet "oci:$SWARMBOOT_STORE:$ref" "oci-archive:${ref#*:}.tar:$ref"
	done
	run -0 swarmboot sign slurm:1 --key a.key --yes
	run -0 swarmboot push slurm:1 "$registry/mine" --insecure
	run -0 swarmboot pull "$registry/slurm:1" --insecure --store new
	bad="root image: *"
	run -1 swarmboot sign slurm:2 --key a.key --yes
	[[ $output == *"slurm:2: "$bad ]]
	run -1 swarmboot push slurm:2 "$registry/mine" --insecure
	[[ $output == *"slurm:2: "$bad ]]
	run -1 swarmboot export slurm:2 out.tar
	[[ $output == *"slurm:2: "$bad ]]
	run -1 swarmboot pull "$registry/slurm:2" --insecure --store new
	[[ $output == *"slurm:2: "$bad ]]
	run -1 swarmboot import 2.tar --store new
	[[ $output == *"slurm:2: "$bad ]]
	[ "$(swarmboot images --json --store new | jq -r '[.releases[].name] | join(" ")')" = slurm:1 ]
	[ ! -e out.tar ]
	nothing_left
}

@test "pull: a registry whose blobs are changed" {
	publish slurm one
	registry
	swarmboot push slurm "$registry/slurm" --insecure
	for key in .digest .release.kernel.digest .release.root.digest; do
		file=$(stored "$(swarmboot show --json slurm | jq -r "$key")")
		flip "$file"
		run -1 swarmboot pull "$registry/slurm:1" --insecure --store new
		[[ $output == *"docker://$registry/slurm:1: "* ]]
		run -0 swarmboot images --store new
		[ ${#lines[@]} = 1 ]
		[ -z "$(ls -A new/blobs/sha256)" ]
		[ -z "$(ls -A new/.tmp)" ]
		flip "$file"
	done
	run -0 swarmboot pull "$registry/slurm:1" --insecure --store new
}

@test "pull: what is no release of swarmboot, and no such name" {
	publish slurm one
	registry
	mkdir -p app/blobs/sha256
	echo '{"imageLayoutVersion":"1.0.0"}' >app/oci-layout
	printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}' >config
	config=$(sha256sum <config | cut -d' ' -f1)
	cp config "app/blobs/sha256/$config"
	printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":%s,"digest":"sha256:%s","size":%d},"layers":[]}' \
		'"application/vnd.oci.image.config.v1+json"' "$config" "$(stat -c %s config)" >manifest
	manifest=$(sha256sum <manifest | cut -d' ' -f1)
	cp manifest "app/blobs/sha256/$manifest"
	printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%d,"annotations":{"org.opencontainers.image.ref.name":"app:1"}}]}' \
		"$manifest" "$(stat -c %s manifest)" >app/index.json
	skopeo copy --quiet --dest-tls-verify=false oci:app:app:1 "docker://$registry/app:1"
	run -1 swarmboot pull "$registry/app:1" --insecure
	[[ $output == *"docker://$registry/app:1: not a release of swarmboot"* ]]
	skopeo copy --quiet oci:app:app:1 oci-archive:app.tar:app:1
	run -1 swarmboot import app.tar
	[[ $output == *"app.tar: not a release of swarmboot"* ]]
	run -1 swarmboot pull "$registry/slurm:9" --insecure
	[[ $output == *"docker://$registry/slurm:9"*"manifest unknown"* ]]
	[[ $output != *"level=fatal"* ]]
	run -0 swarmboot images
	[ ${#lines[@]} = 2 ]
	nothing_left
}

@test "another release of the same name is refused, on every way in" {
	publish slurm one
	cp -a store other
	rm -r store
	publish slurm two
	registry
	swarmboot push slurm "$registry/slurm" --insecure --store other
	swarmboot export slurm other.tar --store other
	before=$(content)
	run -1 swarmboot pull "$registry/slurm:1" --insecure
	[[ $output == *"slurm:1 is another release here: sha256:"* ]]
	run -1 swarmboot import other.tar
	[[ $output == *"other.tar: slurm:1 is another release here: sha256:"* ]]
	[ "$(content)" = "$before" ]
	nothing_left
}

@test "wrong names, no registry, plain HTTP without --insecure" {
	publish slurm one
	registry
	for name in slurm /slurm "$registry/" "$registry/a b" "$registry/a@sha256:00" "oci:x/y:z w"; do
		run -1 swarmboot push slurm "$name" --insecure
		[[ $output == *"is not the name of an image in a registry"* ]]
	done
	run -1 swarmboot pull "$registry/slurm" --insecure
	[[ $output == *"which release? a tag is missing"* ]]
	run -1 swarmboot push slurm "$registry/slurm"
	[[ $output == *"HTTP response to HTTPS client"* ]]
	kill "$registry_pid"
	wait "$registry_pid" || true
	run -1 swarmboot push slurm "$registry/slurm" --insecure
	[[ $output == *"connection refused"* ]]
	run -1 swarmboot push slurm:9 "$registry/slurm" --insecure
	[[ $output == *"slurm:9: no such release"* ]]
}

@test "credentials from --authfile" {
	publish slurm one
	python3 -W ignore -c 'import crypt; print("ci:" + crypt.crypt("secret", "$2b$05$" + "a" * 22))' >htpasswd
	registry "auth: {htpasswd: {realm: test, path: $PWD/htpasswd}}"
	jq -n --arg r "$registry" --arg a "$(printf ci:secret | base64)" '{auths: {($r): {auth: $a}}}' >auth.json
	run -1 swarmboot push slurm "$registry/slurm" --insecure
	[[ $output == *"authentication required"* ]]
	run -1 swarmboot push slurm "$registry/slurm" --insecure --authfile none.json
	[[ $output == *"none.json: No such file"* ]]
	run -0 swarmboot push slurm "$registry/slurm" --insecure --authfile auth.json
	run -0 swarmboot pull "$registry/slurm:1" --insecure --authfile auth.json --store new
}

@test "export and import: one file, the same bytes; also past a colon in a path" {
	for word in one two; do publish slurm $word; done
	new_key a
	swarmboot sign slurm:1 --key a.key --yes
	run -0 --separate-stderr swarmboot export slurm:1 release.tar
	[ "$output" = "slurm:1 -> release.tar" ]
	cmp <(skopeo inspect --raw oci-archive:release.tar) <(skopeo inspect --raw "oci:$SWARMBOOT_STORE:slurm:1")
	run -0 --separate-stderr swarmboot import release.tar --store new
	[[ $output == "slurm:1 sha256:"* ]]
	run -0 swarmboot verify slurm:1 --key a.pub --store new
	for file in new/blobs/sha256/*; do cmp "$file" "store/blobs/sha256/${file##*/}"; done
	mkdir a:b
	cp -a store a:b/store
	run -0 swarmboot export slurm:1 a:b/release.tar --store a:b/store/
	run -0 swarmboot import a:b/release.tar --store c:d
	run -0 swarmboot verify slurm:1 --key a.pub --store c:d
	run -0 swarmboot import a:b/release.tar --store c:d
	[[ $output == *"here already"* ]]
	nothing_left
}

@test "import: a cut archive, a changed one, none" {
	publish slurm one
	swarmboot export slurm release.tar
	head -c 100000 release.tar >cut.tar
	mkdir layout
	tar -xf release.tar -C layout
	root=$(swarmboot show --json slurm | jq -r .release.root.digest)
	flip "layout/blobs/sha256/${root#sha256:}"
	tar -cf changed.tar -C layout .
	echo no >no.tar
	for file in cut changed no missing; do
		run -1 swarmboot import $file.tar --store new
		[[ $output == *"$file.tar: "* ]]
		[ -z "$(ls -A new/blobs/sha256)" ]
		[ -z "$(ls -A new/.tmp)" ]
	done
	run -1 swarmboot import . --store new
	[[ $output == *"not a plain file"* ]]
	run -1 swarmboot export slurm missing/release.tar
	[[ $output == *"missing/release.tar"* ]]
	nothing_left
}

# begin_pull: a pull whose skopeo has begun to write, and goes on for ever; $pid is swarmboot's
begin_pull() {
	publish slurm one
	mkdir bin
	printf '#!/bin/sh\ncase "$*" in *inspect*) exec cat "%s" ;; esac\nhead -c 100000 /dev/zero >blobs/partial\n%s\n' \
		"$PWD/manifest" 'echo begun >"$FIFO"; exec sleep 100' >bin/skopeo
	chmod +x bin/skopeo
	skopeo inspect --raw "oci:$SWARMBOOT_STORE:slurm:1" >manifest
	mkfifo fifo
	FIFO=$PWD/fifo PATH=$PWD/bin:$PATH swarmboot pull 127.0.0.1:1/slurm:1 --store new 2>/dev/null 3>&- &
	pid=$!
	read -r begun <fifo
	[ "$begun" = begun ]
	[ -n "$(ls -A new/.tmp)" ]
}

@test "a pull that is interrupted leaves nothing" {
	begin_pull
	child=$(pgrep -P "$pid")
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" = 143 ]
	[ -z "$(ls -A new/.tmp)$(ls -A new/blobs/sha256)" ]
	run ! kill -0 "$child"
}

@test "a pull that is killed leaves nothing behind the next writer" {
	begin_pull
	kill -KILL "$pid"
	wait "$pid" || true
	[ -n "$(ls -A new/.tmp)" ]
	SWARMBOOT_STORE=$PWD/new publish slurm two
	[ -z "$(ls -A new/.tmp)" ]
}
