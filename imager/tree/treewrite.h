/*
 * Entries of an archive into a tree, for what reads archives and folders (treecopy.c, treelayer.c). Every
 * name is resolved as the tree itself would (intree.h), so that no name and no link leads out of it.
 */
#ifndef IMAGER_TREE_TREEWRITE_H
#define IMAGER_TREE_TREEWRITE_H

#include <archive.h>
#include <archive_entry.h>
#include <limits.h>
#include <stdint.h>
#include <time.h>

#include "imager/base/cleanup.h"
#include "imager/base/err.h"
#include "imager/tree/treecopy.h"

struct treewrite {
	const struct treecopy_target *target;
	const char *from; /* what is read, for sentences */
	int root;         /* the target's folder */
	struct archive *disk;
	uint64_t newest; /* modification time among what was put, seconds */
	/* The folder that the last entry went into. */
	struct {
		char *name; /* in the tree; NULL: none */
		int fd;
		char path[PATH_MAX]; /* its real path */
		struct timespec times[2];
	} parent;
};

/* target and from are borrowed. 0 or -errno; treewrite_release in any case. */
int treewrite_open(
	const struct treecopy_target *target, const char *from, struct treewrite *ret, struct err *err);
void treewrite_release(struct treewrite *w);
#define _cleanup_treewrite_ _cleanup_(treewrite_release)

/*
 * Puts the entry as `name` (relative, "" is the root itself), with its bytes from `in`; a hard link's target
 * is `link`, a name as well. Sockets and what stands for devices below dev/ are left out. 0 or -errno;
 * -EINVAL for a name that would leave the tree.
 */
struct treewrite_names {
	const char *name, *link; /* link: NULL when it is none */
};
int treewrite_put(struct treewrite *w, struct archive *in, struct archive_entry *entry,
	const struct treewrite_names *names, struct err *err);

/* Removes what has the name, with all that is in it; nothing there is fine. 0 or -errno. */
int treewrite_remove(struct treewrite *w, const char *name, struct err *err);
/* Removes all that is in the folder of that name; no such folder is fine. 0 or -errno. */
int treewrite_empty(struct treewrite *w, const char *name, struct err *err);

/* Sets what is set last: folders' modes and times. */
int treewrite_finish(struct treewrite *w, struct err *err);

#endif
