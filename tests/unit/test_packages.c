/* The package list: from dpkg's status file to sorted JSON. */
#include "tests/unit/unit.h"

#include <string.h>

#include "imager/packages.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/testtree.h"

static void test_format(void **state)
{
	static const struct {
		const char *status, *json;
		uint64_t count;
	} rows[] = {
		{"", "[]\n", 0},
		{"\n\n", "[]\n", 0},
		{"Package: b\nStatus: install ok installed\nArchitecture: all\nVersion: 2\nDescription: x\n "
		 "Package: no\n\n"
		 "Package: a\nStatus: install ok installed\nVersion: 1:1-1\nArchitecture: amd64\n",
			"[\n{\"name\":\"a\",\"version\":\"1:1-1\",\"arch\":\"amd64\"},\n"
			"{\"name\":\"b\",\"version\":\"2\",\"arch\":\"all\"}\n]\n",
			2},
		{"Package: x\nStatus: deinstall ok config-files\nVersion: 1\n\n", "[]\n", 0},
		{"Package: x\nStatus: hold ok installed\nVersion: 1\n\n",
			"[\n{\"name\":\"x\",\"version\":\"1\",\"arch\":\"\"}\n]\n", 1},
		{"Package: l\nStatus: install ok installed\nVersion: 1\nArchitecture: i386\n\n"
		 "Package: l\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\n",
			"[\n{\"name\":\"l\",\"version\":\"1\",\"arch\":\"amd64\"},\n"
			"{\"name\":\"l\",\"version\":\"1\",\"arch\":\"i386\"}\n]\n",
			2},
		{"PackageX: x\nStatus: install ok installed\nVersion: 1\n", "[]\n", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *status = strdup(rows[i].status);
		_cleanup_buf_ struct buf json = {0};
		uint64_t count = 99;

		assert_int_equal(packages_format(status, &json, &count), 0);
		assert_string_equal(json.data, rows[i].json);
		assert_int_equal(count, rows[i].count);
	}
}

static void test_trees(void **state)
{
	_cleanup_buf_ struct buf none = {0}, one = {0};
	uint64_t count;

	assert_int_equal(packages_list(*state, &none, &count, NULL), 0);
	assert_string_equal(none.data, "[]\n");
	tree_put(*state, "var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1\n");
	assert_int_equal(packages_list(*state, &one, &count, NULL), 0);
	assert_int_equal(count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		unit_test_in_dir(test_trees),
	};

	return cmocka_run_group_tests_name("packages", tests, NULL, NULL);
}
