/*
 * Packs what is at the edge of what squashfs or Linux can hold, and reads it back by the kernel. The trees
 * are on a tmpfs, as it holds what the file system of the tests may not; so it needs root.
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "imager/base/proc.h"
#include "imager/squash/squash.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/testtree.h"

#define BLOCK (128 * 1024)
#define GIB   (UINT64_C(1) << 30)

struct place {
	char *tree, *image, *out;
};

static int teardown(void **state)
{
	static const char *const names[] = {"out", "tree"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = path_join(*state, names[i]);

		(void)umount2(path, MNT_DETACH);
	}
	return unit_dir_teardown(state);
}

static void place_release(struct place *p)
{
	free(p->tree);
	free(p->image);
	free(p->out);
}

static struct place begin(void **state)
{
	struct place p = {path_join(*state, "tree"), path_join(*state, "image"), path_join(*state, "out")};

	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir(p.tree, 0755), 0);
	assert_int_equal(mkdir(p.out, 0755), 0);
	assert_int_equal(mount("none", p.tree, "tmpfs", 0, "mode=0755"), 0);
	return p;
}

static struct squash_result pack(const struct place *p)
{
	const struct squash_options options = {
		.level = 3, .block_size = BLOCK, .jobs = 2, .mtime = UINT32_MAX};
	const char *const attach[] = {"mount", "-t", "squashfs", "-o", "loop,ro", p->image, p->out, NULL};
	struct squash_result result;
	struct err err = {0};

	if (squash_pack(p->tree, p->image, &options, &result, &err) < 0)
		fail_msg("%s", err.text);
	if (proc_run(attach, NULL, &err) < 0)
		fail_msg("%s", err.text);
	return result;
}

static void write_at(int fd, uint64_t at, const char *text)
{
	assert_int_equal(pwrite(fd, text, strlen(text), (off_t)at), (ssize_t)strlen(text));
}

static void expect_at(int fd, uint64_t at, const char *text)
{
	char found[64] = "";

	assert_int_equal(pread(fd, found, strlen(text), (off_t)at), (ssize_t)strlen(text));
	assert_string_equal(found, text);
}

/* Beyond what 32 bits count, nearly all of it holes: none of them is read, or takes place. */
static void test_sparse(void **state)
{
	_cleanup_(place_release) struct place p = begin(state);
	_cleanup_free_ char *in = path_join(p.tree, "sparse"), *hole = path_join(p.tree, "hole");
	_cleanup_free_ char *back = path_join(p.out, "sparse"), *empty = path_join(p.out, "hole");
	_cleanup_close_ int fd = open(in, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	struct squash_result result;
	struct stat st;
	char zeros[100], found[100];

	tree_put(p.tree, "hole", "");
	assert_int_equal(truncate(hole, (off_t)(6 * GIB + 5)), 0);
	write_at(fd, 0, "head");
	write_at(fd, BLOCK * 7 - 2, "over two blocks");
	write_at(fd, 4 * GIB + 12345, "far");
	assert_int_equal(ftruncate(fd, (off_t)(5 * GIB + 77)), 0);
	result = pack(&p);
	assert_int_equal(result.input_bytes, 11 * GIB + 82);
	assert_true(result.size < 256 * 1024);
	(void)close(fd);
	fd = open(back, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 5 * GIB + 77);
	assert_true(st.st_blocks * 512 < 5 * BLOCK);
	expect_at(fd, 0, "head");
	expect_at(fd, BLOCK * 7 - 2, "over two blocks");
	expect_at(fd, 4 * GIB + 12345, "far");
	memset(zeros, 0, sizeof(zeros));
	assert_int_equal(pread(fd, found, 77, (off_t)(5 * GIB)), 77);
	assert_memory_equal(found, zeros, 77);
	assert_int_equal(pread(fd, found, 100, (off_t)(3 * GIB)), 100);
	assert_memory_equal(found, zeros, 100);
	assert_int_equal(stat(empty, &st), 0);
	assert_int_equal(st.st_size, 6 * GIB + 5);
}

static void test_long_names(void **state)
{
	_cleanup_(place_release) struct place p = begin(state);
	char name[NAME_MAX + 1], target[PATH_MAX], found[PATH_MAX] = "";
	_cleanup_free_ char *in = path_join(p.tree, "link"), *back = path_join(p.out, "link");

	memset(name, 'n', NAME_MAX);
	name[NAME_MAX] = '\0';
	memset(target, 't', PATH_MAX - 1);
	target[PATH_MAX - 1] = '\0';
	tree_put(p.tree, name, "content");
	assert_int_equal(symlink(target, in), 0);
	(void)pack(&p);
	tree_is(p.out, name, "content");
	assert_int_equal(readlink(back, found, sizeof(found)), PATH_MAX - 1);
	assert_memory_equal(found, target, PATH_MAX - 1);
}

/* More than 64 KiB in one set, and in one value nearly as much. */
static void test_many_attributes(void **state)
{
	_cleanup_(place_release) struct place p = begin(state);
	_cleanup_free_ char *in = path_join(p.tree, "file"), *back = path_join(p.out, "file");
	static char value[60000], found[65536];
	char name[32];

	tree_put(p.tree, "file", "content");
	for (unsigned i = 0; i < 60; i++) {
		size_t size = i ? 2000 + i : sizeof(value);

		(void)snprintf(name, sizeof(name), "trusted.a%u", i);
		memset(value, 'v', sizeof(value));
		memcpy(value, name, strlen(name));
		assert_int_equal(setxattr(in, name, value, size, 0), 0);
	}
	(void)pack(&p);
	for (unsigned i = 0; i < 60; i++) {
		size_t size = i ? 2000 + i : sizeof(value);

		(void)snprintf(name, sizeof(name), "trusted.a%u", i);
		memset(value, 'v', sizeof(value));
		memcpy(value, name, strlen(name));
		assert_int_equal(getxattr(back, name, found, sizeof(found)), (ssize_t)size);
		assert_memory_equal(found, value, size);
	}
}

#define MANY 100000

/* Also "." and "..": the root's had the inode number 0, which readdir(3) hides. */
static void test_large_folder(void **state)
{
	_cleanup_(place_release) struct place p = begin(state);
	_cleanup_closedir_ DIR *dir = NULL;
	size_t count = 0;
	char name[16];

	for (unsigned i = 0; i < MANY; i++) {
		_cleanup_free_ char *path = NULL;
		char text[16];

		(void)snprintf(name, sizeof(name), "f%06u", i);
		(void)snprintf(text, sizeof(text), "%u", i / 2);
		path = path_join(p.tree, name);
		assert_int_equal(write_file(path, &(struct file_content){text, strlen(text), 0644}, NULL), 0);
	}
	(void)pack(&p);
	dir = opendir(p.out);
	assert_non_null(dir);
	while (readdir(dir))
		count++;
	assert_int_equal(count, MANY + 2);
	tree_is(p.out, "f000000", "0");
	tree_is(p.out, "f054321", "27160");
	tree_is(p.out, "f099999", "49999");
}

/* The same content twice is there once, whole blocks and tail, whatever the names. */
static void test_same_contents(void **state)
{
	_cleanup_(place_release) struct place p = begin(state);
	_cleanup_free_ char *text = malloc(3 * BLOCK + 100);
	struct squash_result result;
	uint32_t x = 1;

	for (size_t i = 0; i < 3 * BLOCK + 99; i++) {
		x = x * 1664525 + 1013904223;
		text[i] = (char)(1 + x / (1U << 25));
	}
	text[3 * BLOCK + 99] = '\0';
	tree_put(p.tree, "a", text);
	tree_put(p.tree, "b", text);
	text[5] ^= 1;
	tree_put(p.tree, "c", text);
	result = pack(&p);
	assert_true(result.size < 7 * BLOCK);
	tree_is(p.out, "c", text);
	text[5] ^= 1;
	tree_is(p.out, "b", text);
	tree_is(p.out, "a", text);
}

#define limit_test(test) cmocka_unit_test_setup_teardown(test, unit_dir_setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		limit_test(test_sparse),
		limit_test(test_long_names),
		limit_test(test_many_attributes),
		limit_test(test_large_folder),
		limit_test(test_same_contents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
