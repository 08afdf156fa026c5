/* Whom a report has reached: each seeder is told once, and those that were away are told the same later. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>

#include "imager/base/loop.h"
#include "initramfs/steps.h"
#include "tests/unit/stubhead.h"
#include "tests/unit/tempdir.h"

static struct stubhead heads[3];

static int set_up(void **state)
{
	if (unit_dir_setup(state) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
		stubhead_make(&heads[i], *state, (const char *const[]){"one", "two", "three"}[i]);
	return 0;
}

static int tear_down(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
		stubhead_end(&heads[i]);
	return unit_dir_teardown(state);
}

/* A node of so many seeders that is somewhere in its boot. */
static void begin(struct reporter *r, size_t seeders)
{
	*r = (struct reporter){.seeder_count = seeders, .has_network = 1};
	for (size_t i = 0; i < seeders; i++)
		(void)snprintf(r->seeders[i], sizeof(r->seeders[i]), "%s", heads[i].url);
	(void)strcpy(r->report.node, "n001");
	(void)strcpy(r->report.mac, "52:54:00:aa:00:01");
	report_enter(&r->report, PHASE_START, 1);
	report_enter(&r->report, PHASE_VERIFY, 2);
}

static void end_pauses(struct reporter *r)
{
	memset(r->quiet_until_ms, 0, sizeof(r->quiet_until_ms));
}

static size_t lines(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

/* The clock goes on; what is told later is what was measured. */
static void test_each_once(void **state)
{
	_cleanup_free_ char *one = NULL, *two = NULL;
	struct reporter r;
	uint64_t measured;
	size_t taken;

	(void)state;
	begin(&r, 2);
	stubhead_serve(&heads[0], STUBHEAD_204);
	assert_int_equal(report_send(&r, NULL), 0);
	measured = r.report.phases[1].ms;
	assert_int_equal(report_owed(&r), 1);
	/* in its pause nobody is asked */
	assert_int_equal(report_repeat(&r, NULL, NULL), -EAGAIN);
	end_pauses(&r);
	assert_int_equal(report_repeat(&r, NULL, NULL), -ECONNREFUSED);
	for (uint64_t begun = monotonic_ms(); monotonic_ms() < begun + 3;)
		;
	stubhead_serve(&heads[1], STUBHEAD_204);
	end_pauses(&r);
	assert_int_equal(report_repeat(&r, &taken, NULL), 0);
	assert_int_equal(taken, 1);
	assert_int_equal(report_owed(&r), 0);
	assert_int_equal(report_repeat(&r, &taken, NULL), 0);
	assert_int_equal(taken, 0);
	one = stubhead_log(&heads[0]);
	two = stubhead_log(&heads[1]);
	assert_int_equal(lines(one), 1);
	assert_string_equal(one, two);
	assert_int_equal(r.report.phases[1].ms, measured);
}

/* A new report is for all again; one that nobody took is no success. */
static void test_new_report(void **state)
{
	_cleanup_free_ char *one = NULL;
	struct reporter r;

	(void)state;
	begin(&r, 2);
	assert_int_equal(report_send(&r, NULL), -ECONNREFUSED);
	assert_int_equal(report_owed(&r), 2);
	stubhead_serve(&heads[0], STUBHEAD_204);
	end_pauses(&r);
	assert_int_equal(report_send(&r, NULL), 0);
	assert_int_equal(report_send(&r, NULL), 0);
	assert_int_equal(report_owed(&r), 1);
	one = stubhead_log(&heads[0]);
	assert_int_equal(lines(one), 2);
}

/* Who refuses has answered. */
static void test_refusal_is_an_answer(void **state)
{
	_cleanup_free_ char *one = NULL;
	struct reporter r;

	(void)state;
	begin(&r, 1);
	stubhead_serve(&heads[0], STUBHEAD_403);
	assert_int_equal(report_send(&r, NULL), -EPERM);
	assert_int_equal(report_owed(&r), 0);
	assert_int_equal(report_repeat(&r, NULL, NULL), 0);
	one = stubhead_log(&heads[0]);
	assert_int_equal(lines(one), 1);
}

/* But it has not taken the report, whenever it refuses. */
static void test_refused_later(void **state)
{
	struct reporter r;
	size_t taken;

	(void)state;
	begin(&r, 3);
	assert_int_equal(report_send(&r, NULL), -ECONNREFUSED);
	stubhead_serve(&heads[1], STUBHEAD_403);
	end_pauses(&r);
	assert_int_equal(report_repeat(&r, &taken, NULL), -ECONNREFUSED);
	assert_int_equal(taken, 0);
	assert_int_equal(report_owed(&r), 2);
	stubhead_serve(&heads[0], STUBHEAD_204);
	stubhead_serve(&heads[2], STUBHEAD_403);
	end_pauses(&r);
	assert_int_equal(report_repeat(&r, &taken, NULL), 0);
	assert_int_equal(taken, 1);
	assert_int_equal(report_owed(&r), 0);
}

/* A phase that fails while the head restarts: it is told in the wait before the next try. */
static void test_told_in_a_wait(void **state)
{
	_cleanup_free_ char *one = NULL;
	struct agent a = {.image_fd = -1};

	(void)state;
	begin(&a.reporter, 1);
	a.reporter.report.failed = 1;
	assert_int_equal(report_send(&a.reporter, NULL), -ECONNREFUSED);
	stubhead_serve(&heads[0], STUBHEAD_204);
	end_pauses(&a.reporter);
	steps_pause(&a, 1);
	assert_int_equal(report_owed(&a.reporter), 0);
	one = stubhead_log(&heads[0]);
	assert_non_null(strstr(one, "\"failed\":true"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_once),
		TEST(test_new_report),
		TEST(test_refusal_is_an_answer),
		TEST(test_refused_later),
		TEST(test_told_in_a_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
