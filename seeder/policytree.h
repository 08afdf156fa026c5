/*
 * Private to the policy: a torrent's peers as a sorted list and as the tree of who feeds whom. Decides
 * nothing.
 */
#ifndef SEEDER_POLICYTREE_H
#define SEEDER_POLICYTREE_H

#include "seeder/policy.h"

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
	unsigned children; /* leechers that have it as their upstream */
	struct peer *neighbour,
		**link; /* the next of its rack by address; what points to it, NULL: nothing */
};

struct torrent {
	uint8_t infohash[20];
	struct peer **peers; /* by address, without seeders */
	size_t count, size;
	struct peer **racks; /* the first peer of each */
	size_t rack_count;
	size_t strangers, complete; /* of the count */
	unsigned downloaded;        /* how often a peer became complete */
	struct peer **seeders;
	size_t seeder_count;
	uint64_t swept;
	uint64_t joined;  /* when a peer came that was not there before */
	unsigned chains;  /* how many peers a seeder feeds at most before others do */
	uint64_t fastest; /* the highest rate a peer has had, bytes/s */
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
/* The first peer of the rack, or NULL; the others follow by `neighbour`. */
struct peer *torrent_rack(const struct torrent *t, int rack);
/* A peer that has told nothing yet, a stranger: left is UINT64_MAX. 0 or -ENOMEM. */
int torrent_insert(struct torrent *t, size_t place, const struct policy_announce *a);
/* Those that it fed are left without an upstream. */
void torrent_remove(struct torrent *t, size_t place);
/* Removes who has not been heard of for 2.5 of its intervals; looks once a second. */
void torrent_sweep(struct torrent *t, uint64_t now);

/* Takes the rate from what the peer says it has received. */
void peer_measure(struct torrent *t, struct peer *peer, uint64_t downloaded, uint64_t now);
void peer_detach(struct peer *peer);
/* Instead of the upstream it has. */
void peer_attach(struct peer *peer, struct peer *upstream, uint64_t now);
/* Whether root feeds peer, directly or through others, or is it. */
int peer_is_below(const struct peer *peer, const struct peer *root);

#endif
