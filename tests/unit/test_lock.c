/* Lock files: what is written is read again as it was, and what could be used for anything else is refused.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "imager/source/lock.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct lock *sample(void)
{
	struct lock *l = calloc(1, sizeof(*l));
	struct {
		const char *name, *version, *arch, *uri;
	} rows[] = {
		{"zlib1g", "1:1.2.13.dfsg-1", "amd64", "http://a/z_1%3a.deb"},
		{"bash", "5.2.15-2+b13", "amd64", NULL},
		{"bash", "5.2.15-2+b13", "all", NULL},
	};

	l->source = strdup("debian");
	l->suite = strdup("bookworm");
	l->has_input = 1;
	assert_int_equal(digest_parse("sha256:" HEX, &l->input), 0);
	assert_int_equal(lock_want(l, "bash=5*"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct lock_package row = {(char *)rows[i].name, (char *)rows[i].version,
			(char *)rows[i].arch, (char *)rows[i].uri, l->input, 7};

		assert_int_equal(lock_add(l, &row), 0);
	}
	lock_sort(l);
	return l;
}

static void test_round_trip(void **state)
{
	static const char expected[] =
		"{\n \"format\": \"swarmboot-lock-1\",\n \"source\": \"debian\",\n \"suite\": \"bookworm\",\n"
		" \"input\": \"sha256:" HEX "\",\n \"wanted\": [\n  \"bash=5*\"\n ],\n \"packages\": [\n"
		"  {\"name\":\"bash\",\"version\":\"5.2.15-2+b13\",\"arch\":\"all\"},\n"
		"  {\"name\":\"bash\",\"version\":\"5.2.15-2+b13\",\"arch\":\"amd64\"},\n"
		"  {\"name\":\"zlib1g\",\"version\":\"1:1.2.13.dfsg-1\",\"arch\":\"amd64\","
		"\"digest\":\"sha256:" HEX "\",\"size\":7,\"uri\":\"http://a/z_1%3a.deb\"}\n ]\n}\n";
	_cleanup_lock_ struct lock *l = sample(), *again = NULL;
	_cleanup_buf_ struct buf text = {0}, second = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(lock_format(l, &text), 0);
	assert_string_equal(text.data, expected);
	if (lock_parse(text.data, text.len, "x", &again, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(lock_format(again, &second), 0);
	assert_string_equal(second.data, expected);
	assert_null(again->variant);
}

#define HEAD(more) "{\"format\":\"swarmboot-lock-1\",\"source\":\"debian\",\"wanted\":[]," more "}"
#define ROW(more)  HEAD("\"packages\":[{\"name\":\"a\",\"version\":\"1\",\"arch\":\"all\"" more "}]")
#define FROM(uri)  ROW(",\"digest\":\"sha256:" HEX "\",\"size\":1,\"uri\":\"" uri "\"")

static void test_parse(void **state)
{
	static const struct {
		const char *text, *fault; /* NULL: it is good */
	} rows[] = {
		{HEAD("\"packages\":[]"), NULL},
		{ROW(""), NULL},
		{FROM("https://host/a_1.deb"), NULL},
		{"", "no lock file"},
		{"[]", "no lock file"},
		{"{\"format\":\"swarmboot-lock-2\"}", "no lock file"},
		{HEAD("\"source\":\"debian\",\"packages\":[]"), "no lock file"}, /* twice */
		{HEAD("\"other\":1"), "'packages'"},
		{HEAD("\"packages\":{}"), "'packages'"},
		{HEAD("\"packages\":[1]"), "package 1: 'name'"},
		{HEAD("\"packages\":[],\"suite\":\"../x\""), "'suite'"},
		{HEAD("\"packages\":[],\"suite\":7"), "'suite'"},
		{HEAD("\"packages\":[],\"input\":\"sha256:ff\""), "'input'"},
		{HEAD("\"packages\":[{\"name\":\"../a\",\"version\":\"1\",\"arch\":\"all\"}]"),
			"package 1: 'name'"},
		{HEAD("\"packages\":[{\"name\":\"-o\",\"version\":\"1\",\"arch\":\"all\"}]"),
			"package 1: 'name'"},
		{HEAD("\"packages\":[{\"name\":\"\",\"version\":\"1\",\"arch\":\"all\"}]"),
			"package 1: 'name'"},
		{HEAD("\"packages\":[{\"name\":\"a\\u0000b\",\"version\":\"1\",\"arch\":\"all\"}]"),
			"lock file"},
		{HEAD("\"packages\":[{\"name\":\"a\",\"version\":\"1/2\",\"arch\":\"all\"}]"),
			"package 1: 'version'"},
		{HEAD("\"packages\":[{\"name\":\"a\",\"version\":\"1\"}]"), "package 1: 'arch'"},
		{ROW(",\"uri\":\"http://a/b\""), "package 1: 'size'"},
		{ROW(",\"uri\":\"http://a/b\",\"size\":1"), "package 1: 'digest'"},
		{ROW(",\"uri\":\"http://a/b\",\"size\":-1,\"digest\":\"sha256:" HEX "\""),
			"package 1: 'size'"},
		{FROM("-ohttp://a/b"), "package 1: 'uri'"},
		{FROM("/etc/passwd"), "package 1: 'uri'"},
		{FROM("http://a/b c"), "package 1: 'uri'"},
		{FROM("http://a/b\\nc"), "package 1: 'uri'"},
		{FROM("http://a/'b"), "package 1: 'uri'"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_lock_ struct lock *l = NULL;
		struct err err = {0};
		int r = lock_parse(rows[i].text, strlen(rows[i].text), "x.json", &l, &err);

		if (!rows[i].fault != (r == 0))
			fail_msg("row %zu: %d %s", i, r, err.text);
		if (rows[i].fault && (r != -EINVAL || l || !strstr(err.text, rows[i].fault)))
			fail_msg("row %zu: %d %s", i, r, err.text);
	}
}

static void test_cut(void **state)
{
	_cleanup_lock_ struct lock *l = sample();
	_cleanup_buf_ struct buf text = {0};

	(void)state;
	assert_int_equal(lock_format(l, &text), 0);
	for (size_t len = 0; len + 2 < text.len; len++) {
		struct lock *cut = NULL;

		assert_int_equal(lock_parse(text.data, len, "x", &cut, NULL), -EINVAL);
		assert_null(cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
