/* The list of what is installed in a tree, as the release carries it. */
#ifndef IMAGER_PACKAGES_H
#define IMAGER_PACKAGES_H

#include <stdint.h>

#include "imager/base/buf.h"
#include "imager/base/err.h"

/*
 * From the tree's dpkg status file (deb-control(5) stanzas): a JSON array sorted by name and architecture,
 * one object {"name","version","arch"} a line, installed packages only. "[]" for a tree without dpkg. 0 or
 * -errno.
 */
int packages_list(const char *root, struct buf *ret, uint64_t *ret_count, struct err *err);

/* The same from the text of a status file, which is changed. */
int packages_format(char *status, struct buf *ret, uint64_t *ret_count);

#endif
