#!/usr/bin/env bats
# diff, and the package list it reads; unsquashfs and find give the second opinion.

load store.bash

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
}

# image DIR: DIR.squashfs, by a packer that is not ours
image() {
	rm -f "$1.squashfs"
	mksquashfs "$1" "$1.squashfs" -comp zstd -quiet -no-progress -all-time 0 >/dev/null
}

# spdx FILE NAME=VERSION...: an SPDX document with these packages
spdx() {
	local file=$1
	shift
	printf '%s\n' "$@" | jq -Rn '{spdxVersion: "SPDX-2.3", packages: ([{SPDXID: "SPDXRef-Image", name: "image"}] +
		[inputs | split("=") | {SPDXID: "SPDXRef-\(.[0])", name: .[0], versionInfo: .[1], externalRefs: [{
			referenceType: "purl", referenceLocator: "pkg:deb/debian/\(.[0])@\(.[1])?arch=amd64"}]}])}' >"$file"
}

# release WORD DIR PACKAGES: publishes slurm with the image of DIR
release() {
	FIXTURE_ROOT=$2.squashfs FIXTURE_PACKAGES=$3 publish slurm "$1"
}

@test "packages and files between two releases, as text and as JSON" {
	mkdir -p a/etc b/etc
	echo 1 >a/etc/changed
	echo 2 >b/etc/changed
	echo x >a/etc/gone
	echo x >b/etc/new
	touch {a,b}/etc/mode
	chmod 0640 b/etc/mode
	image a
	image b
	spdx a.json bash=5.1 old=1 same=3
	spdx b.json bash=5.2 new=2 same=3
	release one a a.json
	release two b b.json
	run -0 swarmboot diff slurm:1 slurm:2
	[[ ${lines[0]} == "slurm:1 -> slurm:2" ]]
	[[ $output == *"packages   1 added, 1 removed, 1 changed"* ]]
	[[ $output == *"  ~ bash 5.1 -> 5.2"* ]]
	[[ $output == *"  + new 2"* ]]
	[[ $output == *"  - old 1"* ]]
	[[ $output == *"files      1 added, 1 removed, 2 changed"* ]]
	[[ $output != *"/etc/new"* ]]
	run -0 swarmboot diff slurm:1 slurm:2 --files
	[[ $output == *"  ~ /etc/changed  content"* ]]
	[[ $output == *"  ~ /etc/mode  mode"* ]]
	[[ $output == *"  + /etc/new"* ]]
	[[ $output == *"  - /etc/gone"* ]]
	swarmboot diff slurm:1 slurm:2 --files --json >d.json
	[ "$(jq -c '[.package_count, .file_count]' d.json)" = \
		'[{"added":1,"removed":1,"changed":1},{"added":1,"removed":1,"changed":2}]' ]
	[ "$(jq -c '.packages[0]' d.json)" = \
		'{"change":"changed","name":"bash","arch":"amd64","before":"5.1","after":"5.2"}' ]
	[ "$(jq -c '.changed' d.json)" = '{"kernel":true,"initramfs":true,"root":true}' ]
	total=$((20000 + 30000 + $(stat -c %s b.squashfs)))
	[ "$(jq -c '.fetch | [.boot, .changed]' d.json)" = "[$total,$total]" ]
}

@test "a release and itself; the former form of the list" {
	mkdir -p a/etc
	echo 1 >a/etc/x
	image a
	echo '[{"name":"bash","version":"5.1","arch":"amd64"}]' >former.json
	spdx now.json bash=5.2
	release one a former.json
	release two a now.json
	run -0 swarmboot diff slurm:1 slurm:1
	[[ $output == *"packages   the same"*"files      the same"* ]]
	[[ $output == *"fetch      0 B in parts that differ"* ]]
	run -0 swarmboot diff slurm:1 slurm:2
	[[ $output == *"  ~ bash 5.1 -> 5.2"*"files      the same"* ]]
}

@test "what cannot be read is said, after all the rest" {
	mkdir -p a
	image a
	echo 'no list' >bad.json
	spdx good.json bash=5.2
	release one a bad.json
	release two a good.json
	publish slurm three
	run -1 swarmboot diff slurm:1 slurm:2
	[[ $output == *"packages   not compared: slurm:1: the package list is neither"*"files      the same"* ]]
	run -1 swarmboot diff slurm:2 slurm:3
	[[ $output == *"  ~ bash 5.2 -> 5.2.15-2+b2"*"files      not compared: "*"not a squashfs image"* ]]
	run -1 swarmboot diff slurm:2 slurm:9
	[[ $output == *"slurm:9: no such release"* ]]
	run -2 swarmboot diff slurm:2
}

# The answer of tools that are not ours: unsquashfs both, and compare what find and sha256sum say of each path.
expected() {
	local side
	for side in a b; do
		unsquashfs -q -n -d "$side.out" "$side.squashfs" >/dev/null
		python3 - "$side.out" >"$side.list" <<-'END'
			import hashlib, os, stat, sys
			root = sys.argv[1]
			def line(path):
			    st = os.lstat(path)
			    kind, content = stat.S_IFMT(st.st_mode), ""
			    if stat.S_ISREG(st.st_mode):
			        content = hashlib.sha256(open(path, "rb").read()).hexdigest()
			    elif stat.S_ISLNK(st.st_mode):
			        content = os.readlink(path)
			    elif stat.S_ISBLK(st.st_mode) or stat.S_ISCHR(st.st_mode):
			        content = st.st_rdev
			    names = sorted(n for n in os.listxattr(path, follow_symlinks=False) if n.startswith("user."))
			    attributes = [(n, os.getxattr(path, n, follow_symlinks=False)) for n in names]
			    name = path[len(root):] or "/"
			    print(name, kind, content, stat.S_IMODE(st.st_mode), (st.st_uid, st.st_gid), attributes, sep="\t")
			line(root)
			for folder, dirs, files in os.walk(root):
			    for name in dirs + files:
			        line(os.path.join(folder, name))
		END
	done
	python3 - a.list b.list <<-'END'
		import sys
		a, b = ({l.split("\t")[0]: l.rstrip("\n").split("\t")[1:] for l in open(p)} for p in sys.argv[1:])
		for path in sorted(a.keys() | b.keys()):
		    if path not in b:
		        print("removed", path)
		    elif path not in a:
		        print("added", path)
		    elif a[path] != b[path]:
		        what = ["type", "content", "mode", "owner", "xattr"]
		        found = [w for w, x, y in zip(what, a[path], b[path]) if x != y]
		        print("changed", path, "type" if "type" in found else ",".join(found))
	END
}

@test "two large trees: the same answer as unsquashfs and a walk" {
	mkdir a
	cp -a "$(realpath /usr/share/perl/5.*/ | head -n 1)/." a/
	head -c 3000000 /dev/urandom >a/large
	head -c 3100000 /dev/urandom >a/tail
	truncate -s 5M a/sparse
	mknod a/null c 1 3
	cp -a a b
	mapfile -t files < <(cd b && find . -type f -name '*.p[lm]' | sort)
	for ((i = 0; i < ${#files[@]}; i += 7)); do
		case $((i / 7 % 6)) in
		0) echo "# $i" >>"b/${files[i]}" ;;
		1) rm "b/${files[i]}" ;;
		2) chmod 0600 "b/${files[i]}" ;;
		3) chown 7:8 "b/${files[i]}" ;;
		4) python3 -c 'import os,sys; os.setxattr(sys.argv[1], "user.n", sys.argv[2].encode())' \
			"b/${files[i]}" "$i" ;;
		5) rm "b/${files[i]}" && ln -s "$i" "b/${files[i]}" ;;
		esac
		echo "new $i" >"b/new $i"
	done
	printf x | dd of=b/large bs=1 seek=1500000 conv=notrunc status=none
	printf x | dd of=b/tail bs=1 seek=3099999 conv=notrunc status=none
	printf x | dd of=b/sparse bs=1 seek=2000000 conv=notrunc status=none
	rm b/null
	mknod b/null c 1 5
	image a
	image b
	spdx p.json x=1
	release one a p.json
	release two b p.json
	expected | sort >want
	swarmboot diff slurm:1 slurm:2 --files --json |
		jq -r '.files[] | "\(.change) \(.path)" + (if .what == [] then "" else " " + (.what | join(",")) end)' |
		sort >got
	diff want got
	[ "$(wc -l <got)" -gt 50 ]
	known=$(swarmboot diff slurm:1 slurm:2 --json | jq .fetch.root_known)
	# all but a block of each of the two random files is known
	[ "$known" -gt 5000000 ]
	[ "$known" -lt "$(stat -c %s b.squashfs)" ]
}

# Required by the specification of SPDX 2.3 (clauses 6, 7, 11), asked with jq.
@test "the package list of a build is a good SPDX document" {
	small_tree tree
	mkdir -p tree/var/lib/dpkg
	cp /usr/lib/os-release tree/usr/lib/os-release
	awk -v RS= -v ORS='\n\n' 'NR <= 60' /var/lib/dpkg/status >tree/var/lib/dpkg/status
	echo "#!/bin/sh" >tool
	printf "name: slurm\nversion: \"1.2\"\nfrom: {dir: %s}\nartifacts: [{source: %s, sha256: %s, path: /usr/bin/tool}]\n" \
		"$PWD/tree" "$PWD/tool" "$(sha256sum <tool | cut -d' ' -f1)" >p.yaml
	new_key a
	SOURCE_DATE_EPOCH=1700000000 swarmboot build --key a.pub --agent /bin/true p.yaml 2>/dev/null
	list=$(blob .release.packages.digest)
	jq -e '
		.spdxVersion == "SPDX-2.3" and .dataLicense == "CC0-1.0" and .SPDXID == "SPDXRef-DOCUMENT" and
		.name == "slurm" and (.documentNamespace | test("^[a-z]+:[^#]+$")) and
		.creationInfo.created == "2023-11-14T22:13:20Z" and
		(.creationInfo.creators | length > 0 and all(test("^(Tool|Organization|Person): ")))' "$list"
	jq -e '[.packages[].SPDXID] | length == (unique | length) and all(test("^SPDXRef-[A-Za-z0-9.-]+$"))' "$list"
	jq -e '.packages | all(.name != "" and .downloadLocation != null and .filesAnalyzed == false and
		.licenseConcluded == "NOASSERTION" and .copyrightText != null)' "$list"
	jq -e '[.packages[].primaryPackagePurpose // "FILE"] - ["OPERATING_SYSTEM", "FILE"] == []' "$list"
	jq -e '[.packages[].SPDXID, "SPDXRef-DOCUMENT"] as $ids |
		.relationships | all([.spdxElementId, .relatedSpdxElement] - $ids == [])' "$list"
	jq -e '[.relationships[] | select(.relationshipType == "DESCRIBES").relatedSpdxElement] == ["SPDXRef-Image"]' "$list"
	jq -e '.packages | map(select(.SPDXID | startswith("SPDXRef-Package-"))) |
		all((.supplier | test("^(Organization|Person): .|^NOASSERTION$")) and
		(.externalRefs[0].referenceLocator | test("^pkg:deb/debian/[^/@?]+@[^/@?]+\\?arch=[a-z0-9]+$")))' "$list"
	[ "$(jq -r '.packages[] | select(.SPDXID == "SPDXRef-Image").checksums[0].checksumValue' "$list")" = \
		"$(swarmboot show --json slurm | jq -r .release.root.digest | cut -d: -f2)" ]
	[ "$(jq -r '.packages[] | select(.name == "/usr/bin/tool") | "\(.SPDXID) \(.checksums[0].checksumValue)"' "$list")" = \
		"SPDXRef-Artifact--2Fusr-2Fbin-2Ftool $(sha256sum <tool | cut -d' ' -f1)" ]
	# what dpkg itself says is installed there
	dpkg-query --admindir="$PWD/tree/var/lib/dpkg" -W -f '${db:Status-Abbrev}\t${Package} ${Version} ${Architecture}\n' |
		sed -n 's/^ii *\t//p' | sort >want
	jq -r '.packages[] | select(.SPDXID | startswith("SPDXRef-Package-")) |
		"\(.name) \(.versionInfo) \(.externalRefs[0].referenceLocator | sub(".*arch="; ""))"' "$list" | sort >got
	diff want got
	[ "$(swarmboot show --json slurm | jq .release.packages.count)" = "$(wc -l <want)" ]
	diff want <(swarmboot show slurm --packages | grep -v '^/usr/bin/tool - -$')
	[ "$(swarmboot show slurm --packages --json | jq '.packages | length')" = $(($(wc -l <want) + 1)) ]
	run -0 skopeo inspect --raw "oci:$SWARMBOOT_STORE:slurm:1"
	[ "$(jq -r '.layers[3].mediaType' <<<"$output")" = application/spdx+json ]
}
