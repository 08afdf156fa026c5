#!/usr/bin/env bats
# profile: what show prints is the profile that build takes; what is refused, and with which words.

load store.bash

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	mkdir -p site/fragments site/data root
	printf 'hello\n' >site/data/motd
	cat >site/fragments/debug.yaml <<-'END'
		vars: {level: debug, tool: strace}
		packages: ["${vars.tool}"]
		files:
		  - {path: /etc/motd, source: ../data/motd}
		units: {enable: debug-shell.service}
	END
	cat >site/node.yaml <<-'END'
		include: fragments/debug.yaml
		name: node
		from: {debian: {suite: bookworm}}
		packages: [systemd]
		kernel:
		  package: linux-image-amd64
		  cmdline: loglevel=${vars.level}
		scripts:
		  - name: one
		    run: |
		      for i in /etc/*; do
		        echo "${i##*/}"
		      done
	END
}

@test "show prints the merged profile with each value's file and line" {
	run -0 swarmboot profile show site/node.yaml
	for line in "  - strace  # site/fragments/debug.yaml:2" "  - systemd  # site/node.yaml:4" \
		"    source: $PWD/site/fragments/../data/motd  # site/fragments/debug.yaml:4" \
		"    - debug-shell.service  # site/fragments/debug.yaml:5" \
		"    suite: bookworm  # site/node.yaml:3" "  cmdline: loglevel=debug  # site/node.yaml:7" \
		"  level: debug  # site/fragments/debug.yaml:1" "    run: |  # site/node.yaml:10" \
		'        echo "${i##*/}"'; do
		[[ $'\n'$output$'\n' == *$'\n'"$line"$'\n'* ]] || { echo "missing: $line"; false; }
	done
	[[ $output != *include* ]]
}

@test "what show prints is a profile, read alike by another YAML reader" {
	swarmboot profile show site/node.yaml >other.yaml
	swarmboot profile show other.yaml | sed 's/  # .*//' >again.yaml
	sed 's/  # .*//' other.yaml | diff - again.yaml
	swarmboot profile show --json site/node.yaml >show.json
	# Every value as text, as the JSON has it.
	python3 -c 'import json, sys, yaml
print(json.dumps(yaml.load(open(sys.argv[1]), yaml.BaseLoader), sort_keys=True))' other.yaml >theirs.json
	jq -cS .profile show.json | diff - <(jq -cS . theirs.json)
}

@test "show --json gives files, values and places" {
	swarmboot profile show --json --set tool=gdb site/node.yaml >show.json
	[ "$(jq -c .files show.json)" = '["site/fragments/debug.yaml","site/node.yaml"]' ]
	[ "$(jq -c .profile.packages show.json)" = '["gdb","systemd"]' ]
	[ "$(jq -c '.places["/packages/1"]' show.json)" = '{"file":"site/node.yaml","line":4}' ]
	[ "$(jq -c '.places["/vars/tool"]' show.json)" = '{"file":"--set","line":0}' ]
	[ "$(jq -c '.places["/vars/level"].line' show.json)" = 1 ]
}

@test "the profile comes from a pipe, and from another folder" {
	swarmboot profile show site/node.yaml | swarmboot profile check /dev/stdin
	(cd site/fragments && swarmboot profile check ../node.yaml)
}

@test "check prints one line, or the fault and exit status 2" {
	run -0 swarmboot profile check site/node.yaml
	[ "$output" = "node from debian: 2 packages, 1 files, 0 artifacts, 1 scripts" ]
	printf 'overlay: {limit: much}\n' >>site/fragments/debug.yaml
	run -2 swarmboot profile check site/node.yaml
	[[ $output == "swarmboot profile: site/fragments/debug.yaml:6: limit: 'much' is not allowed"* ]]
	run -2 swarmboot profile check site/fragments/debug.yaml
	[[ $output == *"debug.yaml:1: name: is missing"* || $output == *"limit"* ]]
	run -1 swarmboot profile check site/gone.yaml
	[[ $output == *"site/gone.yaml: No such file"* ]]
}

@test "circles are named, and what two files include is taken once" {
	printf 'include: [a.yaml, b.yaml]\nname: n\nfrom: {release: x}\n' >p.yaml
	printf 'include: c.yaml\n' | tee a.yaml >b.yaml
	printf 'exclude: /c\n' >c.yaml
	run -0 swarmboot profile show p.yaml
	[ "$(grep -c '/c  #' <<<"$output")" = 1 ]
	printf 'include: a.yaml\n' >c.yaml
	run -2 swarmboot profile show p.yaml
	[[ $output == "swarmboot profile: c.yaml:1: include: a circle: p.yaml -> a.yaml -> c.yaml -> a.yaml" ]]
}

@test "wrong usage is told: words, variables, --json" {
	run -2 swarmboot profile list site/node.yaml
	[[ $output == *"'list' is not allowed: show or check"*"--help"* ]]
	run -2 swarmboot profile show
	[[ $output == *"missing argument: show|check PROFILE"* ]]
	run -2 swarmboot profile check --json site/node.yaml
	[[ $output == *"--json goes with show"* ]]
	run -2 swarmboot profile show --set colour=red site/node.yaml
	[[ $output == *"--set: there is no variable 'colour'; declared are level, tool"* ]]
	run -2 swarmboot profile show --set level site/node.yaml
	[[ $output == *"--set: 'level' is not allowed: NAME=VALUE is wanted"* ]]
	run -0 swarmboot profile --help
	[[ $output == *"usage: swarmboot profile [OPTIONS] show|check PROFILE"* ]]
}

@test "build takes includes and --set; another value is another release" {
	small_tree tree
	new_key a
	printf 'vars: {word: one}\nfiles: [{path: /etc/word, content: "${vars.word} ${word}"}]\n' >word.yaml
	printf 'include: word.yaml\nname: small\nfrom: {dir: tree}\n' >p.yaml
	swarmboot build --key a.pub --agent /bin/true p.yaml
	[ "$(unsquashfs -cat "$(blob .release.root.digest small)" etc/word)" = 'one ${word}' ]
	swarmboot build --key a.pub --agent /bin/true --set word=two p.yaml
	[ "$(unsquashfs -cat "$(blob .release.root.digest small)" etc/word)" = 'two ${word}' ]
	[ "$(swarmboot show --json small | jq .release.sequence)" = 2 ]
	# The same by what show prints, from elsewhere, is the same image.
	swarmboot profile show --set word=two p.yaml >root/q.yaml
	run -0 --separate-stderr swarmboot build --json --key a.pub --agent /bin/true root/q.yaml
	[ "$(jq -r .root.digest <<<"$output")" = "$(swarmboot show --json small:2 | jq -r .release.root.digest)" ]
	run -2 swarmboot build --key a.pub --agent /bin/true --set wording=two p.yaml
	[[ $output == *"--set: there is no variable 'wording'; declared are word"* ]]
}
