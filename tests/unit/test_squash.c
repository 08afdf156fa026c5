/*
 * Packs trees and reads the images back by other programs: unsquashfs and the kernel must both show what was
 * packed. The tree has one of every kind of entry; making it needs root.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/proc.h"
#include "imager/squash/squash.h"
#include "tests/unit/tempdir.h"

/* Everything newer becomes this. */
#define NEWEST 1700000000
#define BLOCK  (128 * 1024)

static const char capability[] =
	"\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";

static const struct entry {
	const char *name;
	mode_t mode; /* type and permissions */
	uid_t uid;
	gid_t gid;
	size_t size; /* of files; filled by a pattern of `seed`, 0: zeros */
	unsigned seed;
	unsigned major, minor; /* of device nodes */
	const char *link;      /* target of a symlink, or an earlier name of a hard link (mode 0) */
	time_t mtime;
	const char *xattr, *value;
	size_t value_size;
} entries[] = {
	{.name = "bin", .mode = S_IFDIR | 0755, .mtime = 1000000000},
	{.name = "bin/su", .mode = S_IFREG | 04755, .size = 70000, .seed = 1, .mtime = 1000000001},
	{.name = "bin/wall", .mode = S_IFREG | 02755, .gid = 5, .size = 10, .seed = 2, .mtime = 1},
	{.name = "bin/ping",
		.mode = S_IFREG | 0755,
		.size = 300,
		.seed = 3,
		.mtime = 1000000002,
		.xattr = "security.capability",
		.value = capability,
		.value_size = 20},
	{.name = "bin/other", .link = "bin/ping"},
	{.name = "a-link", .link = "bin/su"},
	{.name = "data",
		.mode = S_IFDIR | 01777,
		.uid = 1000,
		.gid = 70000,
		.mtime = 1600000000,
		.xattr = "user.note",
		.value = "on a folder",
		.value_size = 11},
	{.name = "data/empty", .mode = S_IFREG | 0600, .uid = 4000000000U, .mtime = 2000000000},
	{.name = "data/empty-dir", .mode = S_IFDIR | 0, .mtime = 1600000000},
	{.name = "data/block", .mode = S_IFREG | 0644, .size = BLOCK, .seed = 4, .mtime = 1600000000},
	{.name = "data/blocks",
		.mode = S_IFREG | 0644,
		.size = 5 * BLOCK + 17,
		.seed = 5,
		.mtime = 1600000000,
		.xattr = "trusted.kept",
		.value = "",
		.value_size = 0},
	{.name = "data/same", .mode = S_IFREG | 0644, .size = 5 * BLOCK + 17, .seed = 5, .mtime = 1600000000},
	{.name = "data/hole", .mode = S_IFREG | 0644, .size = 3 * BLOCK + 5, .mtime = 1600000000},
	{.name = "data/hole-block", .mode = S_IFREG | 0644, .size = BLOCK, .mtime = 1600000000},
	{.name = "data/with space \xc3\xa4\xff\n", .mode = S_IFREG | 0644, .size = 3, .seed = 6, .mtime = 1},
	{.name = "dev", .mode = S_IFDIR | 0755, .mtime = 1600000000},
	{.name = "dev/null", .mode = S_IFCHR | 0666, .major = 1, .minor = 3, .mtime = 1600000000},
	{.name = "dev/big",
		.mode = S_IFBLK | 0660,
		.gid = 6,
		.major = 259,
		.minor = 70000,
		.mtime = 1600000000},
	{.name = "dev/pipe",
		.mode = S_IFIFO | 0622,
		.mtime = 1600000000,
		.xattr = "trusted.pipe",
		.value = "p",
		.value_size = 1},
	{.name = "lib",
		.mode = S_IFLNK | 0777,
		.link = "usr/lib",
		.mtime = 1500000000,
		.xattr = "trusted.link",
		.value = "on a link",
		.value_size = 9},
	{.name = "broken", .mode = S_IFLNK | 0777, .link = "/nowhere/\xff", .uid = 7, .mtime = 2000000000},
	{.name = "z", .mode = S_IFREG | 0444, .size = 1, .seed = 7, .mtime = 1600000000},
};

static void make_file(const char *path, size_t size, unsigned seed)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	_cleanup_free_ char *data = malloc(size + 1);

	assert_true(fd >= 0);
	assert_non_null(data);
	for (size_t i = 0; i < size; i++) {
		unsigned x = (unsigned)(i >> 3) * seed * 2654435761U;

		data[i] = seed ? (char)(x >> 24 ^ x >> 9) : 0;
	}
	assert_int_equal(write_full(fd, data, size), 0);
}

static void make_node(const char *root, const char *path, const struct entry *e)
{
	_cleanup_free_ char *other = NULL;

	switch (e->mode & S_IFMT) {
	case 0:
		other = path_join(root, e->link);
		assert_int_equal(link(other, path), 0);
		break;
	case S_IFDIR:
		assert_int_equal(mkdir(path, 0700), 0);
		break;
	case S_IFREG:
		make_file(path, e->size, e->seed);
		break;
	case S_IFLNK:
		assert_int_equal(symlink(e->link, path), 0);
		break;
	default:
		assert_int_equal(mknod(path, e->mode, makedev(e->major, e->minor)), 0);
	}
}

/* Owner before mode (chown drops setuid), times after all else. */
static void make_attributes(const char *path, const struct entry *e)
{
	assert_int_equal(lchown(path, e->uid, e->gid), 0);
	if (!S_ISLNK(e->mode))
		assert_int_equal(chmod(path, e->mode & 07777), 0);
	if (e->xattr)
		assert_int_equal(lsetxattr(path, e->xattr, e->value, e->value_size, 0), 0);
}

static void make_socket(const char *root)
{
	_cleanup_free_ char *path = path_join(root, "socket");
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	assert_true(snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) <
		    (int)sizeof(address.sun_path));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void set_time(const char *path, time_t mtime)
{
	const struct timespec times[2] = {{.tv_sec = mtime}, {.tv_sec = mtime}};

	assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void make_tree(const char *root)
{
	assert_int_equal(mkdir(root, 0755), 0);
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		_cleanup_free_ char *path = path_join(root, entries[i].name);

		make_node(root, path, &entries[i]);
		if (entries[i].mode)
			make_attributes(path, &entries[i]);
	}
	make_socket(root);
	for (size_t i = ARRAY_SIZE(entries); i-- > 0;) {
		_cleanup_free_ char *path = path_join(root, entries[i].name);

		if (entries[i].mode)
			set_time(path, entries[i].mtime);
	}
	set_time(root, 1650000000);
}

static void check_contents(const char *a, const char *b)
{
	_cleanup_free_ char *x = NULL, *y = NULL;
	size_t xlen, ylen;

	assert_int_equal(read_file(a, 1 << 24, &x, &xlen, NULL), 0);
	assert_int_equal(read_file(b, 1 << 24, &y, &ylen, NULL), 0);
	assert_int_equal(xlen, ylen);
	assert_memory_equal(x, y, xlen);
}

static size_t count_names(const char *list, ssize_t len)
{
	size_t count = 0;

	for (ssize_t i = 0; i < len; i++)
		count += list[i] == '\0';
	return count;
}

static void check_xattrs(const char *a, const char *b)
{
	char x[4096], y[4096], xv[4096], yv[4096];
	ssize_t xlen = llistxattr(a, x, sizeof(x)), ylen = llistxattr(b, y, sizeof(y));

	assert_true(xlen >= 0 && ylen >= 0);
	assert_int_equal(count_names(x, xlen), count_names(y, ylen));
	for (const char *name = x; name < x + xlen; name += strlen(name) + 1) {
		ssize_t n = lgetxattr(a, name, xv, sizeof(xv));

		assert_true(n >= 0);
		assert_int_equal(lgetxattr(b, name, yv, sizeof(yv)), n);
		assert_memory_equal(xv, yv, (size_t)n);
	}
}

static void check_entry(const char *a, const char *b)
{
	char x[4096] = "", y[4096] = "";
	struct stat s, t;

	assert_int_equal(lstat(a, &s), 0);
	assert_int_equal(lstat(b, &t), 0);
	assert_int_equal(s.st_mode, t.st_mode);
	assert_int_equal(s.st_uid, t.st_uid);
	assert_int_equal(s.st_gid, t.st_gid);
	assert_int_equal(s.st_nlink, t.st_nlink);
	assert_int_equal(s.st_mtime < NEWEST ? s.st_mtime : NEWEST, t.st_mtime);
	assert_int_equal(s.st_rdev, t.st_rdev);
	if (S_ISREG(s.st_mode)) {
		assert_int_equal(s.st_size, t.st_size);
		check_contents(a, b);
	}
	if (S_ISLNK(s.st_mode)) {
		assert_true(readlink(a, x, sizeof(x) - 1) > 0);
		assert_true(readlink(b, y, sizeof(y) - 1) > 0);
		assert_string_equal(x, y);
	}
	check_xattrs(a, b);
}

/* Every entry below a is in b and the same; returns their number. */
static size_t compare_below(const char *a, const char *b)
{
	char *const roots[] = {(char *)a, NULL};
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	size_t count = 0;

	assert_non_null(walk);
	for (FTSENT *e; (e = fts_read(walk));) {
		_cleanup_free_ char *other = path_join(b, e->fts_path + strlen(a));

		assert_true(e->fts_info != FTS_ERR && e->fts_info != FTS_DNR);
		if (e->fts_info == FTS_DP || S_ISSOCK(e->fts_statp->st_mode))
			continue;
		check_entry(e->fts_path, other);
		count++;
	}
	(void)fts_close(walk);
	return count;
}

static size_t count_below(const char *root)
{
	char *const roots[] = {(char *)root, NULL};
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	size_t count = 0;

	assert_non_null(walk);
	for (FTSENT *e; (e = fts_read(walk));)
		count += e->fts_info != FTS_DP;
	(void)fts_close(walk);
	return count;
}

static const struct squash_options usual = {.level = 3, .block_size = BLOCK, .jobs = 2, .mtime = NEWEST};

static void pack(const char *root, const char *output, unsigned jobs)
{
	struct squash_options options = usual;
	struct squash_result result;
	struct err err = {0};
	struct stat st;

	options.jobs = jobs;
	if (squash_pack(root, output, &options, &result, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(stat(output, &st), 0);
	assert_int_equal(result.size, st.st_size);
	assert_int_equal(result.size % 4096, 0);
}

static void need_root(void)
{
	if (geteuid() != 0)
		skip();
}

static void test_unsquashfs_sees_the_tree(void **state)
{
	_cleanup_free_ char *tree = path_join(*state, "tree"), *image = path_join(*state, "image"),
			    *out = path_join(*state, "out");
	const char *const extract[] = {"unsquashfs", "-n", "-q", "-no-progress", "-d", out, image, NULL};
	struct err err = {0};

	need_root();
	make_tree(tree);
	pack(tree, image, 2);
	if (proc_run(extract, NULL, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(compare_below(tree, out), ARRAY_SIZE(entries) + 1);
	assert_int_equal(count_below(out), ARRAY_SIZE(entries) + 1);
}

static void test_kernel_sees_the_tree(void **state)
{
	_cleanup_free_ char *tree = path_join(*state, "tree"), *image = path_join(*state, "image"),
			    *mnt = path_join(*state, "mnt");
	const char *const attach[] = {"mount", "-t", "squashfs", "-o", "loop,ro", image, mnt, NULL};
	struct err err = {0};

	need_root();
	make_tree(tree);
	pack(tree, image, 2);
	assert_int_equal(mkdir(mnt, 0755), 0);
	if (proc_run(attach, NULL, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(compare_below(tree, mnt), ARRAY_SIZE(entries) + 1);
	assert_int_equal(count_below(mnt), ARRAY_SIZE(entries) + 1);
}

/* A failed assert leaves the mount to the teardown. */
static int unmount_and_remove(void **state)
{
	_cleanup_free_ char *mnt = path_join(*state, "mnt");

	(void)umount2(mnt, MNT_DETACH);
	return unit_dir_teardown(state);
}

static void test_same_bytes_at_any_number_of_jobs(void **state)
{
	static const unsigned jobs[] = {1, 2, 8, 0};
	_cleanup_free_ char *tree = path_join(*state, "tree"), *first = path_join(*state, "first");

	need_root();
	make_tree(tree);
	for (int i = 0; i < 200; i++) {
		char name[32];
		_cleanup_free_ char *path = NULL;

		(void)snprintf(name, sizeof(name), "bin/tool%d", i);
		path = path_join(tree, name);
		make_file(path, (size_t)i * 3001, (unsigned)i / 2 + 8);
	}
	pack(tree, first, 1);
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		_cleanup_free_ char *next = path_join(*state, "next");

		pack(tree, next, jobs[i]);
		check_contents(first, next);
		assert_int_equal(unlink(next), 0);
	}
}

/* Directory indexes, several metadata blocks, a full metadata block of attribute sets. */
static void test_many_names_and_attribute_sets(void **state)
{
	_cleanup_free_ char *tree = path_join(*state, "tree"), *image = path_join(*state, "image"),
			    *mnt = path_join(*state, "mnt");
	const char *const attach[] = {"mount", "-t", "squashfs", "-o", "loop,ro", image, mnt, NULL};
	struct err err = {0};

	need_root();
	assert_int_equal(mkdir(tree, 0755), 0);
	for (int i = 0; i < 4000; i++) {
		char name[300];
		_cleanup_free_ char *path = NULL;

		(void)snprintf(name, sizeof(name), "%0*d", 1 + i % 250, i);
		path = path_join(tree, name);
		make_file(path, (size_t)i % 3, (unsigned)i);
		set_time(path, i);
		if (i < 512)
			assert_int_equal(lsetxattr(path, "user.number", name, strlen(name), 0), 0);
	}
	pack(tree, image, 2);
	assert_int_equal(mkdir(mnt, 0755), 0);
	if (proc_run(attach, NULL, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(compare_below(tree, mnt), 4001);
	assert_int_equal(count_below(mnt), 4001);
}

/* What must be refused: the sentence, and nothing left under the output's name. */
static void test_refused(void **state)
{
	_cleanup_free_ char *tree = path_join(*state, "tree"), *image = path_join(*state, "image"),
			    *file = path_join(*state, "file"), *missing = path_join(*state, "missing");
	const struct {
		const char *root;
		struct squash_options options;
		int code;
		const char *text;
	} cases[] = {
		{tree, {.level = 0, .block_size = BLOCK}, EINVAL, "zstd level 0: 1 to 22"},
		{tree, {.level = 23, .block_size = BLOCK}, EINVAL, "zstd level 23"},
		{tree, {.level = 3, .block_size = 5000}, EINVAL, "block size 5000: a power of two"},
		{tree, {.level = 3, .block_size = 2 << 20}, EINVAL, "block size 2097152"},
		{tree, {.level = 3, .block_size = 2048}, EINVAL, "block size 2048"},
		{tree, {.level = 3, .block_size = BLOCK, .mtime = 1ULL << 32}, EINVAL, "time 4294967296"},
		{file, {.level = 3, .block_size = BLOCK}, ENOTDIR, "Not a directory"},
		{missing, {.level = 3, .block_size = BLOCK}, ENOENT, "missing: No such file"},
	};

	assert_int_equal(mkdir(tree, 0755), 0);
	make_file(file, 1, 1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct squash_result result = {0};
		struct err err = {0};

		assert_int_equal(
			squash_pack(cases[i].root, image, &cases[i].options, &result, &err), -cases[i].code);
		assert_non_null(strstr(err.text, cases[i].text));
		assert_int_equal(access(image, F_OK), -1);
		assert_int_equal(result.size, 0);
	}
}

static void test_an_existing_file_is_kept(void **state)
{
	_cleanup_free_ char *tree = path_join(*state, "tree"), *image = path_join(*state, "image");
	struct squash_result result;
	struct err err = {0};
	struct stat st;

	assert_int_equal(mkdir(tree, 0755), 0);
	make_file(image, 5, 1);
	assert_int_equal(squash_pack(tree, image, &usual, &result, &err), -EEXIST);
	assert_int_equal(stat(image, &st), 0);
	assert_int_equal(st.st_size, 5);
}

static void test_mount_below_is_refused(void **state)
{
	_cleanup_free_ char *mnt = path_join(*state, "mnt"), *image = path_join(*state, "image");
	struct squash_result result;
	struct err err = {0};

	need_root();
	assert_int_equal(mkdir(mnt, 0755), 0);
	assert_int_equal(mount("none", mnt, "tmpfs", 0, NULL), 0);
	assert_int_equal(squash_pack(*state, image, &usual, &result, &err), -EXDEV);
	assert_string_equal(err.text, "mnt: another file system is mounted here");
	assert_int_equal(access(image, F_OK), -1);
}

/* Out of space in the middle: the reason is named and the half image is gone. */
static void test_disk_full(void **state)
{
	_cleanup_free_ char *mnt = path_join(*state, "mnt"), *tree = path_join(*state, "tree"),
			    *file = path_join(tree, "file"), *image = path_join(mnt, "image");
	struct squash_result result;
	struct err err = {0};

	need_root();
	assert_int_equal(mkdir(mnt, 0755), 0);
	assert_int_equal(mkdir(tree, 0755), 0);
	make_file(file, 40 * BLOCK, 9);
	assert_int_equal(mount("none", mnt, "tmpfs", 0, "size=256k"), 0);
	assert_int_equal(squash_pack(tree, image, &usual, &result, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "mnt/image: No space left on device"));
	assert_int_equal(access(image, F_OK), -1);
}

static void watch(uint64_t done, uint64_t total, void *arg)
{
	uint64_t *last = arg;

	assert_true(done >= *last && done <= total);
	*last = done;
}

static void test_progress_and_counts(void **state)
{
	_cleanup_free_ char *tree = path_join(*state, "tree"), *image = path_join(*state, "image"),
			    *a = path_join(tree, "a"), *b = path_join(tree, "b");
	struct squash_options options = usual;
	struct squash_result result;
	uint64_t last = 0;

	assert_int_equal(mkdir(tree, 0755), 0);
	make_file(a, 3 * BLOCK + 1, 3);
	assert_int_equal(link(a, b), 0);
	options.progress = watch;
	options.arg = &last;
	assert_int_equal(squash_pack(tree, image, &options, &result, NULL), 0);
	assert_int_equal(result.files, 1);
	assert_int_equal(result.input_bytes, 3 * BLOCK + 1);
	assert_int_equal(last, result.input_bytes);
}

#define mount_test(test) cmocka_unit_test_setup_teardown(test, unit_dir_setup, unmount_and_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_unsquashfs_sees_the_tree),
		mount_test(test_kernel_sees_the_tree),
		unit_test_in_dir(test_same_bytes_at_any_number_of_jobs),
		mount_test(test_many_names_and_attribute_sets),
		unit_test_in_dir(test_refused),
		unit_test_in_dir(test_an_existing_file_is_kept),
		mount_test(test_mount_below_is_refused),
		mount_test(test_disk_full),
		unit_test_in_dir(test_progress_and_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
