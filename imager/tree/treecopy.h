/* Trees and archives into trees, by libarchive: names, modes, numeric owners, times, xattrs, hard links,
 * devices. */
#ifndef IMAGER_TREE_TREECOPY_H
#define IMAGER_TREE_TREECOPY_H

#include <stddef.h>
#include <stdint.h>

#include "imager/base/err.h"
#include "imager/tree/treeowner.h"

/* Where entries go. */
struct treecopy_target {
	const char *root;              /* an existing folder */
	const char *prefix;            /* put before every name, "" or "etc/thing" */
	size_t strip;                  /* leading parts of every name to drop; what has no more is left out */
	const struct treeowner *owner; /* of all; NULL: whom they belong to already */
	/*
	 * An entry takes the place of whatever has its name, as in a container's layer. Else a folder's entry
	 * goes through a link that leads to a folder, and a file's in the place of a folder is a fault.
	 */
	int replace;
};

/*
 * Links on the way, the root's own and those that came with the copy, are resolved inside the root, so
 * "lib/x" reaches usr/lib where lib is a link to it; names with ".." are refused. ret_time (may be NULL) gets
 * the newest modification time seen. treecopy_archive reads tar, cpio and zip, compressed or not. 0 or
 * -errno; the sentence names the entry.
 */
int treecopy_archive(
	const char *path, const struct treecopy_target *target, uint64_t *ret_time, struct err *err);
int treecopy_folder(
	const char *path, const struct treecopy_target *target, uint64_t *ret_time, struct err *err);

#endif
