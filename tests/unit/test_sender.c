/* Who may speak for a node, and what says where it is. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>

#include "seeder/sender.h"
#include "tests/unit/cluster_sample.h"
#include "tests/unit/tempdir.h"

#define N1 "52:54:00:aa:00:01" /* 10.77.0.11 by the file */
#define N2 "52:54:00:aa:00:02" /* no address there, nor K1 */
#define K1 "52:54:00:aa:00:03"

struct table {
	struct cluster *cluster;
	struct status *status;
};

static void table_open(struct table *t, void **state)
{
	_cleanup_free_ char *path = path_join(*state, "nodes.db");

	t->cluster = sample_cluster(state);
	assert_int_equal(status_open(path, &t->status, NULL), 0);
	assert_int_equal(status_sync(t->status, t->cluster), 0);
}

static void table_close(struct table *t)
{
	status_close(t->status);
	cluster_free(t->cluster);
}

static struct sender from(const struct table *t, const char *address)
{
	struct sender s = {.cluster = t->cluster, .status = t->status};

	assert_int_equal(inet_pton(AF_INET, address, &s.from), 1);
	return s;
}

static void expect_place(const struct table *t, const char *mac, const char *address)
{
	char got[INET_ADDRSTRLEN];

	(void)inet_ntop(AF_INET, &status_row(t->status, mac)->address, got, sizeof(got));
	assert_string_equal(got, address);
}

static void test_who(void **state)
{
	static const struct {
		const char *mac, *from;
		int report, ask;
		const char *says;
	} rows[] = {
		{N1, "10.77.0.11", 0, 0, ""},
		{N1, "127.0.0.1", 0, 0, ""},
		{N1, "10.77.0.1", 0, 0, ""}, /* the head's own */
		{N1, "10.77.0.120", 0, -EPERM,
			"10.77.0.120 may not speak for node n001: it is at 10.77.0.11"},
		{N2, "10.77.0.120", 0, 0, ""}, /* known */
		{N2, "10.77.0.121", 0, -EPERM,
			"10.77.0.121 may not speak for node n002: it is at 10.77.0.120"},
		{N2, "10.77.0.11", -EPERM, -EPERM,
			"10.77.0.11 may not speak for node n002: that is the address of n001"},
		{K1, "10.77.0.121", 0, 0, ""}, /* neither it nor the place is known */
		{K1, "10.77.0.120", 0, -EPERM,
			"10.77.0.120 may not speak for node k001: that is the address of n002"},
	};
	struct table t;
	struct sender s;

	table_open(&t, state);
	s = from(&t, "10.77.0.120");
	sender_boots(&s, N2);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct cluster_node *node = cluster_node_by_mac(t.cluster, rows[i].mac);
		struct err err = {0};

		s = from(&t, rows[i].from);
		if (sender_check_report(&s, node, NULL) != rows[i].report ||
			sender_check_ask(&s, node, &err) != rows[i].ask ||
			strcmp(err.text, rows[i].says) != 0)
			fail_msg("row %zu: '%s'", i, err.text);
	}
	table_close(&t);
}

static void test_places(void **state)
{
	struct table t;
	struct sender s;

	table_open(&t, state);
	s = from(&t, "10.77.0.121");
	sender_boots(&s, N1);
	expect_place(&t, N1, "0.0.0.0");
	assert_null(status_row_at(t.status, s.from));
	sender_found(&s, N2);
	expect_place(&t, N2, "10.77.0.121");
	s = from(&t, "10.77.0.122");
	sender_found(&s, N2);
	expect_place(&t, N2, "10.77.0.121");
	sender_boots(&s, N2);
	expect_place(&t, N2, "10.77.0.122");
	/* nor from the head, nor from where another one is by the file */
	s = from(&t, "127.0.0.1");
	sender_boots(&s, N2);
	s = from(&t, "10.77.0.11");
	sender_boots(&s, N2);
	expect_place(&t, N2, "10.77.0.122");
	/* who boots where another one was has its address now */
	s = from(&t, "10.77.0.122");
	sender_boots(&s, K1);
	expect_place(&t, N2, "0.0.0.0");
	expect_place(&t, K1, "10.77.0.122");

	/* and it is known after a restart */
	table_close(&t);
	table_open(&t, state);
	expect_place(&t, N2, "0.0.0.0");
	expect_place(&t, K1, "10.77.0.122");
	assert_ptr_equal(status_row_at(t.status, s.from), status_row(t.status, K1));
	table_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_who),
		unit_test_in_dir(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
