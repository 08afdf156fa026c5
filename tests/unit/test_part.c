/* A mirror's part in its folder: what is taken for it, what it takes for its end, and that its name lasts.
 * The transfer itself is tried by tests/netns/mirror.bats. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "seeder/mirror/part.h"
#include "tests/unit/tempdir.h"

/* ---- what is asked of the kernel, in order: f a file's fsync, d a folder's, r a rename ---- */

static char calls[64];

static void note_call(char call)
{
	size_t len = strlen(calls);

	if (len + 1 < sizeof(calls))
		calls[len] = call;
}

int fsync(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	note_call(S_ISDIR(st.st_mode) ? 'd' : 'f');
	return (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
	note_call('r');
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* ---- parts ---- */

static int on_progress(const struct part_fetch *f, uint64_t done)
{
	(void)f;
	(void)done;
	return 0;
}

/* All bytes are there already, so nobody is asked for them: only the proof is missing. */
static int fetch(const char *folder, const char *content, const struct release_part *part, struct err *err)
{
	_cleanup_free_ char *path = part_path(folder, part), *growing = NULL;
	const struct part_fetch f = {.url = "http://127.0.0.1:1",
		.folder = folder,
		.what = "kernel",
		.part = part,
		.progress = on_progress};

	assert_true(asprintf(&growing, "%s.part", path) > 0);
	assert_int_equal(
		write_file(growing, &(struct file_content){content, strlen(content), 0644}, NULL), 0);
	memset(calls, 0, sizeof(calls));
	return part_fetch(&f, err);
}

static void test_placed(void **state)
{
	struct release_part part = {.size = 6};
	_cleanup_free_ char *path = NULL, *is = NULL;

	assert_int_equal(digest_bytes("kernel", 6, &part.digest), 0);
	path = part_path(*state, &part);
	assert_int_equal(fetch(*state, "kernel", &part, NULL), 0);
	assert_string_equal(calls, "frd");
	assert_int_equal(read_file(path, 100, &is, NULL, NULL), 0);
	assert_string_equal(is, "kernel");
}

static void test_wrong_bytes(void **state)
{
	struct release_part part = {.size = 6};
	_cleanup_free_ char *path = NULL;
	struct err err = {0};

	assert_int_equal(digest_bytes("kernel", 6, &part.digest), 0);
	path = part_path(*state, &part);
	assert_int_equal(fetch(*state, "KERNEL", &part, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "other bytes than those of the signed digest"));
	assert_string_equal(calls, "");
	assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_placed),
		unit_test_in_dir(test_wrong_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
