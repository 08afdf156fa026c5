/* The pack files below the cache of compressed blocks: the format that blockcache.h describes. */
#ifndef IMAGER_SQUASH_BLOCKPACK_H
#define IMAGER_SQUASH_BLOCKPACK_H

#include <stddef.h>
#include <stdint.h>

#include "imager/squash/blockhash.h"

/* In this machine's byte order: a cache serves machines of one kind. */
struct blockpack_row {
	struct blockhash_value key;
	uint64_t offset;
	uint32_t size; /* bytes; 0: compressing makes the block no smaller */
	uint32_t unused;
	struct blockhash_value check; /* of what is stored */
};

struct blockpack {
	int fd;
	struct blockpack_row *rows;
	size_t count;
	int is_used; /* the user's */
};

struct blockpacks {
	const struct blockhash *hash; /* borrowed */
	struct blockpack *items;      /* the newest first */
	size_t count;
};

struct blockpack_hit {
	struct blockpack *pack;
	const struct blockpack_row *row;
};

/* Whatever is good in the folder, as far as its rows are not too many to hold. */
void blockpacks_load(struct blockpacks *p, const char *folder, const struct blockhash *hash);
void blockpacks_release(struct blockpacks *p);
int blockpacks_find(const struct blockpacks *p, const struct blockhash_value *key, struct blockpack_hit *ret);
/* row->size bytes to data. 0, or -EIO when they are not what was stored. Thread-safe. */
int blockpack_read(const struct blockpacks *p, const struct blockpack_hit *hit, void *data);

/* A new pack file; zeroed but for fd, -1, and hash. The first block makes the file. */
struct blockpack_writer {
	const struct blockhash *hash; /* borrowed */
	int fd;
	char *temp;
	uint64_t offset;
	struct blockpack_row *rows;
	size_t count, size;
	int is_broken; /* it could not be written: nothing of it is kept */
};

void blockpack_add(struct blockpack_writer *w, const char *folder, const struct blockhash_value *key,
	const void *data, uint32_t size);
/* keep: the file gets its name. All is released. */
void blockpack_finish(struct blockpack_writer *w, const char *folder, int keep);

#endif
