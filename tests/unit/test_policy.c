/* The hand-out policy: who gets whom in the plain cases; what it promises over any history is
 * test_policysim.c. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "seeder/policy.h"

#define SIZE    100u       /* units of the image */
#define SEEDER  0x0a000001 /* 10.0.0.1 */
#define NODE(i) (0x0a010000 + (i))
#define CHAINS  4

static const uint8_t hash[20] = {1}, unknown[20] = {2};

static struct policy *make(void)
{
	struct policy *p = policy_new(CHAINS);
	struct policy_peer seeder = {.address.s_addr = htonl(SEEDER), .port = 6881};

	assert_non_null(p);
	assert_int_equal(policy_add_seeder(p, hash, seeder), 0);
	assert_int_equal(policy_add_seeder(p, hash, seeder), 0);
	return p;
}

enum { STOPPED = 1, PAUSED };

struct say {
	uint32_t address;
	int rack;
	uint64_t left, downloaded;
	int word; /* 0, STOPPED or PAUSED */
	uint64_t now;
};

static struct policy_answer announce(struct policy *p, struct say say)
{
	struct policy_announce a = {.address.s_addr = htonl(say.address),
		.port = 6881,
		.rack = say.rack,
		.left = say.left,
		.downloaded = say.downloaded,
		.stopped = say.word == STOPPED,
		.paused = say.word == PAUSED,
		.want = 50};
	struct policy_answer answer;

	memcpy(a.infohash, hash, sizeof(hash));
	assert_int_equal(policy_announce(p, &a, say.now, &answer), 0);
	return answer;
}

/* The one peer handed out, 0: none. */
static uint32_t ask(struct policy *p, struct say say)
{
	struct policy_answer answer = announce(p, say);

	assert_true(answer.count <= 1);
	return answer.count ? ntohl(answer.peers[0].address.s_addr) : 0;
}

/* Rows are announces in order: who, what, and the upstream it must get. */
struct step {
	struct say say;
	uint32_t expected;
};

static void play(const struct step *steps, size_t count)
{
	_cleanup_policy_ struct policy *p = make();

	for (size_t i = 0; i < count; i++) {
		uint32_t got = ask(p, steps[i].say);

		if (got != steps[i].expected)
			fail_msg("step %zu: got %08x, not %08x", i, got, steps[i].expected);
	}
}

#define PLAY(steps) play(steps, ARRAY_SIZE(steps))

static void test_chain_in_joining_order(void **state)
{
	static const struct step steps[] = {
		{{NODE(5), 0, SIZE, 0, 0, 0}, SEEDER},
		{{NODE(2), 0, SIZE, 0, 0, 10}, NODE(5)},
		{{NODE(9), 0, SIZE, 0, 0, 20}, NODE(2)},
		/* it stays so, whoever comes */
		{{NODE(1), 1, SIZE, 0, 0, 30}, SEEDER},
		{{NODE(5), 0, 90, 10, 0, 2000}, SEEDER},
		{{NODE(2), 0, 95, 5, 0, 2010}, NODE(5)},
		{{NODE(9), 0, 98, 2, 0, 2020}, NODE(2)},
	};

	(void)state;
	PLAY(steps);
}

static void test_complete_neighbours_first(void **state)
{
	static const struct step steps[] = {
		{{NODE(1), 0, 0, 100, 0, 0}, 0},
		{{NODE(2), 0, 0, 100, 0, 0}, 0},
		{{NODE(3), 0, SIZE, 0, 0, 10}, NODE(1)},
		{{NODE(4), 0, SIZE, 0, 0, 20}, NODE(2)},
		{{NODE(5), 0, SIZE, 0, 0, 30}, NODE(3)},
		/* the first of a rack: a complete one elsewhere that feeds nobody, else the seeder */
		{{NODE(6), 0, 0, 100, 0, 40}, 0},
		{{NODE(17), 1, SIZE, 0, 0, 50}, NODE(6)},
		{{NODE(33), 2, SIZE, 0, 0, 60}, SEEDER},
		/* whoever is done, feeds on and gets nobody */
		{{NODE(3), 0, 0, 100, 0, 70}, 0},
		{{NODE(5), 0, SIZE, 0, 0, 80}, NODE(3)},
	};

	(void)state;
	PLAY(steps);
}

static void test_seeder_feeds_few_racks(void **state)
{
	_cleanup_policy_ struct policy *p = make();

	(void)state;
	for (int i = 0; i < CHAINS; i++)
		assert_int_equal(ask(p, (struct say){NODE(i), i, SIZE, 0, 0, 0}), SEEDER);
	/* one chain is done: its place is free */
	assert_int_equal(ask(p, (struct say){NODE(0), 0, 0, SIZE, 0, 10}), 0);
	assert_int_equal(ask(p, (struct say){NODE(99), 99, SIZE, 0, 0, 20}), NODE(0));
	assert_int_equal(ask(p, (struct say){NODE(98), 98, SIZE, 0, 0, 30}), SEEDER);
}

/* The first of a further rack waits until the power-on is over, then goes to the end of a chain that is fed.
 */
static void test_end_of_chain(void **state)
{
	_cleanup_policy_ struct policy *p = policy_new(1);
	struct policy_peer seeder = {.address.s_addr = htonl(SEEDER), .port = 6881};
	static const struct step steps[] = {
		{{NODE(0), 0, SIZE, 0, 0, 0}, SEEDER},
		{{NODE(16), 1, SIZE, 0, 0, 100}, 0},
		{{NODE(17), 1, SIZE, 0, 0, 200}, NODE(16)},
		{{NODE(1), 0, SIZE, 0, 0, 300}, NODE(0)},
		{{NODE(32), 2, SIZE, 0, 0, 400}, 0},
		{{NODE(16), 1, SIZE, 0, 0, 1100}, 0}, /* somebody came less than 1.5 s ago */
		{{NODE(32), 2, SIZE, 0, 0, 1400}, 0},
		{{NODE(32), 2, SIZE, 0, 0, 2000}, NODE(1)}, /* not 17, which nobody feeds */
		{{NODE(16), 1, SIZE, 0, 0, 2100}, NODE(32)},
		{{NODE(17), 1, SIZE, 0, 0, 2200}, NODE(16)},
	};

	(void)state;
	assert_int_equal(policy_add_seeder(p, hash, seeder), 0);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		assert_int_equal(ask(p, steps[i].say), steps[i].expected);
}

/* Somebody new comes every second: the wait has an end. */
static void test_wait_has_an_end(void **state)
{
	_cleanup_policy_ struct policy *p = make();
	uint32_t got = 0;

	(void)state;
	for (uint32_t i = 0; i < CHAINS; i++)
		(void)ask(p, (struct say){NODE(i * 16), (int)i, SIZE, 0, 0, 0});
	for (uint32_t s = 0; s <= 5 && !got; s++) {
		(void)ask(p, (struct say){NODE(s + 1), 0, SIZE, 0, 0, s * 1000});
		got = ask(p, (struct say){NODE(99), 9, SIZE, 0, 0, s * 1000});
		assert_int_equal(got != 0, s == 5);
	}
}

/* Units a second on a full link, and on a slow one. */
#define FULL 10
#define SLOW 1

/* 2 is slow and so are 3 and 4 behind it: 3 goes around it to 1, with 4; who comes later is not put behind 2.
 */
static void test_way_around_a_slow_one(void **state)
{
	static const struct step steps[] = {
		{{NODE(1), 0, SIZE, 0, 0, 1000}, SEEDER},
		{{NODE(2), 0, SIZE, 0, 0, 1010}, NODE(1)},
		{{NODE(3), 0, SIZE, 0, 0, 1020}, NODE(2)},
		{{NODE(4), 0, SIZE, 0, 0, 1030}, NODE(3)},
		{{NODE(1), 0, 80, 2 * FULL, 0, 3000}, SEEDER},
		{{NODE(2), 0, 98, 2 * SLOW, 0, 3010}, NODE(1)},
		{{NODE(3), 0, 98, 2 * SLOW, 0, 3020}, NODE(2)}, /* too early to tell */
		{{NODE(4), 0, 98, 2 * SLOW, 0, 3030}, NODE(3)},
		{{NODE(1), 0, 60, 4 * FULL, 0, 5000}, SEEDER},
		{{NODE(2), 0, 96, 4 * SLOW, 0, 5010}, NODE(1)},
		{{NODE(3), 0, 96, 4 * SLOW, 0, 5020}, NODE(1)},
		{{NODE(4), 0, 96, 4 * SLOW, 0, 5030}, NODE(3)},
		{{NODE(5), 0, SIZE, 0, 0, 5040}, NODE(4)},
		{{NODE(4), 0, 94, 6 * SLOW, 0, 7030}, NODE(3)},
		{{NODE(3), 0, 76, 24, 0, 7040}, NODE(1)},
	};

	(void)state;
	PLAY(steps);
}

/* 4 dies while everybody has waited for the head. 3 has what 2 has, so it holds nobody up, although its rate
 * as last announced is that of a slow one and 2's is not yet: 5 goes to 3, not to 1 as its second child. */
static void test_starved_is_not_slow(void **state)
{
	static const struct step steps[] = {
		{{NODE(1), 0, SIZE, 0, 0, 1000}, SEEDER},
		{{NODE(2), 0, SIZE, 0, 0, 1010}, NODE(1)},
		{{NODE(3), 0, SIZE, 0, 0, 1020}, NODE(2)},
		{{NODE(4), 0, SIZE, 0, 0, 1030}, NODE(3)},
		{{NODE(5), 0, SIZE, 0, 0, 1040}, NODE(4)},
		{{NODE(1), 0, 80, 200, 0, 3000}, SEEDER},
		{{NODE(2), 0, 80, 200, 0, 3010}, NODE(1)},
		{{NODE(3), 0, 80, 200, 0, 3020}, NODE(2)},
		{{NODE(4), 0, 80, 200, 0, 3030}, NODE(3)},
		{{NODE(5), 0, 80, 200, 0, 3040}, NODE(4)},
		{{NODE(1), 0, 56, 440, 0, 5000}, SEEDER},
		{{NODE(2), 0, 60, 400, 0, 5010}, NODE(1)},
		{{NODE(3), 0, 56, 440, 0, 5020}, NODE(2)},
		{{NODE(4), 0, 56, 440, 0, 5030}, NODE(3)},
		{{NODE(5), 0, 52, 480, 0, 6600}, NODE(4)},
		{{NODE(1), 0, 50, 500, 0, 7000}, SEEDER},
		{{NODE(2), 0, 50, 500, 0, 7010}, NODE(1)},
		{{NODE(3), 0, 50, 500, 0, 7020}, NODE(2)},
		{{NODE(1), 0, 30, 700, 0, 9000}, SEEDER},
		{{NODE(2), 0, 50, 500, 0, 9010}, NODE(1)},
		{{NODE(3), 0, 50, 500, 0, 9020}, NODE(2)},
		{{NODE(5), 0, 52, 480, 0, 9100}, NODE(3)},
	};

	(void)state;
	PLAY(steps);
}

static void test_stall(void **state)
{
	static const struct step steps[] = {
		{{NODE(1), 0, SIZE, 0, 0, 0}, SEEDER},
		{{NODE(2), 0, SIZE, 0, 0, 0}, NODE(1)},
		{{NODE(3), 0, SIZE, 0, 0, 0}, NODE(2)},
		{{NODE(1), 0, 80, 20, 0, 2000}, SEEDER},
		{{NODE(2), 0, SIZE, 5, 0, 2000}, NODE(1)}, /* progress within a piece */
		{{NODE(3), 0, SIZE, 0, 0, 2000}, NODE(2)},
		{{NODE(1), 0, 60, 40, 0, 4000}, SEEDER},
		{{NODE(2), 0, SIZE, 5, 0, 4000}, NODE(1)}, /* 2.0 s: not yet */
		/* 2 gets nothing although 1 has it; 3 gets nothing because 2 has nothing */
		{{NODE(1), 0, 40, 60, 0, 6000}, SEEDER},
		{{NODE(2), 0, SIZE, 5, 0, 6000}, SEEDER},
		{{NODE(3), 0, SIZE, 0, 0, 6000}, NODE(2)},
		/* patience has an end: it is not to depend on others for ever */
		{{NODE(1), 0, 0, 100, 0, 8000}, 0},
		{{NODE(2), 0, SIZE, 5, 0, 8000}, SEEDER},
		{{NODE(3), 0, SIZE, 0, 0, 8000}, NODE(2)},
		{{NODE(2), 0, SIZE, 5, 0, 10000}, NODE(1)}, /* not the seeder again */
		{{NODE(3), 0, SIZE, 0, 0, 10100}, NODE(1)},
	};

	(void)state;
	PLAY(steps);
}

/* Whoever gave nothing is not handed out until it is heard of again. */
static void test_suspect(void **state)
{
	static const struct step steps[] = {
		{{NODE(1), 0, 0, 0, 0, 0}, 0},
		{{NODE(2), 0, 0, 0, 0, 0}, 0},
		{{NODE(3), 0, SIZE, 0, 0, 0}, NODE(1)},
		{{NODE(3), 0, SIZE, 0, 0, 2500}, NODE(2)},
		{{NODE(4), 0, SIZE, 0, 0, 2600}, NODE(3)},
		{{NODE(1), 0, 0, 0, 0, 2700}, 0},
		{{NODE(5), 0, SIZE, 0, 0, 2800}, NODE(1)},
	};

	(void)state;
	PLAY(steps);
}

/* A paused node feeds nobody and is fed: who was behind it goes on with the one before it. */
static void test_paused(void **state)
{
	static const struct step steps[] = {
		{{NODE(1), 0, SIZE, 0, 0, 0}, SEEDER},
		{{NODE(2), 0, SIZE, 0, 0, 0}, NODE(1)},
		{{NODE(3), 0, SIZE, 0, 0, 0}, NODE(2)},
		{{NODE(1), 0, 80, 20, 0, 2000}, SEEDER},
		{{NODE(2), 0, 82, 18, PAUSED, 2000}, NODE(1)},
		{{NODE(3), 0, 84, 16, 0, 2000}, NODE(1)},
		{{NODE(4), 0, SIZE, 0, 0, 2500}, NODE(3)},
		{{NODE(2), 0, 0, 100, PAUSED, 4000}, 0},
		{{NODE(3), 0, 0, 100, PAUSED, 4000}, 0},
		{{NODE(1), 0, 0, 100, 0, 4200}, 0},
		{{NODE(4), 0, 90, 10, 0, 4500}, NODE(1)},
		/* resumed, it is handed out again */
		{{NODE(2), 0, 0, 100, 0, 5000}, 0},
		{{NODE(5), 0, SIZE, 0, 0, 5100}, NODE(2)},
		/* all of them paused: the seeder */
		{{NODE(1), 0, 0, 100, PAUSED, 5200}, 0},
		{{NODE(2), 0, 0, 100, PAUSED, 5200}, 0},
		{{NODE(4), 0, 80, 20, PAUSED, 5300}, SEEDER},
		{{NODE(5), 0, 95, 5, 0, 5400}, SEEDER},
	};

	(void)state;
	PLAY(steps);
}

/* Between its announces, which come twice a minute. */
static void test_paused_at_once(void **state)
{
	_cleanup_policy_ struct policy *p = make();
	struct in_addr address = {.s_addr = htonl(NODE(1))};
	struct policy_answer answer;

	(void)state;
	(void)announce(p, (struct say){NODE(1), 0, 0, 0, 0, 0});
	assert_int_equal(ask(p, (struct say){NODE(2), 0, SIZE, 0, 0, 100}), NODE(1));
	policy_pause(p, address, 1);
	assert_int_equal(ask(p, (struct say){NODE(2), 0, 90, 10, 0, 200}), SEEDER);
	answer = announce(p, (struct say){0x0a090001, -1, SIZE, 0, 0, 300});
	assert_int_equal(answer.count, 2); /* the seeder and node 2 */
	policy_pause(p, address, 0);
	assert_int_equal(ask(p, (struct say){NODE(3), 0, SIZE, 0, 0, 400}), NODE(1));
	address.s_addr = htonl(NODE(99));
	policy_pause(p, address, 1); /* nobody */
}

/* In the middle of a chain one dies: the one behind it goes to the one before it, the rest stays. */
static void test_death_in_the_middle(void **state)
{
	static const struct step steps[] = {
		{{NODE(1), 0, SIZE, 0, 0, 0}, SEEDER},
		{{NODE(2), 0, SIZE, 0, 0, 0}, NODE(1)},
		{{NODE(3), 0, SIZE, 0, 0, 0}, NODE(2)},
		{{NODE(4), 0, SIZE, 0, 0, 0}, NODE(3)},
		{{NODE(1), 0, 80, 20, 0, 2000}, SEEDER},
		{{NODE(3), 0, 82, 18, 0, 2000}, NODE(2)},
		{{NODE(4), 0, 83, 17, 0, 2000}, NODE(3)},
		{{NODE(1), 0, 60, 40, 0, 4500}, SEEDER},
		{{NODE(3), 0, 82, 18, 0, 4500}, NODE(1)},
		{{NODE(4), 0, 82, 18, 0, 4500}, NODE(3)},
		{{NODE(3), 0, 82, 18, 0, 6500}, NODE(1)},
		{{NODE(4), 0, 82, 18, 0, 7000}, NODE(3)},
	};
	/* The same, and it says good-bye: no waiting. */
	static const struct step leaves[] = {
		{{NODE(1), 0, SIZE, 0, 0, 0}, SEEDER},
		{{NODE(2), 0, SIZE, 0, 0, 0}, NODE(1)},
		{{NODE(3), 0, SIZE, 0, 0, 0}, NODE(2)},
		{{NODE(2), 0, 50, 50, 1, 1000}, 0},
		{{NODE(3), 0, SIZE, 0, 0, 1100}, NODE(1)},
	};

	/* Two side by side die far from the head: the first of the chain does not get a second child for it,
	 * as that would cost all behind it half of their speed. */
	static const struct step two[] = {
		{{NODE(1), 0, SIZE, 0, 0, 0}, SEEDER},
		{{NODE(2), 0, SIZE, 0, 0, 0}, NODE(1)},
		{{NODE(3), 0, SIZE, 0, 0, 0}, NODE(2)},
		{{NODE(4), 0, SIZE, 0, 0, 0}, NODE(3)},
		{{NODE(5), 0, SIZE, 0, 0, 0}, NODE(4)},
		{{NODE(1), 0, 80, 20, 0, 2000}, SEEDER},
		{{NODE(2), 0, 81, 19, 0, 2000}, NODE(1)},
		{{NODE(5), 0, 84, 16, 0, 2000}, NODE(4)},
		{{NODE(5), 0, 84, 16, 0, 4000}, NODE(2)},
		{{NODE(1), 0, 60, 40, 0, 4500}, SEEDER},
		{{NODE(2), 0, 61, 39, 0, 4500}, NODE(1)},
		/* one of them was only slow to announce: it does not come between again */
		{{NODE(3), 0, 83, 17, 0, 5000}, NODE(5)},
		{{NODE(5), 0, 64, 36, 0, 6500}, NODE(2)},
	};

	(void)state;
	PLAY(steps);
	PLAY(leaves);
	PLAY(two);
}

/* A node that reboots has nothing: it is not put below those that it fed. */
static void test_restart_makes_no_cycle(void **state)
{
	static const struct step steps[] = {
		{{NODE(1), 0, SIZE, 0, 0, 0}, SEEDER},
		{{NODE(2), 0, SIZE, 0, 0, 0}, NODE(1)},
		{{NODE(1), 0, 50, 50, 0, 2000}, SEEDER},
		{{NODE(2), 0, 60, 40, 0, 2000}, NODE(1)},
		{{NODE(1), 0, SIZE, 0, 0, 3000}, SEEDER},
		{{NODE(2), 0, 60, 40, 0, 4000}, NODE(1)},
		/* 1 has less than 2 and goes on: 2 is sent away from it */
		{{NODE(1), 0, 90, 10, 0, 5000}, SEEDER},
		{{NODE(2), 0, 60, 40, 0, 6000}, SEEDER},
	};

	(void)state;
	PLAY(steps);
}

static void test_strangers(void **state)
{
	_cleanup_policy_ struct policy *p = make();
	struct policy_answer answer;

	(void)state;
	for (uint32_t i = 0; i < 20; i++)
		(void)announce(p, (struct say){NODE(i), 0, i % 2 ? SIZE : 0, 0, 0, 0});
	answer = announce(p, (struct say){0x0a090001, -1, SIZE, 0, 0, 0});
	assert_int_equal(answer.count, POLICY_PEERS_MAX);
	assert_int_equal(ntohl(answer.peers[0].address.s_addr), SEEDER);
	assert_int_equal(ntohl(answer.peers[1].address.s_addr), NODE(0));
	assert_int_equal(answer.complete, 11);
	assert_int_equal(answer.incomplete, 11);
	answer = announce(p, (struct say){0x0a090001, -1, 0, 0, 0, 100});
	assert_int_equal(answer.count, 0);
	/* nodes never get it: of the other rack nobody feeds less than it does */
	for (uint32_t i = 100; i < 110; i++)
		assert_int_not_equal(ask(p, (struct say){NODE(i), 7, SIZE, 0, 0, 200}), 0x0a090001);
}

static void test_bounds(void **state)
{
	_cleanup_policy_ struct policy *p = make();
	struct policy_announce a = {.want = 1, .left = 1};
	struct policy_answer answer;
	struct policy_peer seeder = {.port = 1};
	uint8_t other[20] = {0};
	int r = 0;

	(void)state;
	for (uint32_t i = 0; i < 2 * POLICY_STRANGERS_LIMIT; i++)
		assert_int_equal(announce(p, (struct say){NODE(i), -1, SIZE, 0, 0, 0}).count,
			i < POLICY_PEERS_MAX ? i + 1 : POLICY_PEERS_MAX);
	assert_int_equal(policy_count(p, hash), POLICY_STRANGERS_LIMIT);
	memcpy(a.infohash, unknown, sizeof(unknown));
	assert_int_equal(policy_announce(p, &a, 0, &answer), -ENOENT);
	for (int i = 0; i < POLICY_TORRENTS_LIMIT && r == 0; i++) {
		other[1] = (uint8_t)i;
		other[2] = 1;
		r = policy_add_seeder(p, other, seeder);
	}
	assert_int_equal(r, -ENOSPC);
	policy_drop(p, hash);
	assert_int_equal(policy_count(p, hash), 0);
	assert_int_equal(policy_add_seeder(p, other, seeder), 0);
}

static void test_expiry(void **state)
{
	static const struct {
		uint64_t left;
		uint64_t lives, gone; /* ms after the last announce */
	} rows[] = {
		{SIZE, POLICY_INTERVAL_S * 2500, POLICY_INTERVAL_S * 2500 + 1},
		{0, POLICY_INTERVAL_COMPLETE_S * 2500, POLICY_INTERVAL_COMPLETE_S * 2500 + 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_policy_ struct policy *p = make();
		struct say other = {NODE(9), 1, SIZE, 0, 1, 1000 + rows[i].lives};

		(void)announce(p, (struct say){NODE(1), 0, rows[i].left, 0, 0, 1000});
		(void)announce(p, other);
		assert_int_equal(policy_count(p, hash), 1);
		other.now += 1000;
		(void)announce(p, other);
		assert_int_equal(policy_count(p, hash), 0);
	}
}

/* Of three seeders two are gone: who got nothing from one gets the one that was blamed longest ago. */
static void test_dead_seeders(void **state)
{
	_cleanup_policy_ struct policy *p = make();
	static const struct step steps[] = {
		{{NODE(1), 0, SIZE, 0, 0, 1000}, SEEDER},
		{{NODE(17), 1, SIZE, 0, 0, 1000}, SEEDER + 1},
		{{NODE(17), 1, SIZE, 0, 0, 3500}, SEEDER + 2},
		{{NODE(1), 0, 90, 10, 0, 3600}, SEEDER},
		{{NODE(17), 1, SIZE, 0, 0, 6000}, SEEDER},
		{{NODE(1), 0, 80, 20, 0, 6100}, SEEDER},
		{{NODE(33), 2, SIZE, 0, 0, 6200}, SEEDER},
		/* half a minute later they are given a chance again */
		{{NODE(49), 3, SIZE, 0, 0, 40000}, SEEDER},
		{{NODE(65), 4, SIZE, 0, 0, 40000}, SEEDER + 1},
	};

	(void)state;
	for (uint32_t i = 1; i < 3; i++)
		assert_int_equal(
			policy_add_seeder(p, hash,
				(struct policy_peer){.address.s_addr = htonl(SEEDER + i), .port = 6881}),
			0);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		uint32_t got = ask(p, steps[i].say);

		if (got != steps[i].expected)
			fail_msg("step %zu: got %08x, not %08x", i, got, steps[i].expected);
	}
}

/* What ten thousand nodes take of memory, and that it is given back when they are silent. */
static void test_memory(void **state)
{
	_cleanup_policy_ struct policy *p = make();
	size_t before = mallinfo2().uordblks, used;
	uint64_t now = 1000;

	(void)state;
	for (uint32_t i = 0; i < 10000; i++)
		(void)announce(p, (struct say){NODE(i), (int)(i / 40), SIZE, 0, 0, now});
	assert_int_equal(policy_count(p, hash), 10000);
	used = mallinfo2().uordblks - before;
	if (before) /* the sanitizers' malloc tells nothing */
		assert_in_range(used, 10000 * sizeof(void *), 10000 * 320);
	now += POLICY_INTERVAL_S * 2500 + 1001;
	(void)announce(p, (struct say){NODE(0), 0, SIZE, 0, 1, now});
	assert_int_equal(policy_count(p, hash), 0);
	/* the lists of pointers stay as long as they were */
	assert_in_range(mallinfo2().uordblks - before, 0, 10000 * 32);
}

/* Whatever a client calls itself, it is the one of its address; and strangers are few. */
static void test_made_up_peers(void **state)
{
	_cleanup_policy_ struct policy *p = make();
	struct policy_announce a = {.address.s_addr = htonl(NODE(7)), .rack = 0, .left = 1, .want = 50};
	struct policy_answer answer;

	(void)state;
	memcpy(a.infohash, hash, sizeof(hash));
	for (uint32_t i = 0; i < 1000000; i++) {
		a.port = (uint16_t)(1 + i % 65535);
		a.downloaded = i;
		assert_int_equal(policy_announce(p, &a, 1000 + i / 1000, &answer), 0);
	}
	assert_int_equal(policy_count(p, hash), 1);
	for (uint32_t i = 0; i < 10000; i++)
		(void)announce(p, (struct say){0x0b000000 + i, -1, SIZE, 0, 0, 2000});
	assert_int_equal(policy_count(p, hash), 1 + POLICY_STRANGERS_LIMIT);
}

/* A node that the cluster file puts elsewhere is one of its new rack, and the old one forgets it. */
static void test_other_rack(void **state)
{
	static const struct step steps[] = {
		{{NODE(1), 0, 0, SIZE, 0, 0}, 0},
		{{NODE(1), 300, 0, SIZE, 0, 10}, 0},
		{{NODE(4), 300, SIZE, 0, 0, 20}, NODE(1)},
		{{NODE(3), 0, SIZE, 0, 0, 30}, SEEDER},
		{{NODE(1), -1, 0, SIZE, 0, 40}, 0},
		{{NODE(5), 300, SIZE, 0, 0, 50}, NODE(4)},
	};

	(void)state;
	PLAY(steps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain_in_joining_order),
		cmocka_unit_test(test_complete_neighbours_first),
		cmocka_unit_test(test_seeder_feeds_few_racks),
		cmocka_unit_test(test_end_of_chain),
		cmocka_unit_test(test_wait_has_an_end),
		cmocka_unit_test(test_way_around_a_slow_one),
		cmocka_unit_test(test_starved_is_not_slow),
		cmocka_unit_test(test_stall),
		cmocka_unit_test(test_suspect),
		cmocka_unit_test(test_paused),
		cmocka_unit_test(test_paused_at_once),
		cmocka_unit_test(test_death_in_the_middle),
		cmocka_unit_test(test_restart_makes_no_cycle),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_dead_seeders),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_made_up_peers),
		cmocka_unit_test(test_other_rack),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
