/* The HTTP server's byte ranges; the server itself is tried by tests/netns/serve.bats. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "imager/base/cleanup.h"
#include "seeder/http.h"

static void test_range(void **state)
{
	static const struct {
		const char *header;
		uint64_t size;
		int expected;
		uint64_t first, length;
	} rows[] = {
		{"bytes=0-0", 10, 1, 0, 1},
		{"bytes=0-", 10, 1, 0, 10},
		{"bytes=3-5", 10, 1, 3, 3},
		{"bytes=3-99", 10, 1, 3, 7},
		{"bytes=9-9", 10, 1, 9, 1},
		{"bytes=-1", 10, 1, 9, 1},
		{"bytes=-10", 10, 1, 0, 10},
		{"bytes=-11", 10, 1, 0, 10},
		{"bytes=18446744073709551615-", 10, -ERANGE, 0, 0},
		{"bytes=10-", 10, -ERANGE, 0, 0},
		{"bytes=-0", 10, -ERANGE, 0, 0},
		{"bytes=0-", 0, -ERANGE, 0, 0},
		{"bytes=-5", 0, -ERANGE, 0, 0},
		{"bytes=4294967296-4294967297", UINT64_C(1) << 40, 1, UINT64_C(1) << 32, 2},
		{NULL, 10, 0, 0, 0},
		{"", 10, 0, 0, 0},
		{"bytes=", 10, 0, 0, 0},
		{"bytes=-", 10, 0, 0, 0},
		{"bytes=5", 10, 0, 0, 0},
		{"bytes=5-3", 10, 0, 0, 0},
		{"bytes=0-1,4-5", 10, 0, 0, 0},
		{"bytes= 0-1", 10, 0, 0, 0},
		{"bytes=0x1-5", 10, 0, 0, 0},
		{"bytes=99999999999999999999-", 10, 0, 0, 0},
		{"lines=0-1", 10, 0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t first = 0, length = 0;

		assert_int_equal(
			httpd_range(rows[i].header, rows[i].size, &first, &length), rows[i].expected);
		assert_int_equal(first, rows[i].first);
		assert_int_equal(length, rows[i].length);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
