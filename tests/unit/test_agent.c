/* The agent's pure parts: memory rule, back-off, phase times, the fetcher's lines, the stall rule, argument
 * vectors. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "initramfs/backoff.h"
#include "initramfs/fetch.h"
#include "initramfs/link.h"
#include "initramfs/memory.h"
#include "initramfs/report.h"
#include "initramfs/up.h"

#define MIB (1ULL << 20)

static void test_memory_plan(void **state)
{
	static const struct {
		uint64_t total, image, overlay, reserve; /* MiB */
		int code;
		uint64_t gets; /* MiB */
	} rows[] = {
		{1024, 200, 0, 0, 0, 256},
		{1024, 200, 512, 0, 0, 512},
		{1024, 568, 200, 0, 0, 200},     /* just fits */
		{1024, 568, 201, 0, -ENOMEM, 0}, /* just not */
		{1024, 600, 0, 0, 0, 168},       /* the default gives way ... */
		{1024, 704, 0, 0, 0, 64},        /* ... down to its minimum */
		{1024, 705, 0, 0, -ENOMEM, 0},
		{128, 1, 0, 0, -ENOMEM, 0},  /* less than the reserve */
		{1024, 200, 0, 700, 0, 124}, /* a reserve of the release's own */
		{1024, 760, 200, 64, 0, 200},
		{1024, 761, 200, 64, -ENOMEM, 0},
		{1024, 1, 1, 1ULL << 43, -ENOMEM, 0},
		{1024, 1ULL << 43, 1, 0, -ENOMEM, 0}, /* nothing wraps */
		{1024, 1, 1ULL << 43, 0, -ENOMEM, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct memory_plan plan = {0};
		struct err err = {0};
		const struct memory_wants wants = {
			rows[i].image * MIB, rows[i].overlay * MIB, rows[i].reserve * MIB};
		int r = memory_plan(rows[i].total * MIB, &wants, &plan, &err);

		if (r != rows[i].code || plan.overlay != rows[i].gets * MIB)
			fail_msg("row %zu: %d, overlay %llu MiB", i, r,
				(unsigned long long)(plan.overlay / MIB));
	}
}

/* The operator has to be able to do the sum. */
static void test_memory_sentence(void **state)
{
	struct memory_wants wants = {.image = 300 * MIB};
	struct memory_plan plan;
	struct err err = {0};

	(void)state;
	assert_int_equal(memory_plan(512 * MIB, &wants, &plan, &err), -ENOMEM);
	assert_string_equal(err.text,
		"not enough memory: image 300 MiB + overlay 64 MiB + reserve 256 MiB > 512 MiB of RAM");
	wants.reserve = 1024 * MIB;
	assert_int_equal(memory_plan(512 * MIB, &wants, &plan, &err), -ENOMEM);
	assert_string_equal(err.text,
		"not enough memory: image 300 MiB + overlay 64 MiB + reserve 1024 MiB > 512 MiB of RAM");
}

static void test_backoff(void **state)
{
	static const struct {
		unsigned failures;
		uint64_t least, most;
	} rows[] = {
		{1, 1000, 2000}, {2, 2000, 4000}, {5, 16000, 32000}, {6, 30000, 60000}, {1000, 30000, 60000}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(backoff_ms(rows[i].failures, 0), rows[i].least);
		assert_int_equal(backoff_ms(rows[i].failures, (uint32_t)(rows[i].most / 2)), rows[i].most);
		assert_in_range(backoff_ms(rows[i].failures, UINT32_MAX), rows[i].least, rows[i].most);
	}
}

/* 200 nodes lose the head at once, for two minutes: they come back over half a minute and more, and never
 * many in one second. */
static void test_backoff_spreads(void **state)
{
	const uint64_t away = 120000;
	uint64_t first = UINT64_MAX, last = 0;
	unsigned per_second[128] = {0};

	(void)state;
	srandom(1);
	for (unsigned node = 0; node < 200; node++) {
		uint64_t now = 0;

		for (unsigned failures = 1; now < away; failures++)
			now += backoff_ms(failures, (uint32_t)random());
		now -= away;
		first = now < first ? now : first;
		last = now > last ? now : last;
		per_second[now / 1000]++;
	}
	assert_true(last - first >= 30000);
	for (size_t i = 0; i < ARRAY_SIZE(per_second); i++)
		assert_in_range(per_second[i], 0, 20);
}

/* Phases add up to the clock; a phase entered again goes on where it was. */
static void test_report_phases(void **state)
{
	struct report r = {0};

	(void)state;
	report_enter(&r, PHASE_START, 3000);
	report_enter(&r, PHASE_RELEASE, 5000);
	report_enter(&r, PHASE_FETCH, 6000);
	r.failed = 1;
	(void)strcpy(r.error, "why");
	report_enter(&r, PHASE_RELEASE, 9000);
	assert_int_equal(r.failed, 0);
	assert_string_equal(r.error, "why");
	report_enter(&r, PHASE_FETCH, 9500);
	report_clock(&r, 12000);
	assert_int_equal(r.phase_count, 3);
	assert_int_equal(r.phases[0].ms, 5000);
	assert_int_equal(r.phases[1].ms, 1500);
	assert_int_equal(r.phases[2].ms, 5500);
	assert_int_equal(r.phase, PHASE_FETCH);
}

static void test_report_needs_network(void **state)
{
	struct reporter r = {.seeder_count = 1};

	(void)state;
	assert_int_equal(report_send(&r, NULL), -ENETDOWN);
	r.has_network = 1;
	r.quiet_until_ms[0] = UINT64_MAX;
	assert_int_equal(report_send(&r, NULL), -EAGAIN);
}

static void test_fetch_lines(void **state)
{
	static const struct {
		const char *line;
		enum fetch_line kind;
		uint64_t done, rss;
	} rows[] = {
		{"progress 1 2 3 4 5 6 7", FETCH_PROGRESS, 1, 7},
		{"progress 0 18446744073709551615 0 0 0 0 18446744073709551615", FETCH_PROGRESS, 0,
			UINT64_MAX},
		{"progress 3 2 3 4 5 6 7", FETCH_OTHER, 0, 0},
		{"progress 1 2 3 4 5 6", FETCH_OTHER, 0, 0},
		{"progress 1 2 3 4 5 6 7 8", FETCH_OTHER, 0, 0},
		{"progress 1 2 3 4 5 -6 7", FETCH_OTHER, 0, 0},
		{"progress 1 2 3 4 5 18446744073709551616 7", FETCH_OTHER, 0, 0},
		{"progress ", FETCH_OTHER, 0, 0},
		{"done", FETCH_DONE, 0, 0},
		{"done ", FETCH_OTHER, 0, 0},
		{"failed disk full", FETCH_FAILED, 0, 0},
		{"", FETCH_OTHER, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fetch_progress p = {0};

		if (fetch_parse_line(rows[i].line, &p) != rows[i].kind || p.done != rows[i].done ||
			p.rss != rows[i].rss)
			fail_msg("row %zu: '%s'", i, rows[i].line);
	}
}

static void test_fetch_stalled(void **state)
{
	struct fetch_stall s = {0};

	(void)state;
	assert_false(fetch_stalled(&s, 0, 1000, 500));
	assert_false(fetch_stalled(&s, 0, 1499, 500));
	assert_false(fetch_stalled(&s, 9, 1500, 500));
	assert_false(fetch_stalled(&s, 9, 1999, 500));
	assert_true(fetch_stalled(&s, 9, 2000, 500));
}

static void test_netmask_prefix(void **state)
{
	static const struct {
		const char *mask;
		int prefix;
	} rows[] = {{"255.255.255.0", 24}, {"0.0.0.0", 0}, {"255.255.255.255", 32}, {"255.255.254.0", 23},
		{"255.0.255.0", -EINVAL}, {"0.0.0.255", -EINVAL}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct in_addr mask;

		assert_int_equal(inet_pton(AF_INET, rows[i].mask, &mask), 1);
		assert_int_equal(netmask_prefix(mask), rows[i].prefix);
	}
}

static void test_up_units(void **state)
{
	char list[24] = "";

	(void)state;
	up_add_unit("munge.service loaded failed failed MUNGE", list, sizeof(list));
	up_add_unit("", list, sizeof(list));
	up_add_unit("* a.mount loaded", list, sizeof(list));
	assert_string_equal(list, "munge.service a.mount");
	up_add_unit("b.mount does not fit", list, sizeof(list));
	assert_string_equal(list, "munge.service a.mount");
}

static void test_role_argv(void **state)
{
	static const char *const want[] = {"/init", "fetch", "--torrent", "t", "--file", "/d/f", "--name",
		"n", "--size", "18446744073709551615", "--listen", "l", "--root", "/d", "--seeder",
		"http://a", "--seeder", "http://b"};
	const struct role role = {.torrent = "t",
		.file = "/d/f",
		.root = "/d",
		.name = "n",
		.size = UINT64_MAX,
		.listen = "l",
		.seeders = {.items = {"http://a", "http://b"}, .count = 2}};
	struct role_argv argv;

	(void)state;
	role_argv(&role, "/init", "fetch", &argv);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_string_equal(argv.argv[i], want[i]);
	assert_null(argv.argv[ARRAY_SIZE(want)]);
}

static void test_report_pause(void **state)
{
	static const struct {
		uint64_t took, pause;
	} rows[] = {{0, 1000}, {20, 1000}, {21, 1050}, {100, 5000}, {200, 10000}, {2000, 10000},
		{UINT64_MAX, 10000}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(report_pause_ms(rows[i].took), rows[i].pause);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_plan),
		cmocka_unit_test(test_memory_sentence),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_backoff_spreads),
		cmocka_unit_test(test_report_phases),
		cmocka_unit_test(test_report_needs_network),
		cmocka_unit_test(test_fetch_lines),
		cmocka_unit_test(test_fetch_stalled),
		cmocka_unit_test(test_netmask_prefix),
		cmocka_unit_test(test_up_units),
		cmocka_unit_test(test_role_argv),
		cmocka_unit_test(test_report_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
