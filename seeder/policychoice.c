/*
 * Owns the choice of a peer's upstream: the first one, another one after a stall, a way around a slow one.
 * Pure. The peers are kept by policytree.c, announces are policy.c's.
 */
#include "seeder/policychoice.h"

#define INTERVAL_MS (POLICY_INTERVAL_S * 1000)
/* Without progress for so long: stalled. An upstream silent for so long is not trusted to be there. */
#define STALL_MS (INTERVAL_MS * 6 / 5)
/* Nothing from an upstream that is silent as well: an interval, give or take the clocks, is enough. */
#define LOST_MS (INTERVAL_MS * 9 / 10)
/* So long it waits for an upstream that is stalled itself and may be helped first. */
#define PATIENCE_MS (INTERVAL_MS * 5)
/* A power-on is over when nobody has come for so long; the first of a rack waits so long at most. */
#define SETTLE_MS 1500
#define WAIT_MS   5000
/* Of several seeders, one that gave nothing to somebody is the last to be handed out for so long. */
#define DISTRUST_MS 30000
/* Less than this part of the fastest rate is slow; a new place is given so long to prove itself. */
#define SLOW_PART 3
#define AROUND_MS (INTERVAL_MS * 3 / 2)

/* A leecher that should have announced by now. */
static int is_silent(const struct peer *peer, uint64_t now)
{
	return !peer->complete && now - peer->seen > STALL_MS;
}

/* Not much slower than the fastest has been. */
static int is_swift(const struct torrent *t, const struct peer *peer)
{
	return peer->complete || (peer->has_rate && peer->rate >= t->fastest / SLOW_PART);
}

/* Long enough where it is to be swift. */
static int is_slow(const struct torrent *t, const struct peer *peer, uint64_t now)
{
	return peer->has_rate && !is_swift(t, peer) && now - peer->placed >= AROUND_MS;
}

/*
 * Slow, and not because what feeds it is. Rates are as much as an announce old, so where all have waited what
 * counts is that it lacks what the one before it has long had. A part of a second at full speed is the part
 * of a piece that only the one before it may have.
 */
static int is_brake(const struct torrent *t, const struct peer *peer, uint64_t now)
{
	const struct peer *up = peer->upstream;

	return is_slow(t, peer, now) && up && is_swift(t, up) && peer->left > up->before &&
	       peer->left - up->before > t->fastest / 4;
}

/* Of those that have enough: is there, is no brake and is not below the peer. */
static int can_feed(const struct torrent *t, struct peer *candidate, const struct peer *peer, uint64_t now)
{
	if (candidate == peer || candidate == peer->upstream || is_silent(candidate, now))
		return 0;
	return !is_brake(t, candidate, now) && !peer_is_below(t, candidate, peer);
}

enum who { ANYBODY, ONLY_COMPLETE };

/*
 * The first of the rack's rank that can. It is to have at least what the peer had one announce ago, as what
 * others have is just as old.
 */
static struct peer *best_of(
	const struct torrent *t, const struct rank *rank, const struct peer *peer, enum who who, uint64_t now)
{
	const uint64_t most = who == ONLY_COMPLETE ? 0 : peer->before;
	size_t i = 0;

	while (i < rank->count) {
		struct peer *candidate = rank->peers[i];

		if (candidate->left > most)
			i = rank_of_children(rank, candidate->children + 1);
		else if (can_feed(t, candidate, peer, now))
			return candidate;
		else
			i++;
	}
	return NULL;
}

static struct peer *best_neighbour(
	const struct torrent *t, const struct peer *peer, enum who who, uint64_t now)
{
	return best_of(t, &t->racks[peer->rack].rank, peer, who, now);
}

/* Looks at every rack, so only the first of one may ask. */
static struct peer *best_elsewhere(
	const struct torrent *t, const struct peer *peer, enum who who, uint64_t now)
{
	struct peer *best = NULL;

	for (size_t i = 0; i < t->rack_count; i++) {
		struct peer *c = (int)i == peer->rack ? NULL : best_of(t, &t->racks[i].rank, peer, who, now);

		if (c && (!best || rank_compare(c, best) < 0))
			best = c;
	}
	return best;
}

/* How long ago somebody got nothing from the seeder. */
static uint64_t trusted_ms(const struct peer *seeder, uint64_t now)
{
	uint64_t ago = now - seeder->suspected;

	return seeder->suspected && ago < DISTRUST_MS ? ago : DISTRUST_MS;
}

/* One that is gone feeds nobody, and would be chosen for that again and again. */
static int is_better_seeder(const struct peer *a, const struct peer *b, uint64_t now)
{
	if (!b || trusted_ms(a, now) > trusted_ms(b, now))
		return 1;
	return trusted_ms(a, now) == trusted_ms(b, now) && a->children < b->children;
}

/* Another one than it has, if there is one. */
static struct peer *best_seeder(const struct torrent *t, const struct peer *peer, uint64_t now)
{
	struct peer *best = NULL;

	for (size_t i = 0; i < t->seeder_count; i++)
		if (t->seeders[i] != peer->upstream && is_better_seeder(t->seeders[i], best, now))
			best = t->seeders[i];
	return best ? best : t->seeders[0];
}

/* Those that come first in their racks at a power-on wait until it is seen where the chains end. */
static int is_early(const struct torrent *t, const struct peer *peer, uint64_t now)
{
	return now - t->joined < SETTLE_MS && now - peer->born < WAIT_MS;
}

static int is_fed(const struct peer *peer)
{
	while (peer && !peer->complete)
		peer = peer->upstream;
	return peer != NULL;
}

/*
 * For the first of a rack while the seeders feed all they may: behind the end of another rack's chain. NULL:
 * not yet. To be the second one behind somebody would cost both half of their speed.
 */
static struct peer *end_of_chain(const struct torrent *t, const struct peer *peer, uint64_t now)
{
	struct peer *node = is_early(t, peer, now) ? NULL : best_elsewhere(t, peer, ANYBODY, now);

	if (node && node->children == 0 && is_fed(node))
		return node;
	if (now - peer->born < WAIT_MS)
		return NULL;
	return node ? node : best_seeder(t, peer, now);
}

/* For one that has no upstream. NULL: it is to ask again soon. */
static struct peer *first_upstream(const struct torrent *t, const struct peer *peer, uint64_t now)
{
	struct peer *seeder = best_seeder(t, peer, now);
	struct peer *node = best_neighbour(t, peer, ANYBODY, now);

	if (node)
		return node;
	node = best_elsewhere(t, peer, ONLY_COMPLETE, now);
	if (node && node->children == 0)
		return node;
	return seeder->children < t->chains ? seeder : end_of_chain(t, peer, now);
}

/* For one that gets nothing from the upstream it has: where the whole image is. */
static struct peer *other_upstream(const struct torrent *t, const struct peer *peer, uint64_t now)
{
	struct peer *node = best_neighbour(t, peer, ONLY_COMPLETE, now);

	return node ? node : best_seeder(t, peer, now);
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

/*
 * Behind a slow node everybody is slow. The first one behind it goes around it, to what feeds the slow one,
 * and with it the whole rest of the chain; the slow one is left at an end. NULL: it stays.
 */
static struct peer *way_around(const struct torrent *t, const struct peer *peer, uint64_t now)
{
	const struct peer *up = peer->upstream;
	struct peer *over = up->upstream;

	if (!is_slow(t, peer, now) || !is_brake(t, up, now) || over->paused)
		return NULL;
	if (!over->complete && (over->rate < 2 * up->rate || is_silent(over, now)))
		return NULL;
	return over->children <= (over->rack < 0 ? t->chains : 1) ? over : NULL;
}

/* What feeds the silent one, and those before it that are silent too, is free to feed another. If one of them
 * comes back it is given a place anew. */
static void free_before(struct torrent *t, struct peer *silent, uint64_t now)
{
	while (silent && is_silent(silent, now)) {
		struct peer *before = silent->upstream;

		peer_detach(t, silent);
		silent = before;
	}
}

static void place(struct torrent *t, struct peer *peer, struct peer *upstream, uint64_t now)
{
	if (upstream)
		peer_attach(t, peer, upstream, now);
	else
		peer_detach(t, peer);
}

static void blame(struct torrent *t, struct peer *up, uint64_t now)
{
	up->suspect = 1;
	up->suspected = now;
	torrent_rank(t, up);
}

void policy_settle(struct torrent *t, struct peer *peer, uint64_t now)
{
	struct peer *up = peer->upstream, *around;
	int stalled = idle_ms(peer, now) > STALL_MS;
	int is_lost = up && is_silent(up, now) && idle_ms(peer, now) >= LOST_MS;

	t->search++;
	if (!up || up->paused || is_lost) {
		free_before(t, up, now);
		place(t, peer, first_upstream(t, peer, now), now);
	} else if (stalled && is_to_blame(up, peer, now)) {
		blame(t, up, now);
		peer_attach(t, peer, other_upstream(t, peer, now), now);
	} else if ((around = way_around(t, peer, now))) {
		peer_attach(t, peer, around, now);
	}
}
