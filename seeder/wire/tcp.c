/* Owns the set-up of a connection. What is spoken over it is http.c's and httprange.c's. */
#include "seeder/wire/tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "imager/base/cleanup.h"

/* ---- to be cut ---- */

int tcp_cut_init(struct tcp_cut *c)
{
	*c = (struct tcp_cut){.fd = -1};
	return -pthread_mutex_init(&c->lock, NULL);
}

void tcp_cut_release(struct tcp_cut *c)
{
	(void)pthread_mutex_destroy(&c->lock);
}

/* shutdown(2) wakes whoever waits for the socket, for its connection, too; close(2) would not. */
void tcp_cut(struct tcp_cut *c)
{
	(void)pthread_mutex_lock(&c->lock);
	c->is_cut = 1;
	if (c->fd >= 0)
		(void)shutdown(c->fd, SHUT_RDWR);
	(void)pthread_mutex_unlock(&c->lock);
}

static int hold(struct tcp_cut *c, int fd)
{
	int is_cut;

	if (!c)
		return 0;
	(void)pthread_mutex_lock(&c->lock);
	is_cut = c->is_cut;
	c->fd = is_cut ? -1 : fd;
	(void)pthread_mutex_unlock(&c->lock);
	return is_cut ? -ECANCELED : 0;
}

void tcp_let_go(struct tcp_cut *c)
{
	if (!c)
		return;
	(void)pthread_mutex_lock(&c->lock);
	c->fd = -1;
	(void)pthread_mutex_unlock(&c->lock);
}

/* ---- connections ---- */

static int set_timeout(int fd, int timeout_s)
{
	const struct timeval timeout = {.tv_sec = timeout_s};

	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		return -errno;
	return 0;
}

/* Does not wait. */
static int begin(int fd, const struct addrinfo *address)
{
	return connect(fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS ? -errno : 0;
}

static int await(int fd, int timeout_s)
{
	struct pollfd ready = {.fd = fd, .events = POLLOUT};
	int r = poll(&ready, 1, timeout_s * 1000), fault = 0;
	socklen_t size = sizeof(fault);

	if (r <= 0)
		return r < 0 ? -errno : -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &size) < 0 || fcntl(fd, F_SETFL, 0) < 0)
		return -errno;
	return -fault;
}

/* It is held once it is on its way: a cut of a socket that is not would not keep it from connecting. */
static int connect_to(const struct addrinfo *address, const struct tcp_place *place)
{
	_cleanup_close_ int fd =
		socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -errno : set_timeout(fd, place->timeout_s);

	if (r == 0)
		r = begin(fd, address);
	if (r == 0)
		r = hold(place->cut, fd);
	if (r < 0)
		return r;
	r = await(fd, place->timeout_s);
	if (r < 0) {
		tcp_let_go(place->cut);
		return r;
	}
	return TAKE_FD(fd);
}

int tcp_connect(const struct tcp_place *place)
{
	const struct addrinfo hints = {
		.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *addresses = NULL;
	int fd;

	if (getaddrinfo(place->host, place->port, &hints, &addresses) != 0)
		return -EADDRNOTAVAIL;
	fd = connect_to(addresses, place);
	freeaddrinfo(addresses);
	return fd;
}
