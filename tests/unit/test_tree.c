/* Shaping a tree: what files: lays into it, where links lead, what the exclude patterns take. */
#include "tests/unit/unit.h"

#include <string.h>

#include "imager/intree.h"
#include "imager/tree/tree.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/testtree.h"

/* The profile FOLDER/p.yaml of this text applied to FOLDER/tree. */
static int apply(const char *folder, const char *text, struct err *err)
{
	_cleanup_profile_ struct profile *p = NULL;
	_cleanup_free_ char *path = path_join(folder, "p.yaml"), *root = path_join(folder, "tree"),
			    *whole = NULL;
	int r;

	assert_true(asprintf(&whole, "name: n\nfrom: {dir: /}\n%s", text) > 0);
	tree_put(folder, "p.yaml", whole);
	r = profile_load(path, &p, err);
	if (r < 0)
		return r;
	return tree_apply(&(struct tree_job){.profile = p, .root = root, .time = 1000}, err);
}

static void check_stat(const char *folder, const char *name, const struct stat *wanted)
{
	_cleanup_free_ char *path = path_join(folder, name);
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode, wanted->st_mode);
	assert_int_equal(st.st_uid, wanted->st_uid);
	assert_int_equal(st.st_gid, wanted->st_gid);
}

static void test_files(void **state)
{
	struct err err = {0};

	tree_put(*state, "tree/etc/passwd", "bob:x:77:78::/:/bin/sh\n");
	tree_put(*state, "tree/etc/group", "hpc:x:79:\n");
	tree_put(*state, "tree/etc/old", "a longer text than the new one");
	tree_put(*state, "tree/etc/link", "-> /etc/passwd");
	tree_put(*state, "given/run.sh", "#!/bin/sh\n");
	tree_put(*state, "folder/a/b", "b");
	tree_put(*state, "folder/l", "-> a/b");
	tree_put(*state, "tree/lib", "-> /usr/lib"); /* the tree's own */
	tree_put(*state, "tree/usr/lib", NULL);
	if (apply(*state,
		    "files:\n"
		    "- {path: /etc/old, content: new}\n"
		    "- {path: /etc/link, content: not through the link}\n"
		    "- {path: /opt/deep/er/run, source: given/run.sh, mode: 0750, owner: bob, group: hpc}\n"
		    "- {path: /opt/suid, content: x, mode: 04755, owner: '5'}\n"
		    "- {path: /etc/tz, link: /usr/share/zoneinfo/UTC}\n"
		    "- {path: /srv/all, source: folder}\n"
		    "- {path: /lib/more, source: folder}\n",
		    &err) < 0)
		fail_msg("%s", err.text);
	tree_is(*state, "tree/etc/old", "new");
	tree_is(*state, "tree/etc/link", "not through the link");
	tree_is(*state, "tree/etc/passwd", "bob:x:77:78::/:/bin/sh\n");
	tree_is(*state, "tree/opt/deep/er/run", "#!/bin/sh\n");
	tree_is(*state, "tree/srv/all/a/b", "b");
	tree_is(*state, "tree/srv/all/l", "b");
	tree_is(*state, "tree/usr/lib/more/a/b", "b");
	check_stat(*state, "tree/etc/old", &(struct stat){.st_mode = S_IFREG | 0644});
	check_stat(*state, "tree/opt/deep/er/run",
		&(struct stat){.st_mode = S_IFREG | 0750, .st_uid = 77, .st_gid = 79});
	check_stat(*state, "tree/opt/suid", &(struct stat){.st_mode = S_IFREG | 04755, .st_uid = 5});
	check_stat(*state, "tree/etc/tz", &(struct stat){.st_mode = S_IFLNK | 0777});
	check_stat(*state, "tree/opt/deep", &(struct stat){.st_mode = S_IFDIR | 0755});
}

static void test_file_faults(void **state)
{
	static const struct {
		const char *text, *sentence;
	} rows[] = {
		{"files: [{path: /x, content: y, owner: nobody}]\n",
			"p.yaml:3: owner: the image has no user 'nobody'"},
		{"files: [{path: /x, content: y, group: g}]\n",
			"p.yaml:3: group: the image has no group 'g'"},
		{"files: [{path: /d, source: folder, mode: 0700}]\n",
			"p.yaml:3: files: /d: mode, owner, group and xattrs are"},
		{"files: [{path: /etc, content: y}]\n", "/etc: Is a directory"},
	};

	tree_put(*state, "tree/etc/passwd", "");
	tree_put(*state, "folder", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = {0};

		assert_true(apply(*state, rows[i].text, &err) < 0);
		if (!strstr(err.text, rows[i].sentence))
			fail_msg("wanted '%s', got '%s'", rows[i].sentence, err.text);
	}
}

/* A link of the tree that leads up and out ends at the tree's root. */
static void test_stays_inside(void **state)
{
	tree_put(*state, "outside", NULL);
	tree_put(*state, "tree/up", "-> ../../../../outside");
	tree_put(*state, "tree/abs", "-> /there");
	tree_put(*state, "tree/outside", NULL);
	assert_int_equal(
		apply(*state, "files: [{path: /up/x, content: y}, {path: /abs/x, content: y}]\n", NULL),
		-EEXIST);
	tree_put(*state, "tree/there", NULL);
	assert_int_equal(
		apply(*state, "files: [{path: /up/x, content: y}, {path: /abs/x, content: y}]\n", NULL), 0);
	assert_int_equal(tree_size(*state, "outside/x"), -1);
	tree_is(*state, "tree/outside/x", "y");
	tree_is(*state, "tree/there/x", "y");
}

static void test_excludes(void **state)
{
	static const struct {
		const char *name;
		int stays;
	} rows[] = {
		{"tree/usr/share/doc/a/copyright", 1},
		{"tree/usr/share/doc/a/README", 0},
		{"tree/usr/share/doc/b/deep/x", 0},
		{"tree/usr/share/man/man1/ls.1", 0},
		{"tree/usr/lib/modules/6.1/kernel/sound/a.ko", 0},
		{"tree/usr/lib/modules/6.1/kernel/net/a.ko", 1},
	};
	static const char *const emptied[] = {"tree/usr/share/doc/b", "tree/usr/share/man"};
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tree_put(*state, rows[i].name, "x");
	tree_put(*state, "tree/usr/share/doc/l", "-> /etc");
	if (apply(*state,
		    "exclude: [/usr/share/doc/*, '/usr/share/man*', '/lib/modules/*/kernel/sound/*']\n"
		    "keep: [/usr/share/doc/*/copyright]\n",
		    &err) < 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if ((tree_size(*state, rows[i].name) >= 0) != rows[i].stays)
			fail_msg("%s", rows[i].name);
	for (size_t i = 0; i < ARRAY_SIZE(emptied); i++)
		assert_int_equal(tree_size(*state, emptied[i]), -1);
	assert_int_equal(tree_size(*state, "tree/usr/share/doc/l"), -1);
	assert_int_equal(tree_size(*state, "tree/usr/share/doc"), 0);
}

struct seen {
	char text[256];
};

static int see(const struct intree_entry *entry, void *arg, struct err *err)
{
	struct seen *s = arg;

	(void)err;
	(void)strncat(s->text, entry->path, sizeof(s->text) - strlen(s->text) - 1);
	(void)strncat(s->text, " ", sizeof(s->text) - strlen(s->text) - 1);
	return 0;
}

static void test_walk(void **state)
{
	struct seen s = {0};
	_cleanup_close_ int root = intree_root(*state, NULL);

	tree_put(*state, "b/y", "1");
	tree_put(*state, "b/x", "1");
	tree_put(*state, "a", "-> b");
	tree_put(*state, "c", NULL);
	assert_int_equal(intree_walk(root, see, &s, NULL), 0);
	assert_string_equal(s.text, "/a /b/x /b/y /b /c ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_files),
		unit_test_in_dir(test_file_faults),
		unit_test_in_dir(test_stays_inside),
		unit_test_in_dir(test_excludes),
		unit_test_in_dir(test_walk),
	};

	return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
