#!/usr/bin/env bats
# Seeding and Slurm: Debian's munged, slurmctld and slurmd run the prolog and the epilog of the profile slurm-compute where
# its image has them, on a node with the agent's seed and policy roles. Jobs begin and end at the test's word, by fifos.
# Each machine's processes see a /run, /etc/slurm and /etc/munge of its own, and its host name.

bats_require_minimum_version 1.5.0

load lib.sh
load ../cli/store.bash
load seednodes.bash
spawned=

TOP=$BATS_TEST_DIRNAME/../..
NOBODY=65534 # whose jobs these are

setup() {
	seed_head
	reload '{pause_when: job}'
	booted 1
	mkdir -m 1777 jobs
	job_script
	head -c 64 /dev/urandom >munge.key
}

teardown() {
	[ -n "$BATS_TEST_COMPLETED" ] || tail -n 30 head/slurmctld.log n001/slurmd.log || true
	ns_cleanup
}

# ---- the cluster ----

slurm_start() {
	machine head
	machine n001
	image_files n001
	mkdir -p n001/run/swarmboot/seed
	slurmctld_start
	slurmd_start
}

# machine NAME: its folders, and munged on it
machine() {
	mkdir -p "$1"/{run/munge,run/slurm/spool,slurm,munge}
	install -m 0400 munge.key "$1/munge/munge.key"
	slurm_conf >"$1/slurm/slurm.conf"
	echo CgroupPlugin=cgroup/v1 >"$1/slurm/cgroup.conf" # not used, but it looks for none that is mounted
	on "$1" "$1/munged.log" munged --foreground --seed-file=/run/munge/seed
	timeout 10 sh -c 'until [ -S "$0" ]; do sleep 0.05; done' "$1/run/munge/munge.socket.2"
}

slurm_conf() { # [LINE]
	cat <<-END
		ClusterName=test
		SlurmctldHost=head(10.77.0.1)
		SlurmUser=root
		MailProg=/bin/true
		MpiDefault=none
		ProctrackType=proctrack/linuxproc
		TaskPlugin=task/none
		JobAcctGatherType=jobacct_gather/none
		SelectType=select/cons_tres
		SelectTypeParameters=CR_CPU
		SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
		SlurmdParameters=config_overrides
		StateSaveLocation=/run/slurm/state
		SlurmdSpoolDir=/run/slurm/spool
		NodeName=n001 NodeAddr=10.77.0.11 CPUs=4
		PartitionName=jobs Nodes=n001 Default=YES
		$(sed -n '/^Prolog=\|^Epilog=/p' "$TOP/docs/profiles.md")
		${1:-}
	END
}

# image_files NAME: what the profile puts below /etc/slurm
image_files() {
	swarmboot profile show --json "$TOP/profiles/slurm-compute.yaml" | jq -r '.profile.files[] |
		select(.path | startswith("/etc/slurm/")) | "\(.mode) \(.source) \(.path)"' >files
	[ "$(cut -d ' ' -f 3 files)" = $'/etc/slurm/prolog.d/swarmboot\n/etc/slurm/epilog.d/swarmboot' ]
	local mode source path
	while read -r mode source path; do
		install -D -m "$mode" "$source" "$1${path#/etc}"
	done <files
}

# A process' view of its machine, whose folder is $0.
# shellcheck disable=SC2016 # for the inner shell
VIEW='hostname "${0##*/}"
	mount --bind "$0/run" /run
	mount --bind "$0/slurm" /etc/slurm
	mount --bind "$0/munge" /etc/munge
	[ ! -d /run/swarmboot ] || mount --bind "$0/seed" /run/swarmboot/seed
	exec "$@"'

on() { # NAME LOG CMD...: a process on the machine; its pid is in $spawned
	spawn "$1" "$2" unshare -mu sh -ec "$VIEW" "$PWD/$1" "${@:3}"
}

by_user() { # CMD...: from the head, until it ends
	ns head unshare -mu sh -ec "$VIEW" "$PWD/head" setpriv --reuid $NOBODY --regid $NOBODY --clear-groups "$@" 3>&-
}

slurmctld_start() {
	on head head/slurmctld.log slurmctld -D
	slurmctld=$spawned
	wait_for_tcp head 10.77.0.1 6817 10
}

slurmd_start() {
	on n001 n001/slurmd.log slurmd -D
	slurmd=$spawned
	wait_for_line n001/slurmd.log 'slurmd started' 10
}

# A prolog or epilog that fails drains the node.
node_is_idle() {
	by_user timeout 10 sh -c 'until sinfo -h -n n001 -o %T | grep -qx idle; do sleep 0.1; done' ||
		{ by_user sinfo -N -l; false; }
}

# ---- its jobs ----

# A job notes what its first command sees, does its worst, and ends when it is told to.
job_script() {
	cat >job <<-END
		#!/bin/sh
		set -- \$(cat /run/swarmboot/seed/state) \$(ls /run/swarmboot/seed/jobs)
		rm -f /run/swarmboot/seed/jobs/* /run/swarmboot/seed/state
		cd "$PWD/jobs"
		echo "\$*" >"\$SLURM_JOB_NAME.began"
		read -r word <"\$SLURM_JOB_NAME"
		echo "\$word" >"\$SLURM_JOB_NAME.ended"
	END
}

submit() { # NAME: its number is in $job
	mkfifo -m 0666 "jobs/$1"
	job=$(by_user sbatch --parsable -J "$1" --chdir / -o /dev/null job)
}

began() { # NAME STATE JOB...: and this is what it saw
	local saw
	saw=$(wait_for_line "jobs/$1.began" . 20)
	echo "job $1 saw $saw"
	[ "$saw" = "${*:2}" ]
}

# end NAME: until its last command has run
end() {
	timeout 5 sh -c 'echo end >"$0"' "jobs/$1"
	wait_for_line "jobs/$1.ended" end 10
}

# ended JOB: until the node is told so
ended() {
	timeout 20 sh -c 'while [ -e "$0" ]; do sleep 0.05; done' "n001/seed/jobs/$1"
}

seeding() { # on|job
	[ "$(cat n001/seed/state)" = "$1" ] && [ "$(ls n001/seed/jobs | wc -l)" "$([ "$1" = on ] && echo = || echo !=)" 0 ]
}

seeding_becomes() { # on|job
	timeout 20 sh -c 'until [ "$(cat n001/seed/state)" = "$0" ]; do sleep 0.05; done' "$1"
	seeding "$1"
}

@test "a job pauses its node before its first command, and its end resumes it" {
	slurm_start
	seeding on
	submit a
	began a job "$job"
	row_becomes n001 .seeding job
	local before
	before=$(sent 1)
	fetch 2
	fetched 2
	awk '/^progress/ { from = $4; all = $5 } END { exit !(from == all) }' n002/fetch.log # all of it from the head
	[ $(($(sent 1) - before)) -lt 50000 ] # questions, reports, and Slurm's own
	seeding job # whatever the job's user did
	end a
	seeding_becomes on
	row_becomes n001 .seeding on
	before=$(sent 1)
	fetch 3
	fetched 3
	awk '/^progress/ { from = $4 } END { exit !(from == 0) }' n003/fetch.log
	[ $(($(sent 1) - before)) -gt $SIZE ]
	node_is_idle
}

@test "two jobs at once: the end of the last one resumes it, also when that is cancelled" {
	slurm_start
	local a b
	submit a
	a=$job
	began a job "$a"
	submit b
	b=$job
	began b job "$a" "$b"
	end a
	ended "$a"
	seeding job
	by_user scancel "$b"
	ended "$b"
	seeding_becomes on
	[ ! -e jobs/b.ended ]
	node_is_idle
}

@test "slurmd starts anew in the middle: a running job pauses on, one that ended meanwhile does not" {
	slurm_start
	local a b
	submit a
	a=$job
	began a job "$a"
	reap "$slurmd"
	seeding job
	slurmd_start
	submit b
	b=$job
	began b job "$a" "$b"
	end a
	ended "$a"
	seeding job
	# Nobody runs the epilog now.
	kill -KILL "$slurmd"
	wait "$slurmd" || true
	end b
	seeding job
	slurmd_start
	ended "$b"
	seeding_becomes on
	node_is_idle
}

@test "an allocation pauses its node from its first step on, with PrologFlags=Alloc from its begin" {
	slurm_start
	allocate
	seeding on
	[ "$(by_user srun --jobid "$job" cat /run/swarmboot/seed/state)" = job ]
	seeding job
	by_user scancel "$job"
	seeding_becomes on
	reap "$slurmd"
	reap "$slurmctld"
	slurm_conf PrologFlags=Alloc | tee head/slurm/slurm.conf >n001/slurm/slurm.conf
	slurmctld_start
	slurmd_start
	allocate
	seeding_becomes job
	by_user scancel "$job"
	seeding_becomes on
}

allocate() { # an allocation without a command; its number is in $job
	job=$(by_user salloc --no-shell --chdir / 2>&1 | tee /dev/stderr | sed -n 's/.*Granted job allocation //p')
}
