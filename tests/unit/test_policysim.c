/*
 * The hand-out policy over random histories: nodes of several racks boot, get the image, leave with and
 * without a word, come back with nothing, are slow, paused or cannot reach one another; seeders come and go.
 * Each history is made from its seed, which a failure names: SEED=N in the environment plays that one alone.
 *
 * Promised at every step: no cycle of upstreams; who has nobody is asked to wait for a bounded time; who can
 * reach a seeder that is up gets on; nobody who is paused is handed out; what is remembered is just who has
 * announced of late. The last one also bounds memory, a peer at a time.
 */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "seeder/policy.h"

#define SIZE        100u /* units of the image; a full link brings one a step */
#define STEP        100  /* ms */
#define SEEDER(i)   (0x0a000001 + (i))
#define NODE(i)     (0x0a010000 + (i))
#define NODES_MAX   48
#define SEEDERS_MAX 3
#define HISTORIES   5000

/* The bounds, in ms. */
#define WAIT_MAX 6500 /* without an upstream, from the first announce on */
#define STARVE_MAX                                                                                           \
	30000 /* without a byte, while a seeder that it can reach is up and nothing else changes             \
	       */
#define EXPIRE(left) ((left) ? POLICY_INTERVAL_S * 2500U : POLICY_INTERVAL_COMPLETE_S * 2500U)
#define SWEEP        1000

static const uint8_t hash[20] = {1};

struct node {
	int up, started; /* started: has announced in this life */
	int rack;
	unsigned life;             /* counts boots */
	unsigned period;           /* steps that a unit takes over its link: 1 is full speed */
	unsigned have;             /* units */
	uint64_t first, next, fed; /* ms: first announce, next one, last unit or excuse */
	uint32_t from;             /* handed out last; 0: nobody */
	unsigned from_life;
	int remembered; /* the policy knows it unless it has expired */
	uint64_t told;  /* last announce */
	unsigned left;  /* as it said then */
	unsigned told_life;
	int paused;                                     /* sends nothing; outlasts a boot */
	char deaf[NODES_MAX], deaf_seeder[SEEDERS_MAX]; /* gets nothing from these */
};

struct model {
	unsigned seed, chains;
	struct policy *p;
	struct node nodes[NODES_MAX];
	size_t node_count, seeder_count;
	int seeder_up[SEEDERS_MAX];
	uint64_t now, heard; /* heard: the last announce of anybody */
	unsigned faults;     /* in 1000 per node and second */
	uint64_t from_seeder, from_elsewhere, moves;
};

/* A promise: broken, the history and the time are told. */
#define PROMISE(m, what, ...)                                                                                \
	do {                                                                                                 \
		if (!(what)) {                                                                               \
			print_error("SEED=%u at %llu ms: ", (m)->seed, (unsigned long long)(m)->now);        \
			fail_msg(__VA_ARGS__);                                                               \
		}                                                                                            \
	} while (0)

static unsigned draw(unsigned below)
{
	return (unsigned)random() % below;
}

/* ---- who is there ---- */

static void name_seeder(struct model *m, size_t i)
{
	struct policy_peer seeder = {.address.s_addr = htonl(SEEDER((uint32_t)i)), .port = 6881};

	assert_int_equal(policy_add_seeder(m->p, hash, seeder), 0);
}

static void add_seeder(struct model *m)
{
	name_seeder(m, m->seeder_count);
	m->seeder_up[m->seeder_count++] = 1;
}

/* The tracker is started anew and knows nobody; the nodes go on as they were told until they ask again. */
static void restart_tracker(struct model *m)
{
	policy_free(m->p);
	m->p = policy_new(m->chains);
	assert_non_null(m->p);
	for (size_t i = 0; i < m->seeder_count; i++)
		name_seeder(m, i);
	for (size_t i = 0; i < m->node_count; i++)
		m->nodes[i].remembered = 0;
}

static void boot(struct model *m, struct node *n, uint64_t within)
{
	n->up = 1;
	n->life++;
	n->fed = m->now;
	n->next = m->now + draw((unsigned)within);
	n->have = 0;
	n->started = 0;
	n->from = 0;
}

static int is_seeder(uint32_t address)
{
	return address >= SEEDER(0) && address < SEEDER(SEEDERS_MAX);
}

/* The node that feeds this one and is still the one it was; NULL: none, or a seeder does. */
static struct node *source_of(struct model *m, const struct node *n)
{
	struct node *source;

	if (n->from == 0 || is_seeder(n->from))
		return NULL;
	source = &m->nodes[n->from - NODE(0)];
	return source->up && source->life == n->from_life ? source : NULL;
}

/* ---- announces ---- */

static void take_answer(struct model *m, struct node *n, const struct policy_answer *answer)
{
	uint32_t from = answer->count ? ntohl(answer->peers[0].address.s_addr) : 0;

	PROMISE(m, answer->count <= 1, "%u peers for a node", (unsigned)answer->count);
	if (!from) {
		PROMISE(m, answer->interval == POLICY_INTERVAL_WAIT_S, "waits for %u s", answer->interval);
		PROMISE(m, m->now - n->first < WAIT_MAX, "node %zu of rack %d gets nobody", n - m->nodes,
			n->rack);
	} else if (!is_seeder(from)) {
		PROMISE(m, from >= NODE(0) && from < NODE(m->node_count), "a stranger: %08x", from);
		PROMISE(m, !m->nodes[from - NODE(0)].paused, "%08x is paused", from);
		n->from_life = m->nodes[from - NODE(0)].told_life;
	}
	m->moves += n->from && n->from != from;
	n->from = from;
}

static void tell(struct model *m, struct node *n, int stopped)
{
	struct policy_announce a = {.address.s_addr = htonl(NODE((uint32_t)(n - m->nodes))),
		.port = 6881,
		.rack = n->rack,
		.left = SIZE - n->have,
		.downloaded = n->have,
		.stopped = stopped,
		.paused = n->paused,
		.want = 8};
	struct policy_answer answer;

	memcpy(a.infohash, hash, sizeof(hash));
	assert_int_equal(policy_announce(m->p, &a, m->now, &answer), 0);
	n->next = m->now + answer.interval * 1000 + draw(200);
	n->first = n->started && n->remembered ? n->first : m->now;
	n->started = 1;
	n->remembered = !stopped;
	n->told = m->heard = m->now;
	n->left = SIZE - n->have;
	n->told_life = n->life;
	if (n->have == SIZE || stopped)
		PROMISE(m, answer.count == 0, "a peer for one that needs none");
	else
		take_answer(m, n, &answer);
}

/* ---- promises ---- */

/* From a leecher's upstream to that one's, and so on: never back to where it began. */
static void check_cycle(struct model *m, const struct node *start)
{
	const struct node *n = start;

	for (unsigned hops = 0; (n = source_of(m, n)) && n->have < SIZE; hops++)
		PROMISE(m, hops < NODES_MAX && n != start, "node %zu feeds itself", start - m->nodes);
}

static int can_reach_seeder(const struct model *m, const struct node *n)
{
	for (size_t i = 0; i < m->seeder_count; i++)
		if (m->seeder_up[i] && !n->deaf_seeder[i])
			return 1;
	return 0;
}

/* A change anywhere near starts the time anew: what follows from it takes its own stall and move. */
static void excuse_all(struct model *m)
{
	for (size_t i = 0; i < m->node_count; i++)
		m->nodes[i].fed = m->now;
}

static void check_progress(struct model *m, struct node *n)
{
	if (!can_reach_seeder(m, n))
		n->fed = m->now;
	PROMISE(m, m->now - n->fed <= STARVE_MAX, "node %zu of rack %d starves at %u from %08x", n - m->nodes,
		n->rack, n->have, n->from);
}

/* The policy sweeps at announces, once a second at most. */
static void check_memory(const struct model *m)
{
	size_t most = 0, least = 0, count = policy_count(m->p, hash);

	for (size_t i = 0; i < m->node_count; i++) {
		const struct node *n = &m->nodes[i];

		if (!n->remembered)
			continue;
		least += m->now - n->told <= EXPIRE(n->left);
		most += m->heard <= n->told + EXPIRE(n->left) + SWEEP;
	}
	PROMISE(m, count >= least && count <= most, "%zu peers remembered, not %zu to %zu", count, least,
		most);
}

/* ---- a step of time ---- */

static void move_bytes(struct model *m, struct node *n)
{
	const struct node *source = source_of(m, n);
	unsigned period = n->period;

	if (!n->from || n->have == SIZE)
		return;
	if (source && source->period > period)
		period = source->period;
	if (m->now / STEP % period)
		return;
	if (is_seeder(n->from)) {
		size_t i = n->from - SEEDER(0);

		if (!m->seeder_up[i] || n->deaf_seeder[i])
			return;
		m->from_seeder++;
	} else {
		if (!source || source->have <= n->have || source->paused || n->deaf[source - m->nodes])
			return;
		m->from_elsewhere += source->rack != n->rack;
	}
	n->have++;
	n->fed = m->now;
}

static void fault_of_node(struct model *m, struct node *n)
{
	if (!n->up) {
		boot(m, n, 1000);
		return;
	}
	switch (draw(7)) {
	case 0: /* off, in silence */
		n->up = 0;
		break;
	case 1: /* off, with a word */
		if (n->started)
			tell(m, n, 1);
		n->up = 0;
		break;
	case 2: /* reset */
		boot(m, n, 3000);
		break;
	case 3:
		n->period = 1 + draw(10);
		break;
	case 4: /* by the administrator: the tracker knows at once */
		n->paused = !n->paused;
		policy_pause(m->p, (struct in_addr){htonl(NODE((uint32_t)(n - m->nodes)))}, n->paused);
		break;
	case 5:
		n->deaf_seeder[draw(SEEDERS_MAX)] ^= 1;
		break;
	default:
		n->deaf[draw(NODES_MAX)] ^= 1;
	}
}

static void fault_of_head(struct model *m)
{
	if (m->seeder_count < SEEDERS_MAX && draw(4) == 0)
		add_seeder(m);
	else if (draw(4) == 0)
		restart_tracker(m);
	else
		m->seeder_up[draw((unsigned)m->seeder_count)] ^= 1;
}

static int strikes(const struct model *m)
{
	return draw(1000 * 1000 / STEP) < m->faults;
}

static void step_node(struct model *m, struct node *n)
{
	unsigned before = n->have;

	if (strikes(m)) {
		fault_of_node(m, n);
		excuse_all(m);
	}
	if (!n->up)
		return;
	move_bytes(m, n);
	if ((n->have == SIZE && before < SIZE) || m->now >= n->next)
		tell(m, n, 0);
	if (n->have < SIZE) {
		check_cycle(m, n);
		check_progress(m, n);
	}
}

static void step(struct model *m)
{
	m->now += STEP;
	if (strikes(m)) {
		fault_of_head(m);
		excuse_all(m);
	}
	for (size_t i = 0; i < m->node_count; i++)
		step_node(m, &m->nodes[i]);
	check_memory(m);
}

/* ---- histories ---- */

static void begin(struct model *m, unsigned seed, unsigned chains)
{
	*m = (struct model){.seed = seed, .chains = chains, .p = policy_new(chains)};
	assert_non_null(m->p);
	add_seeder(m);
	for (size_t i = 0; i < NODES_MAX; i++)
		m->nodes[i].period = 1;
}

static size_t count_done(const struct model *m)
{
	size_t done = 0;

	for (size_t i = 0; i < m->node_count; i++)
		done += m->nodes[i].have == SIZE;
	return done;
}

/* All boot within three seconds and nothing goes wrong: one chain a rack, nobody moves. */
static void test_storm(void **state)
{
	const unsigned racks = 3;

	(void)state;
	for (unsigned seed = 1; seed <= 50; seed++) {
		struct model m;

		srandom(seed);
		begin(&m, seed, 4);
		m.node_count = NODES_MAX;
		for (size_t i = 0; i < NODES_MAX; i++) {
			m.nodes[i].rack = (int)(i % racks);
			boot(&m, &m.nodes[i], 3000);
		}
		while (count_done(&m) < NODES_MAX)
			step(&m);
		/* 10 s over a link, 3 s of joining, a hop is one step */
		PROMISE(&m, m.now < 3000 + 10000 + NODES_MAX * STEP + 1000, "took too long");
		PROMISE(&m, m.moves == 0, "%llu moves", (unsigned long long)m.moves);
		PROMISE(&m, m.from_seeder + m.from_elsewhere <= SIZE * racks, "%llu units into the racks",
			(unsigned long long)(m.from_seeder + m.from_elsewhere));
		policy_free(m.p);
	}
}

static void play(unsigned seed)
{
	struct model m;
	unsigned racks, steps;

	srandom(seed);
	begin(&m, seed, 1 + draw(8));
	m.node_count = 2 + draw(draw(4) ? 10 : NODES_MAX - 2);
	m.faults = 1 + draw(30);
	racks = 1 + draw(6);
	steps = 300 + draw(1200);
	for (size_t i = 0; i < m.node_count; i++) {
		m.nodes[i].rack = (int)draw(racks);
		m.nodes[i].period = draw(8) ? 1 : 1 + draw(10);
		if (draw(2))
			boot(&m, &m.nodes[i], 10000);
	}
	for (unsigned i = 0; i < steps; i++)
		step(&m);
	/* all is off: forgotten within the longest expiry */
	m.now += POLICY_INTERVAL_COMPLETE_S * 2500 + SWEEP;
	tell(&m, &m.nodes[0], 1);
	PROMISE(&m, policy_count(m.p, hash) == 0, "%zu peers for ever", policy_count(m.p, hash));
	policy_free(m.p);
}

static void test_random_histories(void **state)
{
	const char *only = getenv("SEED");

	(void)state;
	for (unsigned seed = 1; seed <= HISTORIES; seed++)
		if (!only || strtoul(only, NULL, 10) == seed)
			play(seed);
}

/* Ten times as many complete peers as may be: the rest is answered, not remembered, and all of it goes. */
static void test_memory(void **state)
{
	_cleanup_policy_ struct policy *p = policy_new(1);
	struct policy_announce a = {.port = 6881, .left = 0};
	struct policy_peer seeder = {.address.s_addr = htonl(SEEDER(0)), .port = 6881};
	struct policy_answer answer;
	size_t before, used;

	(void)state;
	memcpy(a.infohash, hash, sizeof(hash));
	assert_int_equal(policy_add_seeder(p, hash, seeder), 0);
	before = mallinfo2().uordblks;
	/* From the highest address down would be slower: the list is sorted. */
	for (uint32_t i = 0; i < POLICY_PEERS_LIMIT * 10; i++) {
		a.address.s_addr = htonl(NODE(i));
		a.rack = (int)(i % 250);
		assert_int_equal(policy_announce(p, &a, i / 1000, &answer), 0);
	}
	assert_int_equal(policy_count(p, hash), POLICY_PEERS_LIMIT);
	used = mallinfo2().uordblks - before;
	if (used > POLICY_PEERS_LIMIT * (size_t)256)
		fail_msg("%zu bytes", used);
	a.stopped = 1;
	assert_int_equal(policy_announce(p, &a, POLICY_INTERVAL_COMPLETE_S * 2500 + 2000, &answer), 0);
	assert_int_equal(policy_count(p, hash), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_storm),
		cmocka_unit_test(test_random_histories),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests_name("policysim", tests, NULL, NULL);
}
