/* Owns the list and the tree of a torrent's peers. Who feeds whom is decided in policy.c. */
#include "seeder/policytree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Expiry, in announces missed. */
#define EXPIRE_MS(interval_s) ((interval_s)*2500U)
#define SWEEP_MS              1000
#define RATE_MS               1000                /* a rate is measured over so long at least */
#define BYTES_MAX             (UINT64_MAX / 1000) /* so many at most count between two announces */

void torrent_release(struct torrent *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->peers[i]);
	for (size_t i = 0; i < t->seeder_count; i++)
		free(t->seeders[i]);
	for (size_t i = 0; i < t->rack_count; i++)
		rank_release(&t->racks[i].rank);
	free(t->peers);
	free(t->racks);
	free(t->seeders);
}

int torrent_add_seeder(struct torrent *t, struct policy_peer seeder)
{
	_cleanup_free_ struct peer *peer = calloc(1, sizeof(*peer));
	struct peer **grown;

	for (size_t i = 0; i < t->seeder_count; i++)
		if (t->seeders[i]->at.address.s_addr == seeder.address.s_addr &&
			t->seeders[i]->at.port == seeder.port)
			return 0;
	if (!peer)
		return -ENOMEM;
	grown = realloc(t->seeders, (t->seeder_count + 1) * sizeof(struct peer *));
	if (!grown)
		return -ENOMEM;
	t->seeders = grown;
	*peer = (struct peer){.at = seeder, .rack = -1, .complete = 1};
	t->seeders[t->seeder_count++] = TAKE(peer);
	return 0;
}

/* Half of the old, half of the new: announces come every two seconds, and pieces in bursts. It rises at once,
 * as who has only waited is not slow. A stranger's words say nothing of what a node can do. */
void peer_measure(struct torrent *t, struct peer *peer, uint64_t downloaded, uint64_t now)
{
	uint64_t ms = now - peer->marked, bytes = downloaded - peer->mark, rate;

	if (peer->marked && downloaded >= peer->mark) {
		if (ms < RATE_MS)
			return;
		rate = (bytes < BYTES_MAX ? bytes : BYTES_MAX) * 1000 / ms;
		peer->rate = peer->has_rate && peer->rate > rate ? (peer->rate + rate) / 2 : rate;
		peer->has_rate = 1;
		if (peer->rack >= 0 && peer->rate > t->fastest)
			t->fastest = peer->rate;
	} else {
		peer->has_rate = 0;
	}
	peer->marked = now;
	peer->mark = downloaded;
}

void torrent_rank(struct torrent *t, struct peer *peer)
{
	if (peer->rack < 0)
		return;
	if (peer->paused || peer->suspect)
		rank_take_out(&t->racks[peer->rack].rank, peer);
	else
		rank_put(&t->racks[peer->rack].rank, peer);
}

void peer_detach(struct torrent *t, struct peer *peer)
{
	struct peer *up = peer->upstream;

	if (!up)
		return;
	peer->upstream = NULL;
	*peer->link = peer->next;
	if (peer->next)
		peer->next->link = peer->link;
	up->children--;
	torrent_rank(t, up);
}

void peer_attach(struct torrent *t, struct peer *peer, struct peer *upstream, uint64_t now)
{
	peer_detach(t, peer);
	peer->upstream = upstream;
	peer->placed = now;
	peer->next = upstream->child;
	if (peer->next)
		peer->next->link = &peer->next;
	peer->link = &upstream->child;
	upstream->child = peer;
	upstream->children++;
	torrent_rank(t, upstream);
}

int peer_is_below(const struct torrent *t, struct peer *peer, const struct peer *root)
{
	struct peer *end = peer;
	int is_below;

	if (!root->children)
		return 0;
	while (end && end != root && end->searched != t->search)
		end = end->upstream;
	is_below = end == root || (end && end->is_below);
	for (; peer != end; peer = peer->upstream) {
		peer->searched = t->search;
		peer->is_below = is_below;
	}
	return is_below;
}

size_t torrent_place(const struct torrent *t, struct in_addr address)
{
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->peers[middle]->at.address.s_addr < address.s_addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int torrent_has(const struct torrent *t, size_t place, struct in_addr address)
{
	return place < t->count && t->peers[place]->at.address.s_addr == address.s_addr;
}

static void leave_rack(struct torrent *t, struct peer *peer)
{
	if (peer->rack < 0) {
		t->strangers--;
		return;
	}
	rank_take_out(&t->racks[peer->rack].rank, peer);
	t->racks[peer->rack].count--;
}

static int grow_racks(struct torrent *t, size_t count)
{
	struct rack *grown;

	if (count <= t->rack_count)
		return 0;
	grown = realloc(t->racks, count * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	memset(grown + t->rack_count, 0, (count - t->rack_count) * sizeof(*grown));
	t->racks = grown;
	t->rack_count = count;
	return 0;
}

/* With room for it in the rank, so that nothing later can fail. */
static int join_rack(struct torrent *t, struct peer *peer, int rack)
{
	int r = grow_racks(t, (size_t)rack + 1);

	if (r == 0)
		r = rank_reserve(&t->racks[rack].rank, t->racks[rack].count + 1);
	if (r < 0)
		return r;
	t->racks[rack].count++;
	peer->rack = rack;
	return 0;
}

int torrent_set_rack(struct torrent *t, struct peer *peer, int rack)
{
	int r = 0;

	if (peer->rack == rack)
		return 0;
	leave_rack(t, peer);
	peer->rack = -1;
	if (rack >= 0)
		r = join_rack(t, peer, rack);
	t->strangers += peer->rack < 0;
	return r;
}

/* Children stay where they are, without an upstream: the next announce of each finds it another. */
static void forget(struct torrent *t, struct peer *peer)
{
	peer_detach(t, peer);
	while (peer->child)
		peer_detach(t, peer->child);
	leave_rack(t, peer);
	t->complete -= peer->complete != 0;
	free(peer);
}

void torrent_remove(struct torrent *t, size_t place)
{
	struct peer *peer = t->peers[place];

	t->count--;
	memmove(t->peers + place, t->peers + place + 1, (t->count - place) * sizeof(*t->peers));
	forget(t, peer);
}

static int is_expired(const struct peer *peer, uint64_t now)
{
	return now - peer->seen > EXPIRE_MS(peer->complete ? POLICY_INTERVAL_COMPLETE_S : POLICY_INTERVAL_S);
}

/* Out of the ranks all at once: after a power cut it may be everybody. */
static size_t condemn(struct torrent *t, uint64_t now)
{
	size_t count = 0;

	for (size_t i = 0; i < t->count; i++) {
		if (!is_expired(t->peers[i], now))
			continue;
		t->peers[i]->suspect = 1;
		count++;
	}
	for (size_t i = 0; count && i < t->rack_count; i++)
		rank_sift(&t->racks[i].rank);
	return count;
}

void torrent_sweep(struct torrent *t, uint64_t now)
{
	size_t kept = 0;

	if (now - t->swept < SWEEP_MS)
		return;
	t->swept = now;
	if (!condemn(t, now))
		return;
	for (size_t i = 0; i < t->count; i++)
		if (is_expired(t->peers[i], now))
			forget(t, t->peers[i]);
		else
			t->peers[kept++] = t->peers[i];
	t->count = kept;
}

int torrent_is_full(const struct torrent *t, int rack)
{
	return t->count >= POLICY_PEERS_LIMIT || (rack < 0 && t->strangers >= POLICY_STRANGERS_LIMIT);
}

int torrent_insert(struct torrent *t, size_t place, const struct policy_announce *a)
{
	_cleanup_free_ struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return -ENOMEM;
	if (t->count == t->size) {
		size_t size = t->size ? 2 * t->size : 16;
		struct peer **grown = realloc(t->peers, size * sizeof(struct peer *));

		if (!grown)
			return -ENOMEM;
		t->peers = grown;
		t->size = size;
	}
	*peer = (struct peer){.rack = -1, .left = UINT64_MAX, .before = UINT64_MAX};
	peer->at.address = a->address;
	memmove(t->peers + place + 1, t->peers + place, (t->count - place) * sizeof(*t->peers));
	t->peers[place] = TAKE(peer);
	t->count++;
	t->strangers++;
	return 0;
}
