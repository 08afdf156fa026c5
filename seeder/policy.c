/*
 * Owns the decisions: who feeds whom and who is handed to whom. The peers are kept by policytree.c. Knows no
 * sockets, no clock, no cluster file and no bencoding.
 */
#include "seeder/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "seeder/policytree.h"

#define INTERVAL_MS (POLICY_INTERVAL_S * 1000)
/* Without progress for so long: stalled. An upstream silent for so long is not trusted to be there. */
#define STALL_MS (INTERVAL_MS * 6 / 5)
/* So long it waits for an upstream that is stalled itself and may be helped first. */
#define PATIENCE_MS (INTERVAL_MS * 5)

struct policy {
	struct torrent *torrents;
	size_t count;
	uint64_t now; /* the latest seen */
};

struct policy *policy_new(void)
{
	return calloc(1, sizeof(struct policy));
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->count; i++)
		torrent_release(&p->torrents[i]);
	free(p->torrents);
	free(p);
}

static struct torrent *find_torrent(const struct policy *p, const uint8_t infohash[20])
{
	for (size_t i = 0; i < p->count; i++)
		if (!memcmp(p->torrents[i].infohash, infohash, 20))
			return &p->torrents[i];
	return NULL;
}

static int add_torrent(struct policy *p, const uint8_t infohash[20], struct torrent **ret)
{
	struct torrent *grown;

	if (p->count >= POLICY_TORRENTS_LIMIT)
		return -ENOSPC;
	grown = realloc(p->torrents, (p->count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	p->torrents = grown;
	*ret = &grown[p->count++];
	**ret = (struct torrent){0};
	memcpy((*ret)->infohash, infohash, 20);
	return 0;
}

int policy_add_seeder(struct policy *p, const uint8_t infohash[20], struct policy_peer seeder)
{
	struct torrent *t = find_torrent(p, infohash);
	int is_new = !t, r = t ? 0 : add_torrent(p, infohash, &t);

	if (r < 0)
		return r;
	r = torrent_add_seeder(t, seeder);
	if (r < 0 && is_new)
		p->count--;
	return r;
}

void policy_drop(struct policy *p, const uint8_t infohash[20])
{
	struct torrent *t = find_torrent(p, infohash);

	if (!t)
		return;
	torrent_release(t);
	*t = p->torrents[--p->count];
}

size_t policy_count(const struct policy *p, const uint8_t infohash[20])
{
	const struct torrent *t = find_torrent(p, infohash);

	return t ? t->count : 0;
}

/* ---- the choice ---- */

/* A leecher that should have announced by now. */
static int is_silent(const struct peer *peer, uint64_t now)
{
	return !peer->complete && now - peer->seen > STALL_MS;
}

/* Smaller is better: who feeds fewest, then who is complete, then who has most. */
static int is_better(const struct peer *a, const struct peer *b)
{
	if (!b)
		return 1;
	if (a->children != b->children)
		return a->children < b->children;
	return a->left < b->left;
}

/*
 * May feed the peer: a node that is there, has at least what the peer had one announce ago (what others have
 * is just as old) and is not below it.
 */
static int can_feed(const struct peer *candidate, const struct peer *peer, uint64_t now)
{
	if (candidate == peer || candidate->rack < 0 || candidate->suspect)
		return 0;
	if (is_silent(candidate, now) || candidate->left > peer->before)
		return 0;
	return candidate != peer->upstream && !peer_is_below(candidate, peer);
}

enum where { IN_RACK, ELSEWHERE };
enum who { ANYBODY, ONLY_COMPLETE };

static struct peer *best_node(
	const struct torrent *t, const struct peer *peer, enum where where, enum who who, uint64_t now)
{
	struct peer *best = NULL;

	for (size_t i = 0; i < t->count; i++) {
		struct peer *candidate = t->peers[i];

		if ((candidate->rack == peer->rack) != (where == IN_RACK))
			continue;
		if (who == ONLY_COMPLETE && !candidate->complete)
			continue;
		if (is_better(candidate, best) && can_feed(candidate, peer, now))
			best = candidate;
	}
	return best;
}

/* Another one than it has, if there is one. */
static struct peer *best_seeder(const struct torrent *t, const struct peer *peer)
{
	struct peer *best = NULL;

	for (size_t i = 0; i < t->seeder_count; i++)
		if (t->seeders[i] != peer->upstream && is_better(t->seeders[i], best))
			best = t->seeders[i];
	return best ? best : t->seeders[0];
}

/* For one that has no upstream. */
static struct peer *first_upstream(const struct torrent *t, const struct peer *peer, uint64_t now)
{
	struct peer *seeder = best_seeder(t, peer);
	struct peer *node = best_node(t, peer, IN_RACK, ANYBODY, now);

	if (node)
		return node;
	node = best_node(t, peer, ELSEWHERE, ONLY_COMPLETE, now);
	if (node && node->children == 0)
		return node;
	if (seeder->children < POLICY_CHAINS)
		return seeder;
	node = best_node(t, peer, ELSEWHERE, ANYBODY, now);
	return node ? node : seeder;
}

/* For one that gets nothing from the upstream it has: where the whole image is. */
static struct peer *other_upstream(const struct torrent *t, const struct peer *peer, uint64_t now)
{
	struct peer *node = best_node(t, peer, IN_RACK, ONLY_COMPLETE, now);

	return node ? node : best_seeder(t, peer);
}

static uint64_t idle_ms(const struct peer *peer, uint64_t now)
{
	return now - (peer->progressed > peer->placed ? peer->progressed : peer->placed);
}

/* Not so when the upstream is stalled itself and has no more: behind a node that died everybody stalls, but
 * only the first one needs help. */
static int is_to_blame(const struct peer *up, const struct peer *peer, uint64_t now)
{
	if (up->complete || idle_ms(peer, now) > PATIENCE_MS)
		return 1;
	return up->left < peer->left || now - up->progressed <= STALL_MS;
}

static void settle(const struct torrent *t, struct peer *peer, uint64_t now)
{
	struct peer *up = peer->upstream;
	int stalled = idle_ms(peer, now) > STALL_MS;

	if (!up || (stalled && is_silent(up, now))) {
		peer_attach(peer, first_upstream(t, peer, now), now);
	} else if (stalled && is_to_blame(up, peer, now)) {
		up->suspect = 1;
		peer_attach(peer, other_upstream(t, peer, now), now);
	}
}

/* ---- the announce ---- */

static void update(struct torrent *t, struct peer *peer, const struct policy_announce *a, uint64_t now)
{
	/* It was rebooted: what it is handed then is chosen anew. */
	if (a->left > peer->left)
		peer_detach(peer);
	if (a->left != peer->left || a->downloaded != peer->downloaded)
		peer->progressed = now;
	t->strangers += (size_t)(a->rack < 0) - (size_t)(peer->rack < 0);
	t->complete += (size_t)(a->left == 0) - (size_t)(peer->complete != 0);
	peer->rack = a->rack;
	peer->at.port = a->port;
	peer->before = a->left < peer->left && peer->left != UINT64_MAX ? peer->left : a->left;
	peer->left = a->left;
	peer->downloaded = a->downloaded;
	peer->complete = a->left == 0;
	peer->seen = now;
	peer->suspect = 0;
	if (peer->complete || peer->rack < 0)
		peer_detach(peer);
}

static void hand_out(const struct peer *peer, struct policy_answer *ret)
{
	ret->peers[ret->count++] = peer->at;
}

/* Seeders, then complete peers, then who is left. */
static void hand_out_many(const struct torrent *t, const struct policy_announce *a, struct policy_answer *ret)
{
	size_t want = a->want < POLICY_PEERS_MAX ? a->want : POLICY_PEERS_MAX;

	for (size_t i = 0; i < t->seeder_count && ret->count < want; i++)
		hand_out(t->seeders[i], ret);
	for (int complete = 1; complete >= 0; complete--)
		for (size_t i = 0; i < t->count && ret->count < want; i++)
			if (t->peers[i]->complete == complete &&
				t->peers[i]->at.address.s_addr != a->address.s_addr)
				hand_out(t->peers[i], ret);
}

static void count_peers(const struct torrent *t, struct policy_answer *ret)
{
	ret->complete = (unsigned)(t->seeder_count + t->complete);
	ret->incomplete = (unsigned)(t->count - t->complete);
}

static int remember(struct torrent *t, const struct policy_announce *a, uint64_t now, struct peer **ret)
{
	size_t place = torrent_place(t, a->address);

	*ret = NULL;
	if (a->stopped) {
		if (torrent_has(t, place, a->address))
			torrent_remove(t, place);
		return 0;
	}
	if (!torrent_has(t, place, a->address)) {
		int r;

		if (torrent_is_full(t, a->rack))
			return 0;
		r = torrent_insert(t, place, a);
		if (r < 0)
			return r;
	}
	*ret = t->peers[place];
	update(t, *ret, a, now);
	return 0;
}

int policy_announce(
	struct policy *p, const struct policy_announce *a, uint64_t now, struct policy_answer *ret)
{
	struct torrent *t = find_torrent(p, a->infohash);
	struct policy_answer answer = {.interval = POLICY_INTERVAL_S};
	struct peer *peer;
	int r;

	if (!t)
		return -ENOENT;
	now = p->now = now > p->now ? now : p->now;
	torrent_sweep(t, now);
	r = remember(t, a, now, &peer);
	if (r < 0)
		return r;
	if (a->left == 0)
		answer.interval = POLICY_INTERVAL_COMPLETE_S;
	if (a->left > 0 && !a->stopped) {
		if (peer && peer->rack >= 0) {
			settle(t, peer, now);
			hand_out(peer->upstream, &answer);
		} else {
			hand_out_many(t, a, &answer);
		}
	}
	count_peers(t, &answer);
	*ret = answer;
	return 0;
}
