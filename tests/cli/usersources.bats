#!/usr/bin/env bats
# Container images, rpm repositories and other releases as an ordinary user: the bytes of root's build.

load store.bash

# A user of these tests alone, and a folder that he reaches (bats' own are closed to him).
setup_file() {
	local id
	export THEIR=swarmboot-src-$BASHPID
	useradd --no-create-home --home-dir /nonexistent "$THEIR"
	for id in uid gid; do
		sed -i "/^$THEIR:/d" /etc/sub$id
		echo "$THEIR:2000000000:65536" >>/etc/sub$id
	done
	WHERE=$(mktemp -d)
	export WHERE
	chmod 0755 "$WHERE"
	cp "$BUILD_DIR/swarmboot" "$WHERE"
	cd "$WHERE" || return 1
	small_tree tree
	cp tree/usr/bin/sh tree/usr/bin/ping
	setcap cap_net_raw+ep tree/usr/bin/ping
	chown 33:44 tree/etc/passwd
	find tree -exec touch -h -d @1700000000 {} +
}

teardown_file() {
	userdel "$THEIR"
	rm -rf "$WHERE"
}

setup() {
	mkdir "$WHERE/$BATS_TEST_NUMBER"
	cd "$WHERE/$BATS_TEST_NUMBER" || return 1
	swarmboot keygen --no-password --output a
	chmod 0644 a.pub
	mkdir theirs
	chown "$THEIR" . theirs
}

# same WHERE-FROM LINE...: both builds of this profile have one root image
same() {
	printf '%s\n' "name: small" "squashfs: {level: 1}" "from: {$1}" "${@:2}" >p.yaml
	swarmboot build --key a.pub --agent /bin/true --json --store ours --cache our-cache p.yaml >root.json
	setpriv --reuid "$THEIR" --regid "$THEIR" --init-groups "$WHERE/swarmboot" build --key a.pub --agent /bin/true \
		--json --store theirs --cache their-cache p.yaml >user.json
	[ "$(jq .root root.json)" = "$(jq .root user.json)" ]
	[ "$(jq .packages root.json)" = "$(jq .packages user.json)" ]
}

@test "from: oci" {
	umoci init --layout img
	umoci new --image img:small
	umoci unpack --image img:small bundle
	cp -a ../tree/. bundle/rootfs
	umoci repack --image img:small bundle
	rm -rf bundle
	chmod -R go+rX img
	same "oci: {layout: img}"
	skopeo copy -q oci:img:small docker-archive:d.tar:registry.example/small:1
	chmod go+r d.tar
	same "oci: {archive: d.tar}"
}

@test "from: release" {
	printf '%s\n' "name: base" "from: {dir: ../tree}" >base.yaml
	swarmboot build --key a.pub --agent /bin/true --store ours base.yaml
	swarmboot build --key a.pub --agent /bin/true --store theirs base.yaml
	chown -R "$THEIR" theirs
	same "release: base"
}

@test "from: rpm" {
	cat >base.spec <<-'EOF'
		Name: base
		Version: 1
		Release: 1
		Summary: For a test
		License: none
		AutoReqProv: no
		Provides: /bin/sh
		%description
		For a test.
		%install
		mkdir -p %{buildroot}
		cp -a %{tree}/. %{buildroot}
		%post
		echo heard >/etc/post
		echo unheard >/dev/null
		%files
		%attr(0640,daemon,adm) /etc/passwd
		/
		%caps(cap_net_raw=ep) /usr/bin/ping
	EOF
	SOURCE_DATE_EPOCH=1700000000 rpmbuild --quiet -bb --define "_topdir $PWD/top" --define "tree $WHERE/tree" \
		--define "_rpmdir $PWD/repo" --define "use_source_date_epoch_as_buildtime 1" \
		--define "_build_id_links none" --define "debug_package %{nil}" base.spec
	createrepo_c --quiet repo
	chmod -R go+rX .
	same "rpm: {releasever: '9', repositories: [{name: made, url: 'file://$PWD/repo'}]}" "packages: [base]"
	jq -e '.package_count == 1' user.json
}
