#!/usr/bin/env bats
# What whoever signs is shown and asked, on a terminal of their own (python's pty) and without one.

load store.bash

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	new_key a
	# terminal KEYS COMMAND...: runs it on a new terminal, types KEYS at its question; prints all that is shown
	# there, then "status N" and whether the terminal echoes
	cat >terminal <<-'END'
		#!/usr/bin/env python3
		import os, pty, select, signal, sys, termios
		keys = sys.argv[1].encode().decode("unicode_escape").encode()
		pid, tty = pty.fork()
		if pid == 0:
		    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):  # a job in the background ignores them
		        signal.signal(number, signal.SIG_DFL)
		    signal.alarm(60)
		    os.execvp(sys.argv[2], sys.argv[2:])
		shown, typed, silent = b"", False, False
		echoes = lambda: bool(termios.tcgetattr(tty)[3] & termios.ECHO)
		while True:
		    ready, _, _ = select.select([tty], [], [], 0.2)
		    if ready:
		        try:
		            shown += os.read(tty, 4096)
		        except OSError:  # nobody has it open any more
		            break
		        if not typed and shown.rstrip().endswith((b"[y/N]", b"key:")):
		            typed = True
		            silent = not echoes()
		            os.write(tty, keys)
		    elif os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
		        break
		status = os.waitpid(pid, 0)[1]
		print(shown.decode(errors="replace").replace("\r", ""))
		print("silent", int(silent), "echo", int(echoes()))
		print("signal", os.WTERMSIG(status)) if os.WIFSIGNALED(status) else print("status", os.WEXITSTATUS(status))
	END
	chmod +x terminal
}

signatures() {
	swarmboot show --json "$1" | jq '.signatures | length'
}

# image WORD: WORD.squashfs, a tree with one file of that word
image() {
	mkdir -p "$1.tree/etc"
	echo "$1" >"$1.tree/etc/motd"
	mksquashfs "$1.tree" "$1.squashfs" -comp zstd -quiet -no-progress >/dev/null
}

@test "without a terminal nothing is signed, unless --yes is given" {
	publish slurm one
	run -1 swarmboot sign slurm --key a.key </dev/null
	[[ $output == *"slurm:1: no other release of slurm here is signed by this key; kernel 6.1.0-fixture-amd64"* ]]
	[[ $output == *"nobody can be asked"*"--yes"* ]]
	run -1 swarmboot sign slurm --key a.key <<<y
	[ "$(signatures slurm)" = 0 ]
	run -0 --separate-stderr swarmboot sign slurm --key a.key --yes </dev/null
	[[ $output == "slurm:1: signed by "* ]]
	[ "$(signatures slurm)" = 1 ]
}

@test "on a terminal: the difference to the last signed release, and the question" {
	for word in one two three; do
		image $word
		FIXTURE_ROOT=$word.squashfs publish slurm $word
	done
	swarmboot sign slurm:1 --key a.key --yes
	for answer in '\n' 'n\n' 'q\n' 'yesno\n' '\x04'; do
		run -0 ./terminal "$answer" swarmboot sign slurm --key a.key
		[[ $output == *"slurm:1 -> slurm:3"*"  ~ /etc/motd  content"*"sign slurm:3? [y/N]"* ]]
		[[ $output == *"slurm:3: not signed"*"status 1" ]]
	done
	[ "$(signatures slurm:3)" = 0 ]
	run -0 ./terminal 'y\n' swarmboot sign slurm --key a.key
	[[ $output == *"slurm:3: signed by "*"status 0" ]]
	run -0 ./terminal 'YES\n' swarmboot sign slurm:2 --key a.key
	[[ $output == *"slurm:1 -> slurm:2"*"status 0" ]]
	run -0 swarmboot verify slurm:3 --key a.pub
	run -0 swarmboot verify slurm:2 --key a.pub
}

@test "only a signature that is proved makes a release the last signed one; --trust names other keys" {
	new_key b
	for word in one two three; do
		image $word
		FIXTURE_ROOT=$word.squashfs publish slurm $word
	done
	swarmboot sign slurm:1 --key a.key --yes
	swarmboot sign slurm:2 --key b.key --yes
	run -1 swarmboot sign slurm:3 --key a.key </dev/null
	[[ $output == *"slurm:1 -> slurm:3"* ]]
	run -1 swarmboot sign slurm:3 --key a.key --trust b.pub </dev/null
	[[ $output == *"slurm:2 -> slurm:3"* ]]
	run -1 swarmboot sign slurm:3 --key a.key --trust b.key </dev/null
	[[ $output == *"not a minisign public key file"* ]]
	# a signature over something else, under the right key's id
	swarmboot sign slurm:1 --key b.key --yes
	manifest=$(skopeo inspect --raw "oci:$SWARMBOOT_STORE:slurm:2")
	digest=$(jq -er '.layers[] | select(.mediaType | endswith("signature.v1")).digest' <<<"$manifest")
	sed -i "s/slurm:2/slurm:7/" "$SWARMBOOT_STORE/blobs/sha256/${digest#sha256:}"
	run -1 swarmboot sign slurm:3 --key b.key </dev/null
	[[ $output == *"slurm:1 -> slurm:3"* ]]
}

@test "what cannot be compared is said, and many files are cut short" {
	publish slurm one
	swarmboot sign slurm --key a.key --yes
	image two
	for ((i = 0; i < 100; i++)); do echo $i >two.tree/$i; done
	rm two.squashfs
	image two
	FIXTURE_ROOT=two.squashfs publish slurm two
	run -0 swarmboot sign slurm --key a.key --yes
	[[ $output == *"files      not compared: "*"not a squashfs image"*"slurm:2: signed by"* ]]
	image three
	FIXTURE_ROOT=three.squashfs publish slurm three
	run -0 swarmboot sign slurm --key a.key --yes
	[[ $output == *"files      0 added, 100 removed, 1 changed"* ]]
	[[ $output == *"... and 61 more: swarmboot diff slurm:2 slurm:3 --files"* ]]
}

@test "a damaged release is not signed" {
	publish slurm one
	flip "$(blob .release.root.digest)"
	run -1 swarmboot sign slurm --key a.key --yes
	[[ $output == *"slurm:1: root image: its bytes are not those of its digest"* ]]
	[ "$(signatures slurm)" = 0 ]
}

@test "a public key is told from a secret one before anything is asked" {
	publish slurm one
	run -0 ./terminal 'y\n' swarmboot sign slurm --key a.pub
	[[ $output == *"a.pub: this is a public key; signing wants the secret one of the pair, NAME.key"* ]]
	[[ $output != *"[y/N]"* ]]
}

@test "password: typed unseen; ^C and other ends leave a terminal that echoes" {
	echo secret >pw
	swarmboot keygen --output p --password-file pw
	publish slurm one
	run -0 ./terminal 'secret\n' swarmboot sign slurm --key p.key --yes
	[[ $output == *"silent 1 echo 1"*"status 0" ]]
	[[ $output != *secret$'\n'* ]]
	run -0 ./terminal '\x03' swarmboot sign slurm --key p.key --yes
	[[ $output == *"silent 1 echo 1"*"signal 2" ]]
	run -0 ./terminal '\x1c' swarmboot sign slurm --key p.key --yes
	[[ $output == *"silent 1 echo 1"*"signal 3" ]]
	run -0 ./terminal 'wrong\n' swarmboot sign slurm --key p.key --yes
	[[ $output == *"wrong password"*"silent 1 echo 1"*"status 1" ]]
}
