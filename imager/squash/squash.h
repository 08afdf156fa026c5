/* pack: a tree -> one squashfs image (4.0, zstd), through libsquashfs; the same bytes at any number of jobs.
 */
#ifndef IMAGER_SQUASH_SQUASH_H
#define IMAGER_SQUASH_SQUASH_H

#include <stdint.h>

#include "imager/base/err.h"
#include "imager/cache/cache.h"

struct squash_options {
	unsigned level;      /* zstd level, 1..22 */
	uint32_t block_size; /* bytes, a power of two, 4 KiB .. 1 MiB */
	unsigned jobs;       /* worker threads; 0: one per online CPU */
	uint64_t mtime;      /* seconds since 1970: of the superblock, and the newest time any file keeps
				(SOURCE_DATE_EPOCH) */
	struct cache *cache; /* compressed blocks of earlier packs; NULL: none */
	void (*progress)(uint64_t done, uint64_t total, void *arg); /* input bytes; may be NULL */
	void *arg;
};

struct squash_result {
	uint64_t size; /* bytes of the image, a multiple of 4096 */
	uint64_t files, input_bytes;
	uint64_t left_out;         /* attributes that squashfs cannot hold: access control lists */
	char left_out_first[1024]; /* "PATH: NAME" of the first; "" */
};

/*
 * Packs everything below `root` (names, modes, numeric owners, times cut at mtime, xattrs, hard links,
 * devices, symlinks; sorted by name) into the new file `output`. Sockets are left out. On failure output is
 * removed; the sentence names the file.
 */
int squash_pack(const char *root, const char *output, const struct squash_options *options,
	struct squash_result *ret, struct err *err);

#endif
