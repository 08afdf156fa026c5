/*
 * The head node's state, shared by the files of the serve command: serve.c starts and stops it, reload.c
 * reads its cluster file, offers.c applies what a scan found, api.c answers from it.
 *
 * The loop's thread changes it. Route functions run on the HTTP server's threads, one at a time, under
 * httpd_lock; so what they read or write (cluster, catalog and its fault, status) is touched by the loop
 * under the same lock.
 */
#ifndef SEEDER_HEAD_H
#define SEEDER_HEAD_H

#include "imager/base/loop.h"
#include "seeder/catalog.h"
#include "seeder/cluster.h"
#include "seeder/dnsmasq.h"
#include "seeder/http.h"
#include "seeder/mirror/mirror.h"
#include "seeder/poke.h"
#include "seeder/scanner.h"
#include "seeder/sender.h"
#include "seeder/server.h"
#include "seeder/status.h"
#include "seeder/swarm/swarm.h"
#include "seeder/tracker.h"
#include "seeder/wire/channels.h"

/* One root image that is seeded. */
struct seed {
	struct digest image;
	uint8_t infohash[20];
	ino_t inode; /* of the blob when it was added */
	int handle;
	int failed;
};

struct head {
	const char *config;        /* path of the cluster file */
	const char *mirror_url;    /* of the seeder to follow; NULL: none */
	char id[CHANNELS_ID_SIZE]; /* of this process, made up at its start */
	struct loop *loop;
	struct minisign_keyring keyring;
	struct cluster *cluster;
	struct catalog *catalog; /* NULL until a scan succeeds; pending: not all of the store was read yet */
	struct err scan_fault;   /* of the last scan, which left the catalog as it was; code 0: none */
	struct status *status;
	uint64_t flush_from;       /* ms: the status is not written before */
	struct tracker **trackers; /* one a network: a node is handed only what it can reach */
	size_t tracker_count;
	struct swarm *swarm;
	struct seed *seeds;
	size_t seed_count;
	struct httpd *http;
	struct scanner *scanner;
	struct dnsmasq *dnsmasq;
	struct mirror *mirror; /* NULL: it follows nobody */
	struct poker *poker;
	uint64_t refused_from_ms; /* the next refusal that is logged; anyone can have requests refused */
	unsigned refused;         /* since the last one that was */
};

/* The server's lock as the node table's guard. */
static inline void head_lock(void *httpd)
{
	httpd_lock(httpd);
}

static inline void head_unlock(void *httpd)
{
	httpd_unlock(httpd);
}

static inline struct status_guard head_guard(struct httpd *httpd)
{
	return (struct status_guard){head_lock, head_unlock, httpd};
}

/* reload.c. The cluster file and the keys it names; -EINVAL or the errno of reading with a sentence. */
int head_load(
	const char *config, struct cluster **ret_cluster, struct minisign_keyring *ret_ring, struct err *err);
/* Reads it again. On failure all is as it was. */
int head_reload(struct head *h, struct err *err);

/* offers.c. The scanner's client: what is wanted, and what was found. */
int offers_wish(void *head, struct catalog_wish *ret, struct err *err);
void offers_apply(void *head, struct catalog *catalog, const struct err *why);
/* Ends the seeding of images whose file is no longer the one that was hashed, and has files that have changed
 * looked at. A loop_fn. */
int offers_check(void *head);
/* The swarm's session, on the boot networks; parts of serve.c. */
int offers_start_swarm(struct head *h, struct err *err);
void offers_stop_swarm(struct head *h);
/* Drains the swarm's events. A loop_fn. */
int offers_events(void *head);

/* offerlist.c. GET /v1/channels: what is offered, for those that mirror it. 0 or -ENOMEM. */
int offers_list(const struct head *h, struct buf *ret);

/* api.c. Ends with a NULL method; its functions take the head. */
extern const struct httpd_route api_routes[];
struct sender api_sender(const struct head *h, const struct httpd_request *q);
/* Logs why somebody may not speak for a node, at most once in a while. */
void api_refused(struct head *h, const struct err *why);
/* The node at an address, or NULL. */
const struct cluster_node *api_node_at(const struct head *h, struct in_addr address);
/* The rack of an address, for the tracker; arg is the head. */
int api_rack_of(struct in_addr address, void *head);

/* seedapi.c: a node asks how it may seed; the administrator pauses nodes. */
void seedapi_ask(void *head, const struct httpd_request *q, struct httpd_answer *answer);
void seedapi_pause(void *head, const struct httpd_request *q, struct httpd_answer *answer);
/* Whether the node at an address is paused, for the tracker; arg is the head. */
int seedapi_is_paused(struct in_addr address, void *head);
/* Tells the nodes whose policy is another one than in the cluster before. Under httpd_lock. */
void seedapi_reloaded(struct head *h, const struct cluster *before);

#endif
