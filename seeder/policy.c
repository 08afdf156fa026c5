/*
 * Owns the announces: what they say of a peer and what is handed out for them. Who feeds whom is chosen by
 * policychoice.c, the peers are kept by policytree.c. Knows no sockets, no clock, no cluster file and no
 * bencoding.
 */
#include "seeder/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "seeder/policychoice.h"

struct policy {
	struct torrent *torrents;
	size_t count;
	uint64_t now; /* the latest seen */
	unsigned chains;
};

struct policy *policy_new(unsigned chains)
{
	struct policy *p = calloc(1, sizeof(*p));

	if (p)
		p->chains = chains;
	return p;
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
	**ret = (struct torrent){.chains = p->chains};
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

void policy_pause(struct policy *p, struct in_addr address, int paused)
{
	for (size_t i = 0; i < p->count; i++) {
		struct torrent *t = &p->torrents[i];
		size_t place = torrent_place(t, address);

		if (!torrent_has(t, place, address))
			continue;
		t->peers[place]->paused = paused;
		torrent_rank(t, t->peers[place]);
	}
}

static int compare_counts(const void *a, const void *b)
{
	const struct policy_count *x = a, *y = b;

	return memcmp(x->infohash, y->infohash, sizeof(x->infohash));
}

size_t policy_scrape(struct policy *p, uint64_t now, struct policy_count ret[POLICY_TORRENTS_LIMIT])
{
	now = p->now = now > p->now ? now : p->now;
	for (size_t i = 0; i < p->count; i++) {
		struct torrent *t = &p->torrents[i];

		torrent_sweep(t, now);
		ret[i] = (struct policy_count){.complete = (unsigned)(t->seeder_count + t->complete),
			.incomplete = (unsigned)(t->count - t->complete),
			.downloaded = t->downloaded};
		memcpy(ret[i].infohash, t->infohash, sizeof(t->infohash));
	}
	qsort(ret, p->count, sizeof(*ret), compare_counts);
	return p->count;
}

/* ---- the announce ---- */

static void update(struct torrent *t, struct peer *peer, const struct policy_announce *a, uint64_t now)
{
	/* It was rebooted: what it is handed then is chosen anew. */
	if (a->left > peer->left)
		peer_detach(t, peer);
	peer_measure(t, peer, a->downloaded, now);
	if (a->left != peer->left || a->downloaded != peer->downloaded)
		peer->progressed = now;
	t->complete += (size_t)(a->left == 0) - (size_t)(peer->complete != 0);
	t->downloaded += a->left == 0 && !peer->complete && peer->left != UINT64_MAX;
	peer->at.port = a->port;
	peer->before = a->left < peer->left && peer->left != UINT64_MAX ? peer->left : a->left;
	peer->left = a->left;
	peer->downloaded = a->downloaded;
	peer->complete = a->left == 0;
	peer->paused = a->paused;
	peer->seen = now;
	peer->suspect = 0;
	if (peer->complete || peer->rack < 0)
		peer_detach(t, peer);
	torrent_rank(t, peer);
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
			if (t->peers[i]->complete == complete && !t->peers[i]->paused &&
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
		t->peers[place]->born = t->joined = now;
	}
	*ret = t->peers[place];
	if (torrent_set_rack(t, *ret, a->rack) < 0)
		return -ENOMEM;
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
			policy_settle(t, peer, now);
			if (peer->upstream)
				hand_out(peer->upstream, &answer);
			else
				answer.interval = POLICY_INTERVAL_WAIT_S;
		} else {
			hand_out_many(t, a, &answer);
		}
	}
	count_peers(t, &answer);
	*ret = answer;
	return 0;
}
