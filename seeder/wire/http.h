/* A small HTTP/1.1 client over OpenSSL's OSSL_HTTP: whole answers in memory with a limit and a time-out.
 * Plain http only. */
#ifndef WIRE_HTTP_H
#define WIRE_HTTP_H

#include <stddef.h>

#include "imager/base/buf.h"
#include "imager/base/err.h"
#include "seeder/wire/tcp.h"

struct http_request {
	const char *url;     /* http://host:port/path */
	size_t limit;        /* bytes of the answer's body at most */
	int timeout_s;       /* for the whole exchange */
	struct tcp_cut *cut; /* tcp.h; NULL: nobody cuts it */
};

/* 0, or negative with "URL: why" (-ECONNREFUSED, -ETIMEDOUT, -EFBIG, -ENOENT for 404,
 * -EPERM for 403, -EIO else). */
int http_get(const struct http_request *req, struct buf *ret, struct err *err);
/* POSTs JSON and takes the answer's body. */
int http_ask_json(const struct http_request *req, const struct buf *body, struct buf *ret, struct err *err);
/* The same; the answer's body is read and dropped. */
int http_post_json(const struct http_request *req, const struct buf *body, struct err *err);

#endif
