/* clean: a tree loses what belongs to the machine that built it, or to one machine alone. */
#ifndef IMAGER_TREE_SCRUB_H
#define IMAGER_TREE_SCRUB_H

#include <stdint.h>

#include "imager/base/err.h"

/*
 * Applies the table in scrub.c to the tree, and puts the dates of /etc/shadow's last changes to `time` where
 * they are younger (seconds since 1970), so that two builds agree. 0 or -errno; the sentence names the path.
 */
int scrub_tree(const char *root, uint64_t time, struct err *err);

/* Whether the table empties or removes a file of that path. */
int scrub_takes(const char *path);

#endif
