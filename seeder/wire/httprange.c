/*
 * Owns one GET with a byte range: connection, request, the answer's head, and the body handed on as it comes.
 * Every length is bounded before it is used. What the bytes are is the caller's to prove.
 */
#include "seeder/wire/httprange.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/http.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "imager/base/buf.h"
#include "imager/base/cleanup.h"
#include "imager/base/parse.h"
#include "seeder/wire/tcp.h"

#define HEAD_MAX  8192 /* bytes of status line and header fields */
#define BLOCK_MAX 65536

struct exchange {
	const struct http_range *range;
	char *host, *port, *path; /* of the URL, OpenSSL's memory */
	int fd;
	char head[HEAD_MAX + 1]; /* of the answer, then the first bytes of its body */
	size_t len;              /* bytes in head */
	struct err *err;
};

static void exchange_release(struct exchange *x)
{
	OPENSSL_free(x->host);
	OPENSSL_free(x->port);
	OPENSSL_free(x->path);
	tcp_let_go(x->range->cut);
	if (x->fd >= 0)
		(void)close(x->fd);
}

static int fault(const struct exchange *x, int code, const char *why)
{
	return err_set(x->err, code, "%s: %s", x->range->url, why);
}

static int network_fault(const struct exchange *x, int code)
{
	if (code != EAGAIN && code != ETIMEDOUT)
		return fault(x, code, strerror(code));
	return err_set(x->err, ETIMEDOUT, "%s: nothing came for %d s", x->range->url, x->range->timeout_s);
}

/* ---- the connection ---- */

static int parse_url(struct exchange *x)
{
	int is_tls = 0;

	if (OSSL_HTTP_parse_url(
		    x->range->url, &is_tls, NULL, &x->host, &x->port, NULL, &x->path, NULL, NULL) &&
		!is_tls)
		return 0;
	ERR_clear_error();
	return fault(x, EINVAL, "not a URL such as http://ADDRESS:PORT/PATH");
}

static int open_connection(struct exchange *x)
{
	x->fd = tcp_connect(&(struct tcp_place){
		.host = x->host, .port = x->port, .timeout_s = x->range->timeout_s, .cut = x->range->cut});
	if (x->fd >= 0)
		return 0;
	if (x->fd == -EADDRNOTAVAIL)
		return fault(x, EADDRNOTAVAIL, "there is no such host");
	return network_fault(x, -x->fd);
}

static int send_request(struct exchange *x)
{
	_cleanup_buf_ struct buf text = {0};

	if (buf_printf(&text,
		    "GET %s HTTP/1.1\r\nHost: %s:%s\r\nRange: bytes=%" PRIu64 "-%" PRIu64
		    "\r\nConnection: close\r\n\r\n",
		    x->path, x->host, x->port, x->range->offset, x->range->size - 1) < 0)
		return err_oom(x->err, x->range->url);
	for (size_t sent = 0; sent < text.len;) {
		ssize_t n = send(x->fd, text.data + sent, text.len - sent, MSG_NOSIGNAL);

		if (n < 0)
			return network_fault(x, errno);
		sent += (size_t)n;
	}
	return 0;
}

/* ---- the answer's head ---- */

static ssize_t receive(const struct exchange *x, void *block, size_t size)
{
	ssize_t n;

	do
		n = recv(x->fd, block, size, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? network_fault(x, errno) : n;
}

/* Until the empty line is there; *ret_body is the place behind it. */
static int read_head(struct exchange *x, char **ret_body)
{
	char *end = NULL;

	while (!end) {
		ssize_t n = HEAD_MAX - x->len;

		if (n == 0)
			return fault(x, EIO, "the answer's head is too long");
		n = receive(x, x->head + x->len, (size_t)n);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return fault(x, EIO, "no HTTP answer");
		x->len += (size_t)n;
		x->head[x->len] = '\0';
		end = memmem(x->head, x->len, "\r\n\r\n", 4);
	}
	*end = '\0';
	*ret_body = end + 4;
	return 0;
}

static int check_status(const struct exchange *x, const char *line, int *ret_is_partial)
{
	int is_http = !strncmp(line, "HTTP/1.", 7) && strlen(line) >= 12 && line[8] == ' ';
	char why[64];

	if (is_http && !strncmp(line + 9, "206", 3)) {
		*ret_is_partial = 1;
		return 0;
	}
	if (is_http && !strncmp(line + 9, "200", 3) && x->range->offset == 0)
		return 0;
	(void)snprintf(why, sizeof(why), "%s %.3s", is_http ? "HTTP status" : "no HTTP answer",
		is_http ? line + 9 : "");
	return fault(x, is_http && !strncmp(line + 9, "404", 3) ? ENOENT : EIO, why);
}

/* A field's value without the blanks around it; NULL when the line is another field's. */
static char *field(char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncasecmp(line, name, len) != 0 || line[len] != ':')
		return NULL;
	line += len + 1;
	return line + strspn(line, " \t");
}

/* What decides how many bytes come, and which, must be just what was asked for. */
static int check_field(const struct exchange *x, char *line, int *seen)
{
	const struct http_range *r = x->range;
	char wanted[80], *value = field(line, "Transfer-Encoding");
	uint64_t length;

	if (value)
		return fault(x, EIO, "the answer has no length");
	if ((value = field(line, "Content-Length")) &&
		(parse_u64(value, &length) < 0 || length != r->size - r->offset))
		return fault(x, EIO, "the answer has another length than what was asked for");
	*seen |= value ? 1 : 0;
	(void)snprintf(wanted, sizeof(wanted), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, r->offset,
		r->size - 1, r->size);
	if ((value = field(line, "Content-Range")) && strcmp(value, wanted) != 0)
		return fault(x, EIO, "the answer is another part than what was asked for");
	*seen |= value ? 2 : 0;
	return 0;
}

static int check_head(struct exchange *x)
{
	int is_partial = 0, seen = 0, r;
	char *rest = x->head, *line = strsep(&rest, "\n");

	line[strcspn(line, "\r")] = '\0';
	r = check_status(x, line, &is_partial);
	while (r == 0 && (line = strsep(&rest, "\n"))) {
		line[strcspn(line, "\r")] = '\0';
		r = check_field(x, line, &seen);
	}
	if (r == 0 && (!(seen & 1) || (is_partial && !(seen & 2))))
		return fault(x, EIO, "the answer does not say which bytes it has");
	return r;
}

/* ---- the body ---- */

static int take(const struct exchange *x, const void *data, size_t len, uint64_t *left)
{
	if (len > *left)
		return fault(x, EIO, "the answer is longer than it says");
	*left -= len;
	return len ? x->range->sink(data, len, x->range->arg) : 0;
}

static int read_body(struct exchange *x, const char *first)
{
	_cleanup_free_ char *block = malloc(BLOCK_MAX);
	uint64_t left = x->range->size - x->range->offset;
	int r = block ? take(x, first, (size_t)(x->head + x->len - first), &left)
		      : err_oom(x->err, x->range->url);

	while (r >= 0 && left > 0) {
		ssize_t n = receive(x, block, BLOCK_MAX);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return err_set(x->err, EIO, "%s: the answer broke off %" PRIu64 " bytes early",
				x->range->url, left);
		r = take(x, block, (size_t)n, &left);
	}
	return r < 0 ? r : 0;
}

int http_get_range(const struct http_range *range, struct err *err)
{
	_cleanup_(exchange_release) struct exchange x = {.range = range, .fd = -1, .err = err};
	char *body = NULL;
	int r = parse_url(&x);

	if (r == 0)
		r = open_connection(&x);
	if (r == 0)
		r = send_request(&x);
	if (r == 0)
		r = read_head(&x, &body);
	if (r == 0)
		r = check_head(&x);
	return r < 0 ? r : read_body(&x, body);
}
