/* A growing byte buffer that is always terminated by a NUL not counted in len. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>

#include "imager/base/cleanup.h"

struct buf {
	char *data; /* NULL until the first add */
	size_t len;
	size_t size;
};

void buf_release(struct buf *b);

/* All adds return 0 or -ENOMEM and leave the buffer as it was on failure. */
int buf_reserve(struct buf *b, size_t more);
int buf_add(struct buf *b, const void *data, size_t len);
int buf_puts(struct buf *b, const char *text);
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Hands the bytes to the caller (free()); the buffer is empty afterwards. Never NULL unless out of memory. */
char *buf_steal(struct buf *b);

/* Hands the bytes of `from` to `to`, whose own are freed; `from` is empty afterwards. */
void buf_move(struct buf *to, struct buf *from);

#define _cleanup_buf_ _cleanup_(buf_release)

#endif
