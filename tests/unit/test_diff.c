/* What differs between two package lists and between two images. The same question is put to unsquashfs and
 * diff in tests/cli/diff.bats. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "imager/base/buf.h"
#include "imager/releases/diff.h"
#include "imager/squash/reader.h"
#include "imager/squash/squash.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/testtree.h"

/* ---- packages ---- */

/* "name/arch=version" words. */
static void fill(struct packages *p, const char *text)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *word;

	while ((word = strsep(&rest, " "))) {
		char *arch = strchr(word, '/'), *version = strchr(word, '=');
		struct package row = {.name = word};

		if (!arch || !version)
			continue;
		*arch = *version = '\0';
		row.arch = arch + 1;
		row.version = version + 1;
		assert_int_equal(packages_add(p, &row), 0);
	}
	packages_sort(p);
}

static void test_packages(void **state)
{
	static const struct {
		const char *before, *after, *rows;
	} rows[] = {
		{"", "", ""},
		{"a/x=1", "a/x=1", ""},
		{"", "a/x=1", "+a:1 "},
		{"a/x=1", "", "-a:1 "},
		{"a/x=1", "a/x=2", "a:1>2 "},
		{"a/x=1 b/x=1 d/x=1", "b/x=2 c/x=1 d/x=1", "-a:1 b:1>2 +c:1 "},
		{"a/x=1", "a/y=1", "-a:1 +a:1 "},
		{"k/x=1 k/x=2", "k/x=2 k/x=3", "k:1>3 "},
		{"k/x=1 k/x=2", "k/x=2", "-k:1 "},
		{"k/x=2", "k/x=1 k/x=2 k/x=3", "+k:1 +k:3 "},
		{"a/x=1 b/x=1", "a/x=2", "a:1>2 -b:1 "},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_packages_ struct packages a = {0}, b = {0};
		_cleanup_free_ struct diff_package *found = NULL;
		_cleanup_buf_ struct buf text = {0};
		size_t count = 99;

		fill(&a, rows[i].before);
		fill(&b, rows[i].after);
		assert_int_equal(diff_packages(&a, &b, &found, &count), 0);
		assert_int_equal(buf_puts(&text, ""), 0);
		for (size_t j = 0; j < count; j++) {
			const struct diff_package *p = &found[j];

			assert_int_equal(buf_printf(&text, "%s%s:%s%s%s ",
						 !p->before  ? "+"
						 : !p->after ? "-"
							     : "",
						 p->name, p->before ? p->before : "",
						 p->before && p->after ? ">" : "", p->after ? p->after : ""),
				0);
		}
		assert_string_equal(text.data, rows[i].rows);
	}
}

/* ---- files ---- */

static char *pack(const char *folder, const char *name, const struct squash_options *options)
{
	_cleanup_free_ char *tree = path_join(folder, name);
	struct squash_result result;
	struct err err = {0};
	char *image;

	assert_true(asprintf(&image, "%s.squashfs", tree) > 0);
	(void)unlink(image);
	if (squash_pack(tree, image, options, &result, &err) < 0)
		fail_msg("%s", err.text);
	return image;
}

static const struct squash_options usual = {.level = 1, .block_size = 131072, .jobs = 2, .mtime = 1700000000};

static void compare(const char *folder, struct diff_files *ret)
{
	_cleanup_free_ char *a = pack(folder, "a", &usual), *b = pack(folder, "b", &usual);
	struct err err = {0};

	if (diff_files(a, b, ret, &err) < 0)
		fail_msg("%s", err.text);
}

static char *text_of(const struct diff_files *f)
{
	struct buf b = {0};

	assert_int_equal(buf_puts(&b, ""), 0);
	for (size_t i = 0; i < f->count; i++)
		assert_int_equal(buf_printf(&b, "%c%s:%u\n", "+-~"[f->items[i].change], f -> items[i].path,
					 f->items[i].what),
			0);
	return buf_steal(&b);
}

/* Text that fills blocks and differs from place to place. */
static void put_large(const char *root, const char *name, size_t len, size_t change_at)
{
	_cleanup_free_ char *text = malloc(len + 1);

	for (size_t i = 0; i < len; i++)
		text[i] = (char)('a' + (i * 7 + i / 1000) % 26);
	text[len] = '\0';
	if (change_at < len)
		text[change_at] = '#';
	tree_put(root, name, text);
}

static void test_files(void **state)
{
	_cleanup_free_ char *a = path_join(*state, "a"), *b = path_join(*state, "b"), *text = NULL;
	_cleanup_free_ char *mode = path_join(b, "etc/mode"), *owner = path_join(b, "etc/owner");
	_cleanup_free_ char *attribute = path_join(b, "etc/attribute"), *device = path_join(*state, "x");
	_cleanup_diff_files_ struct diff_files found = {0};

	for (int i = 0; i < 2; i++) {
		const char *root = i ? b : a;

		tree_put(root, "etc/same", "text");
		tree_put(root, "etc/text", i ? "new" : "old");
		tree_put(root, "etc/longer", i ? "a long text" : "a text");
		tree_put(root, "etc/mode", "m");
		tree_put(root, "etc/owner", "o");
		tree_put(root, "etc/attribute", "x");
		tree_put(root, "etc/link", i ? "-> new" : "-> old");
		tree_put(root, "etc/becomes", i ? "-> link" : "file");
		put_large(root, "usr/large", 700000, i ? 300000 : SIZE_MAX);
		put_large(root, "usr/tail", 300000, i ? 299999 : SIZE_MAX);
		put_large(root, "usr/equal", 500000, SIZE_MAX);
	}
	tree_put(a, "etc/gone/below", "x");
	tree_put(b, "etc/here/below", "x");
	assert_int_equal(chmod(mode, 0600), 0);
	assert_int_equal(setxattr(attribute, "user.colour", "red", 3, 0), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(owner, 7, 8), 0);
	compare(*state, &found);
	text = text_of(&found);
	assert_string_equal(text, geteuid() ? "not run as root"
					    : "~/etc/attribute:16\n~/etc/becomes:1\n-/etc/gone:0\n"
					      "-/etc/gone/below:0\n+/etc/here:0\n+/etc/here/below:0\n"
					      "~/etc/link:2\n~/etc/longer:2\n~/etc/mode:4\n~/etc/owner:8\n"
					      "~/etc/text:2\n~/usr/large:2\n~/usr/tail:2\n");
	assert_true(found.known > 0);
}

/* The same tree at another level and block size has no difference, though hardly a block is the same. */
static void test_other_packing(void **state)
{
	static const struct squash_options other[] = {
		{.level = 9, .block_size = 131072, .jobs = 2, .mtime = 1700000000},
		{.level = 1, .block_size = 1 << 20, .jobs = 2, .mtime = 1700000000},
	};
	_cleanup_free_ char *a = path_join(*state, "a"), *image = NULL;

	put_large(a, "large", 900000, SIZE_MAX);
	put_large(a, "tail", 200001, SIZE_MAX);
	tree_put(a, "small", "text");
	tree_put(a, "empty", "");
	image = pack(*state, "a", &usual);
	for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
		_cleanup_diff_files_ struct diff_files found = {0};
		_cleanup_free_ char *same = path_join(*state, "first.squashfs"), *second = NULL;
		struct err err = {0};

		assert_int_equal(copy_file(image, same, 0644, NULL), 0);
		second = pack(*state, "a", &other[i]);
		if (diff_files(same, second, &found, &err) < 0)
			fail_msg("%s", err.text);
		assert_int_equal(found.count, 0);
		assert_int_equal(unlink(same), 0);
		assert_int_equal(unlink(second), 0);
		free(image);
		image = pack(*state, "a", &usual);
	}
}

/* All blocks of an image are known to itself. */
static void test_known(void **state)
{
	_cleanup_free_ char *a = path_join(*state, "a"), *image = NULL;
	_cleanup_squash_reader_ struct squash_reader *r = NULL;
	_cleanup_free_ struct squash_extent *extents = NULL;
	_cleanup_diff_files_ struct diff_files found = {0};
	uint64_t sum = 0;
	size_t count;

	put_large(a, "large", 900000, SIZE_MAX);
	tree_put(a, "small", "text");
	image = pack(*state, "a", &usual);
	assert_int_equal(diff_files(image, image, &found, NULL), 0);
	assert_int_equal(squash_reader_open(image, &r, NULL), 0);
	assert_int_equal(squash_reader_extents(r, &extents, &count, NULL), 0);
	for (size_t i = 0; i < count; i++)
		sum += extents[i].size;
	assert_int_equal(found.known, sum);
	assert_true(count >= 7);
}

/* A damaged image can ask libsquashfs for more memory than there is; it is to be told so, not to be ended. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

/* Every byte of the metadata in turn is another one: a sentence or an answer, never a crash. */
static void test_damaged(void **state)
{
	_cleanup_free_ char *a = path_join(*state, "a"), *image = NULL, *bad = NULL, *data = NULL;
	size_t len;

	tree_put(*state, "none", "not an image");
	tree_put(a, "etc/text", "x");
	tree_put(a, "etc/link", "-> text");
	put_large(a, "usr/large", 200000, SIZE_MAX);
	image = pack(*state, "a", &usual);
	bad = path_join(*state, "bad");
	assert_int_equal(diff_files(image, bad, &(struct diff_files){0}, NULL), -ENOENT);
	assert_int_equal(read_file(image, 1 << 20, &data, &len, NULL), 0);
	for (size_t i = 0; i < len; i += i < 96 ? 1 : 5) {
		_cleanup_diff_files_ struct diff_files found = {0};
		char was = data[i];
		struct err err = {0};
		int r;

		data[i] = (char)~was;
		assert_int_equal(write_file(bad, &(struct file_content){data, len, 0644}, NULL), 0);
		data[i] = was;
		r = diff_files(image, bad, &found, &err);
		assert_true(r == 0 || err.text[0]);
	}
	for (size_t cut = 0; cut < len; cut += 97) {
		_cleanup_diff_files_ struct diff_files found = {0};

		assert_int_equal(write_file(bad, &(struct file_content){data, cut, 0644}, NULL), 0);
		(void)diff_files(image, bad, &found, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packages),
		unit_test_in_dir(test_files),
		unit_test_in_dir(test_other_packing),
		unit_test_in_dir(test_known),
		unit_test_in_dir(test_damaged),
	};

	return cmocka_run_group_tests_name("diff", tests, NULL, NULL);
}
