/* The hash of blocks: the values that others compute, another one for each content, length and key. */
#include "tests/unit/unit.h"

#include <string.h>

#include "imager/squash/blockhash.h"

static struct blockhash_value hash(const struct blockhash *h, const void *data, size_t size)
{
	struct blockhash_value v;

	assert_int_equal(blockhash_of(h, data, size, &v), 0);
	return v;
}

/*
 * The first is test case 1 of the GCM specification (McGrew, Viega); the others were computed by
 * openssl mac -macopt cipher:AES-128-GCM -macopt hexkey:KEY -macopt hexiv:000000000000000000000000 -in FILE
 * GMAC
 */
static void test_known_values(void **state)
{
	static const struct {
		uint8_t key; /* all its bytes */
		const char *data;
		uint8_t value[16];
	} rows[] = {
		{0x00, "",
			{0x58, 0xe2, 0xfc, 0xce, 0xfa, 0x7e, 0x30, 0x61, 0x36, 0x7f, 0x1d, 0x57, 0xa4, 0xe7,
				0x45, 0x5a}},
		{0x5a, "swarmboot",
			{0x0c, 0xd9, 0x00, 0xef, 0x23, 0x7b, 0xc6, 0x89, 0xb8, 0xf8, 0xf5, 0xa7, 0x2b, 0xed,
				0x6a, 0x7b}},
		{0x01, "one block of sixteen, and some more of it",
			{0x44, 0x57, 0xcb, 0xac, 0xdc, 0xfc, 0x35, 0x9a, 0x8a, 0x69, 0x11, 0x52, 0x08, 0x76,
				0x32, 0x6a}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct blockhash_key key;
		struct blockhash_value v;

		memset(key.bytes, rows[i].key, sizeof(key.bytes));
		_cleanup_blockhash_ struct blockhash *h = blockhash_new(&key);

		assert_non_null(h);
		v = hash(h, rows[i].data, strlen(rows[i].data));
		assert_memory_equal(v.bytes, rows[i].value, sizeof(v.bytes));
		/* the key's tables are as good the second time */
		v = hash(h, rows[i].data, strlen(rows[i].data));
		assert_memory_equal(v.bytes, rows[i].value, sizeof(v.bytes));
	}
}

static void test_what_differs(void **state)
{
	_cleanup_blockhash_ struct blockhash *one = blockhash_new_random(), *other = blockhash_new_random();
	uint8_t data[64] = {0};
	struct blockhash_value first, v;

	(void)state;
	assert_non_null(one);
	assert_non_null(other);
	first = hash(one, data, sizeof(data));
	v = hash(other, data, sizeof(data));
	assert_memory_not_equal(v.bytes, first.bytes, sizeof(v.bytes));
	v = hash(one, data, sizeof(data) - 1);
	assert_memory_not_equal(v.bytes, first.bytes, sizeof(v.bytes));
	for (size_t bit = 0; bit < sizeof(data) * 8; bit++) {
		data[bit / 8] ^= (uint8_t)(1U << bit % 8);
		v = hash(one, data, sizeof(data));
		assert_memory_not_equal(v.bytes, first.bytes, sizeof(v.bytes));
		data[bit / 8] = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_values),
		cmocka_unit_test(test_what_differs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
