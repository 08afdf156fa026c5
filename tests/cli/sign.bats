#!/usr/bin/env bats
# keygen, sign, verify; and minisign itself on the other side of each.

load store.bash

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

@test "keygen: a secret key for its owner only, and a public one" {
	run -0 swarmboot keygen --no-password --output a
	[[ $output =~ ^[0-9A-F]{16}:\ a\.key ]]
	[ "$(stat -c %a a.key)" = 600 ]
	[ "$(stat -c %a a.pub)" = 644 ]
}

@test "keygen: never writes over a key" {
	new_key a
	before=$(sha256sum a.key a.pub)
	run -1 swarmboot keygen --no-password --output a
	[[ $output == *"a.key: is there already"* ]]
	[ "$(sha256sum a.key a.pub)" = "$before" ]
	rm a.key
	run -1 swarmboot keygen --no-password --output a
	[ ! -e a.key ]
}

@test "keygen: usage" {
	run -2 swarmboot keygen
	[[ $output == *--output* ]]
	echo secret >pw
	run -2 swarmboot keygen --output a --no-password --password-file pw
	: >empty
	run -1 swarmboot keygen --output a --password-file empty
	[[ $output == *"the password is empty"* ]]
	run -1 swarmboot keygen --output missing/a --no-password
	[[ $output == *"missing/a.key: No such file"* ]]
	[ ! -e a.key ]
}

@test "keygen: without a terminal and a password file it says what to do" {
	run -1 setsid swarmboot keygen --output a
	[[ $output == *--password-file* ]]
	[ ! -e a.key ]
}

@test "sign and verify a release" {
	publish slurm one
	new_key a
	run -0 swarmboot sign slurm --key a.key --yes
	[[ $output == *"slurm:1: signed by "* ]]
	run -0 swarmboot verify slurm:1 --key a.pub
	[[ $output == "slurm:1: good: sha256:"* ]]
}

@test "verify: unsigned, another key, several keys" {
	publish slurm one
	new_key a
	new_key b
	run -1 swarmboot verify slurm --key a.pub
	[[ $output == *"slurm:1: not signed"* ]]
	swarmboot sign slurm --key a.key --yes
	run -1 swarmboot verify slurm --key b.pub
	[[ $output == *"which is not trusted here"* ]]
	run -0 swarmboot verify slurm --key b.pub --key a.pub
	swarmboot sign slurm --key b.key --yes
	run -0 swarmboot verify slurm --key b.pub
	run -0 swarmboot verify slurm --key a.pub
	run -2 swarmboot verify slurm
	run -1 swarmboot verify slurm --key a.key
	[[ $output == *"not a minisign public key file"* ]]
}

@test "verify: a bit flipped in any part is found and named" {
	publish slurm one
	new_key a
	swarmboot sign slurm --key a.key --yes
	for part in kernel initramfs root packages; do
		path=$(blob ".release.$part.digest")
		flip "$path"
		run -1 swarmboot verify slurm --key a.pub
		[[ $output == *"its bytes are not those of its digest"* ]]
		flip "$path"
	done
	path=$(blob .release.root.digest)
	truncate -s -1 "$path"
	run -1 swarmboot verify slurm --key a.pub
	[[ $output == *"root image: has 307199 bytes instead of 307200"* ]]
	rm "$path"
	run -1 swarmboot verify slurm --key a.pub
	[[ $output == *"root image: missing"* ]]
}

@test "verify: a changed manifest is refused though its own digest fits" {
	publish slurm one
	new_key a
	swarmboot sign slurm --key a.key --yes
	old=$(blob .digest)
	sed 's/"quiet"/"quieT"/' "$old" >changed
	new=$(sha256sum changed | cut -d' ' -f1)
	cp changed "$SWARMBOOT_STORE/blobs/sha256/$new"
	manifest=$(jq -r '.manifests[0].digest' "$SWARMBOOT_STORE/index.json" | cut -d: -f2)
	sed "s/${old##*/}/$new/" "$SWARMBOOT_STORE/blobs/sha256/$manifest" >manifest
	hash=$(sha256sum manifest | cut -d' ' -f1)
	cp manifest "$SWARMBOOT_STORE/blobs/sha256/$hash"
	sed -i "s/$manifest/$hash/" "$SWARMBOOT_STORE/index.json"
	[ "$(swarmboot show --json slurm | jq -r .release.kernel.cmdline)" = quieT ]
	run -1 swarmboot verify slurm --key a.pub
	[[ $output == *"the signature is wrong"* ]]
}

@test "sign: a key that others can read, or that is empty, is refused" {
	publish slurm one
	new_key a
	for mode in 0640 0604 0644 0660; do
		chmod $mode a.key
		run -1 swarmboot sign slurm --key a.key --yes
		[[ $output == *"a.key: others than its owner have access"*"$mode"* ]]
	done
	: >empty.key
	chmod 600 empty.key
	run -1 swarmboot sign slurm --key empty.key --yes
	[[ $output == *"the key file is empty"* ]]
	run -1 swarmboot sign slurm --key none.key --yes
	run -1 swarmboot sign slurm --key . --yes
	[[ $output == *"not a plain file"* ]]
	run -1 swarmboot sign slurm --key a.pub --yes
	[[ $output == *"a.pub: this is a public key; signing wants the secret one of the pair"* ]]
	echo "no key" >bad.key
	chmod 600 bad.key
	run -1 swarmboot sign slurm --key bad.key --yes
	[[ $output == *"not a minisign secret key file"* ]]
	[ "$(swarmboot show --json slurm | jq '.signatures | length')" = 0 ]
}

@test "sign: with a password" {
	publish slurm one
	echo "correct horse" >pw
	echo wrong >bad
	swarmboot keygen --output p --password-file pw
	run -1 swarmboot sign slurm --key p.key --password-file bad --yes
	[[ $output == *"wrong password"* ]]
	run -1 setsid swarmboot sign slurm --key p.key --yes
	[[ $output == *--password-file* ]]
	run -0 swarmboot sign slurm --key p.key --password-file pw --yes
	run -0 swarmboot verify slurm --key p.pub
}

@test "minisign verifies what swarmboot signed" {
	publish slurm one
	new_key a
	swarmboot sign slurm --key a.key --yes
	cp "$(blob .digest)" release.json
	manifest=$(skopeo inspect --raw "oci:$SWARMBOOT_STORE:slurm:1")
	digest=$(jq -er '.layers[] | select(.mediaType | endswith("signature.v1")).digest' <<<"$manifest")
	cp "$SWARMBOOT_STORE/blobs/sha256/${digest#sha256:}" release.json.minisig
	run -0 minisign -V -p a.pub -m release.json
	[[ $output == *"Trusted comment: swarmboot release slurm:1"* ]]
	flip release.json
	run ! minisign -V -p a.pub -m release.json
}

# The recipe of docs/release.md, "By hand", as it stands there.
@test "a release is checked by hand, without swarmboot" {
	publish slurm-compute one
	new_key release
	swarmboot sign slurm-compute --key release.key --yes
	sed -n '/^## By hand/,$p' "$BATS_TEST_DIRNAME/../../docs/release.md" |
		sed -n '/^```sh/,/^```$/p' | sed '/^```/d' >recipe
	sed -i "s|/tmp/|$PWD/|g; s|/var/lib/swarmboot/store|$SWARMBOOT_STORE|; s|:7|:1|g
		s|-p release.pub|-p $PWD/release.pub|" recipe
	run -0 bash -eu -o pipefail recipe
	[[ $output == *"Trusted comment: swarmboot release slurm-compute:1"* ]]
	[ "$(grep -c ': OK$' <<<"$output")" = 4 ]
	flip "$(blob .release.root.digest slurm-compute)"
	run -1 bash -eu -o pipefail recipe
	[[ $output == *FAILED* ]]
}

@test "minisign signs with a key of swarmboot's, and swarmboot with one of minisign's" {
	publish slurm one
	echo data >file
	new_key a
	minisign -S -s a.key -m file -t 'by minisign'
	run -0 minisign -V -p a.pub -m file
	minisign -G -W -s m.key -p m.pub
	chmod 600 m.key
	swarmboot sign slurm --key m.key --yes
	run -0 swarmboot verify slurm --key m.pub
}

@test "minisign reads an encrypted key of swarmboot's, and swarmboot one of minisign's" {
	publish slurm one
	echo data >file
	echo "correct horse" >pw
	swarmboot keygen --output p --password-file pw
	minisign -S -s p.key -m file <pw
	run -0 minisign -V -p p.pub -m file
	cat pw pw | minisign -G -s m.key -p m.pub
	chmod 600 m.key
	run -0 swarmboot sign slurm --key m.key --password-file pw --yes
	run -0 swarmboot verify slurm --key m.pub
}

@test "help and man pages name every option" {
	for command in keygen sign verify images show tag diff push pull export import gc; do
		run -0 swarmboot $command --help
		[[ ${lines[0]} == "usage: swarmboot $command"* ]]
		run -0 swarmboot $command --man
		[[ ${lines[0]} == .TH* ]]
	done
	run -0 swarmboot keygen --help
	[[ $output == *--password-file* ]]
}
