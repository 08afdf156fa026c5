/*
 * The data file of one torrent on a node: made at its full size, then read and written by pread and pwrite
 * through one descriptor. Not locked: one thread uses it.
 */
#ifndef SWARM_DATAFILE_H
#define SWARM_DATAFILE_H

#include <stddef.h>
#include <stdint.h>

#include "imager/base/err.h"

struct datafile {
	const char *path; /* the caller's; must outlive it */
	uint64_t size;    /* what the torrent says */
	int fd;           /* -1: not open */
	int is_writable;
};

/*
 * `complete`: must be there with `size` bytes. Else it is made if it is missing, and all of it allocated
 * before the first byte comes. 1: it was empty or missing, so nothing need be checked; 0: it holds something;
 * -EBADMSG when it has more bytes than `size`, or other ones than a complete file should; else -errno
 * (-ENOSPC).
 */
int datafile_prepare(const char *path, uint64_t size, int complete, struct err *err);

/*
 * Opened with the first use, for writing with the first write only: a complete file, one of the store
 * perhaps, is never open for it. 0 or -errno; -ENODATA when the file ends before `len` bytes.
 */
int datafile_read(struct datafile *f, void *data, size_t len, uint64_t at);
int datafile_write(struct datafile *f, const void *data, size_t len, uint64_t at);

/* 1: it has exactly `size` bytes; 0: other ones; or -errno. */
int datafile_is_sized(struct datafile *f);

/* May be used again afterwards. */
void datafile_close(struct datafile *f);

#endif
