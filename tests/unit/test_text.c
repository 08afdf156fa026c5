/* Text of others: what stays, what becomes U+FFFD, where it is cut. */
#include "tests/unit/unit.h"

#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/base/text.h"

#define B TEXT_BROKEN

static void test_clean(void **state)
{
	static const struct {
		const char *text, *clean;
	} rows[] = {
		{"", ""},
		{"plain: \"text\" ~", "plain: \"text\" ~"},
		{"Ger\xc3\xa4t \xe2\x82\xac \xf0\x9f\x98\x80", "Ger\xc3\xa4t \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"half \xc3", "half " B},
		{"\xff\xfe\x80", B B B},
		{"\xed\xa0\x80", B B B},               /* a surrogate */
		{"a\x1b[2Jb\x7f\n", "a" B "[2Jb" B B}, /* what a terminal obeys ... */
		{"\xc2\x9b"
		 "2J",
			B "2J"},                             /* ... also as C1 */
		{"x\xe2\x80\xaey\xe2\x81\xa6", "x" B "y" B}, /* from right to left */
		{B, B},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char got[64];

		text_clean(rows[i].text, got, sizeof(got));
		assert_string_equal(got, rows[i].clean);
	}
}

static void test_clean_cuts_between_characters(void **state)
{
	static const struct {
		size_t size;
		const char *clean;
	} rows[] = {{1, ""}, {2, "a"}, {3, "a"}, {4, "a\xc3\xa4"}, {5, "a\xc3\xa4"}, {7, "a\xc3\xa4" B},
		{8, "a\xc3\xa4" B "z"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char got[16];

		memset(got, 'x', sizeof(got));
		text_clean("a\xc3\xa4\xffz", got, rows[i].size);
		assert_string_equal(got, rows[i].clean);
		assert_int_equal(got[rows[i].size], 'x');
	}
}

static void test_mend(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		const char *whole;
	} rows[] = {{"", 0, ""}, {"{\"a\":\n\t\"\xc3\xa4\"}", 12, "{\"a\":\n\t\"\xc3\xa4\"}"},
		{"\xff"
		 "a\xc3",
			3, B "a" B},
		{"a\0b", 3, "a" B "b"}, {"\xe2\x82", 2, B B}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf got = {0};

		assert_int_equal(text_mend(rows[i].text, rows[i].len, &got), 0);
		assert_string_equal(got.data, rows[i].whole);
		assert_int_equal(got.len, strlen(rows[i].whole));
	}
}

static void test_cut(void **state)
{
	(void)state;
	assert_int_equal(text_cut("", 5), 0);
	assert_int_equal(text_cut("abc", 2), 2);
	assert_int_equal(text_cut("abc", 9), 3);
	assert_int_equal(text_cut("\xc3\xa4\xe2\x82\xac", 1), 2);
	assert_int_equal(text_cut("\xc3\xa4\xe2\x82\xac", 2), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_clean_cuts_between_characters),
		cmocka_unit_test(test_mend),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
