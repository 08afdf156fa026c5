#!/usr/bin/env bats
# from: rpm: from a repository made here, by rpmbuild and createrepo_c, to releases; what is refused.

load store.bash

# spec NAME LINE...: builds the package from what lies in $tree; lines are added to the preamble
spec() {
	local name=$1
	{
		printf '%s\n' "Name: $name" "Version: 2" "Release: 1" "Summary: For a test" "License: none" \
			"Vendor: The Makers" "AutoReqProv: no" "${@:2}" "%description" "For a test."
		cat
	} >"$name.spec"
	SOURCE_DATE_EPOCH=1700000000 rpmbuild --quiet -bb --define "_topdir $PWD/top" --define "tree $PWD/tree" \
		--define "_rpmdir $PWD/repo" --define "use_source_date_epoch_as_buildtime 1" \
		--define "clamp_mtime_to_source_date_epoch 1" \
		--define "_build_id_links none" --define "debug_package %{nil}" "$name.spec" >rpmbuild.log 2>&1 || {
		cat rpmbuild.log >&2
		return 1
	}
}

make_packages() {
	spec base "Provides: /bin/sh" <<-'EOF'
		%install
		mkdir -p %{buildroot}
		cp -a %{tree}/. %{buildroot}
		rm -rf %{buildroot}/boot %{buildroot}/usr/lib/modules
		%files
		/
	EOF
	spec core "Requires: base" <<-'EOF'
		%install
		mkdir -p %{buildroot}
		cd %{tree} && cp -a --parents boot usr/lib/modules %{buildroot}
		%files
		/boot
		/usr/lib/modules
	EOF
	spec tool "Requires: base" "Recommends: extra" <<-'EOF'
		%install
		mkdir -p %{buildroot}/usr/bin
		cp %{tree}/usr/bin/sh %{buildroot}/usr/bin/tool
		cp %{tree}/usr/bin/sh %{buildroot}/usr/bin/tool2
		ln %{buildroot}/usr/bin/tool2 %{buildroot}/usr/bin/tool3
		%post
		read -r line </proc/self/stat
		echo "ran, ${line:+with proc}" >/etc/tool.conf
		echo unheard >/dev/null
		%files
		%attr(0755,root,root) %caps(cap_net_raw=ep) /usr/bin/tool
		/usr/bin/tool2
		/usr/bin/tool3
	EOF
	spec extra <<<'%files'
	spec streamed <<<'%files'
	spec needy "Requires: not-to-be-had" <<<'%files'
	# a distribution whose rpm keeps its database in the old place
	spec oldrpm "Requires: base" <<-'EOF'
		%install
		mkdir -p %{buildroot}/usr/lib/rpm %{buildroot}/var/lib/rpm
		echo '%%_dbpath %%{_var}/lib/rpm' >%{buildroot}/usr/lib/rpm/macros
		%files
		/usr/lib/rpm
		/var/lib/rpm
	EOF
}

make_key() {
	export GNUPGHOME=$PWD/$1
	mkdir -m 0700 "$GNUPGHOME"
	gpg --batch --quiet --passphrase '' --quick-generate-key "$1@example.org" rsa2048 sign never
	gpg --armor --export >"$1.asc"
	gpg --export >"$1.gpg"
}

# Shared by all tests, changed by none: repo/ is signed by maker, plain/ is not signed.
setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	small_tree tree
	make_packages
	cp -a repo plain
	make_key stranger
	make_key maker
	rpmsign --define "_gpg_name maker@example.org" --define "__gpg $(command -v gpg)" --addsign repo/*/*.rpm </dev/null >sign.log 2>&1 || {
		cat sign.log >&2
		return 1
	}
	gpgconf --kill all
	cat >modules.yaml <<-'EOF'
		---
		document: modulemd
		version: 2
		data:
		  name: streams
		  stream: "2"
		  version: 1
		  context: c0ffee42
		  arch: x86_64
		  summary: For a test
		  description: For a test
		  license: {module: [none]}
		  artifacts: {rpms: ["streamed-0:2-1.x86_64"]}
		...
	EOF
	for folder in repo plain; do
		createrepo_c --quiet "$folder"
		modifyrepo_c --mdtype=modules modules.yaml "$folder/repodata" >/dev/null
	done
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	new_key a
	server=
}

teardown() {
	[ -z "$server" ] || kill "$server"
}

# serve FOLDER: on loopback; $url is where it is
serve() {
	mkfifo port
	python3 -c 'import http.server, sys
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: Quiet(*a, directory=sys.argv[1]))
print(server.server_port, file=open("port", "w"), flush=True)
server.serve_forever()' "$1" 3>&- &
	server=$!
	read -r port <port
	url=http://127.0.0.1:$port
}

# profile REPOSITORY LINE...: p.yaml
profile() {
	printf '%s\n' "name: small" "squashfs: {level: 1}" "from:" "  rpm:" "    releasever: '9'" \
		"    repositories: [{name: made, $1}]" "${@:2}" >p.yaml
}

local_repo() { echo "url: 'file://$BATS_FILE_TMPDIR/plain'"; }
signed_repo() { echo "url: '$url', key: $BATS_FILE_TMPDIR/$1"; }

build() {
	swarmboot build --key a.pub --agent /bin/true "$@" p.yaml
}

unpacked() {
	rm -rf out
	unsquashfs -d out "$(blob .release.root.digest small)" >/dev/null
}

# in_root QUERY...: this machine's rpm on the unpacked image
in_root() {
	rpm --root "$PWD/out" --dbpath "${dbpath:-/usr/lib/sysimage/rpm}" "$@"
}

@test "a signed repository over http: a whole release" {
	serve "$BATS_FILE_TMPDIR/repo"
	profile "$(signed_repo maker.asc)" "packages: [tool]" "kernel: {package: core}"
	build --sign a.key --json >b.json
	[ "$(jq -r .package_count b.json)" = 3 ]
	[ "$(jq -r .kernel_release b.json)" = "$(ls "$BATS_FILE_TMPDIR/tree/usr/lib/modules")" ]
	swarmboot show --json small | jq -e '.release.created == 1700000000'
	unpacked
	# nothing of dnf's own, nothing of the mounts
	run ! grep -rqs made out/etc out/var
	[ ! -e out/var/cache/dnf ] && [ ! -e out/var/log/dnf.log ] && [ ! -e out/var/lib/dnf ]
	[ "$(find out/dev out/proc out/sys out/usr/lib/sysimage/rpm -mindepth 1)" = out/usr/lib/sysimage/rpm/rpmdb.sqlite ]
	# as rpm itself sees the image: all is there, and as it should be but for what the build takes out
	[ "$(in_root -qa --qf '%{NAME}\n' | grep -v gpg-pubkey | sort | xargs)" = "base core tool" ]
	run -0 in_root -V --noconfig tool
	run in_root -V base
	[ "$output" = "..5......    /etc/shadow" ]
	[[ $(getcap out/usr/bin/tool) == *cap_net_raw=ep ]]
	[ "$(stat -c %i out/usr/bin/tool2)" = "$(stat -c %i out/usr/bin/tool3)" ]
	[ "$(cat out/etc/tool.conf)" = "ran, with proc" ]
	# the list that the release carries
	jq -e '[.packages[] | select(.versionInfo == "2-1") | .name] | sort == ["base", "core", "tool"]' \
		"$(blob .release.packages.digest small)"
	run -0 swarmboot verify small --key a.pub
}

@test "the same packages are the same release, on whatever day" {
	serve "$BATS_FILE_TMPDIR/repo"
	profile "$(signed_repo maker.asc)" "packages: [tool]" "kernel: {package: core}"
	build --json >one.json
	# the next second, for whatever takes the time of day
	second=$SECONDS
	until [ $SECONDS -gt $((second + 1)) ]; do read -rt 0.1 <> <(:) || true; done
	build --json >two.json
	[ "$(jq -r .root.digest one.json)" = "$(jq -r .root.digest two.json)" ]
	[ "$(jq .new two.json)" = false ]
}

@test "packages that the key does not prove are refused" {
	serve "$BATS_FILE_TMPDIR/repo"
	profile "$(signed_repo stranger.asc)" "packages: [base]" "kernel: {package: core}"
	run -1 build
	[[ $output == *"from: rpm: "*"GPG"* ]]
	profile "url: 'file://$BATS_FILE_TMPDIR/plain', key: $BATS_FILE_TMPDIR/maker.asc" "packages: [base]" \
		"kernel: {package: core}"
	run -1 build
	[[ $output == *"from: rpm: "* ]]
	[ -z "$(ls "$SWARMBOOT_STORE/.tmp")" ]
	run -0 swarmboot images
	[ ${#lines[@]} = 1 ]
}

@test "without a key nothing is fetched over a network; a key must be armoured" {
	profile "url: 'http://127.0.0.1:1'" "packages: [base]"
	run -2 build
	[[ $output == *"p.yaml:6: key: is wanted for http://127.0.0.1:1"* ]]
	profile "url: 'http://127.0.0.1:1', key: $BATS_FILE_TMPDIR/maker.gpg" "packages: [base]"
	run -2 build
	[[ $output == *"p.yaml:6: key: "*"maker.gpg: no armoured public key"* ]]
}

@test "a package that is not there, and one that cannot be installed" {
	profile "$(local_repo)" "packages:" "- base" "- no-such-package"
	run -2 build
	[[ $output == *"p.yaml:9: packages: no-such-package: Unable to find a match: no-such-package in the repositories"* ]]
	profile "$(local_repo)" "packages: [base]" "kernel: {package: no-such-kernel}"
	run -2 build
	[[ $output == *"p.yaml:8: kernel.package: no-such-kernel: Unable to find a match"* ]]
	profile "$(local_repo)" "packages: [needy]"
	run -1 build
	[[ $output == *"from: rpm: "*"nothing provides not-to-be-had needed by needy-2-1"* ]]
	profile "$(local_repo)"
	run -2 build
	[[ $output == *"packages: from: rpm wants one at least"* ]]
	profile "url: 'file:///nowhere'" "packages: [base]"
	run -1 build
	[[ $output == *"from: rpm: Failed to download metadata for repo 'made'"* ]]
	[ -z "$(ls "$SWARMBOOT_STORE/.tmp")" ]
}

@test "further repositories; one that the image keeps" {
	mkdir other
	cp "$BATS_FILE_TMPDIR"/repo/*/extra-* other
	createrepo_c --quiet other
	profile "$(local_repo)" "packages: [base, extra]" "kernel: {package: core}" "repositories:" \
		"- {name: other, url: 'file://$PWD/other', key: $BATS_FILE_TMPDIR/maker.asc, keep: true}"
	build
	unpacked
	[ "$(ls out/etc/yum.repos.d)" = other.repo ]
	grep -x "baseurl=file://$PWD/other" out/etc/yum.repos.d/other.repo
	grep -x "gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-other" out/etc/yum.repos.d/other.repo
	cmp out/etc/pki/rpm-gpg/RPM-GPG-KEY-other "$BATS_FILE_TMPDIR/maker.asc"
}

@test "packages of a module stream are there once it is enabled" {
	profile "$(local_repo)" "packages: [base, streamed]" "kernel: {package: core}"
	run -2 build
	[[ $output == *"packages: streamed: "* ]]
	sed -i "s/^    releasever.*/&\n    modules: [streams:2]/" p.yaml
	build --json | jq -e '.package_count == 3'
}

@test "the database is where the tree's own rpm looks; excludes take effect" {
	profile "$(local_repo)" "packages: [base, oldrpm, tool]" "kernel: {package: core}" "exclude: [/usr/bin/tool2]"
	build
	unpacked
	[ "$(dbpath=/var/lib/rpm in_root -q oldrpm)" = oldrpm-2-1.x86_64 ]
	[ ! -e out/usr/lib/sysimage/rpm ]
	[ ! -e out/usr/bin/tool2 ]
	jq -e '[.packages[].name] | index("oldrpm")' "$(blob .release.packages.digest small)"
}

@test "from the cache without a network, and without one not" {
	serve "$BATS_FILE_TMPDIR/repo"
	profile "$(signed_repo maker.asc)" "packages: [tool]" "kernel: {package: core}"
	run -1 build --cache cache --offline
	[[ $output == *"from: rpm: "*"cache"* ]]
	build --cache cache --json >one.json
	kill "$server"
	wait "$server" || true
	server=
	build --cache cache --offline --json >two.json
	[ "$(jq -r .root.digest one.json)" = "$(jq -r .root.digest two.json)" ]
	run -1 build --cache cache
	[[ $output == *"from: rpm: "* ]]
}

@test "a lock file: the same versions, or what is gone" {
	cp -a "$BATS_FILE_TMPDIR/plain" mine
	profile "url: 'file://$PWD/mine'" "packages: [tool]" "kernel: {package: core}"
	build --lock l.json --json >one.json
	jq -e '[.packages[] | .name + "=" + .version] | sort == ["base=2-1", "core=2-1", "tool=2-1"]' l.json
	(cd "$BATS_FILE_TMPDIR" && sed 's/^Release: 1/Release: 2/' tool.spec >tool2.spec && SOURCE_DATE_EPOCH=1700000000 \
		rpmbuild --quiet -bb --define "_topdir $BATS_TEST_TMPDIR/top" --define "tree $PWD/tree" \
		--define "_rpmdir $BATS_TEST_TMPDIR/mine" --define "_build_id_links none" \
		--define "debug_package %{nil}" tool2.spec >/dev/null 2>&1)
	createrepo_c --quiet mine
	build --locked l.json --json >two.json
	[ "$(jq -r .root.digest one.json)" = "$(jq -r .root.digest two.json)" ]
	build --lock new.json
	jq -e '.packages[] | select(.name == "tool") | .version == "2-2"' new.json
	rm mine/*/tool-2-1.*
	createrepo_c --quiet mine
	run -1 build --locked l.json
	[[ $output == *"tool-2-1"* ]]
}

@test "the tree comes from the cache while the repository is the same" {
	cp -a "$BATS_FILE_TMPDIR/plain" mine
	profile "url: 'file://$PWD/mine'" "packages: [tool]" "kernel: {package: core}"
	build --no-cache --json >none.json
	build --cache cache --json >one.json
	# the scriptlet of a package would fail now: nothing is installed
	rm mine/*/*.rpm cache/rpm/*/packages/* || true
	profile "url: 'file://$PWD/mine'" "packages: [tool]" "kernel: {package: core}" \
		"files: [{path: /etc/motd, content: hello}]"
	build --cache cache --json >two.json
	[ "$(jq -r .ref two.json)" = small:2 ]
	[ "$(jq -r .root.digest none.json)" = "$(jq -r .root.digest one.json)" ]
	unpacked
	[ "$(cat out/etc/motd)" = hello ]
	[ "$(cat out/etc/tool.conf)" = "ran, with proc" ]
	[[ $(getcap out/usr/bin/tool) == *cap_net_raw=ep ]]
	# another content of the repository, or another list, is another tree
	createrepo_c --quiet mine
	run -2 build --cache cache
	[[ $output == *"packages: tool: "* ]]
}
