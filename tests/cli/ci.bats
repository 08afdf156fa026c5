#!/usr/bin/env bats
# docs/ci.md: the examples as they stand, with a registry that asks for a password. ci_steps.py stands in for what the
# services give.

load store.bash

setup_file() {
	small_tree "$BATS_FILE_TMPDIR/tree"
	tar --numeric-owner -C "$BATS_FILE_TMPDIR/tree" -cf "$BATS_FILE_TMPDIR/tree.tar" .
}

# A folder that another user reaches, as bats' own are closed to him.
setup() {
	here=$(mktemp -d)
	chmod 0755 "$here"
	cd "$here" || return 1
	docs=$(realpath "$BATS_TEST_DIRNAME/../../docs/ci")
	runner_user=()
	mkdir -p shared/repository signer head bin
	cp "$BUILD_DIR/swarmboot" "$BUILD_DIR/swarmboot-init" bin
	cp "$BATS_FILE_TMPDIR/tree.tar" .
	PATH=$here/bin:$PATH
	swarmboot keygen --no-password --output release
	mv release.key signer
	cp release.pub shared/repository
	mv release.pub head
	change one
	registry
	export CI_SHARED=$here/shared
	unset SWARMBOOT_STORE SWARMBOOT_CACHE
}

teardown() {
	[ -z "${registry_pid:-}" ] || kill "$registry_pid" 2>/dev/null || true
	[ -z "${user:-}" ] || forget_user
	rm -rf "$here"
}

forget_user() {
	userdel "$user"
	sed -i "/^$user:/d" /etc/subuid /etc/subgid
}

# change WORD: the profile of the repository
change() {
	printf '%s\n' "name: slurm-compute" "from: {tar: $here/tree.tar}" \
		"files: [{path: /etc/motd, content: $1}]" >shared/repository/slurm-compute.yaml
}

# $registry is HOST:PORT; its user is ci with the password "secret word", its certificate one that skopeo trusts
registry() {
	local port
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	registry=127.0.0.1:$port
	perl -e 'print "ci:", crypt("secret word", "\$2y\$05\$abcdefghijklmnopqrstuu"), "\n"' >passwords
	openssl req -x509 -newkey rsa:2048 -noenc -days 2 -subj /CN=registry -addext "subjectAltName=IP:127.0.0.1" \
		-keyout registry.key -out registry.crt 2>/dev/null
	export SSL_CERT_FILE=$PWD/registry.crt
	printf '%s\n' "version: 0.1" "log: {accesslog: {disabled: true}}" \
		"storage: {filesystem: {rootdirectory: $PWD/registry}}" \
		"http: {addr: '$registry', tls: {certificate: $PWD/registry.crt, key: $PWD/registry.key}}" \
		"auth: {htpasswd: {realm: tests, path: $PWD/passwords}}" >registry.yml
	docker-registry serve registry.yml >registry.log 2>&1 3>&- &
	registry_pid=$!
	curl --silent --output /dev/null --retry 100 --retry-connrefused --retry-delay 0 --retry-max-time 60 \
		--cacert registry.crt "https://$registry/v2/"
}

# job SERVICE FILE NAME: in an empty folder, as a runner has it
job() {
	/usr/bin/python3 -B "$BATS_TEST_DIRNAME/ci_steps.py" "$1" "$2" "$3" >steps
	rm -rf runner
	mkdir runner
	[ "$1" = github ] || cp -a shared/repository/. runner
	if [ -n "${user:-}" ]; then chown -R "$user:" runner shared; fi
	(cd runner && "${runner_user[@]}" bash ../steps) || return
	# neither password nor store stays on the runner
	[ ! -e runner/.swarmboot/auth.json ]
	[ ! -e runner/.swarmboot/store ]
}

gitlab() {
	CI_PROJECT_DIR=$PWD/runner CI_REGISTRY=$registry CI_REGISTRY_IMAGE=$registry/site CI_REGISTRY_USER=ci \
		CI_REGISTRY_PASSWORD="secret word" job gitlab "$docs/gitlab-ci.yml" "$1"
}

github() {
	local expressions
	expressions=$(jq -n --arg workspace "$PWD/runner" --arg first "${first:-}" '{"github.workspace": $workspace,
		"github.repository": "site", "github.sha": "0123", "github.actor": "ci", "secrets.GITHUB_TOKEN": "secret word",
		"inputs.first_release": $first}')
	# ghcr.io is the one name that the file itself says
	sed "s/ghcr\.io/$registry/" "$docs/github-actions.yml" >actions.yml
	GITHUB_STEP_SUMMARY=$PWD/summary CI_EXPRESSIONS=$expressions job github actions.yml "$1"
}

# on PLACE COMMAND...: on the signing host or the head, with a store of its own
on() {
	local place=$1
	shift
	(
		cd "$place" || exit
		export SWARMBOOT_STORE=$PWD/store REGISTRY_AUTH_FILE=$PWD/auth.json
		skopeo login --username ci --password "secret word" "$registry" >/dev/null
		"$@"
	)
}

# What the signing host and the head do after CI; the answer is typed on a terminal.
sign_and_deploy() {
	on signer script -qec "'$docs/sign.sh' $registry/site/slurm-compute release.key" /dev/null <<<"$1"
	[ "$1" = y ] || return 0
	on head "$docs/deploy.sh" "$registry/site/slurm-compute" release.pub stable
}

on_channel() {
	SWARMBOOT_STORE=head/store swarmboot show --json slurm-compute:stable | jq -r .release.sequence
}

@test "GitLab: from a profile to the channel, twice" {
	FIRST_RELEASE=yes gitlab build
	[ -d shared/cache/initramfs ]
	gitlab push
	sign_and_deploy y
	[ "$(on_channel)" = 1 ]

	change two
	run -0 gitlab build
	[[ $output == *"0 added, 0 removed, 1 changed"* ]]
	gitlab push
	run -0 sign_and_deploy n
	[ "$(on_channel)" = 1 ]
	run -0 sign_and_deploy y
	[[ $output == *"slurm-compute:1"* ]]
	[ "$(on_channel)" = 2 ]
	[ "$(skopeo list-tags --creds "ci:secret word" "docker://$registry/site/slurm-compute" | jq -c '.Tags | sort')" = \
		'["1","2","candidate","signed"]' ]
}

@test "GitLab: the runner's user is an ordinary one" {
	user=swarmboot-ci-$BASHPID
	useradd --no-create-home --home-dir "$here/runner" "$user"
	sed -i "/^$user:/d" /etc/subuid /etc/subgid
	echo "$user:2000000000:65536" | tee -a /etc/subuid >>/etc/subgid
	runner_user=(env "HOME=$here/runner" setpriv --reuid "$user" --regid "$user" --init-groups)
	FIRST_RELEASE=yes gitlab build
	[ "$(stat -c %U shared/artifacts/release.tar)" = "$user" ]
	gitlab push
	sign_and_deploy y
	[ "$(on_channel)" = 1 ]
}

@test "GitLab: without a last release nothing is built, unless that is said" {
	run -1 gitlab build
	[[ $output == *"slurm-compute:candidate"* ]]
	[ ! -e shared/artifacts ]
}

@test "GitHub: from a profile to the channel, twice" {
	first=true github build
	github push
	sign_and_deploy y
	[ "$(on_channel)" = 1 ]
	change two
	github build
	grep -q "0 added, 0 removed, 1 changed" summary
	github push
	sign_and_deploy y
	[ "$(on_channel)" = 2 ]
}

@test "the pages name these files, and the steps say which actions they use" {
	for file in gitlab-ci.yml github-actions.yml sign.sh deploy.sh; do
		grep -qF "(ci/$file)" "$docs/../ci.md"
	done
	[ "$(sed -n 's/.*uses: //p' "$docs/github-actions.yml" | sort -u | wc -l)" = 4 ]
}
