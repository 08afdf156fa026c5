/* Hostlists: text to names and back. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "imager/base/hostlist.h"

static void test_parse(void **state)
{
	static const struct {
		const char *text, *names; /* NULL: refused */
	} rows[] = {
		{"n1", "n1"},
		{"n1,login", "n1 login"},
		{"n[1-3]", "n1 n2 n3"},
		{"n[001-003,010],x", "n001 n002 n003 n010 x"},
		{"n[9-11]", "n9 n10 n11"},
		{"n[08-11]", "n08 n09 n10 n11"},
		{"r[1-2]-a", "r1-a r2-a"},
		{"n[7]", "n7"},
		{"n1,n[1-2],n1", "n1 n2"},
		{"", NULL},
		{",", NULL},
		{"n1,", NULL},
		{"n[", NULL},
		{"n]", NULL},
		{"n[]", NULL},
		{"n[1", NULL},
		{"n[a-b]", NULL},
		{"n[3-1]", NULL},
		{"n[1-2-3]", NULL},
		{"n[1-]", NULL},
		{"n[-1]", NULL},
		{"n[1][2]", NULL},
		{"n[[1]]", NULL},
		{"N1", NULL},
		{"n1 n2", NULL},
		{"../x", NULL},
		{"n[1-1000000]", NULL},
		{"n[1-99999999999999999999]", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_hostlist_ struct hostlist l = {0};
		_cleanup_buf_ struct buf names = {0};
		struct err err = {0};
		int r = hostlist_parse(rows[i].text, &l, &err);

		if (!rows[i].names) {
			assert_true(r == -EINVAL || r == -E2BIG);
			assert_int_equal(l.count, 0);
			assert_true(*err.text);
			continue;
		}
		assert_int_equal(r, 0);
		for (size_t j = 0; j < l.count; j++)
			assert_int_equal(buf_printf(&names, "%s%s", j ? " " : "", l.names[j]), 0);
		assert_string_equal(names.data, rows[i].names);
	}
}

static void test_format(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{"n3,n1,n2", "n[1-3]"},
		{"n001,n002,n004,login", "login,n[001-002,004]"},
		{"n1,n01", "n01,n1"},
		{"n[9-10]", "n10,n9"},
		{"a1,b1", "a1,b1"},
		{"r1-a,r2-a", "r1-a,r2-a"},
		{"7,8", "7,8"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_hostlist_ struct hostlist l = {0};
		_cleanup_buf_ struct buf text = {0};

		assert_int_equal(hostlist_parse(rows[i].text, &l, NULL), 0);
		assert_int_equal(hostlist_format(&l, &text), 0);
		assert_string_equal(text.data, rows[i].expected);
	}
}

static void test_many(void **state)
{
	_cleanup_hostlist_ struct hostlist l = {0};
	_cleanup_buf_ struct buf text = {0};

	(void)state;
	assert_int_equal(hostlist_parse("n[00001-10000]", &l, NULL), 0);
	assert_int_equal(l.count, 10000);
	assert_true(hostlist_has(&l, "n10000"));
	assert_false(hostlist_has(&l, "n10001"));
	assert_int_equal(hostlist_format(&l, &text), 0);
	assert_string_equal(text.data, "n[00001-10000]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
