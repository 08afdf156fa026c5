/* The model of a package list, and dpkg's status file as its source. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "imager/base/buf.h"
#include "imager/packages/packagelist.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/testtree.h"

/* A line a package, its fields between bars. */
static char *text_of(const struct packages *p)
{
	_cleanup_buf_ struct buf b = {0};

	assert_int_equal(buf_puts(&b, ""), 0);
	for (size_t i = 0; i < p->count; i++) {
		const struct package *x = &p->items[i];

		assert_int_equal(buf_printf(&b, "%s|%s|%s|%s|%s|%s\n", x->name, x->version, x->arch,
					 x->source, x->source_version, x->maintainer),
			0);
	}
	return buf_steal(&b);
}

static void test_dpkg(void **state)
{
	static const struct {
		const char *status, *text;
	} rows[] = {
		{"", ""},
		{"\n\n", ""},
		{"Package: b\nStatus: install ok installed\nArchitecture: all\nVersion: 2\nDescription: x\n "
		 "Package: no\n\n"
		 "Package: a\nStatus: install ok installed\nVersion: 1:1-1\nArchitecture: amd64\n",
			"a|1:1-1|amd64|||\nb|2|all|||\n"},
		{"Package: x\nStatus: deinstall ok config-files\nVersion: 1\n\n", ""},
		{"Package: x\nStatus: hold ok installed\nVersion: 1\n\n", "x|1||||\n"},
		{"Package: l\nStatus: install ok installed\nVersion: 1\nArchitecture: i386\n\n"
		 "Package: l\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\n",
			"l|1|amd64|||\nl|1|i386|||\n"},
		{"PackageX: x\nStatus: install ok installed\nVersion: 1\n", ""},
		{"Package: libc6\nStatus: install ok installed\nVersion: 2\nSource: glibc\n"
		 "Maintainer: Team <team@example.org>\n",
			"libc6|2||glibc||Team <team@example.org>\n"},
		{"Package: gcc\nStatus: install ok installed\nVersion: 4:12\nSource: gcc-defaults (1.203)\n",
			"gcc|4:12||gcc-defaults|1.203|\n"},
		{"Package: g\nStatus: install ok installed\nVersion: 1\nSource: s (1\n", "g|1||s||\n"},
		{"Package: g\nStatus: install ok installed\nVersion: 1\nSource:\n", "g|1||||\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *status = strdup(rows[i].status), *text = NULL;
		_cleanup_packages_ struct packages p = {0};

		assert_int_equal(packages_read_dpkg(status, &p), 0);
		packages_sort(&p);
		text = text_of(&p);
		assert_string_equal(text, rows[i].text);
	}
}

static void test_trees(void **state)
{
	_cleanup_packages_ struct packages none = {0}, one = {0}, quoted = {0};

	assert_int_equal(packages_list(*state, &none, NULL), 0);
	assert_int_equal(none.count, 0);
	assert_string_equal(none.type, "");
	tree_put(*state, "var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1\n");
	tree_put(*state, "usr/lib/os-release", "NAME=\"x\"\nVERSION_ID=1\nID=debian\n");
	assert_int_equal(packages_list(*state, &one, NULL), 0);
	assert_int_equal(one.count, 1);
	assert_string_equal(one.type, "deb");
	assert_string_equal(one.vendor, "debian");
	tree_put(*state, "etc/os-release", "ID=\"ubuntu\"\n");
	assert_int_equal(packages_list(*state, &quoted, NULL), 0);
	assert_string_equal(quoted.vendor, "ubuntu");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dpkg),
		unit_test_in_dir(test_trees),
	};

	return cmocka_run_group_tests_name("packages", tests, NULL, NULL);
}
