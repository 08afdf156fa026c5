/* Files of several sizes into a zstd frame and back by the zstd program: the same bytes at any number of
 * jobs. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/base/proc.h"
#include "imager/boot/zstdfile.h"
#include "tests/unit/tempdir.h"

static void run_or_fail(const char *const argv[])
{
	struct err err = {0};

	if (proc_run(argv, NULL, &err) < 0)
		fail_msg("%s", err.text);
}

/* Words of a small set in an order that does not repeat: it compresses, but not to nothing. */
static void write_words(const char *path, size_t size)
{
	_cleanup_free_ char *data = malloc(size + 1);
	const struct file_content content = {.data = data, .len = size, .mode = 0644};
	uint32_t state = 1;

	assert_non_null(data);
	for (size_t i = 0; i < size; i++) {
		state = state * 1664525 + 1013904223;
		data[i] = (char)("initramfs modules"[(state >> 24) % 17]);
	}
	assert_int_equal(write_file(path, &content, NULL), 0);
}

static void test_round_trip(void **state)
{
	static const size_t sizes[] = {0, 1, 4096, (4 << 20) - 1, 4 << 20, (9 << 20) + 5};
	static const unsigned jobs[] = {1, 2, 5, 0};
	_cleanup_free_ char *input = path_join(*state, "input");

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		write_words(input, sizes[i]);
		for (size_t j = 0; j < ARRAY_SIZE(jobs); j++) {
			_cleanup_free_ char *output = NULL;
			struct err err = {0};

			assert_true(asprintf(&output, "%s/output%zu", (char *)*state, j) > 0);
			if (zstdfile_pack(input, output, jobs[j], &err) < 0)
				fail_msg("%zu bytes, %u jobs: %s", sizes[i], jobs[j], err.text);
		}
		run_or_fail((const char *const[]){"sh", "-ec",
			"cd \"$1\"; for f in output1 output2 output3; do cmp output0 $f; done; "
			"zstd -dcq output0 | cmp - input",
			"sh", *state, NULL});
	}
}

/* As the kernel wants it: one frame, a window of at most 128 MiB, with a checksum. */
static void test_frame(void **state)
{
	_cleanup_free_ char *input = path_join(*state, "input"), *output = path_join(*state, "output");

	write_words(input, 20 << 20);
	assert_int_equal(zstdfile_pack(input, output, 2, NULL), 0);
	run_or_fail((const char *const[]){"sh", "-ec",
		"list=$(zstd -lv \"$1\" 2>&1); case $list in *'Frames: 1'*'Check: XXH64'*) ;; *) "
		"echo "
		"\"$list\"; exit 1 ;; esac; zstd -tq --memory=128MB \"$1\"",
		"sh", output, NULL});
}

static void test_refused(void **state)
{
	_cleanup_free_ char *input = path_join(*state, "input"), *output = path_join(*state, "output"),
			    *deep = path_join(*state, "gone/output");
	struct err err = {0};

	assert_int_equal(zstdfile_pack(input, output, 1, &err), -ENOENT);
	assert_non_null(strstr(err.text, "input: No such file"));
	assert_int_equal(access(output, F_OK), -1);
	write_words(input, 10);
	assert_int_equal(zstdfile_pack(input, deep, 1, &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_round_trip),
		unit_test_in_dir(test_frame),
		unit_test_in_dir(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
