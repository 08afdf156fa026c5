/* A torrent's data file: its size before the first byte, what is refused, and when it is open for writing. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "seeder/swarm/datafile.h"
#include "tests/unit/tempdir.h"

#define SIZE 1000

static void put(const char *path, size_t len)
{
	char bytes[2 * SIZE] = {0};

	assert_int_equal(write_file(path, &(struct file_content){bytes, len, 0644}, NULL), 0);
}

static void test_prepare(void **state)
{
	static const struct {
		int there; /* bytes; -1: no file */
		int complete, expected;
	} rows[] = {{-1, 0, 1}, {0, 0, 1}, {10, 0, 0}, {SIZE, 0, 0}, {SIZE + 1, 0, -EBADMSG},
		{-1, 1, -ENOENT}, {0, 1, -EBADMSG}, {SIZE - 1, 1, -EBADMSG}, {SIZE, 1, 0},
		{SIZE + 1, 1, -EBADMSG}};
	_cleanup_free_ char *path = path_join(*state, "data");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = {0};
		struct stat st;

		(void)unlink(path);
		if (rows[i].there >= 0)
			put(path, (size_t)rows[i].there);
		assert_int_equal(datafile_prepare(path, SIZE, rows[i].complete, &err), rows[i].expected);
		if (rows[i].expected < 0) {
			assert_non_null(strstr(err.text, "data"));
			continue;
		}
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, SIZE);
	}
	assert_int_equal(datafile_prepare(*state, SIZE, 1, NULL), -EINVAL);
}

static void test_read_and_write(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "data");
	struct datafile f = {.path = path, .size = SIZE, .fd = -1};
	char text[8] = "";

	assert_int_equal(datafile_is_sized(&f), -ENOENT);
	assert_int_equal(datafile_write(&f, "x", 1, 0), -ENOENT);
	put(path, SIZE);
	assert_int_equal(datafile_is_sized(&f), 1);
	/* Read, written and read again: by one descriptor from the first write on. */
	assert_int_equal(datafile_read(&f, text, 4, 500), 0);
	assert_int_equal(fcntl(f.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(datafile_write(&f, "word", 4, 500), 0);
	assert_int_equal(fcntl(f.fd, F_GETFL) & O_ACCMODE, O_RDWR);
	assert_int_equal(datafile_read(&f, text, 4, 500), 0);
	assert_string_equal(text, "word");
	/* Another one makes it shorter. */
	assert_int_equal(truncate(path, 502), 0);
	assert_int_equal(datafile_read(&f, text, 4, 500), -ENODATA);
	assert_int_equal(datafile_is_sized(&f), 0);
	/* Closed, it opens again by itself, for reading. */
	datafile_close(&f);
	datafile_close(&f);
	assert_int_equal(datafile_read(&f, text, 2, 500), 0);
	assert_int_equal(fcntl(f.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	datafile_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_prepare),
		unit_test_in_dir(test_read_and_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
