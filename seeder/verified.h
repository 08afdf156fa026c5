/*
 * The memory of blobs that were hashed: a text file, a line each of "good|bad HEX SIZE MTIME_NS INODE". A
 * blob whose file has changed in any of these is not in it. Losing the file costs a hash of each blob, no
 * more.
 */
#ifndef SEEDER_VERIFIED_H
#define SEEDER_VERIFIED_H

#include <stddef.h>
#include <sys/stat.h>

#include "imager/base/err.h"
#include "imager/format/digest.h"

/* Its name in the state folder. */
#define VERIFIED_FILE "verified"

enum verdict { VERDICT_NONE, VERDICT_GOOD, VERDICT_BAD };

struct verified_row {
	enum verdict verdict;
	struct digest digest;
	uint64_t size, mtime_ns, inode;
};

struct verified {
	struct verified_row *rows;
	size_t count;
};
void verified_release(struct verified *v);
#define _cleanup_verified_ _cleanup_(verified_release)

/* A missing file, or lines that are none of ours, are an empty memory. 0 or -ENOMEM. */
int verified_load(const char *path, struct verified *ret);
int verified_save(const struct verified *v, const char *path, struct err *err);

enum verdict verified_find(const struct verified *v, const struct digest *d, const struct stat *st);
/* Once each. 0 or -ENOMEM. */
int verified_add(struct verified *v, const struct digest *d, const struct stat *st, enum verdict verdict);
/* Adds what `from` has and `to` has not. 0 or -ENOMEM. */
int verified_merge(struct verified *to, const struct verified *from);

#endif
