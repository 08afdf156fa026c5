#!/usr/bin/env bats
# from: release: a release made from another one of the store.

load store.bash

setup_file() {
	local tree=$BATS_FILE_TMPDIR/tree
	small_tree "$tree"
	# what is easily lost on the way through an image and back
	ln "$tree/usr/bin/sh" "$tree/usr/bin/dash"
	cp "$tree/usr/bin/sh" "$tree/usr/bin/ping"
	setcap cap_net_raw+ep "$tree/usr/bin/ping"
	setfattr -n user.note -v kept "$tree/etc/passwd"
	mknod "$tree/var/null" c 1 3
	mkfifo -m 0620 "$tree/var/pipe"
	chmod 4711 "$tree/usr/bin/dash"
	chown -h 12:34 "$tree/var/null" "$tree/lib"
	chmod 2770 "$tree/etc"
	truncate -s 8M "$tree/var/sparse"
	printf end >>"$tree/var/sparse"
	find "$tree" -exec touch -h -d @1700000000 {} +
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	new_key a
	printf '%s\n' "name: base" "from: {dir: $BATS_FILE_TMPDIR/tree}" "kernel: {cmdline: quiet}" >base.yaml
	build base.yaml
	swarmboot tag base:1 stable
}

build() {
	swarmboot build --key a.pub --agent /bin/true "$@"
}

# derived FROM LINE...: d.yaml
derived() {
	printf '%s\n' "name: derived" "from: {release: '$1'}" "${@:2}" >d.yaml
}

@test "the same image as the base, under another name" {
	derived base:stable
	build --json d.yaml >d.json
	[ "$(jq -r .ref d.json)" = derived:1 ]
	swarmboot show --json base:1 >base.json
	for part in root kernel; do
		[ "$(jq -r ".release.$part.digest" base.json)" = \
			"$(swarmboot show --json derived | jq -r ".release.$part.digest")" ]
	done
	[ "$(jq -r .release.created base.json)" = 1700000000 ]
	[ "$(swarmboot show --json derived | jq -r .release.created)" = 1700000000 ]
	unsquashfs -d out "$(blob .release.root.digest derived)" >/dev/null
	[ "$(stat -c %i out/usr/bin/sh)" = "$(stat -c %i out/usr/bin/dash)" ]
	[ "$(stat -c %a:%u:%g out/usr/bin/dash)" = 4711:0:0 ]
	[[ $(getcap out/usr/bin/ping) == *cap_net_raw=ep ]]
	[ "$(getfattr --only-values -n user.note out/etc/passwd)" = kept ]
	[ "$(stat -c %F:%t:%T:%u:%g out/var/null)" = "character special file:1:3:12:34" ]
	[ "$(stat -c %F:%a out/var/pipe)" = fifo:620 ]
}

@test "files of its own, and the base is part of what it was made of" {
	derived base "files: [{path: /etc/motd, content: hello}]"
	build d.yaml
	[ "$(unsquashfs -cat "$(blob .release.root.digest derived)" etc/motd)" = hello ]
	source=$(swarmboot show --json derived | jq -r .release.source)
	# the same text over another base
	printf '%s\n' "files: [{path: /etc/new, content: new}]" >>base.yaml
	build base.yaml
	build --json d.yaml | jq -e '.ref == "derived:2"'
	[ "$(unsquashfs -cat "$(blob .release.root.digest derived)" etc/new)" = new ]
	[ "$(swarmboot show --json derived | jq -r .release.source)" != "$source" ]
	# the channel still names the first one, and the same inputs are no new release
	build d.yaml --json | jq -e '.ref == "derived:2" and (.new | not)'
	derived base:stable
	build d.yaml
	run ! unsquashfs -cat "$(blob .release.root.digest derived)" etc/new
}

@test "a base that is not there: the profile's line, and what there is" {
	derived base:gone
	run -2 build d.yaml
	[[ $output == *"d.yaml:2: from.release: "*"base:gone"* ]]
	run -0 swarmboot images
	[ ${#lines[@]} = 2 ]
}

@test "a base with a damaged part is refused, whichever part it is" {
	derived base
	for part in root kernel initramfs; do
		file=$(blob ".release.$part.digest" base)
		cp "$file" saved
		flip "$file"
		run -1 build d.yaml
		[[ $output == *"base:1"* ]]
		cp saved "$file"
	done
	build d.yaml
}
