/*
 * Worker threads that compress blocks. Blocks are handed in by one thread and come back to it in just that
 * order, whatever their number and speed, so that the image's bytes depend on neither.
 */
#ifndef IMAGER_SQUASH_POOL_H
#define IMAGER_SQUASH_POOL_H

#include <stdint.h>

#include "imager/base/cleanup.h"
#include "imager/base/err.h"
#include "imager/squash/blockcache.h"

struct squash_pool_options {
	unsigned level;           /* zstd level, 1..22 */
	uint32_t block_size;      /* bytes */
	unsigned jobs;            /* threads, at least 1 */
	struct blockcache *cache; /* NULL: none. Borrowed */
};

struct squash_block {
	uint8_t *in;    /* room for block_size bytes, the submitter's */
	uint32_t size;  /* bytes there */
	int keep_zeros; /* all zeros are compressed as anything else (a fragment block cannot be left out) */
	void *owner;    /* the submitter's */
	uint32_t index; /* the submitter's */

	/* The answer. */
	const uint8_t *out; /* what goes into the image */
	uint32_t out_size;  /* bytes; 0: nothing, the block is all zeros */
	int is_raw;         /* it is `in`, as compressing made it no smaller */
	int error;          /* positive errno: the block could not be compressed */

	/* The pool's. */
	uint8_t *packed;
	int is_done;
};

struct squash_pool;

int squash_pool_new(const struct squash_pool_options *options, struct squash_pool **ret, struct err *err);
/* Waits for blocks at work, drops the others; takes NULL. */
void squash_pool_free(struct squash_pool *p);
DEFINE_CLEANUP(struct squash_pool *, squash_pool_free)
#define _cleanup_squash_pool_ _cleanup_(squash_pool_free_p)

/* A block to fill; NULL: all are out, and one must be waited for and given back. There are at least 3. */
struct squash_block *squash_pool_take(struct squash_pool *p);
void squash_pool_submit(struct squash_pool *p, struct squash_block *b);
/* The block that was submitted first, once it is done; NULL: none is out. */
struct squash_block *squash_pool_wait(struct squash_pool *p);
void squash_pool_give(struct squash_pool *p, struct squash_block *b);

#endif
