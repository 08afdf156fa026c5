/* The seed policy: what follows from it, and its JSON both ways. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "seeder/wire/seed.h"

#define MAC "52:54:00:aa:00:01"

static void test_decide(void **state)
{
	static const struct {
		struct seed_policy policy;
		uint64_t uptime;
		size_t jobs;
		enum seed_state expected;
	} rows[] = {
		{{0}, 0, 0, SEED_ON},
		{{0}, UINT64_MAX, 9, SEED_ON},
		{{.pause_for_job = 1}, 5, 0, SEED_ON},
		{{.pause_for_job = 1}, 5, 1, SEED_JOB},
		{{.paused = 1}, 5, 0, SEED_PAUSED},
		{{.paused = 1, .pause_for_job = 1}, 5, 1, SEED_PAUSED},
		{{.until = 60}, 59, 0, SEED_ON},
		{{.until = 60}, 60, 0, SEED_OVER},
		{{.until = 60, .paused = 1, .pause_for_job = 1}, 61, 1, SEED_OVER},
		{{.rate = 1}, 61, 1, SEED_ON},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (seed_decide(&rows[i].policy, rows[i].uptime, rows[i].jobs) != rows[i].expected)
			fail_msg("row %zu", i);
}

static void test_join(void **state)
{
	static const struct {
		struct seed_policy a, b, expected;
	} rows[] = {
		{{0}, {0}, {0}},
		{{.rate = 5, .until = 9}, {0}, {.rate = 5, .until = 9}},
		{{.rate = 5, .until = 9}, {.rate = 7, .until = 8}, {.rate = 5, .until = 8}},
		{{.paused = 1}, {.pause_for_job = 1}, {.paused = 1, .pause_for_job = 1}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct seed_policy got = seed_join(&rows[i].a, &rows[i].b);

		assert_memory_equal(&got, &rows[i].expected, sizeof(got));
		got = seed_join(&rows[i].b, &rows[i].a);
		assert_memory_equal(&got, &rows[i].expected, sizeof(got));
	}
}

static void test_policy_round(void **state)
{
	static const struct seed_policy rows[] = {
		{0}, {1, 0, 7200, 100000000}, {0, 1, SEED_UNTIL_MAX, SEED_RATE_MAX}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf text = {0};
		struct seed_policy got = {0};

		assert_int_equal(seed_policy_format(&rows[i], &text), 0);
		assert_true(text.len < SEED_LIMIT);
		assert_int_equal(seed_policy_parse(text.data, text.len, &got, NULL), 0);
		assert_memory_equal(&got, &rows[i], sizeof(got));
	}
}

static void test_said_round(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SEED_STATE_COUNT; i++) {
		const struct seed_said said = {.node = "n001", .mac = MAC, .state = (enum seed_state)i};
		_cleanup_buf_ struct buf text = {0};
		struct seed_said got = {0};

		assert_int_equal(seed_said_format(&said, &text), 0);
		assert_int_equal(seed_said_parse(text.data, text.len, &got, NULL), 0);
		assert_string_equal(got.node, said.node);
		assert_string_equal(got.mac, said.mac);
		assert_int_equal(got.state, said.state);
		assert_false(got.has_paused_by);
	}
}

static void test_paused_by(void **state)
{
	struct seed_said said = {.node = "n001",
		.mac = MAC,
		.has_paused_by = 1,
		.paused_by = "http://10.0.0.1:8080 http://10.0.0.2:80"};
	_cleanup_buf_ struct buf text = {0};
	struct seed_said got = {0};

	(void)state;
	assert_int_equal(seed_said_format(&said, &text), 0);
	assert_int_equal(seed_said_parse(text.data, text.len, &got, NULL), 0);
	assert_true(got.has_paused_by);
	assert_string_equal(got.paused_by, said.paused_by);
	/* four seeders with the longest URLs still fit */
	memset(said.node, 'n', sizeof(said.node) - 1);
	memset(said.paused_by, 'x', sizeof(said.paused_by) - 1);
	buf_release(&text);
	assert_int_equal(seed_said_format(&said, &text), 0);
	assert_int_equal(seed_said_parse(text.data, text.len, &got, NULL), 0);
}

#define POLICY "\"paused\":false,\"pause_for_job\":false,\"until\":0"
#define UNTIL  "\"paused\":false,\"pause_for_job\":false,\"rate\":0,\"until\":"
#define SAID   "\"node\":\"n1\",\"mac\":\"" MAC "\""

static void test_faults(void **state)
{
	static const struct {
		const char *text, *policy, *said; /* the sentence of each reader; NULL: it is taken */
	} rows[] = {
		{"", "not a JSON object", "not a JSON object"},
		{"[]", "not a JSON object: another type", "not a JSON object: another type"},
		{"{} {}", "not a JSON object", "not a JSON object"},
		{"{" POLICY ",\"rate\":0,\"later\":[]}", NULL, "node: wanted is"},
		{"{" POLICY "}", "rate: wanted is a whole number", "node"},
		{"{" POLICY ",\"rate\":-1}", "rate: wanted is a whole number", "node"},
		{"{" POLICY ",\"rate\":2147483647}", NULL, "node"},
		{"{" POLICY ",\"rate\":2147483648}", "rate: wanted is a whole number from 0 to 2147483647",
			"node"},
		{"{" UNTIL "31536000}", NULL, "node"},
		{"{" UNTIL "31536001}", "until: wanted is a whole number from 0 to 31536000", "node"},
		/* times 1000 it was 384 ms */
		{"{" UNTIL "18446744073709552}", "until: wanted is a whole number", "node"},
		{"{" POLICY ",\"rate\":1.5}", "rate: wanted is a whole number", "node"},
		{"{" POLICY ",\"rate\":18446744073709551616}", "not a JSON object", "not a JSON object"},
		{"{" POLICY ",\"rate\":1,\"rate\":2}", "duplicate", "duplicate"},
		{"{\"paused\":1}", "paused: wanted is true or false", "node"},
		{"{" SAID ",\"state\":\"on\",\"later\":1}", "paused", NULL},
		{"{" SAID ",\"state\":\"on\",\"paused_by\":\"\"}", "paused", NULL},
		{"{" SAID ",\"state\":\"on\",\"paused_by\":[]}", "paused", "paused_by: wanted is URLs"},
		{"{" SAID ",\"state\":\"on\",\"paused_by\":\"\\u001b[2J\"}", "paused",
			"paused_by: wanted is URLs"},
		{"{" SAID "}", "paused", "state: wanted is unknown, on, job, paused or over"},
		{"{" SAID ",\"state\":\"off\"}", "paused", "state: wanted is"},
		{"{\"node\":\"N1\",\"mac\":\"" MAC "\",\"state\":\"on\"}", "paused", "node: wanted is"},
		{"{\"node\":\"n1\",\"mac\":\"52:54\",\"state\":\"on\"}", "paused", "mac: wanted is"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct seed_policy policy;
		struct seed_said said;
		struct err a = {0}, b = {0};
		size_t len = strlen(rows[i].text);

		if (seed_policy_parse(rows[i].text, len, &policy, &a) != (rows[i].policy ? -EBADMSG : 0) ||
			(rows[i].policy && !strstr(a.text, rows[i].policy)))
			fail_msg("row %zu, policy: '%s'", i, a.text);
		if (seed_said_parse(rows[i].text, len, &said, &b) != (rows[i].said ? -EBADMSG : 0) ||
			(rows[i].said && !strstr(b.text, rows[i].said)))
			fail_msg("row %zu, said: '%s'", i, b.text);
	}
}

static void test_too_large(void **state)
{
	char text[SEED_LIMIT + 1];
	struct seed_policy policy;
	struct err err = {0};

	(void)state;
	memset(text, ' ', sizeof(text));
	assert_int_equal(seed_policy_parse(text, sizeof(text), &policy, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "larger than 1024 bytes"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decide),
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_policy_round),
		cmocka_unit_test(test_said_round),
		cmocka_unit_test(test_paused_by),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
