/* shape: what the profile adds to a tree and takes away from it. */
#ifndef IMAGER_TREE_TREE_H
#define IMAGER_TREE_TREE_H

#include <stdint.h>

#include "imager/base/err.h"
#include "imager/profile/profile.h"
#include "imager/tree/artifacts.h"

struct tree_job {
	const struct profile *profile;
	const char *root;
	const char *workdir; /* an existing folder for artifacts on their way; NULL: the profile has none */
	struct artifacts_stock stock; /* where they are looked for */
	uint64_t time;                /* SOURCE_DATE_EPOCH for what runs in the tree, seconds since 1970 */
	/* What is going on, one line at a time; may be NULL. */
	void (*line)(const char *text, void *arg);
	void *arg;
};

/*
 * In this order: groups, users, files, artifacts, scripts, units, and last the removal of what the exclude
 * patterns name. Groups, users, scripts and units run the tree's own programs (sandbox.h); scripts alone may
 * have the network. 0 or -errno; the sentence names the item.
 */
int tree_apply(const struct tree_job *job, struct err *err);

#endif
