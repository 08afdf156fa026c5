/*
 * A part of a resource by HTTP: GET with a byte range (RFC 9110, section 14) and the body as a stream.
 * OSSL_HTTP of OpenSSL 3.0 takes no answer but 200, hence this one beside http.h. Plain http only.
 */
#ifndef WIRE_HTTPRANGE_H
#define WIRE_HTTPRANGE_H

#include <stddef.h>
#include <stdint.h>

#include "imager/base/err.h"
#include "seeder/wire/tcp.h"

struct http_range {
	const char *url;     /* http://host:port/path */
	uint64_t offset;     /* the first byte wanted; all behind it are */
	uint64_t size;       /* bytes of the whole resource, as the caller knows it: offset < size */
	int timeout_s;       /* to connect, and without a byte */
	struct tcp_cut *cut; /* tcp.h; NULL: nobody cuts it */
	/* Each block in turn, in all size - offset bytes at most. Negative ends the exchange with that. */
	int (*sink)(const void *data, size_t len, void *arg);
	void *arg;
};

/*
 * 0 once all bytes have gone to the sink. Negative with "URL: why": -ENOENT for 404, -EIO for any other
 * status, an answer that is no HTTP, a length or range that is not the one wanted (before the sink is called)
 * and an answer that breaks off; -ETIMEDOUT, -ECONNREFUSED ... as the network has it; what sink returned,
 * err untouched.
 */
int http_get_range(const struct http_range *range, struct err *err);

#endif
