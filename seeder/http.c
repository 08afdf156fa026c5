/*
 * Owns the HTTP server: listening, limits, the way from a request to its route and from an answer to bytes.
 * What is answered is the routes' business. Its threads end here.
 */
#include "seeder/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "imager/base/cleanup.h"
#include "imager/base/log.h"
#include "seeder/httppeers.h"
#include "seeder/httpsend.h"
#include "seeder/httpworker.h"

#define BACKLOG 4096
#define MEMORY_LIMIT                                                                                         \
	12288        /* bytes a connection may use for its headers; all of it counts, there are many         \
		      */
#define DEFER_S    5 /* a connection without a request is not ours until then */
#define URI_LIMIT  4096
#define PEER_LIMIT 256 /* connections of one address: no single client can take them all */

struct request {
	char *uri; /* as sent; its query is cut off in place */
	char *query;
	struct buf body;
	int started, too_large;
	struct MHD_Connection *connection;
};

/* A thread with what libmicrohttpd's callbacks about connections want to know. */
struct line {
	struct httpd *httpd;
	struct httpworker worker;
	struct in_addr asked; /* counted by on_accept and not begun yet */
	int has_asked;
};

struct httpd {
	struct httpd_options options;
	struct line lines[HTTPD_THREADS_MAX];
	pthread_mutex_t lock;
	atomic_uint connections;
	struct httppeers peers;
};

void httpd_lock(struct httpd *h)
{
	if (h)
		(void)pthread_mutex_lock(&h->lock);
}

void httpd_unlock(struct httpd *h)
{
	if (h)
		(void)pthread_mutex_unlock(&h->lock);
}

/* ---- requests ---- */

/* Whether the path is one of the route's; rest gets the part between prefix and suffix. */
static int matches(const struct httpd_route *route, const char *path, char *rest, size_t size)
{
	size_t prefix = strlen(route->prefix), suffix = route->suffix ? strlen(route->suffix) : 0;
	size_t len = strlen(path);

	if (!route->suffix)
		return !strcmp(path, route->prefix);
	if (len <= prefix + suffix || len - prefix - suffix >= size || strncmp(path, route->prefix, prefix))
		return 0;
	if (strcmp(path + len - suffix, route->suffix) != 0)
		return 0;
	len -= prefix + suffix;
	memcpy(rest, path + prefix, len);
	rest[len] = '\0';
	return !strchr(rest, '/');
}

static const struct httpd_route *find_route(const struct httpd *h, const char *method, const char *path,
	char *rest, size_t size, unsigned *ret_status)
{
	*ret_status = MHD_HTTP_NOT_FOUND;
	if (!strcmp(method, "HEAD"))
		method = "GET";
	for (const struct httpd_route *r = h->options.routes; r->method; r++) {
		if (!matches(r, path, rest, size))
			continue;
		if (!strcmp(r->method, method))
			return r;
		*ret_status = MHD_HTTP_METHOD_NOT_ALLOWED;
	}
	return NULL;
}

static struct in_addr client_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct in_addr none = {0};

	if (!info || !info->client_addr || info->client_addr->sa_family != AF_INET)
		return none;
	return ((const struct sockaddr_in *)(const void *)info->client_addr)->sin_addr;
}

static void call_route(struct httpd *h, const struct httpd_route *route, struct request *req,
	const char *rest, struct httpd_answer *answer)
{
	const struct httpd_request request = {
		.rest = rest,
		.query = req->query ? req->query : "",
		.from = client_of(req->connection),
		.body = req->body.data ? req->body.data : "",
		.body_len = req->body.len,
		.httpd = h,
	};

	if (!route->unlocked)
		httpd_lock(h);
	route->fn(h->options.arg, &request, answer);
	if (!route->unlocked)
		httpd_unlock(h);
}

static enum MHD_Result answer_request(
	struct httpd *h, const struct httpd_route *route, struct request *req, const char *rest)
{
	struct httpd_answer answer = {.fd = -1};
	enum MHD_Result sent;

	if (req->too_large)
		httpd_sentence(&answer, MHD_HTTP_CONTENT_TOO_LARGE, "the request's body is too large");
	else
		call_route(h, route, req, rest, &answer);
	answer.last = atomic_load(&h->connections) > h->options.connections / 4 * 3;
	sent = httpd_send(req->connection, &answer);
	buf_release(&answer.body);
	return sent;
}

static enum MHD_Result refuse(struct MHD_Connection *c, unsigned status)
{
	struct httpd_answer answer = {.fd = -1};

	httpd_sentence(
		&answer, status, status == MHD_HTTP_NOT_FOUND ? "there is nothing here" : "not this method");
	return httpd_send(c, &answer);
}

static void take_body(const struct httpd_route *route, struct request *req, const char *data, size_t len)
{
	size_t limit = route ? route->body_limit : 0;

	if (len > limit - req->body.len || buf_add(&req->body, data, len) < 0)
		req->too_large = 1;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *path, const char *method,
	const char *version, const char *data, size_t *len, void **state)
{
	struct httpd *h = cls;
	struct request *req = *state;
	char rest[256] = "";
	unsigned status;
	const struct httpd_route *route = find_route(h, method, path, rest, sizeof(rest), &status);

	(void)version;
	if (!req)
		return MHD_NO;
	if (!req->started) {
		req->started = 1;
		req->connection = c;
		return MHD_YES;
	}
	if (*len) {
		take_body(route, req, data, *len);
		*len = 0;
		return MHD_YES;
	}
	return route ? answer_request(h, route, req, rest) : refuse(c, status);
}

/* Called before anything is parsed: the only place where the query can be had as it was sent. */
static void *on_uri(void *cls, const char *uri, struct MHD_Connection *c)
{
	struct request *req = strlen(uri) < URI_LIMIT ? calloc(1, sizeof(*req)) : NULL;

	(void)cls;
	(void)c;
	if (!req || !(req->uri = strdup(uri))) {
		free(req);
		return NULL;
	}
	req->query = strchr(req->uri, '?');
	if (req->query)
		*req->query++ = '\0';
	return req;
}

static void on_completed(
	void *cls, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode code)
{
	struct request *req = *state;

	(void)cls;
	(void)c;
	(void)code;
	if (!req)
		return;
	*state = NULL;
	buf_release(&req->body);
	free(req->uri);
	free(req);
}

/*
 * libmicrohttpd has a bound by address, too, but one for each daemon, so for each thread. A connection is
 * counted here, before it is one, so that threads cannot exceed the bound together. It begins in the same
 * call; where it does not (no memory) nobody is told, and what was counted for it is taken back at the
 * thread's next one.
 */
static enum MHD_Result on_accept(void *cls, const struct sockaddr *address, socklen_t len)
{
	struct line *l = cls;

	if (l->has_asked)
		httppeers_drop(&l->httpd->peers, l->asked);
	l->has_asked = 0;
	if (len < sizeof(struct sockaddr_in) || address->sa_family != AF_INET)
		return MHD_NO;
	l->asked = ((const struct sockaddr_in *)(const void *)address)->sin_addr;
	l->has_asked = httppeers_take(&l->httpd->peers, l->asked);
	return l->has_asked ? MHD_YES : MHD_NO;
}

static void on_connection(
	void *cls, struct MHD_Connection *c, void **state, enum MHD_ConnectionNotificationCode code)
{
	struct line *l = cls;

	(void)state;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		l->has_asked = 0;
		(void)atomic_fetch_add(&l->httpd->connections, 1);
		return;
	}
	(void)atomic_fetch_sub(&l->httpd->connections, 1);
	httppeers_drop(&l->httpd->peers, client_of(c));
}

/* ---- start and stop ---- */

static void on_log(void *cls, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void on_log(void *cls, const char *fmt, va_list ap)
{
	char line[256];

	(void)cls;
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	log_debug("http: %s", line);
}

int httpd_listen(uint16_t port, struct err *err)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, defer_s = DEFER_S;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0)
		return err_set(err, errno, "cannot listen for HTTP on port %u: %s", port, strerror(errno));
	/* Accepted when the request is there: one turn of the loop for it instead of two. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer_s, sizeof(defer_s));
	return TAKE_FD(fd);
}

/* With a share of the connections, and a descriptor of its own for the one listening socket. */
static struct MHD_Daemon *start_daemon(struct line *l)
{
	const struct httpd_options *o = &l->httpd->options;
	int fd = fcntl(o->listening, F_DUPFD_CLOEXEC, 0);
	struct MHD_Daemon *daemon;

	if (fd < 0)
		return NULL;
	daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_TURBO | MHD_USE_ERROR_LOG, 0, on_accept, l,
		on_request, l->httpd, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_CONNECTION_LIMIT,
		o->connections / o->threads, MHD_OPTION_CONNECTION_TIMEOUT, o->timeout_s,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_LIMIT, MHD_OPTION_URI_LOG_CALLBACK, on_uri,
		NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, l, MHD_OPTION_END);
	if (!daemon)
		(void)close(fd);
	return daemon;
}

static int start_line(struct line *l)
{
	struct MHD_Daemon *daemon = start_daemon(l);
	int r = daemon ? httpworker_start(&l->worker, daemon) : -EIO;

	if (r < 0 && daemon)
		MHD_stop_daemon(daemon);
	return r;
}

int httpd_start(const struct httpd_options *options, struct httpd **ret, struct err *err)
{
	struct httpd *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return err_oom(err, "the HTTP server");
	h->options = *options;
	(void)pthread_mutex_init(&h->lock, NULL);
	r = httppeers_init(&h->peers, options->connections, PEER_LIMIT);
	for (unsigned i = 0; r == 0 && i < options->threads; i++) {
		h->lines[i].httpd = h;
		r = start_line(&h->lines[i]);
	}
	if (r < 0) {
		httpd_stop(h);
		return err_set(err, -r, "cannot start the HTTP server");
	}
	*ret = h;
	return 0;
}

void httpd_stop(struct httpd *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < HTTPD_THREADS_MAX; i++)
		httpworker_stop(&h->lines[i].worker);
	httppeers_release(&h->peers);
	(void)pthread_mutex_destroy(&h->lock);
	free(h);
}
