/*
 * Compressed blocks of earlier packs, found by what they are compressed from and how: the hash of the
 * content (blockhash.h) by a key made of the folder's secret, the version of libzstd and the level. They
 *stand in pack files in the folder "block" of the cache, one file for each packing that made new ones, beside
 *the secret, ".key":
 *
 *	16 bytes of magic
 *	the blocks, one after the other
 *	one struct row for each, sorted by key
 *	struct tail: magic, number of rows, SHA-256 of the rows
 *
 * A pack file gets its name when it is complete, and never changes. What is damaged is not found. A NULL
 * cache is none. Nothing here can fail a packing: what cannot be kept is made again the next time.
 */
#ifndef IMAGER_SQUASH_BLOCKCACHE_H
#define IMAGER_SQUASH_BLOCKCACHE_H

#include <stdint.h>

#include "imager/cache/cache.h"
#include "imager/squash/blockhash.h"

struct blockcache;

/* NULL: there is no cache, or no use of it. Borrows cache. */
struct blockcache *blockcache_open(struct cache *cache, unsigned level);
/* keep: gives the new blocks' file its name; else they are dropped. Takes NULL. */
void blockcache_close(struct blockcache *c, int keep);

/*
 * Thread-safe. 1 when the block is known: its compressed form is in out (room for `size` bytes) and *ret_size
 * is its length, 0 for a block that compressing makes no smaller. 0 when it is not known; *ret_key is then
 * what blockcache_add wants.
 */
int blockcache_find(struct blockcache *c, const void *data, uint32_t size, struct blockhash_value *ret_key,
	void *out, uint32_t *ret_size);
void blockcache_add(
	struct blockcache *c, const struct blockhash_value *key, const void *packed, uint32_t size);

#endif
