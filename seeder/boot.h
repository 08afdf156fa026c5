/* serve: which iPXE script a MAC gets. Pure: cluster, catalog and request in, script out. */
#ifndef SEEDER_BOOT_H
#define SEEDER_BOOT_H

#include <netinet/in.h>

#include "imager/base/buf.h"
#include "imager/base/err.h"
#include "seeder/catalog.h"
#include "seeder/cluster.h"

#define BOOT_BASE_SIZE 64

enum boot_kind {
	BOOT_UNKNOWN, /* the MAC is in no cluster file: it waits and asks again */
	BOOT_WAIT,    /* a node whose group has nothing to offer: likewise */
	BOOT_RELEASE, /* a node and its release */
};

struct boot_request {
	const struct cluster *cluster;
	const struct catalog *catalog; /* NULL: no scan has succeeded so far */
	const struct err *fault;       /* of the last scan; NULL or code 0: none */
	const char *mac;               /* canonical */
	struct in_addr from;           /* where the request came from: the address DHCP gave */
};

struct boot_answer {
	enum boot_kind kind;
	const struct cluster_node *node; /* NULL for BOOT_UNKNOWN; borrowed from the cluster */
	const struct offer *offer;       /* BOOT_RELEASE; borrowed from the catalog */
	const char *reason;              /* BOOT_WAIT; borrowed from the request */
	int is_soon;                     /* BOOT_WAIT: the store is still being read */
};

/* "http://ADDRESS:PORT" of this head as the client reaches it: on the client's network, else the first. */
void boot_base(const struct cluster *c, struct in_addr from, char ret[BOOT_BASE_SIZE]);

/*
 * This seeder as the client reaches it, first, and those further ones of the cluster file that it can reach:
 * not in a network of ours that is not the client's own.
 */
#define BOOT_SEEDERS_MAX (1 + CLUSTER_SEEDERS_MAX)
struct boot_seeders {
	char urls[BOOT_SEEDERS_MAX][BOOT_BASE_SIZE];
	size_t count;
};
void boot_seeders(const struct cluster *c, struct in_addr from, struct boot_seeders *ret);
/*
 * The order in which a node tries them: another one for each MAC, the same for a MAC whichever seeder is
 * asked, and when one is gone its nodes are spread over all others (rendezvous hashing).
 */
void boot_spread(const char *mac, struct boot_seeders *s);

/* Appends the script. 0, or negative when it cannot be made. */
int boot_respond(
	const struct boot_request *request, struct boot_answer *ret, struct buf *script, struct err *err);

/* The script that DHCP names: it goes on to the client's own. */
int boot_entry(const struct cluster *c, struct in_addr from, struct buf *script, struct err *err);

#endif
