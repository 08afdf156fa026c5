/* The verity tree: veritysetup takes ours, makes the same itself, and every damage is found. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/parse.h"
#include "imager/base/proc.h"
#include "imager/format/verity.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/testtree.h"

#define BLOCK VERITY_BLOCK

static void make_data(const char *path, uint64_t blocks)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	uint32_t block[BLOCK / 4];

	assert_true(fd >= 0);
	for (uint64_t i = 0; i < blocks; i++) {
		for (size_t j = 0; j < ARRAY_SIZE(block); j++)
			block[j] = (uint32_t)(i * 2654435761U + j * 40503U);
		assert_int_equal(write_full(fd, block, sizeof(block)), 0);
	}
}

static int check(const char *path, const struct verity *v, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return verity_check(&(struct verity_file){.fd = fd, .what = "root image"}, v, err);
}

static void run(const char *const argv[])
{
	struct err err = {0};

	if (proc_run(argv, NULL, &err) < 0)
		fail_msg("%s", err.text);
}

/* Sizes about where a level is added. */
static const uint64_t sizes[] = {1, 2, 127, 128, 129, 1000, 16384, 16385, 40000};

static void test_veritysetup_verifies(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "image");

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_free_ char *offset = NULL;
		struct err err = {0};
		struct verity v;
		char root[65];

		make_data(path, sizes[i]);
		if (verity_append(path, &v, &err) < 0)
			fail_msg("%s", err.text);
		assert_int_equal(v.data_size, sizes[i] * BLOCK);
		assert_int_equal(v.hash_offset, v.data_size);
		assert_int_equal(tree_size(*state, "image"), (long)verity_file_size(v.data_size));
		if (check(path, &v, &err) < 0)
			fail_msg("%s", err.text);
		digest_hex(&v.root_hash, root);
		assert_true(asprintf(&offset, "--hash-offset=%llu", (unsigned long long)v.hash_offset) > 0);
		run((const char *const[]){"veritysetup", "verify", path, path, root, offset, NULL});
	}
}

/* With our salt and uuid veritysetup writes the same bytes. */
static void test_veritysetup_makes_the_same(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "image"), *other = path_join(*state, "other");

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_free_ char *offset = NULL, *salt = NULL, *uuid = NULL;
		struct verity v;
		char hex[65];

		make_data(path, sizes[i]);
		make_data(other, sizes[i]);
		assert_int_equal(verity_append(path, &v, NULL), 0);
		digest_hex(&v.salt, hex);
		assert_true(asprintf(&salt, "--salt=%s", hex) > 0);
		assert_true(asprintf(&uuid, "--uuid=%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
				    hex + 16, hex + 20) > 0);
		assert_true(asprintf(&offset, "--hash-offset=%llu", (unsigned long long)v.data_size) > 0);
		run((const char *const[]){"veritysetup", "format", other, other, salt, uuid, offset,
			"--data-block-size=4096", "--hash-block-size=4096", NULL});
		run((const char *const[]){"cmp", path, other, NULL});
	}
}

static void test_stopped(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "image");
	_cleanup_close_ int fd = -1;
	const atomic_int stop = 1;
	struct verity v;

	make_data(path, 300);
	assert_int_equal(verity_append(path, &v, NULL), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(verity_check(&(struct verity_file){fd, "root image", &stop}, &v, NULL), -ECANCELED);
}

static void flip(const char *path, off_t at)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
	char byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 4;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void test_damage(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "image");
	struct err err = {0};
	struct verity v, w;
	long size;

	make_data(path, 300);
	assert_int_equal(verity_append(path, &v, NULL), 0);
	size = tree_size(*state, "image");
	/* the data, the superblock, the top, the digests, the zeros behind them */
	const struct {
		off_t at;
		const char *sentence;
	} rows[] = {
		{0, "verity root is not the one"},
		{300 * BLOCK - 1, "verity root is not the one"},
		{300 * BLOCK, "verity tree is not the one"},
		{301 * BLOCK, "verity tree is not the one"},
		{302 * BLOCK + 5, "verity tree is not the one"},
		{size - 1, "verity tree is not the one"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		flip(path, rows[i].at);
		assert_int_equal(check(path, &v, &err), -EBADMSG);
		assert_non_null(strstr(err.text, rows[i].sentence));
		flip(path, rows[i].at);
		assert_int_equal(check(path, &v, NULL), 0);
	}
	w = v;
	w.salt.bytes[31] ^= 1;
	assert_int_equal(check(path, &w, NULL), -EBADMSG);
	w = v;
	w.root_hash.bytes[0] ^= 1;
	assert_int_equal(check(path, &w, NULL), -EBADMSG);
	assert_int_equal(truncate(path, size - 1), 0);
	assert_int_equal(check(path, &v, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "are not its"));
}

/* Numbers of a manifest that cannot be: refused before anything is computed. */
static void test_hostile(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "image");
	static const uint64_t rows[][2] = {{0, 0}, {1, 1}, {4095, 4095}, {4096, 0}, {4096, 8192}, {0, 4096},
		{UINT64_MAX, UINT64_MAX}, {UINT64_MAX - 4095, UINT64_MAX - 4095},
		{UINT64_C(1) << 52, UINT64_C(1) << 52}, {8192, 8192}, {12288, 12288}};

	make_data(path, 3);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct verity v = {.data_size = rows[i][0], .hash_offset = rows[i][1]};

		assert_int_equal(check(path, &v, NULL), -EBADMSG);
	}
}

static void test_refused(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "image");
	struct err err = {0};
	struct verity v;

	tree_put(*state, "image", "");
	assert_int_equal(verity_append(path, &v, &err), -EINVAL);
	tree_put(*state, "image", "not a block");
	assert_int_equal(verity_append(path, &v, &err), -EINVAL);
	assert_non_null(strstr(err.text, "no multiple of 4096"));
	tree_is(*state, "image", "not a block");
	assert_int_equal(verity_append(*state, &v, &err), -EISDIR);
	assert_int_equal(verity_append("/nonexistent/image", &v, &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_veritysetup_verifies),
		unit_test_in_dir(test_veritysetup_makes_the_same),
		unit_test_in_dir(test_stopped),
		unit_test_in_dir(test_damage),
		unit_test_in_dir(test_hostile),
		unit_test_in_dir(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
