/* The node table: what events do to rows, what comes back from its file, its JSON. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#include "imager/base/text.h"
#include "seeder/seedwords.h"
#include "seeder/status.h"
#include "tests/unit/cluster_sample.h"
#include "tests/unit/tempdir.h"

#define N1 "52:54:00:aa:00:01"
#define N2 "52:54:00:aa:00:02"

static struct status *open_table(void **state, const struct cluster *c)
{
	_cleanup_free_ char *path = path_join(*state, "nodes.db");
	struct status *s = NULL;
	struct err err = {0};

	if (status_open(path, &s, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(status_sync(s, c), 0);
	return s;
}

static struct report report_of(const char *node, const char *mac, enum phase phase, const char *error)
{
	struct report r = {.phase = phase, .failed = *error != '\0'};

	(void)snprintf(r.node, sizeof(r.node), "%s", node);
	(void)snprintf(r.mac, sizeof(r.mac), "%s", mac);
	(void)snprintf(r.error, sizeof(r.error), "%s", error);
	return r;
}

/* A fault stays until a later phase succeeds; `since` moves with the phase only. */
static void test_reports(void **state)
{
	static const struct {
		enum phase phase;
		const char *error;
		uint64_t now;
		const char *shown;
		uint64_t since;
	} rows[] = {
		{PHASE_START, "", 10, "", 10},
		{PHASE_FETCH, "", 11, "", 11},
		{PHASE_FETCH, "", 12, "", 11},
		{PHASE_VERIFY, "wrong digest", 13, "wrong digest", 13},
		{PHASE_FETCH, "", 14, "wrong digest", 14},
		{PHASE_FETCH, "no peers", 15, "no peers", 14},
		{PHASE_START, "", 16, "no peers", 16},
		{PHASE_FETCH, "", 17, "no peers", 17},
		{PHASE_VERIFY, "", 18, "", 18},
		{PHASE_UP, "unit failed", 19, "unit failed", 19},
		{PHASE_UP, "", 20, "", 19},
	};
	struct status_row row = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct report r = report_of("n001", N1, rows[i].phase, rows[i].error);

		status_row_apply(&row, &r, rows[i].now);
		assert_int_equal(row.last.phase, rows[i].phase);
		assert_string_equal(row.error, rows[i].shown);
		assert_int_equal(row.since, rows[i].since);
		assert_int_equal(row.seen, rows[i].now);
	}
}

static void test_refused(void **state)
{
	_cleanup_cluster_ struct cluster *c = sample_cluster(state);
	_cleanup_(status_close_p) struct status *s = open_table(state, c);
	static const struct {
		const char *node, *mac;
		int expected;
		const char *sentence;
	} rows[] = {
		{"n001", N1, 0, ""},
		{"n001", N2, -EPERM, "MAC " N2 " is that of node n002, not of n001"},
		{"n001", "52:54:00:aa:00:09", -EPERM, "node n001 has another MAC"},
		{"x", "52:54:00:aa:00:09", -ENOENT, "is in no cluster file"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct report r = report_of(rows[i].node, rows[i].mac, PHASE_UP, "");
		struct err err = {0};

		assert_int_equal(status_apply(s, c, &r, 5, &err), rows[i].expected);
		assert_non_null(strstr(err.text, rows[i].sentence));
	}
	assert_int_equal(status_row(s, N1)->last.phase, PHASE_UP);
	assert_int_equal(status_row(s, N2)->last.phase, PHASE_UNKNOWN);
	assert_int_equal(status_row(s, "52:54:00:aa:00:09")->last.phase, PHASE_DISCOVERED);
	assert_string_equal(status_row(s, "52:54:00:aa:00:09")->node, "");
}

static void test_offered(void **state)
{
	_cleanup_cluster_ struct cluster *c = sample_cluster(state);
	_cleanup_(status_close_p) struct status *s = open_table(state, c);
	const struct cluster_node *node = cluster_node_by_mac(c, N1);
	const struct status_offer none = {.reason = "no such release"};
	const struct status_offer offer = {.release = "sha256:ab", .profile = "slurm", .sequence = 7};
	struct report r = report_of("n001", N1, PHASE_MOUNT, "no memory");

	assert_int_equal(status_offered(s, node, &none, 1), 0);
	assert_string_equal(status_row(s, N1)->error, "no such release");
	assert_true(status_row(s, N1)->last.failed);
	assert_int_equal(status_offered(s, node, &offer, 2), 0);
	assert_string_equal(status_row(s, N1)->error, "");
	assert_string_equal(status_row(s, N1)->last.release, "sha256:ab");
	r.bytes_from_peers = 9;
	assert_int_equal(status_apply(s, c, &r, 3, NULL), 0);
	/* The next boot: the numbers go, the fault is not forgotten. */
	assert_int_equal(status_offered(s, node, &offer, 4), 0);
	assert_int_equal(status_row(s, N1)->last.bytes_from_peers, 0);
	assert_int_equal(status_row(s, N1)->last.phase, PHASE_OFFERED);
	assert_int_equal(status_row(s, N1)->since, 4);
	assert_string_equal(status_row(s, N1)->error, "no memory");
}

static void test_discovered_limit(void **state)
{
	_cleanup_cluster_ struct cluster *c = sample_cluster(state);
	_cleanup_(status_close_p) struct status *s = open_table(state, c);
	size_t count;

	for (unsigned i = 0; i < STATUS_DISCOVERED_MAX + 10; i++) {
		char mac[MAC_TEXT_SIZE];

		(void)snprintf(mac, sizeof(mac), "02:00:00:00:%02x:%02x", i >> 8, i & 255);
		assert_int_equal(status_discovered(s, mac, i + 1), 0);
	}
	(void)status_rows(s, &count);
	assert_int_equal(count, c->node_count + STATUS_DISCOVERED_MAX);
	assert_null(status_row(s, "02:00:00:00:00:09"));
	assert_non_null(status_row(s, "02:00:00:00:00:0a"));
	assert_non_null(status_row(s, N1));
}

static void test_restart(void **state)
{
	_cleanup_cluster_ struct cluster *c = sample_cluster(state);
	_cleanup_(status_close_p) struct status *s = open_table(state, c);
	struct report r = report_of("n001", N1, PHASE_VERIFY, "wrong digest");

	r.sequence = 3;
	r.phases[0] = (struct report_phase){PHASE_FETCH, 1500};
	r.phase_count = 1;
	assert_int_equal(status_apply(s, c, &r, 100, NULL), 0);
	assert_int_equal(status_discovered(s, "02:00:00:00:00:01", 101), 0);
	assert_int_equal(status_flush(s, NULL, NULL), 0);
	r.phase = PHASE_UP;
	r.failed = 0;
	r.error[0] = '\0';
	assert_int_equal(status_apply(s, c, &r, 105, NULL), 0);
	status_close(TAKE(s));

	s = open_table(state, c);
	assert_int_equal(status_row(s, N1)->last.phase, PHASE_UP);
	assert_int_equal(status_row(s, N1)->last.sequence, 3);
	assert_int_equal(status_row(s, N1)->last.phases[0].ms, 1500);
	assert_int_equal(status_row(s, N1)->since, 105);
	assert_string_equal(status_row(s, N1)->error, "");
	assert_int_equal(status_row(s, "02:00:00:00:00:01")->last.phase, PHASE_DISCOVERED);
	assert_int_equal(status_row(s, "02:00:00:00:00:01")->seen, 101);
}

/* What others do to the table while it is written. */
struct meddler {
	struct status *status;
	int held, locks;
};

static void meddle_lock(void *arg)
{
	struct meddler *m = arg;

	assert_int_equal(m->held++, 0);
	/* 1: whether; 2: who is gone; then for each batch its rows, and that they are written */
	if (++m->locks != 5)
		return;
	assert_int_equal(status_discovered(m->status, "02:00:00:00:00:00", 777), 0);
	assert_int_equal(status_discovered(m->status, "01:00:00:00:00:00", 777), 0);
	assert_int_equal(status_discovered(m->status, "02:ff:00:00:00:00", 777), 0);
}

static void meddle_unlock(void *arg)
{
	struct meddler *m = arg;

	assert_int_equal(--m->held, 0);
}

static void test_flush_in_batches(void **state)
{
	_cleanup_cluster_ struct cluster *c = sample_cluster(state);
	_cleanup_(status_close_p) struct status *s = open_table(state, c);
	struct meddler m = {.status = s};
	const struct status_guard guard = {meddle_lock, meddle_unlock, &m};
	char mac[MAC_TEXT_SIZE];

	for (unsigned i = 0; i < 600; i++) {
		(void)snprintf(mac, sizeof(mac), "02:00:00:00:%02x:%02x", i >> 8, i & 255);
		assert_int_equal(status_discovered(s, mac, 5), 0);
	}
	assert_int_equal(status_flush(s, &guard, NULL), 0);
	assert_int_equal(m.locks, 8);
	/* changed again after it was taken; new before the batch; new behind it */
	assert_int_equal(status_row(s, "02:00:00:00:00:00")->changed, STATUS_CHANGED);
	assert_int_equal(status_row(s, "01:00:00:00:00:00")->changed, STATUS_CHANGED);
	assert_int_equal(status_row(s, "02:ff:00:00:00:00")->changed, STATUS_CLEAN);
	assert_int_equal(status_row(s, "02:00:00:00:02:57")->changed, STATUS_CLEAN);
	m.locks = 100;
	assert_int_equal(status_flush(s, &guard, NULL), 0);
	assert_int_equal(status_row(s, "02:00:00:00:00:00")->changed, STATUS_CLEAN);
	status_close(TAKE(s));
	s = open_table(state, c);
	assert_int_equal(status_row(s, "02:00:00:00:00:00")->seen, 777);
	assert_int_equal(status_row(s, "02:ff:00:00:00:00")->seen, 777);
	assert_int_equal(status_row(s, "02:00:00:00:02:57")->seen, 5);
}

/* A row that went and came back while the rows that are gone were being written: it was in the file, and the
 * next flush took it out for good. */
struct revenant {
	struct status *status;
	int locks;
};

static void revive(void *arg)
{
	struct revenant *v = arg;
	char mac[MAC_TEXT_SIZE];

	/* 2: who is gone is taken; 3: that has been written */
	if (++v->locks != 3)
		return;
	for (unsigned i = 1; i <= STATUS_DISCOVERED_MAX; i++) {
		(void)snprintf(mac, sizeof(mac), "04:00:00:00:%02x:%02x", i >> 8, i & 255);
		assert_int_equal(status_discovered(v->status, mac, 6), 0);
	}
	assert_null(status_row(v->status, "02:00:00:00:00:01"));
	assert_int_equal(status_discovered(v->status, "02:00:00:00:00:01", 7), 0);
}

static void leave(void *arg)
{
	(void)arg;
}

static void test_revenant_stays(void **state)
{
	_cleanup_cluster_ struct cluster *c = sample_cluster(state);
	_cleanup_(status_close_p) struct status *s = open_table(state, c);
	struct revenant v = {.status = s};
	const struct status_guard guard = {revive, leave, &v};

	assert_int_equal(status_discovered(s, "02:00:00:00:00:01", 5), 0);
	assert_int_equal(status_flush(s, &guard, NULL), 0);
	assert_true(v.locks > 3);
	assert_non_null(status_row(s, "02:00:00:00:00:01"));
	assert_int_equal(status_flush(s, NULL, NULL), 0);
	status_close(TAKE(s));
	s = open_table(state, c);
	assert_non_null(status_row(s, "02:00:00:00:00:01"));
	assert_null(status_row(s, "04:00:00:00:00:01"));
}

/* A MAC that was discovered becomes a node, a node that is gone loses its row, after a restart too. */
static void test_sync(void **state)
{
	static const char other[] = SAMPLE_HEAD SAMPLE_NETWORK SAMPLE_GROUPS
		"nodes:\n  n009: {mac: \"02:00:00:00:00:01\", group: compute}\n"
		"  n008: {mac: \"52:54:00:aa:00:02\", group: compute}\n";
	_cleanup_cluster_ struct cluster *c = sample_cluster(state), *next = NULL;
	_cleanup_(status_close_p) struct status *s = open_table(state, c);
	struct report r = report_of("n002", N2, PHASE_UP, "");

	assert_int_equal(status_discovered(s, "02:00:00:00:00:01", 1), 0);
	assert_int_equal(status_apply(s, c, &r, 2, NULL), 0);
	assert_int_equal(status_flush(s, NULL, NULL), 0);
	assert_int_equal(load_cluster(state, other, &next, NULL), 0);
	for (int restarted = 0; restarted < 2; restarted++) {
		assert_int_equal(status_sync(s, next), 0);
		assert_null(status_row(s, N1));
		assert_string_equal(status_row(s, "02:00:00:00:00:01")->node, "n009");
		assert_int_equal(status_row(s, "02:00:00:00:00:01")->last.phase, PHASE_UNKNOWN);
		assert_string_equal(status_row(s, N2)->node, "n008");
		assert_int_equal(status_row(s, N2)->last.phase, PHASE_UNKNOWN);
		status_close(TAKE(s));
		s = open_table(state, next);
	}
}

static void test_json(void **state)
{
	_cleanup_cluster_ struct cluster *c = sample_cluster(state);
	_cleanup_(status_close_p) struct status *s = open_table(state, c);
	_cleanup_buf_ struct buf text = {0};
	struct report r = report_of("n001", N1, PHASE_FETCH, "\xc3");
	json_t *root, *nodes, *node;

	r.phases[0] = (struct report_phase){PHASE_NETWORK, 250};
	r.phase_count = 1;
	assert_int_equal(status_apply(s, c, &r, 7, NULL), 0);
	assert_int_equal(status_discovered(s, "02:00:00:00:00:01", 8), 0);
	assert_int_equal(status_json(s, &c, NULL, &text), 0);
	root = json_loads(text.data, 0, NULL);
	nodes = json_object_get(root, "nodes");
	assert_int_equal(json_array_size(nodes), 4);
	node = json_array_get(nodes, 0);
	assert_string_equal(json_string_value(json_object_get(node, "node")), "n002");
	assert_string_equal(json_string_value(json_object_get(node, "phase")), "unknown");
	node = json_array_get(nodes, 1);
	assert_string_equal(json_string_value(json_object_get(node, "group")), "compute");
	assert_string_equal(json_string_value(json_object_get(node, "rack")), "r1");
	assert_string_equal(json_string_value(json_object_get(node, "error")), TEXT_BROKEN);
	assert_true(json_is_true(json_object_get(node, "failed")));
	node = json_array_get(json_object_get(node, "phases"), 0);
	assert_true(json_real_value(json_object_get(node, "seconds")) == 0.25);
	node = json_array_get(nodes, 3);
	assert_string_equal(json_string_value(json_object_get(node, "phase")), "discovered");
	json_decref(root);
}

/* The cluster file is read again in the middle: its nodes are gone, a discovered MAC is one now. */
struct reloader {
	struct status *status;
	struct cluster *cluster, *next;
	int held, locks;
};

static void reload_lock(void *arg)
{
	struct reloader *r = arg;

	assert_int_equal(r->held++, 0);
	if (++r->locks != 3)
		return;
	assert_int_equal(status_sync(r->status, r->next), 0);
	cluster_free(r->cluster);
	r->cluster = TAKE(r->next);
}

static void reload_unlock(void *arg)
{
	struct reloader *r = arg;

	assert_int_equal(--r->held, 0);
}

static void test_json_while_reloading(void **state)
{
	static const char other[] = SAMPLE_HEAD SAMPLE_NETWORK SAMPLE_GROUPS
		"nodes:\n  n009: {mac: \"02:00:00:00:00:c7\", group: k3s, rack: r9}\n";
	struct reloader r = {.cluster = sample_cluster(state)};
	const struct status_guard guard = {reload_lock, reload_unlock, &r};
	_cleanup_(status_close_p) struct status *s = open_table(state, r.cluster);
	_cleanup_buf_ struct buf text = {0};
	char mac[MAC_TEXT_SIZE];
	json_t *root, *nodes, *node;

	for (unsigned i = 0; i < 200; i++) {
		(void)snprintf(mac, sizeof(mac), "02:00:00:00:00:%02x", i);
		assert_int_equal(status_discovered(s, mac, 8), 0);
	}
	r.status = s;
	assert_int_equal(load_cluster(state, other, &r.next, NULL), 0);
	assert_int_equal(status_json(s, &r.cluster, &guard, &text), 0);
	assert_int_equal(r.locks, 5); /* the list, and 203 rows by 64 */
	root = json_loads(text.data, 0, NULL);
	nodes = json_object_get(root, "nodes");
	assert_int_equal(json_array_size(nodes), 203);
	node = json_array_get(nodes, 0);
	assert_string_equal(json_string_value(json_object_get(node, "rack")), "r2");
	node = json_array_get(nodes, 202);
	assert_string_equal(json_string_value(json_object_get(node, "node")), "n009");
	assert_string_equal(json_string_value(json_object_get(node, "group")), "k3s");
	assert_string_equal(json_string_value(json_object_get(node, "rack")), "r9");
	json_decref(root);
	buf_release(&text);
	text = (struct buf){0};
	assert_int_equal(status_json(s, &r.cluster, NULL, &text), 0);
	assert_null(strstr(text.data, "n001"));
	cluster_free(r.cluster);
}

static void test_addresses(void **state)
{
	_cleanup_cluster_ struct cluster *c = sample_cluster(state);
	_cleanup_(status_close_p) struct status *s = open_table(state, c);
	const struct in_addr a = {.s_addr = 1}, b = {.s_addr = 2};

	status_seen_at(s, N1, a);
	assert_ptr_equal(status_row_at(s, a), status_row(s, N1));
	status_seen_at(s, N2, a);
	assert_ptr_equal(status_row_at(s, a), status_row(s, N2));
	status_seen_at(s, "02:00:00:00:00:01", b);
	assert_null(status_row_at(s, b));
	assert_null(status_row_at(s, (struct in_addr){0}));
}

/* By name, on disk at once; each change as a whole, and again it is the same. */
static void test_pauses(void **state)
{
	_cleanup_cluster_ struct cluster *c = sample_cluster(state);
	_cleanup_(status_close_p) struct status *s = open_table(state, c);
	char *const all[] = {(char[]){"n002"}, (char[]){"n001"}, (char[]){"gone"}};
	struct seed_said said = {.node = "n001", .mac = N1, .state = SEED_JOB};
	_cleanup_buf_ struct buf text = {0};

	assert_false(status_is_paused(s, "n001"));
	for (int again = 0; again < 2; again++)
		assert_int_equal(status_pause(s, all, 3, 1, NULL), 0);
	assert_int_equal(status_pause(s, all, 1, 0, NULL), 0);
	assert_int_equal(status_pause(s, all, 1, 0, NULL), 0);
	for (int restarted = 0; restarted < 2; restarted++) {
		assert_true(status_is_paused(s, "n001"));
		assert_true(status_is_paused(s, "gone"));
		assert_false(status_is_paused(s, "n002"));
		assert_false(status_is_paused(s, ""));
		status_close(TAKE(s));
		s = open_table(state, c);
	}
	assert_int_equal(status_row(s, N1)->seeding, SEED_UNKNOWN);
	assert_int_equal(status_seeding(s, c, &said, 9, NULL), 0);
	assert_int_equal(status_row(s, N1)->seeding, SEED_JOB);
	assert_int_equal(status_row(s, N1)->seen, 9);
	assert_int_equal(status_json(s, &c, NULL, &text), 0);
	assert_non_null(
		strstr(text.data, "\"seeding\":\"job\",\"seed_paused\":true,\"seed_paused_by\":null"));
	memcpy(said.mac, N2, sizeof(said.mac));
	assert_int_equal(status_seeding(s, c, &said, 9, NULL), -EPERM);
	assert_int_equal(
		status_offered(s, cluster_node_by_mac(c, N1), &(struct status_offer){.reason = "none"}, 10),
		0);
	assert_int_equal(status_row(s, N1)->seeding, SEED_UNKNOWN);
}

/* True with one head and with two, for a node that has spoken and for one that has not. */
static void test_seeding_words(void **state)
{
	static const struct {
		struct seedwords seed;
		const char *words;
	} rows[] = {
		{{"on", 0, ""}, ""},
		{{"unknown", 0, NULL}, ""},
		{{"on", 1, ""}, "seeding to be paused"},
		{{"unknown", 1, NULL}, "seeding to be paused"},
		{{"paused", 1, ""}, "seeding paused"},
		{{"paused", 0, ""}, "seeding to be resumed"},
		{{"paused", 0, "http://a:80"}, "seeding paused by http://a:80"},
		{{"paused", 1, "http://a:80"}, "seeding paused here and by http://a:80"},
		{{"paused", 0, NULL}, "seeding paused"},
		{{"job", 0, ""}, "seeding paused for a job"},
		{{"job", 1, ""}, "seeding paused for a job, and to be paused"},
		{{"over", 1, ""}, "seeding over"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf got = {0};

		assert_int_equal(seedwords_add(&rows[i].seed, &got), 0);
		assert_string_equal(got.len ? got.data : "", rows[i].words);
	}
}

static void test_not_a_table(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "nodes.db");
	struct status *s = NULL;
	struct err err = {0};

	assert_int_equal(write_file(path, &(struct file_content){"no database at all", 18, 0644}, NULL), 0);
	assert_int_equal(status_open(path, &s, &err), -EIO);
	assert_null(s);
	assert_memory_equal(err.text, path, strlen(path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reports),
		unit_test_in_dir(test_refused),
		unit_test_in_dir(test_offered),
		unit_test_in_dir(test_discovered_limit),
		unit_test_in_dir(test_restart),
		unit_test_in_dir(test_flush_in_batches),
		unit_test_in_dir(test_revenant_stays),
		unit_test_in_dir(test_sync),
		unit_test_in_dir(test_json),
		unit_test_in_dir(test_json_while_reloading),
		unit_test_in_dir(test_addresses),
		unit_test_in_dir(test_pauses),
		cmocka_unit_test(test_seeding_words),
		unit_test_in_dir(test_not_a_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
