/* Text to values: the whole string or nothing, and *ret untouched on failure. Also buf and err. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imager/base/buf.h"
#include "imager/base/err.h"
#include "imager/base/parse.h"

#define UNTOUCHED UINT64_C(0x5a5a)

static void test_u64(void **state)
{
	static const struct {
		const char *text;
		int expected;
		uint64_t value;
	} rows[] = {
		{"0", 0, 0},
		{"007", 0, 7},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, UNTOUCHED},
		{"99999999999999999999999", -ERANGE, UNTOUCHED},
		{"", -EINVAL, UNTOUCHED},
		{" 1", -EINVAL, UNTOUCHED},
		{"1 ", -EINVAL, UNTOUCHED},
		{"+1", -EINVAL, UNTOUCHED},
		{"-1", -EINVAL, UNTOUCHED},
		{"0x10", -EINVAL, UNTOUCHED},
		{"1e3", -EINVAL, UNTOUCHED},
		{"\xb1", -EINVAL, UNTOUCHED},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t value = UNTOUCHED;

		assert_int_equal(parse_u64(rows[i].text, &value), rows[i].expected);
		assert_int_equal(value, rows[i].value);
	}
}

static void test_small_numbers(void **state)
{
	static const struct {
		const char *text;
		int u16, u32;
	} rows[] = {
		{"0", 0, 0},
		{"65535", 0, 0},
		{"65536", -ERANGE, 0},
		{"4294967295", -ERANGE, 0},
		{"4294967296", -ERANGE, -ERANGE},
		{"18446744073709551616", -ERANGE, -ERANGE},
		{"x", -EINVAL, -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint16_t small = 42;
		uint32_t large = 42;

		assert_int_equal(parse_u16(rows[i].text, &small), rows[i].u16);
		assert_int_equal(parse_u32(rows[i].text, &large), rows[i].u32);
		if (rows[i].u16)
			assert_int_equal(small, 42);
		if (rows[i].u32)
			assert_int_equal(large, 42);
	}
}

static void test_bool(void **state)
{
	static const struct {
		const char *text;
		int expected, value;
	} rows[] = {{"true", 0, 1}, {"yes", 0, 1}, {"on", 0, 1}, {"false", 0, 0}, {"no", 0, 0}, {"off", 0, 0},
		{"", -EINVAL, 42}, {"True", -EINVAL, 42}, {"1", -EINVAL, 42}, {"yes ", -EINVAL, 42}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int value = 42;

		assert_int_equal(parse_bool(rows[i].text, &value), rows[i].expected);
		assert_int_equal(value, rows[i].value);
	}
}

static void test_size(void **state)
{
	static const struct {
		const char *text;
		int expected;
		uint64_t value;
	} rows[] = {
		{"0", 0, 0},
		{"512", 0, 512},
		{"1K", 0, 1024},
		{"1KiB", 0, 1024},
		{"512MiB", 0, UINT64_C(512) << 20},
		{"2G", 0, UINT64_C(2) << 30},
		{"3TiB", 0, UINT64_C(3) << 40},
		{"16777215T", 0, UINT64_C(16777215) << 40},
		{"16777216T", -ERANGE, UNTOUCHED},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551615K", -ERANGE, UNTOUCHED},
		{"", -EINVAL, UNTOUCHED},
		{"K", -EINVAL, UNTOUCHED},
		{"1k", -EINVAL, UNTOUCHED},
		{"1KB", -EINVAL, UNTOUCHED},
		{"1Ki", -EINVAL, UNTOUCHED},
		{"1KiBx", -EINVAL, UNTOUCHED},
		{"1 K", -EINVAL, UNTOUCHED},
		{"1.5G", -EINVAL, UNTOUCHED},
		{"-1M", -EINVAL, UNTOUCHED},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t value = UNTOUCHED;

		assert_int_equal(parse_size(rows[i].text, &value), rows[i].expected);
		assert_int_equal(value, rows[i].value);
	}
}

static void test_rate(void **state)
{
	static const struct {
		const char *text;
		int expected;
		uint64_t value;
	} rows[] = {{"100MiB/s", 0, 104857600}, {"5K/s", 0, 5120}, {"7/s", 0, 7}, {"800Mbit/s", 0, 100000000},
		{"1Gbit/s", 0, 125000000}, {"64kbit/s", 0, 8000}, {"80bit/s", 0, 10}, {"0/s", 0, 0},
		{"100MiB", -EINVAL, UNTOUCHED}, {"100", -EINVAL, UNTOUCHED}, {"/s", -EINVAL, UNTOUCHED},
		{"", -EINVAL, UNTOUCHED}, {"s", -EINVAL, UNTOUCHED}, {"100MB/s", -EINVAL, UNTOUCHED},
		{"100mbit/s", -EINVAL, UNTOUCHED}, {"1 Gbit/s", -EINVAL, UNTOUCHED},
		{"-1Mbit/s", -EINVAL, UNTOUCHED}, {"18446744073709551615Gbit/s", -ERANGE, UNTOUCHED},
		{"18446744073709551615K/s", -ERANGE, UNTOUCHED},
		{"000000000000000000000000000000000001/s", -EINVAL, UNTOUCHED}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t value = UNTOUCHED;

		if (parse_rate(rows[i].text, &value) != rows[i].expected || value != rows[i].value)
			fail_msg("'%s'", rows[i].text);
	}
}

static void test_seconds(void **state)
{
	static const struct {
		const char *text;
		int expected;
		uint64_t value;
	} rows[] = {{"0", 0, 0}, {"90", 0, 90}, {"90s", 0, 90}, {"5m", 0, 300}, {"1h", 0, 3600},
		{"2d", 0, 172800}, {"18446744073709551615d", -ERANGE, UNTOUCHED}, {"", -EINVAL, UNTOUCHED},
		{"h", -EINVAL, UNTOUCHED}, {"1hh", -EINVAL, UNTOUCHED}, {"1w", -EINVAL, UNTOUCHED},
		{"-1h", -EINVAL, UNTOUCHED}, {"1 h", -EINVAL, UNTOUCHED}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t value = UNTOUCHED;

		assert_int_equal(parse_seconds(rows[i].text, &value), rows[i].expected);
		assert_int_equal(value, rows[i].value);
	}
}

static void test_mode(void **state)
{
	static const struct {
		const char *text;
		int expected;
		mode_t value;
	} rows[] = {{"0644", 0, 0644}, {"755", 0, 0755}, {"7777", 0, 07777}, {"0", 0, 0},
		{"10000", -ERANGE, 42}, {"8", -EINVAL, 42}, {"", -EINVAL, 42}, {"u+x", -EINVAL, 42}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		mode_t value = 42;

		assert_int_equal(parse_mode(rows[i].text, &value), rows[i].expected);
		assert_int_equal(value, rows[i].value);
	}
}

/* The vectors of RFC 4648, section 10; then what is another spelling of the same bytes, or none. */
static void test_base64(void **state)
{
	static const struct {
		const char *text, *bytes; /* NULL: refused */
	} rows[] = {{"", ""}, {"Zg==", "f"}, {"Zm8=", "fo"}, {"Zm9v", "foo"}, {"Zm9vYg==", "foob"},
		{"Zm9vYmE=", "fooba"}, {"Zm9vYmFy", "foobar"}, {"Zg", NULL}, {"Zg=", NULL}, {"Zh==", NULL},
		{"Zm9=", NULL}, {"Zg==Zg==", NULL}, {"====", NULL}, {"Z===", NULL}, {"Zm 9", NULL},
		{"Zm9v\n", NULL}, {"Zm-_", NULL}, {"=m9v", NULL}, {"Zm=v", NULL}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t bytes[16];
		size_t len = 99;
		int r = parse_base64(rows[i].text, bytes, &len);

		assert_int_equal(r, rows[i].bytes ? 0 : -EINVAL);
		assert_int_equal(len, rows[i].bytes ? strlen(rows[i].bytes) : 99);
		if (rows[i].bytes)
			assert_memory_equal(bytes, rows[i].bytes, len);
	}
}

/* RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF. */
static void test_utf8(void **state)
{
	static const struct {
		const char *text;
		size_t good; /* bytes */
	} rows[] = {{"", 0}, {"a\x7f", 2}, {"\xc2\x80\xdf\xbf", 4}, {"\xe0\xa0\x80\xef\xbf\xbf", 6},
		{"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 8}, {"\xed\x9f\xbf\xee\x80\x80", 6}, {"a\x80", 1},
		{"\xc1\xbf", 0}, {"\xc2", 0}, {"\xc2x", 0}, {"\xe0\x9f\xbf", 0}, {"\xed\xa0\x80", 0},
		{"ab\xe2\x82", 2}, {"\xf0\x8f\xbf\xbf", 0}, {"\xf4\x90\x80\x80", 0}, {"\xf5\x80\x80\x80", 0},
		{"\xff", 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(parse_utf8(rows[i].text), rows[i].good);
}

static void test_hex(void **state)
{
	static const struct {
		const char *text;
		int expected;
	} rows[] = {{"00ff10", 0}, {"00FF10", 0}, {"00ff1", -EINVAL}, {"00ff100", -EINVAL}, {"", -EINVAL},
		{"00fg10", -EINVAL}, {"0x0f10", -EINVAL}, {" 0ff10", -EINVAL}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t bytes[3] = {1, 2, 3};
		char text[7];

		assert_int_equal(parse_hex(rows[i].text, bytes, 3), rows[i].expected);
		format_hex(bytes, 3, text);
		assert_string_equal(text, rows[i].expected ? "010203" : "00ff10");
	}
}

static void test_mac(void **state)
{
	static const struct {
		const char *text, *value; /* NULL: refused */
	} rows[] = {
		{"52:54:00:aa:00:01", "52:54:00:aa:00:01"},
		{"52-54-00-AA-00-01", "52:54:00:aa:00:01"},
		{"52:54:00:aa:00:0", NULL},
		{"52:54:00:aa:00:011", NULL},
		{"52:54:00:aa:00:0g", NULL},
		{"525400aa0001", NULL},
		{"52.54.00.aa.00.01", NULL},
		{"5:254:00:aa:00:01", NULL},
		{"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char mac[MAC_TEXT_SIZE] = "untouched";

		assert_int_equal(parse_mac(rows[i].text, mac), rows[i].value ? 0 : -EINVAL);
		assert_string_equal(mac, rows[i].value ? rows[i].value : "untouched");
	}
}

static void test_name(void **state)
{
	static const struct {
		const char *text;
		int expected;
	} rows[] = {
		{"a", 0},
		{"0", 0},
		{"slurm-compute_1.2", 0},
		{"012345678901234567890123456789012345678901234567890123456789012", 0},
		{"0123456789012345678901234567890123456789012345678901234567890123", -EINVAL},
		{"", -EINVAL},
		{"-a", -EINVAL},
		{"a-", -EINVAL},
		{".", -EINVAL},
		{"..", -EINVAL},
		{"a/b", -EINVAL},
		{"a b", -EINVAL},
		{"A", -EINVAL},
		{"a\n", -EINVAL},
		{"\xc3\xa4", -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(parse_name(rows[i].text), rows[i].expected);
}

/* ---- buf ---- */

static void test_buf(void **state)
{
	_cleanup_buf_ struct buf b = {0}, other = {0};
	_cleanup_free_ char *text = NULL, *empty = NULL;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(buf_printf(&b, "%u,", i), 0);
	assert_int_equal(b.len, 3890);
	assert_int_equal(strlen(b.data), b.len);
	assert_int_equal(buf_add(&b, "a\0b", 3), 0);
	assert_int_equal(b.len, 3893);
	assert_int_equal(buf_add(&b, NULL, 0), 0);
	assert_int_equal(b.data[b.len], '\0');
	assert_int_equal(buf_reserve(&b, SIZE_MAX), -ENOMEM);
	assert_int_equal(b.len, 3893);
	assert_int_equal(buf_puts(&other, "old"), 0);
	buf_move(&other, &b);
	assert_null(b.data);
	assert_int_equal(other.len, 3893);
	text = buf_steal(&other);
	assert_memory_equal(text, "0,1,2,", 6);
	assert_null(other.data);
	empty = buf_steal(&other);
	assert_string_equal(empty, "");
}

/* ---- err ---- */

static void test_err(void **state)
{
	struct err err = {0};
	char text[2 * ERR_TEXT_MAX];

	(void)state;
	assert_int_equal(err_set(&err, ENOENT, "%s: %d", "x", 7), -ENOENT);
	assert_int_equal(err.code, ENOENT);
	assert_string_equal(err.text, "x: 7");
	assert_int_equal(err_prefix(&err, "file %d", 1), -ENOENT);
	assert_string_equal(err.text, "file 1: x: 7");
	assert_int_equal(err_set(&err, 0, "no code"), -EIO);
	assert_int_equal(err_path(&err, EACCES, "/x"), -EACCES);
	assert_string_equal(err.text, "/x: Permission denied");
	assert_int_equal(err_oom(&err, "a test"), -ENOMEM);
	assert_int_equal(err_set(NULL, EPERM, "nobody listens"), -EPERM);
	assert_int_equal(err_prefix(NULL, "nobody listens"), -EIO);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(err_set(&err, EIO, "%s", text), -EIO);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
	assert_int_equal(err_prefix(&err, "short"), -EIO);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
	assert_memory_equal(err.text, "short: xxx", 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_small_numbers),
		cmocka_unit_test(test_bool),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_seconds),
		cmocka_unit_test(test_mode),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_buf),
		cmocka_unit_test(test_err),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
