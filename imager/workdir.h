/* Where a build works: a temporary folder of the store, with the tree, the parts' files and the image in it.
 */
#ifndef IMAGER_WORKDIR_H
#define IMAGER_WORKDIR_H

#include "imager/base/err.h"
#include "imager/format/store.h"

struct workdir {
	char *path;  /* the folder itself, by its real path: what works on the tree compares paths */
	char *tree;  /* in it: an empty folder */
	char *files; /* in it: a folder for sources and boot files */
	char *image; /* in it: a file that is not there yet */
	int tree_is_mounted;
};

/*
 * Makes it. The tree is in memory (a tmpfs) where plenty is available. Needs sandbox_private_mounts before:
 * then no mount outlives the process. 0 or -errno.
 */
int workdir_make(struct store *store, struct workdir *ret, struct err *err);

/* Removes it and all that is left in it; takes a zeroed one. */
void workdir_release(struct workdir *w);

#endif
