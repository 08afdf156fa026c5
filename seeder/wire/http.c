/*
 * Owns the HTTP client: one exchange over OpenSSL's OSSL_HTTP, whose answer is read as a stream under our own
 * limit and deadline. No proxy is ever asked, whatever the environment says. Knows nothing of what is
 * transferred.
 */
#include "seeder/wire/http.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/http.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "seeder/wire/tcp.h"

DEFINE_CLEANUP(BIO *, BIO_free)
#define _cleanup_bio_ _cleanup_(BIO_free_p)

/* The parts of a URL as OpenSSL hands them out. */
struct url {
	char *host, *port, *path, *query;
};

static void url_release(struct url *u)
{
	OPENSSL_free(u->host);
	OPENSSL_free(u->port);
	OPENSSL_free(u->path);
	OPENSSL_free(u->query);
}

static void close_context(OSSL_HTTP_REQ_CTX **ctx)
{
	(void)OSSL_HTTP_close(*ctx, 0);
}

/* The errno of one of OpenSSL's errors; 0 for those that say nothing of their own. */
static int number_of(unsigned long code, const char *data)
{
	if (ERR_SYSTEM_ERROR(code))
		return ERR_GET_REASON(code);
	if (data && strstr(data, "code=404"))
		return ENOENT;
	if (data && strstr(data, "code=403"))
		return EPERM;
	if (data && strstr(data, "code="))
		return EIO;
	return 0;
}

/* The earliest error that tells something is the cause: a system error or a status code. Else time ran out or
 * nothing came. */
static int fault(const struct http_request *req, struct err *err)
{
	const char *data;
	unsigned long code;
	int flags, number = 0, timed_out = 0;

	while (number == 0 && (code = ERR_get_error_all(NULL, NULL, NULL, &data, &flags))) {
		/* OpenSSL takes 200 alone for success; 204 is one too, without a body. */
		if (data && strstr(data, "code=204")) {
			ERR_clear_error();
			return 0;
		}
		number = number_of(code, data);
		timed_out |= ERR_GET_LIB(code) == ERR_LIB_BIO &&
			     (ERR_GET_REASON(code) == BIO_R_CONNECT_TIMEOUT ||
				     ERR_GET_REASON(code) == BIO_R_TRANSFER_TIMEOUT);
		if (number)
			(void)err_set(err, number, "%s: %s", req->url,
				ERR_SYSTEM_ERROR(code) ? strerror(number) : data);
	}
	ERR_clear_error();
	if (number)
		return -number;
	if (timed_out)
		return err_set(err, ETIMEDOUT, "%s: no answer within %d s", req->url, req->timeout_s);
	return err_set(err, EIO, "%s: no HTTP answer", req->url);
}

/* Reads what is ready, waits for more until the deadline; 0 at the end of the stream. */
static int read_some(BIO *bio, char *block, int size, time_t deadline)
{
	for (;;) {
		int n = BIO_read(bio, block, size);

		if (n > 0)
			return n;
		if (!BIO_should_retry(bio))
			return n < 0 ? -EIO : 0;
		if (BIO_wait(bio, deadline, 100) <= 0)
			return -ETIMEDOUT;
	}
}

/* Up to what the answer's head says (0: nothing), else to the end of the stream. */
static int read_body(BIO *bio, const struct http_request *req, time_t deadline, size_t told, struct buf *ret)
{
	char block[16384];
	int n = 0;

	while ((!told || ret->len < told) && (n = read_some(bio, block, sizeof(block), deadline)) > 0) {
		if ((size_t)n > req->limit - ret->len)
			return -EFBIG;
		if (buf_add(ret, block, (size_t)n) < 0)
			return -ENOMEM;
	}
	return n < 0 ? n : 0;
}

static int body_fault(const struct http_request *req, int r, struct err *err)
{
	switch (r) {
	case -EFBIG:
		return err_set(err, EFBIG, "%s: the answer is larger than the %zu bytes allowed", req->url,
			req->limit);
	case -ETIMEDOUT:
		return err_set(err, ETIMEDOUT, "%s: no whole answer within %d s", req->url, req->timeout_s);
	default:
		return err_set(err, -r, "%s: the answer broke off: %s", req->url, strerror(-r));
	}
}

static int take_answer(
	OSSL_HTTP_REQ_CTX *ctx, const struct http_request *req, struct buf *ret, struct err *err)
{
	time_t deadline = time(NULL) + req->timeout_s;
	_cleanup_buf_ struct buf body = {0};
	_cleanup_bio_ BIO *bio = OSSL_HTTP_exchange(ctx, NULL);
	size_t told;
	int r;

	if (!bio)
		return fault(req, err);
	told = OSSL_HTTP_REQ_CTX_get_resp_len(ctx);
	if (told > req->limit)
		return body_fault(req, -EFBIG, err);
	r = read_body(bio, req, deadline, told, &body);
	if (r < 0)
		return body_fault(req, r, err);
	if (told && body.len < told)
		return err_set(err, EIO, "%s: the answer broke off after %zu of %zu bytes", req->url,
			body.len, told);
	buf_release(ret);
	*ret = body;
	body = (struct buf){0};
	return 0;
}

/* Not by OpenSSL, which tries again and again until the time is out when nobody listens. */
static int connect_to(const struct http_request *req, const struct url *u, BIO **ret, struct err *err)
{
	int fd = tcp_connect(&(struct tcp_place){
		.host = u->host, .port = u->port, .timeout_s = req->timeout_s, .cut = req->cut});

	if (fd == -EADDRNOTAVAIL)
		return err_set(err, EADDRNOTAVAIL, "%s: there is no such host", req->url);
	if (fd == -ETIMEDOUT)
		return err_set(err, ETIMEDOUT, "%s: no answer within %d s", req->url, req->timeout_s);
	if (fd < 0)
		return err_set(err, -fd, "%s: %s", req->url, strerror(-fd));
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && (*ret = BIO_new_socket(fd, BIO_CLOSE)))
		return 0;
	tcp_let_go(req->cut);
	(void)close(fd);
	return err_oom(err, req->url);
}

static int exchange(const struct http_request *req, BIO *post, struct buf *ret, struct err *err)
{
	_cleanup_(url_release) struct url u = {0};
	_cleanup_bio_ BIO *bio = NULL;
	_cleanup_(close_context) OSSL_HTTP_REQ_CTX *ctx = NULL;
	_cleanup_buf_ struct buf path = {0};
	int is_tls = 0, r;

	if (!OSSL_HTTP_parse_url(req->url, &is_tls, NULL, &u.host, &u.port, NULL, &u.path, &u.query, NULL) ||
		is_tls) {
		ERR_clear_error();
		return err_set(err, EINVAL, "'%s' is not a URL such as http://ADDRESS:PORT/PATH", req->url);
	}
	if (buf_printf(&path, "%s%s%s", u.path, u.query ? "?" : "", u.query ? u.query : "") < 0)
		return err_oom(err, req->url);
	r = connect_to(req, &u, &bio, err);
	if (r < 0)
		return r;
	ctx = OSSL_HTTP_open(u.host, u.port, NULL, NULL, 0, bio, bio, NULL, NULL, 0, req->timeout_s);
	if (ctx && OSSL_HTTP_set1_request(ctx, path.data, NULL, post ? "application/json" : NULL, post, NULL,
			   0, 0, req->timeout_s, 0))
		r = take_answer(ctx, req, ret, err);
	else
		r = fault(req, err);
	tcp_let_go(req->cut);
	return r;
}

int http_get(const struct http_request *req, struct buf *ret, struct err *err)
{
	return exchange(req, NULL, ret, err);
}

int http_ask_json(const struct http_request *req, const struct buf *body, struct buf *ret, struct err *err)
{
	_cleanup_bio_ BIO *post = BIO_new_mem_buf(body->data, (int)body->len);

	if (!post)
		return err_oom(err, req->url);
	return exchange(req, post, ret, err);
}

int http_post_json(const struct http_request *req, const struct buf *body, struct err *err)
{
	_cleanup_buf_ struct buf answer = {0};

	return http_ask_json(req, body, &answer, err);
}
