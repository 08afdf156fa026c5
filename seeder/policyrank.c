/* Owns the order of a rack's peers. What may stand in it is decided in policytree.c. */
#include "seeder/policyrank.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "seeder/policytree.h"

void rank_release(struct rank *r)
{
	free(r->peers);
}

int rank_reserve(struct rank *r, size_t count)
{
	size_t size = r->size ? 2 * r->size : 16;
	struct peer **grown;

	if (count <= r->size)
		return 0;
	grown = realloc(r->peers, (size > count ? size : count) * sizeof(struct peer *));
	if (!grown)
		return -ENOMEM;
	r->peers = grown;
	r->size = size > count ? size : count;
	return 0;
}

static int compare(const struct rank_key *a, const struct rank_key *b)
{
	if (a->children != b->children)
		return a->children < b->children ? -1 : 1;
	if (a->left != b->left)
		return a->left < b->left ? -1 : 1;
	return (a->address > b->address) - (a->address < b->address);
}

int rank_compare(const struct peer *a, const struct peer *b)
{
	return compare(&a->rank_key, &b->rank_key);
}

/* Where the key is or belongs. */
static size_t place_of(const struct rank *r, const struct rank_key *key)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(&r->peers[middle]->rank_key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t rank_of_children(const struct rank *r, unsigned children)
{
	return place_of(r, &(struct rank_key){.children = children});
}

/* What stands between the two places closes up. */
static void move(const struct rank *r, size_t from, size_t to)
{
	struct peer **p = r->peers, *peer = p[from];

	if (from < to)
		memmove(p + from, p + from + 1, (to - from) * sizeof(struct peer *));
	else
		memmove(p + to + 1, p + to, (from - to) * sizeof(struct peer *));
	p[to] = peer;
}

void rank_put(struct rank *r, struct peer *peer)
{
	struct rank_key key = {peer->children, peer->left, peer->at.address.s_addr};
	size_t from, to;

	if (peer->is_ranked && compare(&key, &peer->rank_key) == 0)
		return;
	to = place_of(r, &key);
	from = peer->is_ranked ? place_of(r, &peer->rank_key) : r->count;
	if (peer->is_ranked)
		to -= to > from; /* its own old place is in between */
	else
		r->peers[r->count++] = peer;
	move(r, from, to);
	peer->is_ranked = 1;
	peer->rank_key = key;
}

void rank_take_out(struct rank *r, struct peer *peer)
{
	if (!peer->is_ranked)
		return;
	move(r, place_of(r, &peer->rank_key), r->count - 1);
	r->count--;
	peer->is_ranked = 0;
}

void rank_sift(struct rank *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->count; i++) {
		struct peer *peer = r->peers[i];

		if (peer->suspect)
			peer->is_ranked = 0;
		else
			r->peers[kept++] = peer;
	}
	r->count = kept;
}
