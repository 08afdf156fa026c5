/* SHA-256 digests: the one spelling, known answers, files and streams. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "imager/format/digest.h"
#include "tests/unit/tempdir.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" /* FIPS 180-2, B.1 */

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		int expected;
	} rows[] = {
		{"sha256:" ABC, 0},
		{"sha256:" EMPTY, 0},
		{"", -EINVAL},
		{"sha256:", -EINVAL},
		{ABC, -EINVAL},
		{"sha512:" ABC, -EINVAL},
		{"SHA256:" ABC, -EINVAL},
		{" sha256:" ABC, -EINVAL},
		{"sha256:" ABC " ", -EINVAL},
		{"sha256:" ABC "0", -EINVAL},
		{"sha256:BA7816BF8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", -EINVAL},
		{"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a", -EINVAL},
		{"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f2001/..", -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct digest d;
		char text[DIGEST_TEXT_SIZE];

		memset(&d, 0x5a, sizeof(d));
		assert_int_equal(digest_parse(rows[i].text, &d), rows[i].expected);
		digest_format(&d, text);
		if (rows[i].expected == 0)
			assert_string_equal(text, rows[i].text);
		else
			assert_memory_equal(text + 7, "5a5a5a5a", 8);
	}
}

static void test_known_answers(void **state)
{
	static const struct {
		const char *data, *hex;
	} rows[] = {{"", EMPTY}, {"abc", ABC}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct digest d;
		char hex[65];

		assert_int_equal(digest_bytes(rows[i].data, strlen(rows[i].data), &d), 0);
		digest_hex(&d, hex);
		assert_string_equal(hex, rows[i].hex);
	}
}

static void test_equal(void **state)
{
	struct digest a, b;

	(void)state;
	assert_int_equal(digest_bytes("a", 1, &a), 0);
	for (size_t bit = 0; bit < 256; bit++) {
		b = a;
		assert_true(digest_equal(&a, &b));
		b.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(digest_equal(&a, &b));
	}
}

/* A file larger than the block, read through a descriptor whose position must not matter nor move. */
static void test_file_and_stream_agree(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "file"), *data = malloc(700001);
	_cleanup_digest_stream_ struct digest_stream *s = digest_stream_new();
	_cleanup_close_ int fd = -1;
	struct digest whole, of_file, of_stream;
	uint64_t size = 0;

	for (size_t i = 0; i < 700001; i++)
		data[i] = (char)(i * 31 + i / 256);
	assert_int_equal(write_file(path, &(struct file_content){data, 700001, 0600}, NULL), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(lseek(fd, 1000, SEEK_SET), 1000);
	assert_int_equal(digest_bytes(data, 700001, &whole), 0);
	assert_int_equal(digest_fd(fd, &of_file, &size, NULL), 0);
	assert_int_equal(size, 700001);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 1000);
	assert_true(digest_equal(&whole, &of_file));
	for (size_t at = 0, step = 1; at < 700001; at += step, step = step * 2 + 1)
		assert_int_equal(digest_stream_add(s, data + at, step < 700001 - at ? step : 700001 - at), 0);
	assert_int_equal(digest_stream_end(s, &of_stream), 0);
	assert_true(digest_equal(&whole, &of_stream));
}

/* A file that would take minutes: what is told to stop stops at once. */
static void test_stopped(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "file");
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	const atomic_int stop = 1;
	struct digest d;

	assert_int_equal(ftruncate(fd, INT64_C(1) << 40), 0);
	assert_int_equal(digest_fd(fd, &d, NULL, &stop), -ECANCELED);
}

static void test_unreadable(void **state)
{
	_cleanup_close_ int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct digest d;

	(void)state;
	assert_int_equal(digest_fd(fd, &d, NULL, NULL), -EBADF);
	assert_int_equal(digest_fd(-1, &d, NULL, NULL), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_known_answers),
		cmocka_unit_test(test_equal),
		unit_test_in_dir(test_file_and_stream_agree),
		unit_test_in_dir(test_stopped),
		cmocka_unit_test(test_unreadable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
