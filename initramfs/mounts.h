/* Early mounts, from a table, and the few helpers of mount(2) the other steps share. */
#ifndef INITRAMFS_MOUNTS_H
#define INITRAMFS_MOUNTS_H

#include <stdint.h>

#include "imager/base/err.h"

/* /proc, /sys, /dev, /run and the agent's own tmpfs. What is mounted already is left as it is. */
int mounts_early(struct err *err);

struct mount_plan {
	const char *what, *where, *type; /* `where` is made if missing */
	unsigned long flags;             /* MS_* */
	const char *options;             /* may be NULL */
};
/* 0 or -errno with "cannot mount TYPE on WHERE: why". */
int mount_one(const struct mount_plan *plan, struct err *err);

/* Sets the limit of the agent's tmpfs at `path`. */
int mount_resize(const char *path, uint64_t bytes, struct err *err);

/* Takes a mount away if there is one (lazily, so it cannot be busy). */
void mount_drop(const char *where);

#endif
