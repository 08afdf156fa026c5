/*
 * One part of a release, over HTTP into a file that outlives an interruption: FOLDER/HEX.part grows as the
 * bytes come, and becomes FOLDER/HEX once its size and digest are those of the signed manifest.
 */
#ifndef MIRROR_PART_H
#define MIRROR_PART_H

#include <stdatomic.h>
#include <stdint.h>

#include "imager/base/err.h"
#include "imager/format/release.h"
#include "seeder/wire/tcp.h"

struct part_fetch {
	const char *url;    /* of the seeder */
	const char *folder; /* is there */
	const char *what;   /* "kernel": for sentences */
	const struct release_part *part;
	/* Bytes that are there now; negative ends the transfer with that. */
	int (*progress)(const struct part_fetch *f, uint64_t done);
	void *arg;
	const atomic_int *stop; /* as of digest_fd */
	struct tcp_cut *cut;    /* as of http_get_range */
};

/*
 * 0, also when it is there already. -EBADMSG: other bytes than the digest's came, and are thrown away;
 * -ENOSPC before the first byte where the file system can tell; what http_get_range says; what progress said;
 * -ECANCELED: it was stopped.
 */
int part_fetch(const struct part_fetch *f, struct err *err);

/* FOLDER/HEX; free(). NULL: out of memory. */
char *part_path(const char *folder, const struct release_part *part);

#endif
