/*
 * dm-verity hash trees (format 1, SHA-256, data and hash blocks of 4096 bytes) behind the image they are
 *over, in the same file: Linux Documentation/admin-guide/device-mapper/verity.rst; the superblock is
 *cryptsetup's (lib/verity/verity.c), so that veritysetup needs to be told nothing but the offset and the root
 *hash.
 *
 *	data        data_size bytes
 *	superblock  one block, at hash_offset; hash_offset is data_size
 *	tree        the top first, the hashes of the data blocks last
 */
#ifndef FORMAT_VERITY_H
#define FORMAT_VERITY_H

#include <stdatomic.h>
#include <stdint.h>

#include "imager/base/err.h"
#include "imager/format/digest.h"

#define VERITY_BLOCK 4096

struct verity {
	struct digest root_hash;
	struct digest salt;
	uint64_t data_size;   /* bytes, a multiple of VERITY_BLOCK; 0: the image has no tree */
	uint64_t hash_offset; /* bytes, where the superblock is */
};

/* Bytes of the whole file: data, superblock and tree. */
uint64_t verity_file_size(uint64_t data_size);

/*
 * Appends superblock and tree to the file, whose size must be a multiple of VERITY_BLOCK and not 0 (-EINVAL).
 * The salt comes from the first block, so the same image gets the same tree. On failure the file is cut to
 * what it was.
 */
int verity_append(const char *path, struct verity *ret, struct err *err);

struct verity_file {
	int fd;
	const char *what;       /* begins the sentences */
	const atomic_int *stop; /* as of digest_fd */
};

/*
 * Computes all of it again from the data. -EBADMSG: the file has another size, or root hash, superblock or
 * tree differ; -ECANCELED: it was stopped. Reads by pread; v->data_size is not 0.
 */
int verity_check(const struct verity_file *f, const struct verity *v, struct err *err);

#endif
