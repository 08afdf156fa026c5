/* Which release a release to be signed is compared with. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "imager/releases/signreview.h"

static void test_base(void **state)
{
	/* profile and sequence of each, a star for a signature that is proved; the one that is signed; what
	 * it is compared with */
	static const struct {
		const char *releases, *rel, *base;
	} rows[] = {
		{"a1", "a1", ""},
		{"a1*", "a1", ""},
		{"a1 a2", "a2", ""},
		{"a1* a2", "a2", "a1"},
		{"a1* a2* a3 a4", "a4", "a2"},
		{"a1* a2 a3*", "a2", "a1"},
		{"a1 a2* a3*", "a1", "a3"},
		{"a1* a2*", "a2", "a1"},
		{"a1 b1* b2*", "a1", ""},
		{"a1* b1", "b1", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = strdup(rows[i].releases);
		struct store_release items[4] = {0}, rel = {0};
		struct store_list list = {.items = items};
		const struct store_release *base;
		int trusted[4] = {0};
		char *rest = text, *word, found[3] = "";

		while ((word = strsep(&rest, " "))) {
			struct store_release *r = &items[list.count];

			r->release.profile[0] = word[0];
			r->release.sequence = (uint64_t)(word[1] - '0');
			trusted[list.count++] = word[2] == '*';
			if (!strncmp(word, rows[i].rel, 2))
				rel = *r;
		}
		base = signreview_base(&list, trusted, &rel);
		if (base)
			(void)snprintf(found, sizeof(found), "%c%u", base->release.profile[0],
				(unsigned)(base->release.sequence % 10));
		assert_string_equal(found, rows[i].base);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_base)};

	return cmocka_run_group_tests_name("signreview", tests, NULL, NULL);
}
