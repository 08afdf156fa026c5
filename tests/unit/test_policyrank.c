/* The order of a rack's peers against a plain search, and that who joins a rack of thousands costs no look at
 * all of it. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "seeder/policytree.h"

#define PEERS 40
#define TURNS 20000

static int stands_before(const struct peer *a, const struct peer *b)
{
	if (a->children != b->children)
		return a->children < b->children;
	if (a->left != b->left)
		return a->left < b->left;
	return a->at.address.s_addr < b->at.address.s_addr;
}

static void check(const struct rank *r, const struct peer *peers, size_t most)
{
	size_t ranked = 0, first = 0;

	for (size_t i = 0; i < PEERS; i++) {
		ranked += peers[i].is_ranked != 0;
		first += peers[i].is_ranked && peers[i].children < most;
	}
	assert_int_equal(r->count, ranked);
	assert_int_equal(rank_of_children(r, (unsigned)most), first);
	for (size_t i = 1; i < r->count; i++) {
		assert_true(stands_before(r->peers[i - 1], r->peers[i]));
		assert_true(rank_compare(r->peers[i - 1], r->peers[i]) < 0);
	}
}

static void test_order(void **state)
{
	struct peer peers[PEERS] = {0};
	struct rank r = {0};

	(void)state;
	srandom(1);
	assert_int_equal(rank_reserve(&r, PEERS), 0);
	for (size_t i = 0; i < PEERS; i++)
		peers[i].at.address.s_addr = (uint32_t)random();
	for (int turn = 0; turn < TURNS; turn++) {
		struct peer *peer = &peers[random() % PEERS];

		peer->children = (unsigned)random() % 3;
		peer->left = (uint64_t)random() % 4;
		peer->suspect = random() % 50 == 0;
		if (random() % 8)
			rank_put(&r, peer);
		else
			rank_take_out(&r, peer);
		check(&r, peers, (size_t)random() % 4);
		if (turn % 100)
			continue;
		rank_sift(&r);
		for (size_t i = 0; i < PEERS; i++)
			assert_false(peers[i].is_ranked && peers[i].suspect);
		check(&r, peers, 1);
	}
	rank_release(&r);
}

/* ---- one rack of thousands ---- */

#define NODES   10000u
#define SIZE    1000u
#define SEEDER  0x0a000001
#define NODE(i) (0x0a010000 + (i)*40503u % 65536)

static const uint8_t hash[20] = {1};

/* The one peer handed out, 0: none. */
static uint32_t ask(struct policy *p, uint32_t address, uint64_t left, int paused, uint64_t now)
{
	struct policy_announce a = {.address.s_addr = htonl(address),
		.port = 6881,
		.left = left,
		.downloaded = SIZE - left,
		.paused = paused};
	struct policy_answer answer;

	memcpy(a.infohash, hash, sizeof(hash));
	assert_int_equal(policy_announce(p, &a, now, &answer), 0);
	return answer.count ? ntohl(answer.peers[0].address.s_addr) : 0;
}

static uint64_t cpu_ms(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/*
 * A power-on, the first of the chain paused when nobody has anything, a rack that is done, one that is
 * paused, a power cut. With a look at the whole rack, and from each of its nodes up, all this takes half a
 * minute.
 */
static void test_rack_of_thousands(void **state)
{
	_cleanup_policy_ struct policy *p = policy_new(1);
	struct policy_peer seeder = {.address.s_addr = htonl(SEEDER), .port = 6881};
	uint64_t begin = cpu_ms(), took;

	(void)state;
	assert_int_equal(policy_add_seeder(p, hash, seeder), 0);
	for (uint32_t i = 0; i < NODES; i++)
		assert_int_equal(ask(p, NODE(i), SIZE, 0, 1000), i ? NODE(i - 1) : SEEDER);
	policy_pause(p, (struct in_addr){htonl(NODE(0))}, 1);
	for (uint32_t i = 0; i < 100; i++)
		(void)ask(p, NODE(1), SIZE, 0, 1000);
	for (uint32_t i = 0; i < NODES; i++)
		assert_int_equal(ask(p, NODE(i), 0, 0, 2000), 0);
	for (uint32_t i = NODES; i < NODES + 1000; i++)
		assert_int_not_equal(ask(p, NODE(i), SIZE, 0, 2000), SEEDER);
	for (uint32_t i = 0; i < NODES + 1000; i++)
		(void)ask(p, NODE(i), 0, 1, 3000);
	assert_int_equal(ask(p, NODE(NODES + 1000), SIZE, 0, 3000), SEEDER);
	for (uint32_t i = 0; i < NODES; i++)
		(void)ask(p, NODE(i), SIZE, 0, 4000);
	(void)ask(p, NODE(0), SIZE, 0, 4000 + 3000 * POLICY_INTERVAL_COMPLETE_S);
	assert_int_equal(policy_count(p, hash), 1);
	took = cpu_ms() - begin;
	print_message("%llu ms\n", (unsigned long long)took);
	assert_true(took < 5000); /* under the sanitizers too */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_rack_of_thousands),
	};

	return cmocka_run_group_tests_name("policyrank", tests, NULL, NULL);
}
