/*
 * The tree that is packed, in memory: names sorted by bytes, one node an inode. The contents of files and the
 * extended attributes stay on disk until write.c wants them.
 */
#ifndef IMAGER_SQUASH_TREE_H
#define IMAGER_SQUASH_TREE_H

#include <sqfs/predef.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "imager/base/buf.h"
#include "imager/base/err.h"

struct squash_node;

struct squash_entry {
	char *name;
	struct squash_node *node;
};

struct squash_node {
	mode_t mode;
	uid_t uid;
	gid_t gid;
	uint32_t mtime; /* seconds since 1970, already cut */
	uint64_t size;  /* bytes; of regular files */
	dev_t device;   /* of device nodes */
	char *target;   /* of symlinks */

	/* Where it was found first; NULL for the root. The name belongs to the parent's entry. */
	struct squash_node *parent;
	const char *name;

	struct squash_entry *entries; /* of directories */
	size_t count;

	uint32_t links;               /* names of a file; 2 + subdirectories of a directory */
	uint32_t number;              /* inode number, 1..n */
	uint32_t xattr;               /* index of its attribute set, or SQUASH_NO_XATTR */
	uint64_t ref;                 /* place in the inode table, once written */
	sqfs_inode_generic_t *layout; /* of regular files: sizes and places of the blocks */
	struct squash_node *same;     /* an earlier file with the same content, or NULL */
};

#define SQUASH_NO_XATTR 0xFFFFFFFFU

struct squash_tree {
	char *path;                /* of the root on this host */
	struct squash_node **all;  /* in the order of the walk, the root first; owns the nodes */
	struct squash_node **rows; /* in the order of their numbers: every node after all below it */
	size_t count;
	uint64_t files, bytes; /* regular files, each counted once */
};

/*
 * Walks everything below `root`. Sockets are left out; a time newer than `mtime` becomes it, one before 1970
 * becomes 0. -EXDEV when a file system is mounted below root, -ENOTDIR when root is no directory.
 */
int squash_tree_scan(const char *root, uint64_t mtime, struct squash_tree *ret, struct err *err);
void squash_tree_release(struct squash_tree *t);

/* The node's path below the root, without a leading slash ("" for the root). 0 or -ENOMEM. */
int squash_node_path(const struct squash_node *node, struct buf *ret);

#endif
