/* The stages that turn a scanned tree into an image, in the order they are called. */
#ifndef IMAGER_SQUASH_WRITE_H
#define IMAGER_SQUASH_WRITE_H

#include <sqfs/super.h>

#include "imager/base/err.h"
#include "imager/squash/blockcache.h"
#include "imager/squash/image.h"
#include "imager/squash/squash.h"
#include "imager/squash/tree.h"

struct squash_writer {
	const char *output;
	const struct squash_options *options;
	struct squash_image image;
	struct squash_result result;
	sqfs_super_t super;
	unsigned jobs;                 /* threads that compress */
	struct blockcache *cache;      /* or NULL */
	sqfs_compressor_t *compressor; /* of metadata */
	sqfs_frag_table_t *fragments;
	sqfs_id_table_t *ids;
	sqfs_xattr_writer_t *xattrs;
	sqfs_meta_writer_t *inodes, *names;
	sqfs_dir_writer_t *dirs;
	char *buffer; /* SQUASH_BUFFER_SIZE bytes for what is read from the tree */
};

/* More than the largest attribute or list of them (64 KiB, linux/limits.h). */
#define SQUASH_BUFFER_SIZE (256 * 1024)

/* Creates the output. close takes a half-open writer too; keep: the cache is to remember the blocks. */
int squash_writer_open(
	struct squash_writer *w, const char *output, const struct squash_options *options, struct err *err);
void squash_writer_close(struct squash_writer *w, int keep);

/* user., trusted. and security. attributes of every node; others (ACLs) are counted in result. */
int squash_writer_xattrs(struct squash_writer *w, struct squash_tree *tree, struct err *err);
/* Contents of every regular file; all blocks are on disk afterwards. */
int squash_writer_data(struct squash_writer *w, struct squash_tree *tree, struct err *err);
/* Inode and directory tables. */
int squash_writer_inodes(struct squash_writer *w, struct squash_tree *tree, struct err *err);
/* The remaining tables, the superblock, padding. */
int squash_writer_finish(struct squash_writer *w, struct err *err);

/* The sentence for a negative SQFS_ERROR met while doing `what`. Returns -errno. */
int squash_fault(const struct squash_writer *w, int code, const char *what, struct err *err);

#endif
