#!/usr/bin/env bats
# What a profile does to a tree, where real programs are needed to see it: networks, attributes, units.

load store.bash

# Shared by all tests, changed by none. bash can open connections by itself.
setup_file() {
	local file tree=$BATS_FILE_TMPDIR/tree
	small_tree "$tree"
	cp /bin/bash "$tree/usr/bin"
	for file in $(ldd /bin/bash | grep -o '/[^ ]*'); do
		mkdir -p "$tree/usr${file%/*}"
		cp -L "$file" "$tree/usr$file"
	done
	ln -s ../run/systemd/resolve/stub-resolv.conf "$tree/etc/resolv.conf"
	find "$tree" -exec touch -h -d @1700000000 {} +
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	new_key a
}

teardown() {
	[ -z "${server:-}" ] || kill "$server"
}

# profile LINE...: p.yaml from the shared tree, with these further lines
profile() {
	printf '%s\n' "name: small" "from: {dir: $BATS_FILE_TMPDIR/tree}" "$@" >p.yaml
}

build() {
	swarmboot build --key a.pub --agent /bin/true p.yaml
}

# unpack: the newest release's root into out
unpack() {
	unsquashfs -quiet -no-progress -dest out "$(blob .release.root.digest small)"
}

# serve: an HTTP server on the loopback, its port in $port
serve() {
	mkdir www
	echo "from outside" >www/word
	coproc SERVER { exec python3 -u -m http.server --bind 127.0.0.1 --directory www 0 2>&1 3>&-; }
	# shellcheck disable=SC2034,SC2154 # bash sets it
	server=$SERVER_PID
	read -ru "${SERVER[0]}" line
	port=${line##* port }
	port=${port%% *}
}

# script NETWORK: fetches the word into the image
script() {
	profile "scripts:" "- name: fetch" "  network: $1" "  run: |" \
		"    exec bash -ec 'exec 3<>/dev/tcp/127.0.0.1/$port" \
		"      echo -e \"GET /word HTTP/1.0\r\n\r\" >&3" \
		"      while read -r line <&3; do last=\$line; done; echo \$last >/etc/word'"
}

@test "a script has the network when it asks for it, and not otherwise" {
	serve
	script false
	run -1 build
	[[ $output == *"scripts: fetch: /bin/sh exited with status 1: "*"/dev/tcp/127.0.0.1/$port: Connection refused"* ||
		$output == *"scripts: fetch: /bin/sh exited with status 1: "*"Network is unreachable"* ]]
	script true
	build
	[ "$(unsquashfs -cat "$(blob .release.root.digest small)" etc/word)" = "from outside" ]
}

@test "with the network comes the resolver's file, for the time of the script" {
	profile "scripts:" "- name: look" "  network: true" "  run: |" \
		"    while read -r line; do echo \$line; done </etc/resolv.conf >/etc/seen" \
		"    for name in /sys/class/net/*; do echo \$name; done >/etc/links" \
		"- {name: bad, network: true, run: 'while read -r line; do echo \$line; done </etc/resolv.conf >/etc/again'}" \
		"- {name: last, run: '[ -L /etc/resolv.conf ]; [ ! -e /etc/resolv.conf ]'}"
	build
	unpack
	diff <(while read -r line; do echo "$line"; done </etc/resolv.conf) out/etc/seen
	diff out/etc/seen out/etc/again
	# sysfs is of a network of its own: this machine's links are not seen in it
	[ "$(cat out/etc/links)" = /sys/class/net/lo ]
	[ "$(readlink out/etc/resolv.conf)" = ../run/systemd/resolve/stub-resolv.conf ]
	[ "$(find out/etc -name '*resolv*' | wc -l)" = 1 ]
}

@test "a script with the network that fails ends the build as any other" {
	profile "scripts: [{name: bad, network: true, run: 'echo what is wrong >&2; exit 3'}]"
	run -1 build
	[[ $output == *"scripts: bad: /bin/sh exited with status 3: what is wrong" ]]
	run ! grep -F "$SWARMBOOT_STORE" /proc/mounts
}

@test "scripts get no proxies, programs that fetch do" {
	profile "scripts: [{name: look, network: true, run: '[ -z \"\${https_proxy-}\" ] && [ -z \"\${LD_LIBRARY_PATH-}\" ]'}]"
	https_proxy=http://127.0.0.1:1 LD_LIBRARY_PATH=/nowhere build
	# apt sees the proxy, and little else of this machine
	mkdir bin
	cat >bin/apt-get <<-'EOF'
		#!/bin/sh
		env | cut -d= -f1 | sort >"$HOME/seen"
		exit 1
	EOF
	chmod +x bin/apt-get
	printf '%s\n' "name: n" "from: {debian: {suite: bookworm, mirror: 'http://localhost/x'}}" >p.yaml
	SECRET=1 https_proxy=http://127.0.0.1:1 HOME=$PWD PATH=$PWD/bin:$PATH run -1 build
	grep -qx https_proxy seen
	run ! grep -x SECRET seen
}

@test "extended attributes of files: in the image as in the profile" {
	echo x >x
	profile "files:" \
		"- {path: /etc/x, source: x, owner: '5', mode: 0755, xattrs: {user.origin: site, user.raw: 0x0001ff," \
		"    user.coded: 0saGVsbG8=, security.capability: '0x0100000200200000000000000000000000000000'}}" \
		"- {path: /etc/y, content: y, xattrs: {trusted.y: '1'}}" \
		"- {path: /etc/z, link: y, xattrs: {trusted.z: '2'}}"
	build
	unpack
	[ "$(getcap out/etc/x)" = "out/etc/x cap_net_raw=ep" ]
	diff - <(cd out && python3 - <<-'EOF'
		import os
		for name in "etc/x", "etc/y", "etc/z":
		    for key in sorted(os.listxattr(name, follow_symlinks=False)):
		        if key != "security.capability":
		            print(name, key, os.getxattr(name, key, follow_symlinks=False))
	EOF
	) <<-'EOF'
		etc/x user.coded b'hello'
		etc/x user.origin b'site'
		etc/x user.raw b'\x00\x01\xff'
		etc/y trusted.y b'1'
		etc/z trusted.z b'2'
	EOF
	profile "files:" "- {path: /etc/z, link: y, xattrs: {user.z: '2'}}"
	run -2 build
	[[ $output == *"p.yaml:4: xattrs: /etc/z: user.z: a symbolic link cannot have it" ]]
}

# Of this machine: what a distribution's image would have.
with_systemctl() {
	local file
	cp -a "$BATS_FILE_TMPDIR/tree" tree
	mkdir -p tree/usr/lib/systemd/system
	cp "$(command -v systemctl)" tree/usr/bin
	for file in $(ldd tree/usr/bin/systemctl | grep -o '/[^ ]*'); do
		mkdir -p "tree/usr${file%/*}"
		cp -L "$file" "tree/usr${file#/usr}"
	done
	for file in shipped.service wanted.service masked.service at@.service; do
		printf '%s\n' "[Service]" "ExecStart=/bin/sh" "[Install]" "WantedBy=multi-user.target" \
			>"tree/usr/lib/systemd/system/$file"
	done
	printf '[Unit]\n' | tee tree/usr/lib/systemd/system/{multi-user,graphical}.target >/dev/null
	# as a package enables its own
	mkdir -p tree/etc/systemd/system/multi-user.target.wants
	ln -s /usr/lib/systemd/system/shipped.service tree/etc/systemd/system/multi-user.target.wants
	touch -h -d @1700000000 tree/etc
}

state() { systemctl --root "$PWD/out" is-enabled "$1" || true; }

@test "units: as systemctl sees them in the image" {
	with_systemctl
	profile "units: {enable: [wanted.service, at@one.service], disable: [shipped.service], mask: [masked.service]," \
		"  target: multi-user.target}"
	sed -i 's/^from: .*/from: {dir: tree}/' p.yaml
	build
	unpack
	[ "$(state wanted.service) $(state at@one.service) $(state shipped.service) $(state masked.service)" = \
		"enabled enabled disabled masked" ]
	[ "$(systemctl --root "$PWD/out" get-default)" = multi-user.target ]
	profile "units: {enable: [gone.service]}"
	sed -i 's/^from: .*/from: {dir: tree}/' p.yaml
	run -1 build
	[[ $output == *"units: enable: systemctl exited with status 1: "*gone.service*"does not exist"* ]]
}
