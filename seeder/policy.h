/*
 * Who gets whom: the tracker's hand-out policy. Pure: announces and time in, peers out.
 *
 * Every leecher has ONE upstream, so that each rack becomes a chain and the image enters it about once. A
 * node that joins continues the chain of its rack: it gets whoever there has at least as much as it and
 * feeds the fewest, which is the chain's tail, or a complete neighbour. The first of a rack gets a complete
 * node that feeds nobody, else a seeder while that feeds fewer than `chains`, else the end of another rack's
 * chain, for which it waits a moment at a power-on: it gets nobody and asks again. Joining order, not a
 * fixed one, makes the chain: nobody waits for a predecessor that does not come, and nobody who comes late is
 * squeezed in between two that are connected, for a client drops no peer because of a tracker's answer.
 *
 * A leecher whose upstream is gone is placed anew. One that makes no progress, its upstream being to blame,
 * gets a complete peer of its rack, else a seeder, of several the one blamed longest ago. The first one
 * behind a slow node is given what feeds that one, and a slow node is handed out to nobody. A node below it
 * in the tree is never handed out, so there are no cycles. Complete peers get nobody.
 *
 * A node that is paused (seeding is not wanted of it) is handed out to nobody, and who has it as an upstream
 * is placed anew; what it still wants itself it gets.
 *
 * Clients that are no nodes (rack < 0) are handed to each other and get up to POLICY_PEERS_MAX peers; nodes
 * never get them.
 */
#ifndef SEEDER_POLICY_H
#define SEEDER_POLICY_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "imager/base/cleanup.h"

#define POLICY_INTERVAL_S          2 /* leechers: a stall is seen soon */
#define POLICY_INTERVAL_WAIT_S     1 /* those that have no upstream yet */
#define POLICY_INTERVAL_COMPLETE_S 30
#define POLICY_CHAINS_MAX          64
#define POLICY_PEERS_MAX           8
/* Bounds of memory: about 240 bytes a peer. Who comes on top is answered but not remembered. */
#define POLICY_PEERS_LIMIT     32768 /* a torrent */
#define POLICY_STRANGERS_LIMIT 256   /* of these, clients that are no nodes */
#define POLICY_TORRENTS_LIMIT  256

struct policy_announce {
	uint8_t infohash[20];
	struct in_addr address; /* names the peer: where the announce came from */
	uint16_t port;          /* host order */
	int rack;               /* the node's rack, racks counted from 0; < 0: no node of ours */
	uint64_t left;          /* bytes, 0: complete; clients count whole pieces */
	uint64_t downloaded;    /* bytes received since it began: progress within a piece */
	int stopped;            /* it says good-bye */
	int paused;             /* the node is not to feed anybody */
	unsigned want;          /* peers at most, for strangers */
};

struct policy_peer {
	struct in_addr address;
	uint16_t port; /* host order */
};

struct policy_answer {
	unsigned interval;             /* seconds until the next announce */
	unsigned complete, incomplete; /* of the torrent, seeders and the asker included */
	size_t count;
	struct policy_peer peers[POLICY_PEERS_MAX];
};

struct policy;

/*
 * chains: how many nodes a seeder feeds at once before nodes elsewhere do, 1 to POLICY_CHAINS_MAX: the
 * seeder's link over a node's. NULL: out of memory.
 */
struct policy *policy_new(unsigned chains);
void policy_free(struct policy *p);
DEFINE_CLEANUP(struct policy *, policy_free)
#define _cleanup_policy_ _cleanup_(policy_free_p)

/*
 * A seeder of the torrent, which need not announce itself; announces for torrents without one are refused.
 * 0 (also when it is known), -ENOSPC (POLICY_TORRENTS_LIMIT) or -ENOMEM.
 */
int policy_add_seeder(struct policy *p, const uint8_t infohash[20], struct policy_peer seeder);
/* Forgets the torrent with all its peers. */
void policy_drop(struct policy *p, const uint8_t infohash[20]);

/* now in milliseconds; an earlier one than before counts as the latest. 0, -ENOENT (no such torrent) or
 * -ENOMEM. */
int policy_announce(
	struct policy *p, const struct policy_announce *a, uint64_t now, struct policy_answer *ret);

/* Between two announces of the node: paused or not in all torrents it is in, until it announces. */
void policy_pause(struct policy *p, struct in_addr address, int paused);

/* A torrent in numbers, as BEP 48 counts. */
struct policy_count {
	uint8_t infohash[20];
	unsigned complete, incomplete; /* its seeders included */
	unsigned downloaded;           /* how often a peer became complete since the torrent is known */
};
/* All torrents, sorted by infohash; returns how many. */
size_t policy_scrape(struct policy *p, uint64_t now, struct policy_count ret[POLICY_TORRENTS_LIMIT]);

/* How many peers of the torrent are remembered, its seeders not counted. */
size_t policy_count(const struct policy *p, const uint8_t infohash[20]);

#endif
