/* A base tree kept and had again: the same in everything that an image shows. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "imager/base/proc.h"
#include "imager/source/basecache.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/testtree.h"

/* struct vfs_cap_data, version 2, of cap_net_raw: capabilities(7) */
static const unsigned char capability[] = {1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

static void make(const char *folder)
{
	static const char *const names[] = {
		"t/usr/bin/tool", "t/usr/bin/other", "t/usr/bin", "t/hole", "t/null", "t/F\xc5\x91 \n", "t"};
	_cleanup_free_ char *tool = path_join(folder, "t/usr/bin/tool"),
			    *other = path_join(folder, "t/usr/bin/other"),
			    *null = path_join(folder, "t/null"), *hole = path_join(folder, "t/hole");

	tree_put(folder, "t/usr/bin/tool", "tool");
	tree_put(folder, "t/link", "-> /usr/bin/tool");
	tree_put(folder, "t/F\xc5\x91 \n", "odd");
	tree_put(folder, "t/empty", "");
	tree_put(folder, "t/hole", "x");
	assert_int_equal(truncate(hole, 3000000), 0);
	assert_int_equal(link(tool, other), 0);
	assert_int_equal(chown(tool, 12, 34), 0);
	assert_int_equal(chmod(tool, 04755), 0);
	assert_int_equal(setxattr(tool, "security.capability", capability, sizeof(capability), 0), 0);
	assert_int_equal(mknod(null, S_IFCHR | 0620, 0x103), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = path_join(folder, names[i]);
		const struct timespec t = {1600000000 + (time_t)i, 123456789}, times[] = {t, t};

		assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
	}
}

/* By tools that are not ours: every name with type, mode, owners, links, size, time; bytes; xattrs. */
static char *describe(const char *root)
{
	static const char command[] =
		"cd \"$1\" && find . -mindepth 1 -printf '%P %y %m %U %G %n %T@ %l\\n' | LC_ALL=C sort && "
		"find . -type f -exec sha256sum {} + | LC_ALL=C sort && find . -type c -exec stat -c '%n %t "
		"%T' {} + && "
		"getfattr -h -R -d -m - -e hex . 2>/dev/null | grep = ; true";
	char *text = NULL;
	struct err err = {0};

	if (proc_capture((const char *const[]){"/bin/sh", "-c", command, "sh", root, NULL}, 1 << 20, &text,
		    &err) < 0)
		fail_msg("%s", err.text);
	return text;
}

static void test_round_trip(void **state)
{
	_cleanup_free_ char *from = path_join(*state, "t"), *to = path_join(*state, "out"),
			    *folder = path_join(*state, "cache"), *before = NULL, *after = NULL;
	_cleanup_cache_ struct cache *cache = NULL;
	struct digest key = {{1}};
	struct basecache base = {.key = &key, .root = from, .workdir = *state};
	struct err err = {0};
	uint64_t time = 0;

	make(*state);
	tree_put(*state, "out", NULL);
	/* no cache is no fault */
	assert_int_equal(basecache_put(&base, 7, &err), 0);
	assert_int_equal(cache_open(folder, &cache, NULL), 0);
	base.cache = cache;
	if (basecache_put(&base, 7, &err) < 0)
		fail_msg("%s", err.text);
	base.root = to;
	if (basecache_get(&base, &time, &err) != 1)
		fail_msg("%s", err.text);
	assert_int_equal(time, 7);
	before = describe(from);
	after = describe(to);
	assert_string_equal(before, after);
	key.bytes[0] = 2;
	assert_int_equal(basecache_get(&base, &time, &err), 0);
	assert_int_equal(tree_size(*state, "base.tar"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
