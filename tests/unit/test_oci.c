/* Layers of container images: what they mean, and what they must not do. Images: which layers they are of. */
#include "tests/unit/unit.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "imager/format/digest.h"
#include "imager/format/ociimage.h"
#include "imager/tree/treelayer.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/testtree.h"

/* The rows of the tables name what they have. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define TIME 1700000000

/* An entry of a layer: the type, its name, and the text, or what a link leads to. */
struct row {
	char type; /* f, d, l: symbolic, h: hard, c: device, p: FIFO; 0 ends the list */
	const char *name, *text;
	mode_t mode;
	const char *xattr; /* security.capability's or user.x's value */
	int64_t size;      /* what a file claims to have; 0: what it has */
};

static mode_t type_of(char type)
{
	switch (type) {
	case 'd':
		return AE_IFDIR;
	case 'l':
		return AE_IFLNK;
	case 'c':
		return AE_IFCHR;
	case 'p':
		return AE_IFIFO;
	default:
		return AE_IFREG;
	}
}

static void add_row(struct archive *a, const struct row *row, time_t time)
{
	struct archive_entry *e = archive_entry_new();
	size_t len = row->type == 'f' && row->text ? strlen(row->text) : 0;

	archive_entry_copy_pathname(e, row->name);
	archive_entry_set_filetype(e, type_of(row->type));
	archive_entry_set_perm(e, row->mode ? row->mode : row->type == 'd' ? 0755 : 0644);
	archive_entry_set_uid(e, 1000);
	archive_entry_set_gid(e, 2000);
	archive_entry_set_mtime(e, time, 0);
	archive_entry_set_size(e, row->size ? row->size : (la_int64_t)len);
	if (row->type == 'l')
		archive_entry_copy_symlink(e, row->text);
	if (row->type == 'h')
		archive_entry_copy_hardlink(e, row->text);
	if (row->type == 'c')
		archive_entry_set_rdev(e, makedev(1, 3));
	if (row->xattr)
		archive_entry_xattr_add_entry(e, "user.x", row->xattr, strlen(row->xattr));
	assert_true(archive_write_header(a, e) >= ARCHIVE_WARN);
	if (len)
		assert_int_equal(archive_write_data(a, row->text, len), (la_ssize_t)len);
	archive_entry_free(e);
}

enum packing { PLAIN, GZIP, ZSTD, PACKINGS };

/* The layer as a file; its fd. */
static int make_layer(const char *folder, const struct row *rows, enum packing packing)
{
	_cleanup_free_ char *path = path_join(folder, "layer");
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct archive *a = archive_write_new();
	int claims = 0;

	assert_true(fd >= 0);
	(void)archive_write_set_format_pax_restricted(a);
	if (packing == GZIP)
		(void)archive_write_add_filter_gzip(a);
	if (packing == ZSTD)
		(void)archive_write_add_filter_zstd(a);
	(void)archive_write_set_bytes_per_block(a, 0);
	assert_int_equal(archive_write_open_fd(a, fd), ARCHIVE_OK);
	for (size_t i = 0; rows[i].type; i++) {
		add_row(a, &rows[i], TIME + (time_t)i);
		claims |= rows[i].size > 0;
	}
	/* An entry that claims more than it has is where the archive ends; libarchive would fill it up. */
	if (claims)
		(void)archive_write_fail(a);
	(void)archive_write_free(a);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static int apply(const char *folder, const struct row *rows, enum packing packing, struct err *err)
{
	_cleanup_free_ char *root = path_join(folder, "root");
	_cleanup_close_ int fd = make_layer(folder, rows, packing);
	uint64_t time = 0;

	return treelayer_apply(fd, "the layer", root, &time, err);
}

static void apply_or_fail(const char *folder, const struct row *rows)
{
	struct err err = {0};

	if (apply(folder, rows, PLAIN, &err) < 0)
		fail_msg("%s", err.text);
}

/* ---- what layers mean ---- */

/* "path=text", "path/" a folder, "path->target", "!path" nothing; links are not followed at the end. */
static void check(const char *folder, const char *const expected[])
{
	_cleanup_free_ char *root = path_join(folder, "root");

	for (; *expected; expected++) {
		_cleanup_free_ char *text = strdup(*expected + (**expected == '!')), *path = NULL;
		char *arrow = strstr(text, "->"), *equal = strchr(text, '='), target[256] = "";
		struct stat st;
		int is_folder = !arrow && !equal && text[strlen(text) - 1] == '/', r;

		if (arrow)
			*arrow = '\0';
		else if (equal)
			*equal = '\0';
		path = path_join(root, text);
		if (is_folder)
			path[strlen(path) - 1] = '\0';
		r = lstat(path, &st);
		if (**expected == '!' && r == 0)
			fail_msg("%s is still there", text);
		if (**expected == '!')
			continue;
		if (r < 0)
			fail_msg("%s is not there", text);
		if (is_folder)
			assert_true(S_ISDIR(st.st_mode));
		if (arrow) {
			assert_true(readlink(path, target, sizeof(target) - 1) > 0);
			assert_string_equal(target, arrow + 2);
		}
		if (equal)
			tree_is(root, text, equal + 1);
	}
}

#define ROWS(...)                                                                                            \
	(const struct row[])                                                                                 \
	{                                                                                                    \
		__VA_ARGS__,                                                                                 \
		{                                                                                            \
			0                                                                                    \
		}                                                                                            \
	}
#define TREE(...)                                                                                            \
	(const char *const[])                                                                                \
	{                                                                                                    \
		__VA_ARGS__, NULL                                                                            \
	}

static void test_layers(void **state)
{
	const struct {
		const char *what;
		const struct row *lower, *upper;
		const char *const *expected;
	} cases[] = {
		{"whiteouts of a file, a folder, a link, and of nothing",
			ROWS({'d', "a"}, {'f', "a/x", "x"}, {'f', "f", "f"}, {'l', "l", "f"},
				{'f', "k", "k"}),
			ROWS({'f', ".wh.a", ""}, {'f', ".wh.l", ""}, {'f', "./.wh.f", ""}, {'f', ".wh.g", ""},
				{'f', "none/.wh.x", ""}),
			TREE("!a", "!f", "!l", "k=k", "!none", "!.wh.a")},
		{"a whiteout behind the layer's own entry of that name leaves that one",
			ROWS({'d', "a"}, {'f', "a/old", "o"}, {'f', "a/x", "old"}),
			ROWS({'d', "a"}, {'f', "a/x", "new"}, {'f', "a/.wh.x", ""}, {'f', "a/.wh.old", ""}),
			TREE("a/x=new", "!a/old")},
		{"an opaque folder, its mark behind what is new",
			ROWS({'d', "a"}, {'d', "a/sub"}, {'f', "a/sub/old", "o"}, {'f', "a/old", "o"}),
			ROWS({'d', "a"}, {'f', "a/new", "n"}, {'f', "a/.wh..wh..opq", ""}),
			TREE("a/", "a/new=n", "!a/old", "!a/sub", "!a/.wh..wh..opq")},
		{"an opaque root", ROWS({'f', "x", "x"}, {'d', "d"}, {'f', "d/y", "y"}),
			ROWS({'f', ".wh..wh..opq", ""}, {'f', "z", "z"}), TREE("!x", "!d", "z=z")},
		{"files of unionfs mean nothing", ROWS({'f', "x", "x"}),
			ROWS({'f', ".wh..wh.plnk/1", ""}, {'f', ".wh..wh.aufs", ""}),
			TREE("x=x", "!.wh..wh.aufs")},
		{"a file in the place of a folder", ROWS({'d', "a"}, {'d', "a/b"}, {'f', "a/b/c", "c"}),
			ROWS({'f', "a", "file"}), TREE("a=file")},
		{"a folder in the place of a file", ROWS({'f', "a", "file"}),
			ROWS({'d', "a"}, {'f', "a/b", "b"}), TREE("a/", "a/b=b")},
		{"a link in the place of a folder", ROWS({'d', "a"}, {'f', "a/b", "b"}, {'d', "c"}),
			ROWS({'l', "a", "c"}, {'f', "a/d", "d"}), TREE("a->c", "c/d=d", "!c/b")},
		{"a folder in the place of a link: what the link led to stays",
			ROWS({'d', "b"}, {'f', "b/kept", "k"}, {'l', "a", "b"}),
			ROWS({'d', "a"}, {'f', "a/.wh..wh..opq", ""}, {'f', "a/n", "n"}),
			TREE("a/", "a/n=n", "b/kept=k", "!b/n", "!a/kept")},
		{"a device in the place of a file", ROWS({'f', "a", "file"}), ROWS({'c', "a"}), TREE("a")},
		{"through a link inside the tree", ROWS({'d', "usr/lib"}, {'l', "lib", "usr/lib"}),
			ROWS({'f', "lib/x", "x"}), TREE("lib->usr/lib", "usr/lib/x=x")},
		{"through an absolute link, which is the tree's", ROWS({'d', "v"}, {'l', "var", "/v"}),
			ROWS({'f', "var/x", "x"}), TREE("var->/v", "v/x=x")},
		{"a whiteout through a link", ROWS({'d', "u"}, {'f', "u/x", "x"}, {'l', "l", "u"}),
			ROWS({'f', "l/.wh.x", ""}), TREE("l->u", "!u/x")},
		{"names with a slash or a dot before them",
			ROWS({'d', "./"}, {'d', "./a/"}, {'f', "/a/x", "x"}), ROWS({'f', "./a/y", "y"}),
			TREE("a/x=x", "a/y=y")},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *root = path_join(*state, "root");

		assert_int_equal(mkdir(root, 0755), 0);
		apply_or_fail(*state, cases[i].lower);
		apply_or_fail(*state, cases[i].upper);
		check(*state, cases[i].expected);
		assert_int_equal(remove_tree(root, NULL), 0);
	}
}

static struct stat stat_of(const char *folder, const char *name)
{
	_cleanup_free_ char *path = path_join(folder, name);
	struct stat st;

	if (lstat(path, &st) < 0)
		fail_msg("%s is not there", name);
	return st;
}

static void test_hard_links(void **state)
{
	tree_put(*state, "root", NULL);
	apply_or_fail(
		*state, ROWS({'d', "b"}, {'f', "b/one", "1"}, {'h', "b/two", "b/one"}, {'f', "old", "o"}));
	assert_int_equal(stat_of(*state, "root/b/one").st_ino, stat_of(*state, "root/b/two").st_ino);
	/* to a file of the layer below; a new file does not change those that had its bytes by link */
	apply_or_fail(*state, ROWS({'h', "three", "b/two"}, {'f', "b/one", "new"}, {'h', "./old2", "/old"}));
	assert_int_equal(stat_of(*state, "root/three").st_ino, stat_of(*state, "root/b/two").st_ino);
	assert_int_equal(stat_of(*state, "root/old").st_ino, stat_of(*state, "root/old2").st_ino);
	check(*state, TREE("three=1", "b/two=1", "b/one=new"));
	assert_int_equal(stat_of(*state, "root/b/two").st_nlink, 2);
}

static void test_attributes(void **state)
{
	_cleanup_free_ char *dir = path_join(*state, "root/d"), *file = path_join(*state, "root/d/f");
	char value[16] = "";
	struct stat st;

	tree_put(*state, "root", NULL);
	apply_or_fail(*state, ROWS({'d', "d", NULL, 01770, "lower"}, {'f', "d/f", "x", 04751, "file"},
				      {'c', "d/c", NULL, 0600}, {'p', "d/p", NULL, 0620}, {'l', "d/l", "f"}));
	st = stat_of(*state, "root/d");
	assert_int_equal(st.st_mode, S_IFDIR | 01770);
	assert_int_equal(st.st_mtime, TIME);
	st = stat_of(*state, "root/d/f");
	assert_int_equal(st.st_mode, S_IFREG | 04751);
	assert_int_equal(st.st_uid, 1000);
	assert_int_equal(st.st_gid, 2000);
	assert_int_equal(st.st_mtime, TIME + 1);
	st = stat_of(*state, "root/d/c");
	assert_int_equal(st.st_mode, S_IFCHR | 0600);
	assert_int_equal(st.st_rdev, makedev(1, 3));
	assert_int_equal(stat_of(*state, "root/d/p").st_mode, S_IFIFO | 0620);
	assert_int_equal(stat_of(*state, "root/d/l").st_mtime, TIME + 4);
	assert_int_equal(getxattr(file, "user.x", value, sizeof(value)), 4);
	/* a layer that changes what is in a folder, without an entry for it: its time stays */
	apply_or_fail(*state, ROWS({'f', "d/.wh.p", ""}, {'f', "d/new", "n"}));
	assert_int_equal(stat_of(*state, "root/d").st_mtime, TIME);
	assert_int_equal(getxattr(dir, "user.x", value, sizeof(value)), 5);
	/* and one with an entry for it says all there is to say */
	apply_or_fail(*state, ROWS({'f', "z", "z"}, {'d', "d", NULL, 0700}));
	assert_int_equal(stat_of(*state, "root/d").st_mtime, TIME + 1);
	assert_int_equal(stat_of(*state, "root/d").st_mode, S_IFDIR | 0700);
	assert_int_equal(getxattr(dir, "user.x", value, sizeof(value)), -1);
}

static void test_packings(void **state)
{
	for (enum packing p = PLAIN; p < PACKINGS; p++) {
		_cleanup_free_ char *root = path_join(*state, "root");
		struct err err = {0};

		assert_int_equal(mkdir(root, 0755), 0);
		if (apply(*state, ROWS({'d', "a"}, {'f', "a/x", "x"}), p, &err) < 0)
			fail_msg("%d: %s", p, err.text);
		check(*state, TREE("a/x=x"));
		/* a layer without entries changes nothing */
		if (apply(*state, ROWS({0}), p, &err) < 0)
			fail_msg("%d: empty: %s", p, err.text);
		assert_int_equal(remove_tree(root, NULL), 0);
	}
}

static void test_newest(void **state)
{
	_cleanup_free_ char *root = path_join(*state, "root");
	_cleanup_close_ int fd =
		make_layer(*state, ROWS({'f', "a", "a"}, {'f', "b", "b"}, {'f', ".wh.c", ""}), PLAIN);
	uint64_t time = 0;

	tree_put(*state, "root", NULL);
	assert_int_equal(treelayer_apply(fd, "x", root, &time, NULL), 0);
	assert_int_equal(time, TIME + 1);
}

/* ---- what layers must not do ---- */

static void test_hostile(void **state)
{
	const struct {
		const char *what;
		const struct row *rows;
		int is_refused;
	} cases[] = {
		{"a parent's name", ROWS({'f', "../evil", "e"}), 1},
		{"a parent inside", ROWS({'d', "a"}, {'f', "a/../../evil", "e"}), 1},
		{"a parent at the end", ROWS({'d', "a/.."}), 1},
		{"a folder of a parent's name", ROWS({'d', "../", NULL, 0777}), 1},
		{"the tree's parent as a hard link", ROWS({'h', "x", "../outside/secret"}), 1},
		{"a hard link through a link", ROWS({'l', "l", "../outside"}, {'h', "x", "l/secret"}), 1},
		{"a hard link to a link", ROWS({'l', "l", "../outside/secret"}, {'h', "x", "l"}), 0},
		{"a hard link to nothing", ROWS({'h', "x", "nothing"}), 1},
		{"a file through a link", ROWS({'l', "l", "../outside"}, {'f', "l/evil", "e"}), 1},
		{"a file over a link", ROWS({'l', "l", "../outside/secret"}, {'f', "l", "evil"}), 0},
		{"a folder over a link", ROWS({'l', "l", "../outside"}, {'d', "l", NULL, 0777}), 0},
		{"a link over a folder whose mode is set later",
			ROWS({'d', "a"}, {'d', "a/outside", NULL, 0777}, {'l', "a", ".."}), 0},
		{"the same, and more below it",
			ROWS({'d', "a/outside", NULL, 0777}, {'l', "a", ".."}, {'f', "a/outside/evil", "e"}),
			0},
		{"a chain of links", ROWS({'l', "a", ".."}, {'l', "b", "a/outside"}, {'f', "b/evil", "e"}),
			1},
		{"a link to itself", ROWS({'l', "a", "a"}, {'f', "a/x", "x"}), 1},
		{"a whiteout of a parent", ROWS({'f', "a/.wh...", ""}), 1},
		{"a whiteout of a folder itself", ROWS({'f', "a/.wh..", ""}), 1},
		{"a whiteout of nothing", ROWS({'f', "a/.wh.", ""}), 1},
		{"a whiteout through a link", ROWS({'f', "up/.wh.outside", ""}), 0},
		{"an opaque mark through a link", ROWS({'f', "up/outside/.wh..wh..opq", ""}), 0},
		{"a giant", ROWS({'f', "g", "x", .size = INT64_C(1) << 50}), 1},
		{"a root that is a file", ROWS({'f', "./", "x"}), 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *root = path_join(*state, "root"),
				    *outside = path_join(*state, "outside");
		struct err err = {0};
		int r;

		tree_put(*state, "root/up", "-> ..");
		tree_put(*state, "outside/secret", "secret");
		assert_int_equal(chmod(outside, 0700), 0);
		r = apply(*state, cases[i].rows, PLAIN, &err);
		if ((r < 0) != cases[i].is_refused)
			fail_msg("%s: %d %s", cases[i].what, r, err.text);
		if (r < 0 && !*err.text)
			fail_msg("%s: refused without a word", cases[i].what);
		assert_int_equal(tree_size(*state, "evil"), -1);
		assert_int_equal(tree_size(*state, "outside/evil"), -1);
		tree_is(*state, "outside/secret", "secret");
		assert_int_equal(stat_of(*state, "outside/secret").st_nlink, 1);
		assert_int_equal(stat_of(*state, "outside").st_mode, S_IFDIR | 0700);
		assert_int_equal(remove_tree(root, NULL), 0);
		assert_int_equal(remove_tree(outside, NULL), 0);
	}
}

static void test_damaged(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "layer"), *root = path_join(*state, "root"),
			    *bytes = NULL;
	size_t len;

	tree_put(*state, "root", NULL);
	for (enum packing p = PLAIN; p < PACKINGS; p++) {
		_cleanup_close_ int made = make_layer(
					    *state, ROWS({'f', "a", "aaaa"}, {'f', "b", "bbbb"}), p),
				    fd = -1;
		struct err err = {0};
		uint64_t time;

		free(TAKE(bytes));
		assert_int_equal(read_file(path, 1 << 20, &bytes, &len, NULL), 0);
		len = p == PLAIN ? 700 : len / 2;
		assert_int_equal(write_file(path, &(struct file_content){bytes, len, 0644}, NULL), 0);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_true(treelayer_apply(fd, "cut", root, &time, &err) < 0);
		assert_non_null(strstr(err.text, "cut"));
	}
	tree_put(*state, "junk", "this is no archive at all, whoever says so");
	{
		_cleanup_free_ char *junk = path_join(*state, "junk");
		_cleanup_close_ int fd = open(junk, O_RDONLY | O_CLOEXEC);
		uint64_t time;

		assert_true(treelayer_apply(fd, "junk", root, &time, NULL) < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_layers),
		unit_test_in_dir(test_hard_links),
		unit_test_in_dir(test_attributes),
		unit_test_in_dir(test_packings),
		unit_test_in_dir(test_newest),
		unit_test_in_dir(test_hostile),
		unit_test_in_dir(test_damaged),
	};

	return cmocka_run_group_tests_name("oci", tests, NULL, NULL);
}
