/* The folder that says how a node seeds: what is written is read, jobs are counted, changes are seen. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "initramfs/seedfolder.h"
#include "tests/unit/tempdir.h"

static struct seedfolder open_at(void **state)
{
	struct seedfolder f = {-1, -1};
	struct err err = {0};

	if (seedfolder_open(*state, &f, &err) < 0)
		fail_msg("%s", err.text);
	return f;
}

static void test_files(void **state)
{
	_cleanup_(seedfolder_close) struct seedfolder f = open_at(state);
	struct seed_policy p = {.paused = 1}, policy = {.paused = 1, .until = 5, .rate = 9}, none = {0};
	_cleanup_free_ char *path = path_join(*state, "policy");
	struct err err = {0};

	assert_int_equal(seedfolder_policy(&f, &p, NULL), 0);
	assert_memory_equal(&p, &none, sizeof(p));
	assert_int_equal(seedfolder_put_policy(&f, &policy, NULL), 0);
	assert_int_equal(seedfolder_policy(&f, &p, NULL), 0);
	assert_memory_equal(&p, &policy, sizeof(p));
	assert_int_equal(write_file(path, &(struct file_content){"{}", 2, 0644}, NULL), 0);
	assert_int_equal(seedfolder_policy(&f, &p, &err), -EBADMSG);
	assert_memory_equal(&p, &policy, sizeof(p));

	assert_int_equal(seedfolder_state(&f), SEED_UNKNOWN);
	assert_int_equal(seedfolder_put_state(&f, SEED_JOB, NULL), 0);
	assert_int_equal(seedfolder_state(&f), SEED_JOB);
	/* Opened again it is as it was. */
	seedfolder_close(&f);
	f = open_at(state);
	assert_int_equal(seedfolder_state(&f), SEED_JOB);
}

static void flag(void **state, const char *job, int on)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/jobs/%s", (const char *)*state, job);
	if (on)
		assert_int_equal(write_file(path, &(struct file_content){"", 0, 0644}, NULL), 0);
	else
		assert_int_equal(unlink(path), 0);
}

static int is_seen(int watch)
{
	struct pollfd p = {.fd = watch, .events = POLLIN};
	int seen = poll(&p, 1, 0);

	seedfolder_drain(watch);
	return seen;
}

static void test_jobs(void **state)
{
	_cleanup_(seedfolder_close) struct seedfolder f = open_at(state);
	_cleanup_close_ int watch = seedfolder_watch(*state, NULL);

	assert_true(watch >= 0);
	assert_int_equal(seedfolder_jobs(&f), 0);
	flag(state, "17", 1);
	assert_true(is_seen(watch));
	flag(state, "17", 1);
	flag(state, "9000000000", 1);
	flag(state, "x", 1);
	flag(state, ".9", 1);
	assert_int_equal(seedfolder_jobs(&f), 2);
	assert_true(is_seen(watch));
	assert_false(is_seen(watch));
	flag(state, "17", 0);
	assert_int_equal(seedfolder_jobs(&f), 1);
	assert_true(is_seen(watch));
	flag(state, "9000000000", 0);
	assert_int_equal(seedfolder_jobs(&f), 0);
	assert_true(is_seen(watch));
	assert_int_equal(seedfolder_put_state(&f, SEED_ON, NULL), 0);
	assert_true(is_seen(watch));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_files),
		unit_test_in_dir(test_jobs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
