/*
 * The seeder's HTTP server: libmicrohttpd behind a table of routes. It runs threads of its own, but
 * route functions are called one at a time, under one lock that the loop takes too (httpd_lock) whenever it
 * touches what routes read. So a route function looks things up and answers; it never waits and never hashes.
 * One that has much to do for which the lock is not needed (unlocked) takes it itself.
 * Files are sent outside the lock, by sendfile, whole or by one byte range (RFC 9110, section 14).
 */
#ifndef SEEDER_HTTP_H
#define SEEDER_HTTP_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "imager/base/buf.h"
#include "imager/base/err.h"

#define HTTPD_THREADS_MAX 16

struct httpd;

struct httpd_request {
	const char *rest;    /* what stands between the route's prefix and suffix: never empty, without '/' */
	const char *query;   /* as it was sent, after the '?'; "" for none */
	struct in_addr from; /* the client's address */
	const char *body;    /* of a POST, body_len bytes, NUL-terminated */
	size_t body_len;
	struct httpd *httpd; /* for httpd_lock, in a route that is unlocked */
};

/* Filled by the route function, which finds it zeroed with fd -1. */
struct httpd_answer {
	unsigned status;  /* HTTP status; 0 counts as 500 */
	const char *type; /* media type, static; NULL: text/plain */
	struct buf body;
	int fd; /* >= 0: this file is sent instead of body, closed by the server */
	uint64_t size;
	char etag[80]; /* of a file: what names its content; "" for none */
	int last;      /* the server's own: the connection ends after it */
};

typedef void (*httpd_fn)(void *arg, const struct httpd_request *request, struct httpd_answer *answer);

struct httpd_route {
	const char *method; /* "GET" (HEAD goes there too), "POST" */
	const char *prefix;
	const char *suffix; /* NULL: prefix is the whole path */
	size_t body_limit;  /* bytes; more is answered by 413 */
	httpd_fn fn;
	int unlocked; /* fn is called without the lock, several at a time, and takes it itself */
};

struct httpd_options {
	int listening;                    /* of httpd_listen; the server keeps a copy */
	const struct httpd_route *routes; /* ends with a NULL method; must outlive the server */
	void *arg;                        /* for the route functions */
	/* connections: at most, over all threads. From three quarters on none is kept after its answer, so
	 * that who is silent does not keep out who asks. */
	unsigned threads; /* 1 to HTTPD_THREADS_MAX */
	unsigned connections;
	unsigned timeout_s; /* a connection silent for so long is closed */
};

/*
 * A socket that listens on every IPv4 address of this host, or -EADDRINUSE and such with a sentence that
 * names the port. Who connects before httpd_start waits until it is answered, where it would be refused
 * before.
 */
int httpd_listen(uint16_t port, struct err *err);
/* Block signals before: it starts threads. */
int httpd_start(const struct httpd_options *options, struct httpd **ret, struct err *err);
/* Ends all connections and threads. Takes NULL. Not under the lock. */
void httpd_stop(struct httpd *h);

/* Both take NULL: before there is a server there is nobody to keep off. */
void httpd_lock(struct httpd *h);
void httpd_unlock(struct httpd *h);

/* An answer of one sentence, with a newline after it. */
void httpd_sentence(struct httpd_answer *answer, unsigned status, const char *text);

/*
 * A Range header's value for a file of `size` bytes: 1 and the part to send; 0: send the whole (no or several
 * ranges, other units); -ERANGE: nothing of it is in the file.
 */
int httpd_range(const char *header, uint64_t size, uint64_t *ret_first, uint64_t *ret_length);

#endif
