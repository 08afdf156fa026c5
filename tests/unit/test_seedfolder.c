/* The folder that says how a node seeds: what is written is read, jobs are counted, changes are seen. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "initramfs/seedask.h"
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

#define ONE "http://127.0.0.1:1" /* nobody listens there */
#define TWO "http://127.0.0.1:2"

/* A pause that one of two heads has told outlives the process, while that head is down. */
static void test_heads(void **state)
{
	_cleanup_(seedfolder_close) struct seedfolder f = open_at(state);
	struct seedask before = {.node = "n1",
			       .mac = "52:54:00:aa:00:01",
			       .seeders = {ONE, TWO},
			       .seeder_count = 2,
			       .said = {{.paused = 1, .until = 9}, {.rate = 5}},
			       .has_said = {1, 1}},
		       after = {.node = "n1",
			       .mac = "52:54:00:aa:00:01",
			       .seeders = {TWO, ONE},
			       .seeder_count = 2};
	_cleanup_free_ char *path = path_join(*state, "heads");
	struct seed_policy p = {0};
	struct err err = {0};
	size_t answered = 9;

	assert_int_equal(seedask_load(&after, &f, NULL), 0);
	assert_int_equal(seedask(&after, SEED_ON, &answered, &p, &err), -ECONNREFUSED);
	assert_int_equal(seedask_save(&before, &f, NULL), 0);
	assert_int_equal(seedask_load(&after, &f, &err), 0);
	assert_int_equal(seedask(&after, SEED_ON, &answered, &p, &err), 0);
	assert_int_equal(answered, 0);
	assert_true(p.paused);
	assert_int_equal(p.rate, 5);
	assert_int_equal(seedask_pausers(&after), 2);
	/* one that is none of ours any more counts no longer */
	after = (struct seedask){
		.node = "n1", .mac = "52:54:00:aa:00:01", .seeders = {TWO}, .seeder_count = 1};
	assert_int_equal(seedask_load(&after, &f, NULL), 0);
	assert_int_equal(seedask_pausers(&after), 0);
	assert_int_equal(write_file(path, &(struct file_content){TWO "\n", strlen(TWO) + 1, 0644}, NULL), 0);
	assert_int_equal(seedask_load(&after, &f, &err), -EBADMSG);
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
		unit_test_in_dir(test_heads),
		unit_test_in_dir(test_jobs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
