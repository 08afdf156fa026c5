/* Debian packages without their compression: dpkg takes them for the same, and damaged ones are refused. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "imager/base/proc.h"
#include "imager/source/deb.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/testtree.h"

static const char control[] = "Package: thing\nVersion: 1:2-3\nArchitecture: all\n"
			      "Maintainer: Test <test@example.org>\nDescription: short\n long\n";

static void run_or_fail(const char *const argv[])
{
	struct err err = {0};

	if (proc_run(argv, NULL, &err) < 0)
		fail_msg("%s", err.text);
}

static void capture(const char *const argv[], char **ret)
{
	struct err err = {0};

	if (proc_capture(argv, 1 << 20, ret, &err) < 0)
		fail_msg("%s", err.text);
}

static void make_deb(const char *folder, const char *compression)
{
	_cleanup_free_ char *tree = path_join(folder, "t"), *deb = path_join(folder, "a.deb"), *option = NULL;

	if (tree_size(folder, "t") < 0) {
		tree_put(folder, "t/DEBIAN/control", control);
		tree_put(folder, "t/usr/share/thing", "content");
		tree_put(folder, "t/usr/share/link", "-> thing");
	}
	assert_true(asprintf(&option, "-Z%s", compression) > 0);
	run_or_fail((const char *const[]){"dpkg-deb", "--root-owner-group", option, "-b", tree, deb, NULL});
}

static void test_unwrap(void **state)
{
	static const char *const compressions[] = {"xz", "gzip", "zstd", "none"};
	_cleanup_free_ char *deb = path_join(*state, "a.deb"), *raw = path_join(*state, "raw.deb");

	for (size_t i = 0; i < ARRAY_SIZE(compressions); i++) {
		_cleanup_free_ char *before = NULL, *after = NULL, *members = NULL, *version = NULL;
		_cleanup_buf_ struct buf text = {0};
		struct err err = {0};

		make_deb(*state, compressions[i]);
		if (deb_unwrap(deb, raw, &text, &err) < 0)
			fail_msg("%s: %s", compressions[i], err.text);
		assert_string_equal(text.data, control);
		capture((const char *const[]){"dpkg-deb", "-c", deb, NULL}, &before);
		capture((const char *const[]){"dpkg-deb", "-c", raw, NULL}, &after);
		assert_string_equal(before, after);
		capture((const char *const[]){"ar", "t", raw, NULL}, &members);
		assert_non_null(strstr(members, "\ndata.tar\n"));
		capture((const char *const[]){"dpkg-deb", "-f", raw, "Version", NULL}, &version);
		assert_string_equal(version, "1:2-3\n");
	}
}

/* Cut at any place and flipped at some: an error or the right control stanza, never anything else. */
static void test_damaged(void **state)
{
	_cleanup_free_ char *deb = path_join(*state, "a.deb"), *bad = path_join(*state, "bad.deb"),
			    *raw = path_join(*state, "raw.deb"), *data = NULL;
	size_t len;

	make_deb(*state, "xz");
	assert_int_equal(read_file(deb, 1 << 20, &data, &len, NULL), 0);
	for (size_t cut = 0; cut < len; cut += 7) {
		_cleanup_buf_ struct buf text = {0};
		struct err err = {0};

		assert_int_equal(write_file(bad, &(struct file_content){data, cut, 0644}, NULL), 0);
		if (deb_unwrap(bad, raw, &text, &err) >= 0 && strcmp(text.data, control) != 0)
			fail_msg("cut at %zu", cut);
	}
	for (size_t at = 0; at < len; at += 5) {
		_cleanup_buf_ struct buf text = {0};

		data[at] ^= 0x10;
		assert_int_equal(write_file(bad, &(struct file_content){data, len, 0644}, NULL), 0);
		(void)deb_unwrap(bad, raw, &text, NULL);
		data[at] ^= 0x10;
	}
}

static void test_no_package(void **state)
{
	static const struct {
		const char *name, *text;
	} rows[] = {
		{"empty", ""},
		{"text", "no archive at all\n"},
		{"ar", "!<arch>\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *path = path_join(*state, rows[i].name), *raw = path_join(*state, "raw");
		_cleanup_buf_ struct buf text = {0};
		struct err err = {0};

		tree_put(*state, rows[i].name, rows[i].text);
		assert_true(deb_unwrap(path, raw, &text, &err) < 0);
		assert_non_null(strstr(err.text, path));
	}
}

static void test_field(void **state)
{
	static const struct {
		const char *field, *value;
		int is;
	} rows[] = {
		{"Package", "thing", 1},
		{"package", "thing", 1},
		{"Package", "thin", 0},
		{"Package", "things", 0},
		{"Version", "1:2-3", 1},
		{"Version", "2-3", 0},
		{"long", "", 0},
		{"Missing", "x", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (deb_field_is(control, rows[i].field, rows[i].value) != rows[i].is)
			fail_msg("%s: %s", rows[i].field, rows[i].value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_unwrap),
		unit_test_in_dir(test_damaged),
		unit_test_in_dir(test_no_package),
		cmocka_unit_test(test_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
