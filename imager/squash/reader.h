/*
 * A squashfs image that is read: its tree in memory, its blocks where they lie in the file. The file is
 * mapped and must not shrink meanwhile; blobs of a store never do.
 */
#ifndef IMAGER_SQUASH_READER_H
#define IMAGER_SQUASH_READER_H

#include <sqfs/compressor.h>
#include <sqfs/data_reader.h>
#include <sqfs/dir_reader.h>
#include <sqfs/frag_table.h>
#include <sqfs/id_table.h>
#include <sqfs/inode.h>
#include <sqfs/io.h>
#include <sqfs/super.h>
#include <sqfs/xattr_reader.h>
#include <stddef.h>
#include <stdint.h>

#include "imager/base/cleanup.h"
#include "imager/base/err.h"

struct squash_reader {
	sqfs_file_t file; /* to hand to the library; first, so that the pointers are the same */
	const char *path; /* the caller's */
	const uint8_t *map;
	uint64_t size; /* bytes */
	sqfs_super_t super;
	sqfs_compressor_t *compressor;
	sqfs_id_table_t *ids;
	sqfs_frag_table_t *fragments;
	sqfs_data_reader_t *data;
	sqfs_xattr_reader_t *xattrs; /* NULL: the image has none */
	sqfs_tree_node_t *root;
};

/* -EBADMSG for what is no squashfs image or a damaged one, else the errno of open. The path must live on. */
int squash_reader_open(const char *path, struct squash_reader **ret, struct err *err);
void squash_reader_free(struct squash_reader *r); /* takes NULL */
DEFINE_CLEANUP(struct squash_reader *, squash_reader_free)
#define _cleanup_squash_reader_ _cleanup_(squash_reader_free_p)

/* The sentence for a negative SQFS_ERROR met while doing `what`. -EBADMSG, or -ENOMEM. */
int squash_reader_fault(const struct squash_reader *r, int code, const char *what, struct err *err);

/* A stretch of the file that holds file contents, as it is stored. */
struct squash_extent {
	uint64_t offset, size; /* bytes; inside the file */
};

/* Every stored block of data, each once, sorted by place. free() *ret. 0 or -errno. */
int squash_reader_extents(
	const struct squash_reader *r, struct squash_extent **ret, size_t *ret_count, struct err *err);

/* What two things of one name differ in; bits. */
enum squash_difference {
	SQUASH_DIFFERS_TYPE = 1,
	SQUASH_DIFFERS_CONTENT = 2, /* bytes of a file, target of a link, number of a device */
	SQUASH_DIFFERS_MODE = 4,
	SQUASH_DIFFERS_OWNER = 8,
	SQUASH_DIFFERS_XATTR = 16,
};

/* The bits in which b differs from a (0: none; times are not compared), or -errno. */
int squash_compare(struct squash_reader *ra, const sqfs_tree_node_t *a, struct squash_reader *rb,
	const sqfs_tree_node_t *b, struct err *err);

#endif
