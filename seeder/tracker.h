/*
 * The tracker of BEP 3 with compact answers (BEP 23), numwant and scrape (BEP 48): a query in, bencoding out.
 * Who gets whom is policy.h's. Sockets and threads are the HTTP server's; any thread may call, one mutex
 * inside.
 *
 * What a query says of the client's own address ("ip", BEP 3) is not believed: the peer is where the request
 * came from. Answers are always compact, as BEP 23 lets a tracker decide.
 */
#ifndef SEEDER_TRACKER_H
#define SEEDER_TRACKER_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "imager/base/buf.h"
#include "imager/base/cleanup.h"

/* Which rack a node is in, racks counted from 0 in an order of the caller's; negative: no node of ours.
 * Called with the tracker's mutex held. */
struct topology {
	int (*rack_of)(struct in_addr address, void *arg);
	/* Whether the node there is not to feed anybody. NULL: none is so. */
	int (*is_paused)(struct in_addr address, void *arg);
	void *arg;
	unsigned chains; /* of policy_new */
};

struct tracker;

/* NULL: out of memory. */
struct tracker *tracker_new(struct topology topology);
void tracker_free(struct tracker *t);
DEFINE_CLEANUP(struct tracker *, tracker_free)
#define _cleanup_tracker_ _cleanup_(tracker_free_p)

/* A torrent is tracked once it has a seeder. 0, -ENOSPC (too many torrents) or -ENOMEM. port in host order.
 */
int tracker_add_seeder(struct tracker *t, const uint8_t infohash[20], struct in_addr address, uint16_t port);
/* No longer tracked: announces get a failure. */
void tracker_drop(struct tracker *t, const uint8_t infohash[20]);

/* A node is paused or not from now on, without waiting for its next announce. */
void tracker_pause(struct tracker *t, struct in_addr address, int paused);

/*
 * Appends the answer's body (text/plain, status 200) to ret: peers, or "failure reason" for a query that is
 * wrong and for an unknown torrent. query is what stands behind the "?", still escaped, "" or NULL for none;
 * now_ms is monotonic. 0 or -ENOMEM.
 */
int tracker_announce(
	struct tracker *t, const char *query, struct in_addr from, uint64_t now_ms, struct buf *ret);

/*
 * The same for a scrape (BEP 48): the counts of the torrents that the query names by info_hash, at most
 * TRACKER_SCRAPE_MAX of them, or of all when it names none. What is not tracked is left out. 0 or -ENOMEM.
 */
#define TRACKER_SCRAPE_MAX 64
int tracker_scrape(struct tracker *t, const char *query, uint64_t now_ms, struct buf *ret);

#endif
