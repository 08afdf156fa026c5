/*
 * For the catalog's scan and a mirror's rounds: the proof of a blob against what the signed manifest says of
 * it, and the memory of what was hashed before (verified.h), which the scan alone writes. The verdict of a
 * former scan holds for the same file; a new one is kept, good or bad.
 */
#ifndef SEEDER_BLOBPROOF_H
#define SEEDER_BLOBPROOF_H

#include <stdatomic.h>
#include <sys/stat.h>

#include "imager/base/err.h"
#include "imager/format/release.h"
#include "imager/format/store.h"
#include "seeder/verified.h"

struct proved_blob {
	struct release_part part;
	char *path;
	ino_t inode; /* as it was when it was proved */
	struct timespec mtime;
};

/* Opens a blob that is still the file that was proved; its fd, or -ESTALE (another file by now), -errno. */
int proved_blob_open(const struct proved_blob *b);

struct blobproof {
	const atomic_int *stop;        /* as of digest_fd */
	int is_bound;                  /* nothing is read: what is not known is -EAGAIN */
	struct verified known, proved; /* of former scans; of this one */
};

/* memory: the file of verified.h. 0 or -ENOMEM. */
int blobproof_load(struct blobproof *p, const char *memory, const atomic_int *stop);
/* -ECANCELED: it was stopped; what was known is kept then beside what was found. Else errors of writing. */
int blobproof_save(struct blobproof *p, const char *memory, struct err *err);
void blobproof_release(struct blobproof *p);
int blobproof_is_stopped(const struct blobproof *p);

struct suspect {
	const struct store *store;
	const struct release_part *part;
	const char *what; /* "kernel": begins the sentences */
};

/* *ret: the blob, its path free(). -EBADMSG: other bytes, or another number of them; -EAGAIN; -ECANCELED;
 * what the file system has. */
int blobproof_blob(struct blobproof *p, const struct suspect *b, struct proved_blob *ret, struct err *err);
/* What is known of it without reading it; one that is missing or of another size is VERDICT_BAD. */
enum verdict blobproof_recall(const struct blobproof *p, const struct suspect *b);
/* The hash tree behind the root image; a release without one is good. Errors as above. */
int blobproof_tree(
	struct blobproof *p, const struct release *r, const struct proved_blob *root, struct err *err);

#endif
