#!/usr/bin/env bats
# build as an ordinary user: the bytes of root's build, and what is said when it cannot be.

load store.bash

# A user of these tests alone, and a folder that he reaches (bats' own are closed to him).
setup_file() {
	export THEIR=swarmboot-test-$BASHPID
	useradd --no-create-home --home-dir /nonexistent "$THEIR"
	give_ids 65536
	WHERE=$(mktemp -d)
	export WHERE
	chmod 0755 "$WHERE"
	small_tree "$WHERE/tree"
	cp "$BUILD_DIR/swarmboot" "$WHERE"
	furnish "$WHERE/tree"
	tar --numeric-owner --xattrs --xattrs-include='*' --sort=name -C "$WHERE/tree" -cf "$WHERE/tree.tar" .
}

teardown_file() {
	userdel "$THEIR"
	rm -rf "$WHERE"
}

# give_ids COUNT: of both kinds, in place of those he had
give_ids() {
	local id
	for id in uid gid; do
		sed -i "/^$THEIR:/d" /etc/sub$id
		[ "$1" = 0 ] || echo "$THEIR:2000000000:$1" >>/etc/sub$id
	done
}

# furnish TREE: owners, links, rights and attributes of every kind; devices below dev alone
furnish() {
	local tree=$1
	echo "uucp:x:10:14::/:/bin/sh" >>"$tree/etc/passwd"
	cp /bin/true "$tree/usr/bin/able"
	chown 33:44 "$tree/usr/bin/able"
	setcap cap_net_raw+ep "$tree/usr/bin/able"
	ln "$tree/usr/bin/able" "$tree/usr/bin/also"
	cp /bin/true "$tree/usr/bin/suid"
	chown 0:65534 "$tree/usr/bin/suid"
	chmod 6755 "$tree/usr/bin/suid"
	mkdir -m 1777 "$tree/var/spool"
	mkdir -m 0700 "$tree/var/hidden"
	echo x >"$tree/var/hidden/x"
	chown -R 107:65533 "$tree/var/hidden"
	mkfifo -m 0620 "$tree/var/fifo"
	ln -s nowhere "$tree/var/link"
	chown -h 5:6 "$tree/var/link"
	mknod "$tree/dev/null" c 1 3
	find "$tree" -exec touch -h -d @1700000000 {} +
}

setup() {
	export SWARMBOOT_STORE=$WHERE/store-$BATS_TEST_NUMBER SWARMBOOT_CACHE=$WHERE/cache-$BATS_TEST_NUMBER
	mkdir "$WHERE/$BATS_TEST_NUMBER" "$SWARMBOOT_STORE" "$SWARMBOOT_CACHE"
	cd "$WHERE/$BATS_TEST_NUMBER" || return 1
	swarmboot keygen --no-password --output a
	chmod 0644 a.pub
	chown "$THEIR" . "$SWARMBOOT_STORE" "$SWARMBOOT_CACHE"
}

teardown() {
	give_ids 65536
}

# profile LINE...: p.yaml
profile() {
	printf '%s\n' "name: small" "$@" >p.yaml
}

as_user() {
	setpriv --reuid "$THEIR" --regid "$THEIR" --init-groups "$@"
}

# Both print the release as JSON; another store and cache for root.
user_build() {
	as_user "$WHERE/swarmboot" build --key a.pub --agent /bin/true --json p.yaml
}
root_build() {
	swarmboot build --key a.pub --agent /bin/true --json --store root --cache root-cache p.yaml
}

@test "a tree of every kind of entry: the release of root's build to the byte" {
	profile "from: {tar: $WHERE/tree.tar}" "files:" "- {path: /etc/x, content: y, owner: '5', group: '65534'}" \
		"- {path: /opt/new/y, content: y, xattrs: {user.a: b, security.capability:" \
		"    '0x0100000200200000000000000000000000000000'}}" "scripts:" "- name: look" "  run: |" \
		"    echo gone >/dev/null; echo seen >/dev/stdout" \
		"    [ -e /proc/self/exe ] && [ \$\$ -lt 5 ] && read -r host </proc/sys/kernel/hostname" \
		"    while read -r key rights; do [ \$key != CapEff: ] || echo \$rights >/etc/rights; done </proc/self/status" \
		"    for name in /sys/class/net/*; do echo \$name; done >/etc/links; umask >/etc/umask" \
		"    echo \$host >/etc/host" \
		"- {name: online, network: true, run: 'for name in /sys/class/net/*; do echo \$name; done >>/etc/links'}"
	root_build >root.json
	umask 0077
	user_build >user.json
	umask 0022
	same digest root kernel initramfs packages
	[ "$(stat -c %U "$SWARMBOOT_STORE/index.json")" = "$THEIR" ]
	[ -z "$(ls "$SWARMBOOT_STORE/.tmp")" ]
	# and it is the tree, as a tool that is not ours sees it
	unsquashfs -quiet -no-progress -dest out "$(blob .release.root.digest small)"
	[ "$(stat -c '%u:%g %a %h' out/usr/bin/able)" = "33:44 755 2" ]
	[ "$(getcap out/usr/bin/also)" = "out/usr/bin/also cap_net_raw=ep" ]
	[ "$(stat -c '%u:%g %a' out/usr/bin/suid out/var/hidden/x out/var/fifo out/var/link out/etc/x out/opt/new | xargs)" = \
		"0:65534 6755 107:65533 644 0:0 620 5:6 777 5:65534 644 0:0 755" ]
	[ "$(cat out/etc/rights out/etc/links out/etc/umask out/etc/host | xargs)" = \
		"00000000a00405fb /sys/class/net/lo /sys/class/net/lo 0022 localhost" ]
	[ "$(getcap out/opt/new/y)" = "out/opt/new/y cap_net_raw=ep" ]
}

@test "a folder of the user's own is root's in the image; of others' files he is told" {
	cp -a "$WHERE/tree" mine
	rm -r mine/var/{hidden,fifo,link} mine/usr/bin/{able,also,suid} mine/dev/null
	touch -d @1700000000 mine/var mine/usr/bin mine/dev
	profile "from: {dir: mine}"
	root_build >root.json
	run -1 user_build
	[[ $output == *"mine: its owner is nobody, or an id that this user's build does not have; a tar of"* ]]
	chown -R -h "$THEIR:" mine
	user_build >user.json
	same root
}

# same KEY...: in root.json and user.json
same() {
	local key
	for key; do [ "$(jq ".$key" root.json)" = "$(jq ".$key" user.json)" ]; done
}

@test "a build that is killed: its tree goes with the next one, though other ids own it" {
	profile "from: {tar: $WHERE/tree.tar}" "scripts: [{name: waits, run: 'read -r x </var/fifo'}]"
	setpriv --reuid "$THEIR" --regid "$THEIR" --init-groups \
		"$WHERE/swarmboot" build --key a.pub --agent /bin/true p.yaml >/dev/null 2>err 3>&- &
	local pid=$! end=$((SECONDS + 180))
	until grep -q ^obtain err && pgrep -u "$THEIR" -f '^/bin/sh -e -c read' >child; do
		[ $SECONDS -lt $end ]
		read -rt 0.05 <> <(:) || true
	done
	kill -9 $pid
	wait $pid || true
	while kill -0 "$(cat child)" 2>/dev/null; do
		[ $SECONDS -lt $end ]
		read -rt 0.05 <> <(:) || true
	done
	run ! grep -F "$SWARMBOOT_STORE" /proc/mounts
	[ -n "$(ls "$SWARMBOOT_STORE/.tmp")" ]
	profile "from: {tar: $WHERE/tree.tar}"
	user_build >user.json
	[ -z "$(ls "$SWARMBOOT_STORE/.tmp")" ]
}

@test "packages by dnf: the release of root's build" {
	mkdir -p repo
	cat >core.spec <<-EOF
		Name: core
		Version: 1
		Release: 1
		Summary: For a test
		License: none
		AutoReqProv: no
		Provides: /bin/sh
		%description
		For a test.
		%install
		cp -a $WHERE/tree/. %{buildroot}
		rm %{buildroot}/dev/null %{buildroot}/usr/bin/also %{buildroot}/var/fifo
		%post
		echo ran >/etc/ran
		%files
		/
		%attr(0644,root,root) /etc/passwd
		%attr(0750,uucp,adm) %caps(cap_net_raw=ep) /usr/bin/able
	EOF
	SOURCE_DATE_EPOCH=1700000000 rpmbuild --quiet -bb --define "_topdir $PWD/top" --define "_rpmdir $PWD/repo" \
		--define "use_source_date_epoch_as_buildtime 1" --define "clamp_mtime_to_source_date_epoch 1" \
		--define "_build_id_links none" --define "debug_package %{nil}" core.spec >rpmbuild.log 2>&1
	createrepo_c --quiet repo
	profile "from: {rpm: {releasever: '9', repositories: [{name: made, url: 'file://$PWD/repo'}]}}" "packages: [core]"
	root_build >root.json
	user_build >user.json
	same digest root initramfs packages
	[ "$(unsquashfs -cat "$(blob .release.root.digest small)" etc/ran)" = ran ]
}

# What mmdebstrap makes without any package but the essential ones; the rest of a system comes from the small tree.
@test "a real Debian suite: the release of root's build" {
	profile "from: {debian: {suite: bookworm}}" "exclude: [/usr/share/doc/*, /usr/share/locale/*]" "files:" \
		"- {path: /boot, source: $WHERE/tree/boot}" "- {path: /usr/lib/modules, source: $WHERE/tree/usr/lib/modules}" \
		"- {path: /usr/sbin/init, content: '#!/bin/sh', mode: 0755}"
	root_build >root.json
	user_build >user.json
	same digest root initramfs packages
}

@test "an attribute that is root's alone" {
	profile "from: {tar: $WHERE/tree.tar}" "files: [{path: /etc/x, content: y, xattrs: {trusted.x: y}}]"
	run -2 user_build
	[[ $output == *"p.yaml:3: xattrs: /etc/x: trusted.x: only root's build can set it" ]]
}

@test "an owner outside the map and a device node: named, and the store is empty" {
	mkdir -p t/opt
	echo x >t/opt/far
	chown 70000:0 t/opt/far
	tar --numeric-owner -C t -cf far.tar .
	rm t/opt/far
	mknod t/opt/node c 1 3
	tar --numeric-owner -C t -cf node.tar .
	profile "from: {tar: far.tar}"
	run -1 user_build
	[[ $output == *"opt/far: its owner is 70000, and this build has the ids 0 to 65536 "* ]]
	profile "from: {tar: node.tar}"
	run -1 user_build
	[[ $output == *"opt/node: a device node outside /dev, which only root's build can have"* ]]
	[ -z "$(find "$SWARMBOOT_STORE/blobs" -type f)" ]
	[ -z "$(ls "$SWARMBOOT_STORE/.tmp")" ]
}

@test "no subordinate ids, or too few: how to have them" {
	profile "from: {tar: $WHERE/tree.tar}"
	give_ids 0
	run -1 user_build
	[[ $output == *"/etc/subuid has no ids for $THEIR"*"'usermod --add-subuids 100000-165535 $THEIR'"* ]]
	give_ids 1000
	run -1 user_build
	[[ $output == *"/etc/subuid has 1000 ids for $THEIR, and a tree needs 65535: 'usermod --add-subuids' adds more"* ]]
	give_ids 65535
	sed -i "/^$THEIR:/d" /etc/subgid
	run -1 user_build
	[[ $output == *"/etc/subgid has no ids for $THEIR"*"--add-subgids"* ]]
	[ ! -e "$SWARMBOOT_STORE/index.json" ]
}

@test "without newuidmap: the package that has it" {
	profile "from: {tar: $WHERE/tree.tar}"
	mkdir -m 0755 bin
	ln -s "$(command -v setpriv)" bin/setpriv
	PATH=$PWD/bin run -1 user_build
	[[ $output == *"needs getsubids, of the package uidmap"* ]]
	ln -s "$(command -v getsubids)" bin/getsubids
	PATH=$PWD/bin run -1 user_build
	[[ $output == *"needs newuidmap, of the package uidmap"* ]]
}

# In a user namespace of its own the switch is this test's alone; his number in there is the one outside.
@test "user namespaces that are switched off: the switch's name" {
	local id
	id=$(id -u "$THEIR")
	profile "from: {tar: $WHERE/tree.tar}"
	chmod 0777 "$SWARMBOOT_STORE"
	run -1 as_user unshare --map-root-user --map-auto sh -c "echo 0 >/proc/sys/user/max_user_namespaces &&
		exec setpriv --reuid $id --regid $id --clear-groups $WHERE/swarmboot build --key a.pub --agent /bin/true p.yaml"
	[[ $output == *"user namespaces are switched off here (sysctl user.max_user_namespaces = 0), so only root can build" ]]
}

@test "a container that gives no namespaces, or hides parts of /proc: said before any work" {
	profile "from: {tar: $WHERE/tree.tar}"
	run -1 setpriv --bounding-set -sys_admin swarmboot build --no-cache --key a.pub --agent /bin/true p.yaml
	[[ $output == *"a build needs namespaces of its own, and a container that gives them: "*"Operation not permitted" ]]
	run -1 as_user unshare --map-root-user --mount sh -c "mount -t tmpfs hidden /proc/fs &&
		exec unshare --map-root-user $WHERE/swarmboot build --key a.pub --agent /bin/true p.yaml"
	[[ $output == *"a build needs namespaces of its own, and a container that gives them: "*"Operation not permitted: /proc" ]]
	[ ! -e "$SWARMBOOT_STORE/index.json" ]
}
