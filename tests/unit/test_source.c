/* The sources that need no network: tar and dir; and copies that must not leave the tree. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "imager/base/proc.h"
#include "imager/source/source.h"
#include "imager/tree/treecopy.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/testtree.h"

#define NEWEST 1700000000

static void no_line(const char *text, void *arg)
{
	(void)text;
	(void)arg;
}

static void run_or_fail(const char *const argv[])
{
	struct err err = {0};

	if (proc_run(argv, NULL, &err) < 0)
		fail_msg("%s", err.text);
}

static void set_time(const char *folder, const char *name, time_t time)
{
	_cleanup_free_ char *path = path_join(folder, name);
	const struct timespec times[] = {{.tv_sec = time}, {.tv_sec = time}};

	assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

/* A root tree with what is easily lost: hard links, modes, owners, a device, odd names, an empty folder. */
static void make_tree(const char *folder)
{
	static const char *const names[] = {"r/usr/bin/other", "r/usr/bin/tool", "r/bin", "r/empty",
		"r/usr/bin/odd name\n", "r/F\xc5\x91.pem", "r/null", "r/usr/bin", "r/usr", "r"};
	_cleanup_free_ char *tool = path_join(folder, "r/usr/bin/tool"),
			    *other = path_join(folder, "r/usr/bin/other"),
			    *null = path_join(folder, "r/null"), *empty = path_join(folder, "r/empty");

	tree_put(folder, "r/usr/bin/tool", "tool");
	tree_put(folder, "r/usr/bin/odd name\n", "odd");
	tree_put(folder, "r/F\xc5\x91.pem", "not ASCII");
	tree_put(folder, "r/bin", "-> usr/bin");
	tree_put(folder, "r/empty", NULL);
	assert_int_equal(link(tool, other), 0);
	assert_int_equal(chown(tool, 12, 34), 0);
	assert_int_equal(chmod(tool, 04755), 0);
	assert_int_equal(chmod(empty, 01777), 0);
	assert_int_equal(mknod(null, S_IFCHR | 0600, 0x103), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		set_time(folder, names[i], i ? NEWEST - (time_t)i + 1 : NEWEST);
}

static void check_tree(const char *root)
{
	_cleanup_free_ char *tool = path_join(root, "usr/bin/tool"),
			    *other = path_join(root, "usr/bin/other"), *null = path_join(root, "null"),
			    *empty = path_join(root, "empty");
	struct stat a, b;

	tree_is(root, "bin/tool", "tool");
	tree_is(root, "usr/bin/odd name\n", "odd");
	tree_is(root, "F\xc5\x91.pem", "not ASCII");
	assert_int_equal(lstat(tool, &a), 0);
	assert_int_equal(lstat(other, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(a.st_mode, S_IFREG | 04755);
	assert_int_equal(a.st_uid, 12);
	assert_int_equal(a.st_gid, 34);
	assert_int_equal(lstat(null, &a), 0);
	assert_int_equal(a.st_mode, S_IFCHR | 0600);
	assert_int_equal(lstat(empty, &a), 0);
	assert_int_equal(a.st_mode, S_IFDIR | 01777);
	assert_int_equal(a.st_mtime, NEWEST - 2);
}

static void unpack(const char *folder, const char *from)
{
	_cleanup_profile_ struct profile *p = NULL;
	_cleanup_free_ char *path = path_join(folder, "p.yaml"), *out = path_join(folder, "out"),
			    *text = NULL;
	const struct source_job job = {.root = out, .workdir = folder, .line = no_line};
	struct source_job run = job;
	struct err err = {0};
	uint64_t time = 0;

	assert_true(asprintf(&text, "name: n\nfrom: {%s}\n", from) > 0);
	tree_put(folder, "p.yaml", text);
	tree_put(folder, "out", NULL);
	assert_int_equal(profile_load(path, &p, NULL), 0);
	run.profile = p;
	if (source_unpack(&run, &time, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(time, NEWEST);
	check_tree(out);
	assert_int_equal(remove_tree(out, NULL), 0);
}

static void test_dir(void **state)
{
	make_tree(*state);
	unpack(*state, "dir: r");
}

static void test_tar(void **state)
{
	static const char *const programs[] = {"--gzip", "--zstd", "--no-auto-compress", "--format=pax"};

	make_tree(*state);
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		_cleanup_free_ char *tar = path_join(*state, "r.tar"), *tree = path_join(*state, "r");

		run_or_fail((const char *const[]){
			"tar", programs[i], "--numeric-owner", "-cf", tar, "-C", tree, ".", NULL});
		unpack(*state, "tar: r.tar");
	}
}

/* Archives that try to write elsewhere: nothing is written outside, and the entry is named. */
static void test_hostile(void **state)
{
	static const struct {
		const char *transform; /* what GNU tar is told to call the file "x" */
		int expected;
	} rows[] = {
		{"s,^x$,../evil,", -1}, {"s,^x$,a/../../evil,", -1},
		{"s,^x$,/evil-swarmboot-test,", 0}, /* an absolute name is taken as below the root */
	};
	_cleanup_free_ char *tar = path_join(*state, "h.tar"), *out = path_join(*state, "out/in");

	tree_put(*state, "x", "evil");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct treecopy_target target = {.root = out, .prefix = ""};
		struct err err = {0};
		int r;

		tree_put(*state, "out/in", NULL);
		run_or_fail((const char *const[]){
			"tar", "-P", "-cf", tar, "-C", *state, "--transform", rows[i].transform, "x", NULL});
		r = treecopy_archive(tar, &target, NULL, &err);
		if ((r < 0 ? -1 : 0) != rows[i].expected)
			fail_msg("%s: %d %s", rows[i].transform, r, err.text);
		assert_int_equal(tree_size(*state, "evil"), -1);
		assert_int_equal(tree_size(*state, "out/evil"), -1);
		assert_int_equal(access("/evil-swarmboot-test", F_OK), -1);
		assert_int_equal(remove_tree(out, NULL), 0);
	}
}

static void test_through_link(void **state)
{
	_cleanup_free_ char *tar = path_join(*state, "h.tar"), *out = path_join(*state, "out");
	const struct treecopy_target target = {.root = out, .prefix = ""};

	tree_put(*state, "one/l", "-> ../outside");
	tree_put(*state, "two/l/x", "evil");
	tree_put(*state, "outside", NULL);
	tree_put(*state, "out", NULL);
	run_or_fail((const char *const[]){"sh", "-ec",
		"cd \"$1\"; tar -cf h.tar -C one l; tar -rf h.tar -C two l/x", "sh", *state, NULL});
	(void)treecopy_archive(tar, &target, NULL, NULL);
	assert_int_equal(tree_size(*state, "outside/x"), -1);
}

static void test_missing(void **state)
{
	_cleanup_free_ char *gone = path_join(*state, "gone");
	const struct treecopy_target target = {.root = *state, .prefix = ""};
	struct err err = {0};

	assert_true(treecopy_archive(gone, &target, NULL, &err) < 0);
	assert_non_null(strstr(err.text, "gone"));
	assert_true(treecopy_folder(gone, &target, NULL, &err) < 0);
	assert_non_null(strstr(err.text, "gone"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_dir),
		unit_test_in_dir(test_tar),
		unit_test_in_dir(test_hostile),
		unit_test_in_dir(test_through_link),
		unit_test_in_dir(test_missing),
	};

	return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
