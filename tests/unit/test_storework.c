/* Writers of the store that die, fail or work at the same time. */
#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/store_sample.h"
#include "tests/unit/tempdir.h"

static int exists(const struct store *s, const struct digest *d)
{
	_cleanup_free_ char *path = store_blob_path(s, d);

	return access(path, F_OK) == 0;
}

static void test_close_removes_unpublished(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	struct release r = add_parts(s, "slurm", "never published");
	struct store_release rel = publish(s, "slurm", "published");
	struct digest root = r.root.digest, kept = rel.release.root.digest;

	assert_true(exists(s, &root));
	store_close(TAKE(s));
	s = open_store(state, 0);
	assert_false(exists(s, &root));
	assert_true(exists(s, &kept));
	assert_int_equal(count_entries(store_path(s), ".tmp"), 0);
	expect_names(s, "slurm:1[]");
}

/* While another writer is at work it may count on a blob that we put there. */
static void test_close_keeps_for_others(void **state)
{
	_cleanup_store_ struct store *ours = open_store(state, 1), *theirs = open_store(state, 1);
	struct release r = add_parts(ours, "slurm", "shared"), same = add_parts(theirs, "slurm", "shared");
	struct store_release rel;
	int is_new;

	assert_true(digest_equal(&r.root.digest, &same.root.digest));
	store_close(TAKE(ours));
	assert_int_equal(store_publish(theirs, &same, &rel, &is_new, NULL), 0);
	store_close(TAKE(theirs));
	theirs = open_store(state, 0);
	expect_names(theirs, "slurm:1[]");
	assert_int_equal(store_check_blobs(theirs, &rel, NULL), 0);
	assert_int_equal(count_entries(store_path(theirs), ".tmp"), 0);
}

struct writer {
	pid_t pid;
	int ready;
};

static struct writer start_writer(void **state, void (*work)(void **state, int ready))
{
	int fds[2];
	struct writer w;

	assert_int_equal(pipe(fds), 0);
	w.pid = fork();
	assert_true(w.pid >= 0);
	if (w.pid == 0) {
		(void)close(fds[0]);
		work(state, fds[1]);
		_exit(0);
	}
	(void)close(fds[1]);
	w.ready = fds[0];
	return w;
}

/* Waits for its word, then kills it where it stands. */
static void kill_writer(struct writer w)
{
	int status;
	char byte;

	assert_int_equal(read(w.ready, &byte, 1), 1);
	assert_int_equal(kill(w.pid, SIGKILL), 0);
	assert_int_equal(waitpid(w.pid, &status, 0), w.pid);
	assert_true(WIFSIGNALED(status));
	(void)close(w.ready);
}

static void write_for_ever(void **state, int ready)
{
	struct store *s = open_store(state, 0);
	struct release_part part;
	char *dir, *path;

	if (store_temp_dir(s, &dir, NULL) < 0 || store_add_bytes(s, "half a release", 14, &part, NULL) < 0)
		_exit(1);
	path = path_join(dir, "root.squashfs");
	for (unsigned i = 0;; i++) {
		char text[4096];

		(void)snprintf(text, sizeof(text), "%4000u", i);
		if (write_file(path, &(struct file_content){text, sizeof(text), 0600}, NULL) < 0 ||
			store_add_file(s, path, &part, NULL) < 0)
			_exit(1);
		if (i == 20 && write(ready, "x", 1) != 1)
			_exit(1);
	}
}

static void test_killed_writer(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	struct store_release rel = publish(s, "slurm", "root");
	unsigned blobs;

	store_close(TAKE(s));
	s = open_store(state, 0);
	blobs = count_entries(store_path(s), "blobs/sha256");
	kill_writer(start_writer(state, write_for_ever));
	expect_names(s, "slurm:1[]");
	assert_true(count_entries(store_path(s), "blobs/sha256") > blobs + 20);
	assert_int_equal(count_entries(store_path(s), ".tmp"), 1);
	/* the next writer cleans up */
	assert_int_equal(store_tag(s, &rel, "stable", NULL), 0);
	assert_int_equal(count_entries(store_path(s), "blobs/sha256"), blobs);
	assert_int_equal(count_entries(store_path(s), ".tmp"), 1);
	store_close(TAKE(s));
	s = open_store(state, 0);
	assert_int_equal(count_entries(store_path(s), ".tmp"), 0);
	expect_names(s, "slurm:1[stable]");
	assert_int_equal(store_check_blobs(s, &rel, NULL), 0);
}

static void publish_for_ever(void **state, int ready)
{
	struct store *s = open_store(state, 0);

	for (unsigned i = 0;; i++) {
		struct store_release rel;
		struct release r;
		char text[32];
		int is_new;

		(void)snprintf(text, sizeof(text), "root %u", i);
		r = add_parts(s, "slurm", text);
		if (store_publish(s, &r, &rel, &is_new, NULL) < 0)
			_exit(1);
		if (i == 5 && write(ready, "x", 1) != 1)
			_exit(1);
	}
}

/* Wherever it is killed, every release that is listed is whole. */
static void test_killed_publisher(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);

	for (unsigned round = 0; round < 10; round++) {
		_cleanup_store_list_ struct store_list list = {0};
		struct err err = {0};

		kill_writer(start_writer(state, publish_for_ever));
		if (store_releases(s, &list, &err) < 0)
			fail_msg("%s", err.text);
		assert_int_equal(list.damage.code, 0);
		assert_true(list.count >= 6 * (round + 1));
		for (size_t i = 0; i < list.count; i++)
			assert_int_equal(store_check_blobs(s, &list.items[i], NULL), 0);
	}
	(void)publish(s, "slurm", "last");
	store_close(TAKE(s));
	s = open_store(state, 0);
	assert_int_equal(count_entries(store_path(s), ".tmp"), 0);
	assert_int_equal(count_entries(*state, "store"), 5); /* with .lock and .tmp */
}

static void publish_some(void **state, int ready)
{
	_cleanup_store_ struct store *s = open_store(state, 0);

	for (unsigned i = 0; i < 10; i++) {
		struct store_release rel;
		char text[64];
		struct release r;
		int is_new;

		(void)snprintf(text, sizeof(text), "%d %u", getpid(), i);
		r = add_parts(s, "slurm", text);
		if (store_publish(s, &r, &rel, &is_new, NULL) < 0 || !is_new)
			_exit(1);
	}
	if (write(ready, "x", 1) != 1)
		_exit(1);
}

static void test_many_writers(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	_cleanup_store_list_ struct store_list list = {0};
	struct writer writers[4];

	for (size_t i = 0; i < ARRAY_SIZE(writers); i++)
		writers[i] = start_writer(state, publish_some);
	for (size_t i = 0; i < ARRAY_SIZE(writers); i++) {
		int status;

		assert_int_equal(waitpid(writers[i].pid, &status, 0), writers[i].pid);
		assert_int_equal(status, 0);
		(void)close(writers[i].ready);
	}
	assert_int_equal(store_releases(s, &list, NULL), 0);
	assert_int_equal(list.count, 40);
	assert_int_equal(list.damage.code, 0);
	for (size_t i = 0; i < list.count; i++) {
		assert_int_equal(list.items[i].release.sequence, i + 1);
		assert_int_equal(store_check_blobs(s, &list.items[i], NULL), 0);
	}
	assert_int_equal(count_entries(store_path(s), ".tmp"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_close_removes_unpublished),
		unit_test_in_dir(test_close_keeps_for_others),
		unit_test_in_dir(test_killed_writer),
		unit_test_in_dir(test_killed_publisher),
		unit_test_in_dir(test_many_writers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
