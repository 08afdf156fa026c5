/*
 * Private to the policy: a rack's peers that may be handed out, the best first: who feeds fewest, of these
 * who has most, of these the lowest address. So the end of a rack's chain is found without a look at all of
 * it. A peer stands where a copy of what counts puts it, so it may change freely until it is ranked again.
 */
#ifndef SEEDER_POLICYRANK_H
#define SEEDER_POLICYRANK_H

#include <stddef.h>
#include <stdint.h>

struct peer;

struct rank_key {
	unsigned children;
	uint64_t left;
	uint32_t address;
};

struct rank {
	struct peer **peers;
	size_t count, size;
};

/* Frees what it holds, not itself. */
void rank_release(struct rank *r);
/* Room for so many peers in all, without which rank_put must not be called. 0 or -ENOMEM. */
int rank_reserve(struct rank *r, size_t count);
/* Puts the peer where it belongs by now, or moves it there. */
void rank_put(struct rank *r, struct peer *peer);
/* Does nothing when it is not there. */
void rank_take_out(struct rank *r, struct peer *peer);
/* Takes out all suspects, at the cost of one. */
void rank_sift(struct rank *r);
/* The first place of a peer that feeds at least so many. */
size_t rank_of_children(const struct rank *r, unsigned children);
/* < 0: a stands before b. Both are ranked, in one rank or in two. */
int rank_compare(const struct peer *a, const struct peer *b);

#endif
