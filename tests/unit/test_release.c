/* The release manifest: its bytes, and everything that is not one. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/release_sample.h"

#define ROOT_DIGEST "sha256:4813494d137e1631bba301d5acab6e7bb7aa74ce1185d456565ef51d737677b2"

/* Version 1 of the format, for ever: nodes in the field read these bytes. */
static const char golden[] =
	"{\"format\":1,\"profile\":\"slurm-compute\",\"sequence\":7,\"version\":\"2024.1 \xc3\xa4\","
	"\"arch\":\"amd64\",\"created\":1700000000,"
	"\"source\":\"sha256:1900eab6c028483d7126599ee6f50de0d27907b5c65fa90524580b4b0f9852b0\","
	"\"overlay_limit\":2147483648,"
	"\"kernel\":{\"release\":\"6.1.0-18-amd64\","
	"\"digest\":\"sha256:6923dd1bc0460082c5d55a831908c24a282860b7f1cd6c2b79cf1bc8857c639c\","
	"\"size\":8000000,\"cmdline\":\"quiet console=ttyS0,115200\"},"
	"\"initramfs\":{"
	"\"digest\":\"sha256:9752c38a9065f7646ffaac3621d1fa2f7dbe726c7e12e511eac7fdb14d4e2a24\","
	"\"size\":12000000},"
	"\"root\":{\"digest\":\"" ROOT_DIGEST "\",\"size\":12884901888},"
	"\"packages\":{"
	"\"digest\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\","
	"\"size\":0,\"count\":250}}\n";

static void test_golden(void **state)
{
	struct release sample = sample_release(), r;
	_cleanup_buf_ struct buf text = {0}, again = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(release_format(&sample, &text), 0);
	assert_string_equal(text.data, golden);
	if (release_parse(golden, strlen(golden), &r, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(release_format(&r, &again), 0);
	assert_string_equal(again.data, golden);
	assert_int_equal(r.root.size, UINT64_C(3) << 32);
	assert_int_equal(r.overlay_limit, UINT64_C(2) << 30);
	assert_int_equal(r.package_count, 250);
	assert_string_equal(r.kernel_release, "6.1.0-18-amd64");
	assert_string_equal(r.cmdline, "quiet console=ttyS0,115200");
}

/* What the first releases do not have: not written when it is 0. */
static void test_optional(void **state)
{
	struct release sample = sample_release(), r;
	_cleanup_buf_ struct buf text = {0};

	(void)state;
	assert_int_equal(release_parse(golden, strlen(golden), &r, NULL), 0);
	assert_int_equal(r.memory_reserve, 0);
	sample.memory_reserve = UINT64_C(1) << 30;
	assert_int_equal(release_format(&sample, &text), 0);
	assert_non_null(
		strstr(text.data, "\"overlay_limit\":2147483648,\"memory_reserve\":1073741824,\"kernel\""));
	assert_int_equal(release_parse(text.data, text.len, &r, NULL), 0);
	assert_int_equal(r.memory_reserve, UINT64_C(1) << 30);
}

/* The golden text with its first `from` replaced. */
static char *edited(const char *from, const char *to)
{
	const char *at = strstr(golden, from);
	char *text = NULL;

	assert_non_null(at);
	assert_true(asprintf(&text, "%.*s%s%s", (int)(at - golden), golden, to, at + strlen(from)) >= 0);
	return text;
}

static const struct {
	const char *from, *to, *sentence;
} refused[] = {
	/* no JSON object, or more than one */
	{golden, "", "not JSON"},
	{golden, "[]", "not a JSON object"},
	{golden, "null", "not JSON"},
	{"}}\n", "}", "not JSON"},
	{"}}\n", "}}\n{}", "not JSON"},
	{"}}\n", "}}\nx", "not JSON"},
	{"\"sequence\":7", "\"sequence\":7,\"sequence\":8", "not JSON"},
	/* format */
	{"\"format\":1,", "", "format"},
	{"\"format\":1", "\"format\":2", "format"},
	{"\"format\":1", "\"format\":\"1\"", "format"},
	/* what this version must not pass over */
	{"\"format\":1", "\"format\":1,\"critical\":{\"verity\":1}", "critical.verity: unknown"},
	{"\"format\":1", "\"format\":1,\"critical\":[]", "critical: not an object"},
	{"\"format\":1", "\"format\":1,\"critical\":null", "critical: not an object"},
	/* missing, other type */
	{"\"overlay_limit\"", "\"memory_reserve\":-1,\"overlay_limit\"", "memory_reserve: out of range"},
	{"\"overlay_limit\"", "\"memory_reserve\":\"1\",\"overlay_limit\"",
		"memory_reserve: not a whole number"},
	{"\"arch\":\"amd64\",", "", "arch: missing"},
	{"\"count\":250", "\"counts\":250", "packages.count: missing"},
	{"\"root\":{", "\"toor\":{", "root.digest: missing"},
	{"\"arch\":\"amd64\"", "\"arch\":64", "arch: not a string"},
	{"\"sequence\":7", "\"sequence\":\"7\"", "sequence: not a whole number"},
	{"\"sequence\":7", "\"sequence\":7.0", "sequence: not a whole number"},
	{"\"sequence\":7", "\"sequence\":null", "sequence: not a whole number"},
	{"\"sequence\":7", "\"sequence\":true", "sequence: not a whole number"},
	{"\"initramfs\":{", "\"initramfs\":[],\"x\":{", "initramfs: not an object"},
	{"\"digest\":\"" ROOT_DIGEST "\"", "\"digest\":1", "root.digest: not a digest"},
	/* values */
	{"\"sequence\":7", "\"sequence\":0", "sequence: out of range"},
	{"\"sequence\":7", "\"sequence\":-1", "sequence: out of range"},
	{"slurm-compute", "Slurm", "profile: not allowed"},
	{"slurm-compute", "../x", "profile: not allowed"},
	{"slurm-compute", "", "profile: not allowed"},
	{"slurm-compute", "a\\u0000b", "not JSON"},
	{"slurm-compute", "0123456789012345678901234567890123456789012345678901234567890123",
		"profile: too long"},
	{"2024.1", "a\\nb", "version: not allowed"},
	{"2024.1", "\xff", "not JSON"},
	{"\"amd64\"", "\"amd 64\"", "arch: not allowed"},
	{"\"6.1.0-18-amd64\"", "\"../6.1\"", "kernel.release: not allowed"},
	{"\"6.1.0-18-amd64\"", "\"6/1\"", "kernel.release: not allowed"},
	{"\"6.1.0-18-amd64\"", "\"\"", "kernel.release: not allowed"},
	{"quiet", "quiet\\nchain http://x", "kernel.cmdline: not allowed"},
	{"quiet", "\\u00e4", "kernel.cmdline: not allowed"},
	{"quiet", "\\u007f", "kernel.cmdline: not allowed"},
	{"sha256:4813", "sha256:481", "root.digest: not a digest"},
	{"sha256:4813", "sha256:G813", "root.digest: not a digest"},
	{"sha256:4813", "sha512:4813", "root.digest: not a digest"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		_cleanup_free_ char *text = edited(refused[i].from, refused[i].to);
		struct release r, before;
		struct err err = {0};

		memset(&r, 0x5a, sizeof(r));
		before = r;
		assert_int_equal(release_parse(text, strlen(text), &r, &err), -EBADMSG);
		if (!strstr(err.text, refused[i].sentence))
			fail_msg("'%s' is not in '%s'", refused[i].sentence, err.text);
		assert_int_equal(strncmp(err.text, "release manifest: ", 18), 0);
		assert_memory_equal(&r, &before, sizeof(r));
	}
}

/* Exact or refused, never wrapped. */
static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
		int expected;
	} rows[] = {
		{"0", 0, 0},
		{"2147483647", 2147483647, 0},
		{"2147483648", UINT64_C(1) << 31, 0},
		{"4294967295", UINT32_MAX, 0},
		{"4294967296", UINT64_C(1) << 32, 0},
		{"9007199254740992", UINT64_C(1) << 53, 0},
		{"9007199254740993", 0, -EBADMSG},
		{"9223372036854775807", 0, -EBADMSG},
		{"9223372036854775808", 0, -EBADMSG},
		{"18446744073709551615", 0, -EBADMSG},
		{"18446744073709551616", 0, -EBADMSG},
		{"-1", 0, -EBADMSG},
		{"-9223372036854775808", 0, -EBADMSG},
		{"1e3", 0, -EBADMSG},
		{"0x10", 0, -EBADMSG},
		{"010", 0, -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = edited("12884901888", rows[i].text);
		struct release r = {.root.size = 42};

		assert_int_equal(release_parse(text, strlen(text), &r, NULL), rows[i].expected);
		assert_int_equal(r.root.size, rows[i].expected ? 42 : rows[i].value);
	}
}

static void test_too_large(void **state)
{
	_cleanup_buf_ struct buf text = {0};
	struct err err = {0};
	struct release r;

	(void)state;
	assert_int_equal(buf_puts(&text, golden), 0);
	while (text.len < RELEASE_LIMIT)
		assert_int_equal(buf_puts(&text, " "), 0);
	assert_int_equal(release_parse(text.data, text.len, &r, NULL), 0);
	assert_int_equal(buf_puts(&text, " "), 0);
	assert_int_equal(release_parse(text.data, text.len, &r, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "larger than"));
}

static void test_unknown_keys_are_passed_over(void **state)
{
	static const struct {
		const char *from, *to;
	} rows[] = {
		{"\"format\":1", "\"format\":1,\"note\":{\"a\":[1,2]}"},
		{"\"format\":1", "\"format\":1,\"critical\":{}"},
		{"\"root\":{", "\"root\":{\"further\":{},"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = edited(rows[i].from, rows[i].to);
		struct release r;

		assert_int_equal(release_parse(text, strlen(text), &r, NULL), 0);
	}
}

/* Nested as deep as the limit on bytes lets it: refused, without a deep stack of ours. */
static void test_deep(void **state)
{
	char *text = malloc(RELEASE_LIMIT);
	struct release r;

	(void)state;
	memset(text, '[', RELEASE_LIMIT);
	assert_int_equal(release_parse(text, RELEASE_LIMIT, &r, NULL), -EBADMSG);
	free(text);
}

/* An image with a verity tree: written whole, read back, and refused in part or where it does not fit. */
static void test_verity(void **state)
{
	static const struct {
		const char *from, *to, *sentence;
	} rows[] = {
		{"\"data_size\":4096000", "\"data_size\":0", "root.verity.data_size: out of range"},
		{"\"data_size\":4096000", "\"data_size\":409600", "root.verity: data and tree"},
		{"\"data_size\":4096000", "\"data_size\":4096001", "root.verity: data and tree"},
		{"\"hash_offset\":4096000", "\"hash_offset\":4096", "root.verity: data and tree"},
		{",\"hash_offset\":4096000", "", "root.verity.hash_offset: missing"},
		{"\"salt\":\"0", "\"salt\":\"G", "root.verity.salt: not allowed"},
		{"\"salt\":\"0", "\"salt\":\"", "root.verity.salt: not allowed"},
		{"\"verity\":{", "\"verity\":1,\"x\":{", "root.verity: not an object"},
	};
	struct release sample = sample_release(), r;
	_cleanup_buf_ struct buf text = {0};
	struct err err = {0};

	(void)state;
	sample.verity = (struct verity){.data_size = 4096000, .hash_offset = 4096000};
	memset(sample.verity.root_hash.bytes, 0x5a, 32);
	sample.root.size = verity_file_size(4096000);
	assert_int_equal(release_format(&sample, &text), 0);
	assert_non_null(strstr(text.data, "\"verity\":{\"root_hash\":\"5a5a"));
	assert_int_equal(release_parse(text.data, text.len, &r, NULL), 0);
	assert_memory_equal(&r.verity, &sample.verity, sizeof(r.verity));
	assert_int_equal(release_parse(golden, strlen(golden), &r, NULL), 0);
	assert_int_equal(r.verity.data_size, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *at = strstr(text.data, rows[i].from);
		_cleanup_free_ char *bad = NULL;

		assert_non_null(at);
		assert_true(asprintf(&bad, "%.*s%s%s", (int)(at - text.data), text.data, rows[i].to,
				    at + strlen(rows[i].from)) > 0);
		assert_int_equal(release_parse(bad, strlen(bad), &r, &err), -EBADMSG);
		if (!strstr(err.text, rows[i].sentence))
			fail_msg("%s: %s", rows[i].to, err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_optional),
		cmocka_unit_test(test_verity),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_unknown_keys_are_passed_over),
		cmocka_unit_test(test_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
