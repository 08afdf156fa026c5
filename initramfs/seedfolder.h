/*
 * What says on a node how it seeds: a folder below AGENT_RUN, watched by the seed role. Three hands write
 * there: the policy role (`policy`, what follows from all heads, JSON of seeder/wire/seed.h, and `heads`,
 * what each of them said last, seedask.h), the node's Slurm prolog and epilog
 * (`jobs/JOBID`, an empty file for as long as the job runs), and the seed role itself (`state`, one word).
 */
#ifndef INITRAMFS_SEEDFOLDER_H
#define INITRAMFS_SEEDFOLDER_H

#include "imager/base/buf.h"
#include "imager/base/cleanup.h"
#include "imager/base/err.h"
#include "seeder/wire/seed.h"

struct seedfolder {
	int dir, jobs; /* open folders, good in a sandbox too; -1: none */
};

/* Makes what is missing; a role in the sandbox may write there, but not to jobs/. */
int seedfolder_open(const char *path, struct seedfolder *ret, struct err *err);
/* Takes one that was never opened, if its descriptors are -1. */
void seedfolder_close(struct seedfolder *f);

/* An inotify descriptor, readable after any change. To be called before the sandbox. -errno with a sentence.
 */
int seedfolder_watch(const char *path, struct err *err);
/* Empties it. */
void seedfolder_drain(int watch);

/* All zero when there is none yet. -EBADMSG or the errno of reading it. */
int seedfolder_policy(const struct seedfolder *f, struct seed_policy *ret, struct err *err);
/* 0, -ENOMEM, or the errno of writing; what was there before stays then. */
int seedfolder_put_policy(const struct seedfolder *f, const struct seed_policy *p, struct err *err);

/* *ret: free(); NULL when there is none yet. 0 or the errno of reading. */
int seedfolder_heads(const struct seedfolder *f, char **ret, struct err *err);
/* 0 or the errno of writing; what was there before stays then. */
int seedfolder_put_heads(const struct seedfolder *f, const struct buf *text, struct err *err);

/* SEED_UNKNOWN when nothing is written. */
enum seed_state seedfolder_state(const struct seedfolder *f);
/* As seedfolder_put_policy. */
int seedfolder_put_state(const struct seedfolder *f, enum seed_state state, struct err *err);

/* How many jobs run: files whose name is a number. */
size_t seedfolder_jobs(const struct seedfolder *f);

#endif
