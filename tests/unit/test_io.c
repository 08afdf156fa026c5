/* Files as wholes: limits, atomic appearance, trees. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "tests/unit/tempdir.h"

static void put(const char *path, const char *text)
{
	assert_int_equal(write_file(path, &(struct file_content){text, strlen(text), 0644}, NULL), 0);
}

static void expect(const char *path, const char *text)
{
	_cleanup_free_ char *is = NULL;
	struct err err = {0};

	if (read_file(path, 1 << 20, &is, NULL, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(is, text);
}

static unsigned count_entries(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	unsigned count = 0;

	while (readdir(dir))
		count++;
	return count - 2;
}

/* ---- reading ---- */

static void test_read_limit(void **state)
{
	static const struct {
		size_t size, limit;
		int expected;
	} rows[] = {{0, 0, 0}, {0, 10, 0}, {10, 10, 0}, {11, 10, -EFBIG}, {1, 0, -EFBIG}, {5000, 5000, 0},
		{5001, 5000, -EFBIG}, {100000, 200000, 0}};
	_cleanup_free_ char *path = path_join(*state, "file");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *data = calloc(1, rows[i].size + 1), *read = NULL;
		size_t len = 42;
		struct err err = {0};

		memset(data, 'x', rows[i].size);
		put(path, data);
		assert_int_equal(read_file(path, rows[i].limit, &read, &len, &err), rows[i].expected);
		if (rows[i].expected) {
			assert_null(read);
			assert_int_equal(len, 42);
			assert_non_null(strstr(err.text, path));
			continue;
		}
		assert_int_equal(len, rows[i].size);
		assert_string_equal(read, data);
	}
}

/* Files of procfs say that they have 0 bytes, devices never end. */
static void test_read_special(void **state)
{
	_cleanup_free_ char *text = NULL, *copy = path_join(*state, "copy"), *none = NULL;
	size_t len = 0;

	assert_int_equal(read_file("/proc/self/status", 1 << 20, &text, &len, NULL), 0);
	assert_true(len > 100);
	assert_int_equal(read_file("/dev/zero", 100000, &none, NULL, NULL), -EFBIG);
	assert_int_equal(read_file(*state, 100, &none, NULL, NULL), -EISDIR);
	assert_int_equal(read_file("/nonexistent", 100, &none, NULL, NULL), -ENOENT);
	assert_null(none);
	assert_int_equal(copy_file("/proc/self/mounts", copy, 0600, NULL), 0);
	assert_int_equal(read_file(copy, 1 << 20, &none, &len, NULL), 0);
	assert_true(len > 10);
}

/* ---- writing ---- */

static void test_write_atomic(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "file");
	struct stat st;

	umask(077);
	assert_int_equal(write_file_atomic(path, &(struct file_content){"one", 3, 0644}, NULL), 0);
	umask(022);
	expect(path, "one");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(write_file_atomic(path, &(struct file_content){"three", 5, 0600}, NULL), 0);
	expect(path, "three");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(count_entries(*state), 1);
}

/* A service in a container has the same number each time it starts. */
static void test_write_atomic_after_kill(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "file"), *left = NULL;

	assert_true(asprintf(&left, "%s.tmp.%d", path, getpid()) > 0);
	put(left, "half");
	assert_int_equal(write_file_atomic(path, &(struct file_content){"whole", 5, 0644}, NULL), 0);
	expect(path, "whole");
	assert_int_equal(count_entries(*state), 1);
}

/* A full disk (a device that is always full) leaves nothing under the final name. */
static void test_write_fails(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "missing/file"), *dir = path_join(*state, "dir"),
			    *inner = path_join(*state, "dir/x");
	struct err err = {0};

	assert_int_equal(write_file_atomic(path, &(struct file_content){"x", 1, 0644}, &err), -ENOENT);
	assert_non_null(strstr(err.text, "missing/file"));
	assert_int_equal(mkdir(dir, 0755), 0);
	put(inner, "x");
	assert_int_equal(write_file_atomic(dir, &(struct file_content){"x", 1, 0644}, NULL), -EISDIR);
	assert_int_equal(count_entries(*state), 1);
	assert_int_equal(write_file("/dev/full", &(struct file_content){"x", 1, 0644}, NULL), -ENOSPC);
}

static void test_copy(void **state)
{
	_cleanup_free_ char *from = path_join(*state, "from"), *to = path_join(*state, "to");
	struct stat st;

	put(from, "some text");
	put(to, "a longer text that was there");
	assert_int_equal(copy_file(from, to, 0640, NULL), 0);
	expect(to, "some text");
	assert_int_equal(stat(to, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(copy_file("/nonexistent", to, 0640, NULL), -ENOENT);
	assert_int_equal(copy_file(from, "/dev/full", 0644, NULL), -ENOSPC);
}

static void test_at_offsets(void **state)
{
	_cleanup_close_ int fd = memfd_create("at", MFD_CLOEXEC);
	char text[16];

	(void)state;
	assert_int_equal(pwrite_full(fd, "middle", 6, 4), 0);
	assert_int_equal(pread_full(fd, text, 6, 4), 6);
	assert_memory_equal(text, "middle", 6);
	assert_int_equal(pread_full(fd, text, sizeof(text), 7), 3);
	assert_int_equal(pread_full(fd, text, sizeof(text), 10), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	assert_int_equal(pread_full(-1, text, 1, 0), -EBADF);
	assert_int_equal(pwrite_full(-1, text, 1, 0), -EBADF);
}

/* In a mount namespace of its own, with a full file system of 1 MiB: 0 when nothing of the refused stays. */
static int allocate_too_much(const char *room)
{
	_cleanup_free_ char *path = path_join(room, "file");
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("room", room, "tmpfs", 0, "size=1m") < 0)
		return 77;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (write_full(fd, "some", 4) < 0 || allocate_full(fd, 100000) < 0 || fstat(fd, &st) < 0)
		return 1;
	if (st.st_size != 100000 || st.st_blocks < 100000 / 512 || allocate_full(fd, 10) < 0)
		return 2;
	if (allocate_full(fd, 2 << 20) != -ENOSPC || fstat(fd, &st) < 0 || st.st_size != 100000)
		return 3;
	return 0;
}

static void test_allocate(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(allocate_too_much(*state));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
	assert_int_equal(allocate_full(-1, 10), -EBADF);
}

/* ---- folders ---- */

static void test_mkdir_p(void **state)
{
	_cleanup_free_ char *deep = path_join(*state, "a/b//c/"), *file = path_join(*state, "file"),
			    *below = path_join(*state, "file/x");

	assert_int_equal(mkdir_p(deep, NULL), 0);
	assert_int_equal(mkdir_p(deep, NULL), 0);
	assert_int_equal(access(deep, W_OK), 0);
	put(file, "");
	assert_int_equal(mkdir_p(file, NULL), -ENOTDIR);
	assert_int_equal(mkdir_p(below, NULL), -ENOTDIR);
	assert_int_equal(mkdir_p("", NULL), -ENOENT);
	assert_int_equal(mkdir_p("/", NULL), 0);
}

static void test_remove_tree(void **state)
{
	_cleanup_free_ char *tree = path_join(*state, "tree"), *deep = path_join(*state, "tree/a/b"),
			    *file = path_join(*state, "tree/a/file"), *link = path_join(*state, "tree/link"),
			    *outside = path_join(*state, "outside"),
			    *kept = path_join(*state, "outside/kept");

	assert_int_equal(mkdir_p(deep, NULL), 0);
	assert_int_equal(mkdir(outside, 0755), 0);
	put(file, "x");
	put(kept, "kept");
	assert_int_equal(symlink(outside, link), 0);
	assert_int_equal(remove_tree(tree, NULL), 0);
	assert_int_equal(access(tree, F_OK), -1);
	expect(kept, "kept");
	assert_int_equal(remove_tree(tree, NULL), 0);
	assert_int_equal(symlink(outside, tree), 0);
	assert_int_equal(remove_tree(tree, NULL), 0);
	expect(kept, "kept");
	assert_int_equal(remove_tree(kept, NULL), 0);
	assert_int_equal(access(kept, F_OK), -1);
}

/* In a mount namespace of its own: 0 when the file behind the bind mount is still there. */
static int remove_over_bind_mount(const char *tree, const char *mount_point, const char *outside)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount(outside, mount_point, NULL, MS_BIND, NULL) < 0)
		return 77;
	if (remove_tree(tree, NULL) != -EXDEV || remove_tree(mount_point, NULL) != -EXDEV)
		return 1;
	return 0;
}

/* A build's tree with a folder of the host bound into it has the host's device number all over. */
static void test_remove_tree_stops_at_bind_mounts(void **state)
{
	_cleanup_free_ char *tree = path_join(*state, "tree"), *point = path_join(*state, "tree/host"),
			    *outside = path_join(*state, "outside"),
			    *kept = path_join(*state, "outside/kept");
	int status;
	pid_t pid;

	assert_int_equal(mkdir_p(point, NULL), 0);
	assert_int_equal(mkdir(outside, 0755), 0);
	put(kept, "kept");
	pid = fork();
	if (pid == 0)
		_exit(remove_over_bind_mount(tree, point, outside));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
	expect(kept, "kept");
	assert_int_equal(remove_tree(tree, NULL), 0);
}

/* ---- paths ---- */

static void test_paths(void **state)
{
	static const struct {
		const char *a, *b, *joined;
	} joins[] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"a", "/b", "a/b"}, {"a/", "//b", "a/b"},
		{"/", "b", "/b"}, {"a", "", "a"}, {"a/", "", "a/"}};
	static const struct {
		const char *path;
		int inside;
	} paths[] = {{"a", 1}, {"a/b", 1}, {"...", 1}, {".a/..b", 1}, {"", 0}, {"/a", 0}, {"a/", 0},
		{"a//b", 0}, {".", 0}, {"..", 0}, {"a/..", 0}, {"../a", 0}, {"a/../b", 0}, {"a/./b", 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(joins); i++) {
		_cleanup_free_ char *joined = path_join(joins[i].a, joins[i].b);

		assert_string_equal(joined, joins[i].joined);
	}
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		assert_int_equal(path_is_inside(paths[i].path), paths[i].inside);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_read_limit),
		unit_test_in_dir(test_read_special),
		unit_test_in_dir(test_write_atomic),
		unit_test_in_dir(test_write_atomic_after_kill),
		unit_test_in_dir(test_write_fails),
		unit_test_in_dir(test_copy),
		cmocka_unit_test(test_at_offsets),
		unit_test_in_dir(test_allocate),
		unit_test_in_dir(test_mkdir_p),
		unit_test_in_dir(test_remove_tree),
		unit_test_in_dir(test_remove_tree_stops_at_bind_mounts),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
