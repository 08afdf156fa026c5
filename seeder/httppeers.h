/*
 * Private to the HTTP server: how many connections each address has, over all of its threads, and the one
 * bound on that. A table of fixed size, as there are never more addresses than connections. Functions may be
 * called from any thread.
 */
#ifndef SEEDER_HTTPPEERS_H
#define SEEDER_HTTPPEERS_H

#include <netinet/in.h>
#include <pthread.h>
#include <stddef.h>

struct httppeer {
	in_addr_t address;
	unsigned count; /* 0: the place is free */
};

struct httppeers {
	pthread_mutex_t lock;
	struct httppeer *places;
	size_t mask; /* places - 1; a power of two, at least half of them free */
	size_t used, most;
	unsigned limit;
};

/* connections: of all addresses at most; limit: of one. 0 or -ENOMEM. */
int httppeers_init(struct httppeers *p, size_t connections, unsigned limit);
void httppeers_release(struct httppeers *p);

/* Counts one more connection of the address: 1, or 0 when it has as many as it may. */
int httppeers_take(struct httppeers *p, struct in_addr address);
/* One of those that were taken has ended. */
void httppeers_drop(struct httppeers *p, struct in_addr address);

#endif
