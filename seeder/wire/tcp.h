/* A TCP connection for the HTTP clients. */
#ifndef WIRE_TCP_H
#define WIRE_TCP_H

struct tcp_place {
	const char *host, *port; /* a name or an address, and a number */
	int timeout_s; /* to connect, and for every later send and receive (socket(7), SO_RCVTIMEO) */
};

/*
 * A connected socket, or -errno: -ECONNREFUSED and such at once, as the network has it, -ETIMEDOUT,
 * -EADDRNOTAVAIL for a name that is not found. IPv4 only, as all of ours; only the first address is tried.
 */
int tcp_connect(const struct tcp_place *place);

#endif
