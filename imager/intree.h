/*
 * Files of an image's tree, reached as the image itself would: "/" and every symbolic link on the way is
 * resolved inside the tree (openat2, RESOLVE_IN_ROOT), so that no path and no link leads out of it.
 */
#ifndef IMAGER_INTREE_H
#define IMAGER_INTREE_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "imager/base/err.h"

/* The tree's root folder; an fd, close() it, or -errno. */
int intree_root(const char *path, struct err *err);

/* open(2) in the tree, O_CLOEXEC added; the fd or -errno. */
int intree_open(int root, const char *path, int flags, mode_t mode);

/* As stat(2), following links inside the tree. 0 or -errno. */
int intree_stat(int root, const char *path, struct stat *ret);

/* The whole file, at most limit bytes, NUL added; *ret is free()d by the caller. 0 or -errno. */
int intree_read(int root, const char *path, size_t limit, char **ret, size_t *ret_len);

/* The folder that holds the path's last component, made with mode 0755 where missing; an fd or -errno.
 * *ret_name points into path. */
int intree_parent(int root, const char *path, const char **ret_name);

/* Creates or replaces a file. A symbolic link of that name is replaced, not followed. 0 or -errno. */
int intree_write(int root, const char *path, const void *data, size_t len);

/* What a walk shows. Folders come after what is in them, names are sorted. */
struct intree_entry {
	const char *path; /* in the image, with the leading slash */
	int dirfd;        /* of its folder */
	const char *name; /* in dirfd */
	struct stat st;   /* of the thing itself, links not followed */
};
/* 0 to go on, -errno (with the sentence in err) to end the walk. The entry may be removed. */
typedef int (*intree_fn)(const struct intree_entry *entry, void *arg, struct err *err);

/* Every entry below the root, without crossing mounts. */
int intree_walk(int root, intree_fn fn, void *arg, struct err *err);

#endif
