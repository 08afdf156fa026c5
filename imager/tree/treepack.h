/* A tree into an archive that treecopy_archive makes the same tree of: for a cache, not for other machines.
 */
#ifndef IMAGER_TREE_TREEPACK_H
#define IMAGER_TREE_TREEPACK_H

#include "imager/base/err.h"

/*
 * Names, modes, numeric owners, times to the nanosecond, xattrs, hard links, devices; without sockets and
 * what is mounted below. 0 or -errno; what is in `output` then is of no use.
 */
int treepack(const char *folder, const char *output, struct err *err);

#endif
