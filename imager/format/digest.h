/*
 * SHA-256 digests, written "sha256:<64 lower case hex digits>" as in the OCI image specification
 * (descriptor.md).
 */
#ifndef FORMAT_DIGEST_H
#define FORMAT_DIGEST_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "imager/base/cleanup.h"
#include "imager/base/err.h"

#define DIGEST_TEXT_SIZE 72 /* "sha256:" + 64 + NUL */

struct digest {
	uint8_t bytes[32];
};

/* 0 or -EINVAL. Upper case is refused: a digest has one spelling, as it becomes a file name. */
int digest_parse(const char *text, struct digest *ret);
void digest_format(const struct digest *d, char ret[DIGEST_TEXT_SIZE]);
/* The 64 hex digits without "sha256:". */
void digest_hex(const struct digest *d, char ret[65]);
int digest_equal(const struct digest *a, const struct digest *b);

/* 0 or -EIO (the crypto library failed). */
int digest_bytes(const void *data, size_t len, struct digest *ret);

/*
 * The whole of fd from offset 0, by pread; the file position stays. 0 or -errno. *ret_size may be NULL. stop:
 * once another thread sets it the hashing ends, within a block of 256 KiB, with -ECANCELED; NULL: never.
 */
int digest_fd(int fd, struct digest *ret, uint64_t *ret_size, const atomic_int *stop);

/* Streaming: new, any number of adds, one end, free. Adds and end return 0 or -EIO. */
struct digest_stream;
struct digest_stream *digest_stream_new(void); /* NULL: out of memory */
void digest_stream_free(struct digest_stream *s);
DEFINE_CLEANUP(struct digest_stream *, digest_stream_free)
#define _cleanup_digest_stream_ _cleanup_(digest_stream_free_p)
int digest_stream_add(struct digest_stream *s, const void *data, size_t len);
int digest_stream_end(struct digest_stream *s, struct digest *ret);

#endif
