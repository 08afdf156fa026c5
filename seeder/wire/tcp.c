/* Owns the set-up of a connection. What is spoken over it is http.c's and httprange.c's. */
#include "seeder/wire/tcp.h"

#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "imager/base/cleanup.h"

/* On Linux the time-out for sending is the one of connect(2) too: socket(7), SO_SNDTIMEO. */
static int connect_to(const struct addrinfo *address, int timeout_s)
{
	const struct timeval timeout = {.tv_sec = timeout_s};
	_cleanup_close_ int fd = socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		return -errno;
	if (connect(fd, address->ai_addr, address->ai_addrlen) < 0)
		return errno == EINPROGRESS || errno == EAGAIN ? -ETIMEDOUT : -errno;
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
	fd = connect_to(addresses, place->timeout_s);
	freeaddrinfo(addresses);
	return fd;
}
