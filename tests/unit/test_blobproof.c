/* The proof of a blob: what is read, what is known without reading, and what a scan leaves for the next. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "seeder/blobproof.h"
#include "tests/unit/store_sample.h"
#include "tests/unit/tempdir.h"

#define OTHER   "root image: its bytes are not those of the signed digest"
#define SIZE    "root image: has 4 bytes where the manifest says 5"
#define READING "root image: is still being read"
#define ENDED   "root image: cannot be read: Operation canceled"

/* The file of a blob whose bytes are to be "image": those it has, NULL: it is gone. */
static void lay(const char *path, const char *bytes)
{
	(void)unlink(path);
	if (bytes)
		assert_int_equal(
			write_file(path, &(struct file_content){bytes, strlen(bytes), 0644}, NULL), 0);
}

static enum verdict verdict_in(const struct verified *v, const struct digest *d, const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? verified_find(v, d, &st) : VERDICT_NONE;
}

static void test_blob(void **state)
{
	static const struct {
		const char *bytes;
		enum verdict known; /* of the file as it is, from a former scan */
		int is_bound, is_stopped, expected;
		const char *why;
		enum verdict recalled, kept; /* before the proof; by it */
	} rows[] = {
		{"image", VERDICT_NONE, 0, 0, 0, "", VERDICT_NONE, VERDICT_GOOD},
		{"imagE", VERDICT_NONE, 0, 0, -EBADMSG, OTHER, VERDICT_NONE, VERDICT_BAD},
		{"imag", VERDICT_NONE, 0, 0, -EBADMSG, SIZE, VERDICT_BAD, VERDICT_NONE},
		{"imag", VERDICT_GOOD, 0, 0, -EBADMSG, SIZE, VERDICT_BAD, VERDICT_NONE},
		{NULL, VERDICT_NONE, 0, 0, -ENOENT, "No such file", VERDICT_BAD, VERDICT_NONE},
		{NULL, VERDICT_NONE, 1, 0, -ENOENT, "No such file", VERDICT_BAD, VERDICT_NONE},
		/* what is known is not read */
		{"imagE", VERDICT_GOOD, 0, 0, 0, "", VERDICT_GOOD, VERDICT_GOOD},
		{"image", VERDICT_BAD, 0, 0, -EBADMSG, OTHER, VERDICT_BAD, VERDICT_BAD},
		{"image", VERDICT_GOOD, 1, 1, 0, "", VERDICT_GOOD, VERDICT_GOOD},
		{"image", VERDICT_BAD, 1, 1, -EBADMSG, OTHER, VERDICT_BAD, VERDICT_BAD},
		/* and what is not cannot be said */
		{"image", VERDICT_NONE, 1, 0, -EAGAIN, READING, VERDICT_NONE, VERDICT_NONE},
		{"imagE", VERDICT_NONE, 0, 1, -ECANCELED, ENDED, VERDICT_NONE, VERDICT_NONE},
	};
	_cleanup_store_ struct store *s = open_store(state, 1);
	const struct release r = add_parts(s, "slurm", "image");
	_cleanup_free_ char *path = store_blob_path(s, &r.root.digest);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const atomic_int stop = rows[i].is_stopped;
		_cleanup_(blobproof_release) struct blobproof p = {
			.stop = &stop, .is_bound = rows[i].is_bound};
		const struct suspect suspect = {s, &r.root, "root image"};
		struct proved_blob blob = {0};
		struct err err = {0};
		struct stat st;

		lay(path, rows[i].bytes);
		if (rows[i].known != VERDICT_NONE) {
			assert_int_equal(stat(path, &st), 0);
			assert_int_equal(verified_add(&p.known, &r.root.digest, &st, rows[i].known), 0);
		}
		assert_int_equal(blobproof_recall(&p, &suspect), rows[i].recalled);
		assert_int_equal(blobproof_blob(&p, &suspect, &blob, &err), rows[i].expected);
		if (!strstr(err.text, rows[i].why))
			fail_msg("'%s' has no '%s'", err.text, rows[i].why);
		assert_int_equal(verdict_in(&p.proved, &r.root.digest, path), rows[i].kept);
		if (rows[i].expected == 0)
			assert_string_equal(blob.path, path);
		else
			assert_null(blob.path);
		free(blob.path);
	}
}

/* A link or a folder is no blob, whatever it leads to. */
static void test_no_file(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	const struct release r = add_parts(s, "slurm", "image");
	const struct suspect suspect = {s, &r.root, "root image"};
	_cleanup_free_ char *path = store_blob_path(s, &r.root.digest), *other = path_join(*state, "other");
	_cleanup_(blobproof_release) struct blobproof p = {0};
	struct proved_blob blob = {0};

	lay(other, "image");
	lay(path, NULL);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(blobproof_recall(&p, &suspect), VERDICT_BAD);
	assert_int_equal(blobproof_blob(&p, &suspect, &blob, NULL), -ELOOP);
	lay(path, NULL);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(blobproof_recall(&p, &suspect), VERDICT_BAD);
	assert_int_equal(blobproof_blob(&p, &suspect, &blob, NULL), -EBADMSG);
	assert_null(blob.path);
	assert_int_equal(p.proved.count, 0);
}

/* A scan to its end keeps what it has come to; one that was stopped what was known as well. */
static void test_memory(void **state)
{
	static const struct {
		int is_stopped, expected;
		size_t kept;
	} rows[] = {{1, -ECANCELED, 2}, {0, 0, 1}};
	_cleanup_store_ struct store *s = open_store(state, 1);
	const struct release r = add_parts(s, "slurm", "image");
	_cleanup_free_ char *memory = path_join(*state, VERIFIED_FILE);
	_cleanup_(blobproof_release) struct blobproof first = {0};
	struct proved_blob blob = {0};

	assert_int_equal(blobproof_blob(&first, &(struct suspect){s, &r.kernel, "kernel"}, &blob, NULL), 0);
	free(blob.path);
	assert_int_equal(blobproof_blob(&first, &(struct suspect){s, &r.root, "root"}, &blob, NULL), 0);
	free(blob.path);
	assert_int_equal(blobproof_save(&first, memory, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const atomic_int stop = rows[i].is_stopped;
		_cleanup_(blobproof_release) struct blobproof p = {0}, again = {0};

		assert_int_equal(blobproof_load(&p, memory, &stop), 0);
		assert_int_equal(p.known.count, 2);
		assert_int_equal(blobproof_blob(&p, &(struct suspect){s, &r.root, "root"}, &blob, NULL), 0);
		free(blob.path);
		assert_int_equal(blobproof_save(&p, memory, NULL), rows[i].expected);
		assert_int_equal(blobproof_load(&again, memory, NULL), 0);
		assert_int_equal(again.known.count, rows[i].kept);
	}
}

/* A verdict is on the image under the tree that the manifest names, not under another. */
static void test_tree(void **state)
{
	static const struct {
		int is_bad, is_bound, is_stopped, expected;
		const char *why;
	} rows[] = {
		{0, 1, 0, -EAGAIN, READING},
		{0, 0, 1, -ECANCELED, "root image"},
		{0, 0, 0, 0, ""},
		{0, 1, 1, 0, ""},
		{1, 1, 0, -EAGAIN, READING},
		{1, 0, 0, -EBADMSG, "root image: its hash tree is not the signed one"},
		{1, 1, 1, -EBADMSG, "root image: its hash tree is not the signed one"},
	};
	_cleanup_store_ struct store *s = open_store(state, 1);
	const struct store_release releases[] = {publish_tree(s, "good", 0), publish_tree(s, "bad", 1)};
	const struct release *good = &releases[0].release;
	_cleanup_(blobproof_release) struct blobproof p = {0};
	struct proved_blob root = {0};
	struct release none = *good;

	assert_int_equal(blobproof_blob(&p, &(struct suspect){s, &good->root, "root image"}, &root, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const atomic_int stop = rows[i].is_stopped;
		struct err err = {0};

		p.stop = &stop;
		p.is_bound = rows[i].is_bound;
		assert_int_equal(
			blobproof_tree(&p, &releases[rows[i].is_bad].release, &root, &err), rows[i].expected);
		if (!strstr(err.text, rows[i].why))
			fail_msg("row %zu: '%s' has no '%s'", i, err.text, rows[i].why);
	}
	none.verity.data_size = 0;
	assert_int_equal(blobproof_tree(&p, &none, &root, NULL), 0);
	/* another file by now */
	lay(root.path, "image");
	assert_int_equal(blobproof_tree(&p, good, &root, NULL), -ESTALE);
	free(root.path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_blob),
		unit_test_in_dir(test_no_file),
		unit_test_in_dir(test_memory),
		unit_test_in_dir(test_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
