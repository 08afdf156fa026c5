/* What getsubids prints and what the kernel's map says. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/userns.h"

static void test_ranges(void **state)
{
	static const struct {
		const char *text;
		int expected;
		size_t count;
		uint64_t total;
	} rows[] = {
		{"", 0, 0, 0},
		{"0: alice 100000 65536\n", 0, 1, 65536},
		{"0: alice 100000 65536", 0, 1, 65536},
		{"0: alice 100000 1000\n1: alice 4000000000 64536\n", 0, 2, 65536},
		{"0: alice 100000 0\n", 0, 0, 0},
		{"0: alice 4294967295 0\n", 0, 0, 0},
		{"Error fetching ranges\n", -EINVAL, 0, 0},
		{"0: alice 100000\n", -EINVAL, 0, 0},
		{"0: alice 100000 65536 1\n", -EINVAL, 0, 0},
		{"0: alice -1 65536\n", -EINVAL, 0, 0},
		{"0: alice 100000 65536 \n", -EINVAL, 0, 0},
		{"0: alice 4294967294 1\n", 0, 1, 1},
		{"0: alice 4294967295 1\n", -EINVAL, 0, 0},
		{"0: alice 4294967295 2\n", -EINVAL, 0, 0},
		{"0: alice 100000 4294967296\n", -EINVAL, 0, 0},
		{"0:  100000 65536\n", 0, 1, 65536},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct userns_ranges ranges = {.count = 99};

		if (userns_parse_ranges(rows[i].text, &ranges) != rows[i].expected)
			fail_msg("'%s'", rows[i].text);
		if (rows[i].expected < 0) {
			assert_int_equal(ranges.count, 99);
			continue;
		}
		assert_int_equal(ranges.count, rows[i].count);
		assert_int_equal(ranges.total, rows[i].total);
	}
}

static void test_many_ranges(void **state)
{
	_cleanup_free_ char *text = calloc(100, 64);
	struct userns_ranges ranges;

	(void)state;
	for (int i = 0; i < 100; i++)
		(void)snprintf(text + strlen(text), 64, "%d: a %d 10\n", i, 100000 + 10 * i);
	assert_int_equal(userns_parse_ranges(text, &ranges), 0);
	assert_int_equal(ranges.count, USERNS_RANGES_MAX);
	assert_int_equal(ranges.total, 10 * USERNS_RANGES_MAX);
	assert_int_equal(ranges.items[15].first, 100150);
}

static void test_mapped(void **state)
{
	static const struct {
		const char *map;
		uint64_t expected;
	} rows[] = {
		{"         0          0 4294967295\n", UINT32_MAX},
		{"         0       1001          1\n         1     100000      65536\n", 65537},
		{"         0       1001          1\n", 1},
		{"         5       1001          1\n", 0},
		{"0 1001 1\n1 100000 10\n20 100010 10\n", 11},
		{"", 0},
		{"nonsense", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(userns_mapped(rows[i].map), rows[i].expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_many_ranges),
		cmocka_unit_test(test_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
