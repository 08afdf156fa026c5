/* A source's tree as it was before the profile's own changes, kept to be had again without the source. */
#ifndef IMAGER_SOURCE_BASECACHE_H
#define IMAGER_SOURCE_BASECACHE_H

#include <stdint.h>

#include "imager/base/err.h"
#include "imager/cache/cache.h"
#include "imager/format/digest.h"

struct basecache {
	struct cache *cache;      /* NULL: nothing is found, nothing is kept */
	const struct digest *key; /* of all that decides how the tree looks */
	const char *root;         /* the tree's folder */
	const char *workdir;      /* for a file of its own, on the disk */
};

/*
 * Fills the empty root. 1: it is there, with the time that was kept along in *ret_time; 0: it is not in the
 * cache, root is empty; else -errno.
 */
int basecache_get(const struct basecache *b, uint64_t *ret_time, struct err *err);

/* Keeps the tree. 0, or -errno, which is no reason to end a build. */
int basecache_put(const struct basecache *b, uint64_t time, struct err *err);

#endif
