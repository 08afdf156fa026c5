/* The node's question how it may seed: to every seeder, as each may have been told to pause it. */
#ifndef INITRAMFS_SEEDASK_H
#define INITRAMFS_SEEDASK_H

#include "imager/base/err.h"
#include "initramfs/seedfolder.h"
#include "seeder/wire/bootargs.h"
#include "seeder/wire/seed.h"

/* What each seeder said last is kept: one that is away for a while goes on to count. It lies in the seed
 * folder, so that it outlives the process (seedask_load, seedask_save). Strings are the caller's. */
struct seedask {
	const char *node, *mac;
	const char *seeders[BOOTARGS_SEEDERS_MAX]; /* base URLs */
	size_t seeder_count;
	struct seed_policy said[BOOTARGS_SEEDERS_MAX];
	int has_said[BOOTARGS_SEEDERS_MAX];
};

/*
 * Asks all of them, telling them the state; *ret is the strictest of what they say and have said. 0, or, when
 * no one has ever answered, the negative error of the last one. *ret_answered: how many did now. At most 2 s
 * a seeder.
 */
int seedask(struct seedask *a, enum seed_state state, size_t *ret_answered, struct seed_policy *ret,
	struct err *err);

/* A bit for each seeder whose last word is that the node is paused. */
unsigned seedask_pausers(const struct seedask *a);

/* What these seeders said last, as seedask_save left it; without that file nothing. -EBADMSG or the errno of
 * reading. */
int seedask_load(struct seedask *a, const struct seedfolder *f, struct err *err);
/* 0, -ENOMEM, or the errno of writing; what was saved before is there then. */
int seedask_save(const struct seedask *a, const struct seedfolder *f, struct err *err);

#endif
