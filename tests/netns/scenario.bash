# Tests that mostly wait, run side by side: a file's scenarios are functions scenario_NAME, all started by setup_file, each in
# a folder and with namespaces of its own; its test waits for it and tells what it came to. Load it after lib.sh.
#
#   setup_file() { scenarios_start one two; }
#   teardown_file() { scenarios_stop; }
#   @test "..." { scenario_ends one 60; }
# shellcheck shell=bash

scenarios_start() {
	local name
	for name; do
		mkdir "$BATS_FILE_TMPDIR/$name"
		(
			trap - DEBUG ERR EXIT
			set +eET
			cd "$BATS_FILE_TMPDIR/$name" || exit
			export NS_PREFIX=t$$-$name SWARMBOOT_STORE=$PWD/store SWARMBOOT_CACHE=$PWD/cache
			(
				trap ns_cleanup EXIT
				set -eE
				trap 'echo "line $LINENO: $BASH_COMMAND"' ERR
				"scenario_$name"
			) >log 2>&1
			echo $? >status.new
			mv status.new status
		) 3>&- &
		echo $! >"$BATS_FILE_TMPDIR/$name/pid"
	done
}

scenario_ends() { # NAME SECONDS
	local folder=$BATS_FILE_TMPDIR/$1
	timeout "$2" bash -c 'until [ -e "$0/status" ]; do sleep 0.1; done' "$folder" || echo "goes on after $2 s"
	[ "$(cat "$folder/status")" = 0 ] || {
		cat "$folder/log"
		return 1
	}
}

# Also what was begun and did not come to its end.
scenarios_stop() {
	local folder
	for folder in "$BATS_FILE_TMPDIR"/*/; do
		[ -e "$folder/status" ] || kill -KILL "$(cat "$folder/pid")" || true
		NS_PREFIX=t$$-$(basename "$folder") ns_cleanup
	done
}
