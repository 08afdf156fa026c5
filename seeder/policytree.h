/*
 * Private to the policy: a torrent's peers as a sorted list and as the tree of who feeds whom. Decides
 * nothing.
 */
#ifndef SEEDER_POLICYTREE_H
#define SEEDER_POLICYTREE_H

#include "seeder/policy.h"
#include "seeder/policyrank.h"

struct peer {
	struct policy_peer at;
	int rack;
	int complete;
	int paused;            /* feeds nobody */
	int suspect;           /* somebody got nothing from it; until it announces again */
	uint64_t suspected;    /* a seeder: when somebody got nothing from it last; 0: never */
	uint64_t left, before; /* as of the last announce and of the one before it */
	uint64_t downloaded;
	uint64_t seen;       /* last announce */
	uint64_t progressed; /* last time it had more than before */
	uint64_t placed;     /* when it got its upstream */
	uint64_t born;       /* first announce */
	uint64_t rate;       /* bytes/s of late; 0 until has_rate */
	int has_rate;
	uint64_t marked, mark; /* when the rate was measured last, and `downloaded` then */
	struct peer *upstream;
	unsigned children;         /* leechers that have it as their upstream */
	struct peer *child;        /* one of them, the others follow */
	struct peer *next, **link; /* of those that have the same upstream; what points to this one */
	struct rank_key rank_key;  /* as it stands in its rack's rank */
	int is_ranked;
	uint64_t searched; /* the search that has come by here, */
	int is_below;      /* and what it saw */
};

struct rack {
	struct rank rank; /* who may feed: not paused and no suspect */
	size_t count;     /* of all its peers */
};

struct torrent {
	uint8_t infohash[20];
	struct peer **peers; /* by address, without seeders */
	size_t count, size;
	struct rack *racks;
	size_t rack_count;
	size_t strangers, complete; /* of the count */
	unsigned downloaded;        /* how often a peer became complete */
	struct peer **seeders;
	size_t seeder_count;
	uint64_t swept;
	uint64_t joined;  /* when a peer came that was not there before */
	unsigned chains;  /* how many peers a seeder feeds at most before others do */
	uint64_t fastest; /* the highest rate a peer has had, bytes/s */
	uint64_t search;  /* the latest, see peer_is_below */
};

/* Frees what it holds, not itself. */
void torrent_release(struct torrent *t);
/* 0 (also when it is known) or -ENOMEM. */
int torrent_add_seeder(struct torrent *t, struct policy_peer seeder);

/* The place of the address in the list, or where it belongs; whether it is there. */
size_t torrent_place(const struct torrent *t, struct in_addr address);
int torrent_has(const struct torrent *t, size_t place, struct in_addr address);
/* No room for a further peer of this rack (< 0: stranger). */
int torrent_is_full(const struct torrent *t, int rack);
/* Moves it to another rack (< 0: stranger). 0, or -ENOMEM: it is a stranger then. */
int torrent_set_rack(struct torrent *t, struct peer *peer, int rack);
/* To be called when what it has, paused or suspect have changed. */
void torrent_rank(struct torrent *t, struct peer *peer);
/* A peer that has told nothing yet, a stranger: left is UINT64_MAX. 0 or -ENOMEM. */
int torrent_insert(struct torrent *t, size_t place, const struct policy_announce *a);
/* Those that it fed are left without an upstream. */
void torrent_remove(struct torrent *t, size_t place);
/* Removes who has not been heard of for 2.5 of its intervals; looks once a second. */
void torrent_sweep(struct torrent *t, uint64_t now);

/* Takes the rate from what the peer says it has received. */
void peer_measure(struct torrent *t, struct peer *peer, uint64_t downloaded, uint64_t now);
void peer_detach(struct torrent *t, struct peer *peer);
/* Instead of the upstream it has. */
void peer_attach(struct torrent *t, struct peer *peer, struct peer *upstream, uint64_t now);
/*
 * Whether root feeds peer, directly or through others. What was found for one peer counts for those above
 * it until t->search is another number, so that all calls of a search together go through the tree once; root
 * and the tree stay the same meanwhile.
 */
int peer_is_below(const struct torrent *t, struct peer *peer, const struct peer *root);

#endif
