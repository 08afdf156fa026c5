/* A TCP connection for the HTTP clients. */
#ifndef WIRE_TCP_H
#define WIRE_TCP_H

#include <pthread.h>

/*
 * For a thread that must not be waited for: another one cuts the connection it is at, and all after that. The
 * look-up of a name is not cut. Who holds a connection lets go of it before it is closed.
 */
struct tcp_cut {
	pthread_mutex_t lock;
	int fd; /* -1: there is none now */
	int is_cut;
};
int tcp_cut_init(struct tcp_cut *c);
void tcp_cut_release(struct tcp_cut *c);
/* From any thread. What waits there ends with -ECANCELED or as if the other side had gone. */
void tcp_cut(struct tcp_cut *c);
/* NULL: does nothing. */
void tcp_let_go(struct tcp_cut *c);

struct tcp_place {
	const char *host, *port; /* a name or an address, and a number */
	int timeout_s;       /* to connect, and for every later send and receive (socket(7), SO_RCVTIMEO) */
	struct tcp_cut *cut; /* holds the connection; NULL: nobody cuts it */
};

/*
 * A connected socket, or -errno: -ECONNREFUSED and such at once, as the network has it, -ETIMEDOUT,
 * -ECANCELED once it is cut, -EADDRNOTAVAIL for a name that is not found. IPv4 only, as all of ours; only the
 * first address is tried.
 */
int tcp_connect(const struct tcp_place *place);

#endif
