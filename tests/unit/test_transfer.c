/* Names of images in registries, and taking a release over from what a transfer brought. Transfers themselves
 * are tried in tests/cli/push.bats. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "imager/format/trust.h"
#include "imager/releases/transfer.h"
#include "tests/unit/tempdir.h"

#include "tests/unit/store_sample.h"

static void test_reference(void **state)
{
	static const struct {
		const char *name, *tag, *reference; /* NULL: refused */
	} rows[] = {
		{"registry.example/slurm", "7", "docker://registry.example/slurm:7"},
		{"registry.example/slurm:x", "7", "docker://registry.example/slurm:x"},
		{"docker://registry.example/a/b/slurm:x", NULL, "docker://registry.example/a/b/slurm:x"},
		{"localhost:5000/slurm", "7", "docker://localhost:5000/slurm:7"},
		{"[::1]:5000/slurm", "7", "docker://[::1]:5000/slurm:7"},
		{"localhost:5000/slurm", NULL, NULL}, {"registry.example/slurm", NULL, NULL},
		{"slurm", "7", NULL}, {"slurm:7", "7", NULL}, {"", "7", NULL}, {"/slurm", "7", NULL},
		{"registry.example/", "7", NULL}, {"docker://", "7", NULL},
		{"registry.example/a b", "7", NULL}, {"registry.example/a\n", "7", NULL},
		{"registry.example/a@sha256:00", "7", NULL},
		{"--help/x", "7", "docker://--help/x:7"}, /* an argument of its own no more */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *reference = NULL;
		struct err err = {0};
		int r = transfer_reference(rows[i].name, rows[i].tag, &reference, &err);

		assert_int_equal(r, rows[i].reference ? 0 : -EINVAL);
		if (rows[i].reference)
			assert_string_equal(reference, rows[i].reference);
		else
			assert_true(err.text[0]);
	}
}

/* ---- taking over ---- */

/* A layout in a temporary folder of s, with these releases of the profile "a". */
static char *bring(struct store *s, const char *const roots[], struct store_release *ret)
{
	_cleanup_store_ struct store *other = NULL;
	char *folder = NULL;

	assert_int_equal(store_temp_dir(s, &folder, NULL), 0);
	assert_int_equal(store_open(folder, 1, &other, NULL), 0);
	for (size_t i = 0; roots[i]; i++)
		*ret = publish(other, "a", roots[i]);
	return folder;
}

static void test_adopt(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	struct store_adopted adopted, again;
	struct store_release brought;
	_cleanup_free_ char *one = bring(s, (const char *[]){"one", NULL}, &brought);
	_cleanup_free_ char *two = bring(s, (const char *[]){"one", NULL}, &brought);

	assert_int_equal(store_adopt(s, one, &adopted, NULL), 0);
	assert_int_equal(adopted.is_new, 1);
	assert_true(digest_equal(&adopted.release.manifest.digest, &brought.manifest.digest));
	assert_int_equal(store_check_blobs(s, &adopted.release, NULL), 0);
	assert_int_equal(store_adopt(s, two, &again, NULL), 0);
	assert_int_equal(again.is_new, 0);
	assert_int_equal(again.new_signatures, 0);
	expect_names(s, "a:1[]");
	store_close(s);
	s = open_store(state, 0);
	assert_int_equal(count_entries(*state, "store/.tmp"), 0);
	assert_int_equal(store_check_blobs(s, &adopted.release, NULL), 0);
	assert_int_equal(count_entries(*state, "store/blobs/sha256"), 6);
}

/* Every blob in turn is changed, cut, or gone: refused, and nothing is left. */
static void test_damaged(void **state)
{
	static const off_t cuts[] = {-1, 0, 3}; /* -1: one bit is changed */

	for (size_t part = 0; part < 6; part++) {
		for (size_t i = 0; i <= ARRAY_SIZE(cuts); i++) {
			_cleanup_store_ struct store *s = open_store(state, 1), *other = NULL;
			_cleanup_free_ char *folder = NULL, *path = NULL;
			struct store_release rel;
			struct store_adopted adopted;
			struct err err = {0};
			int fd;

			folder = bring(s, (const char *[]){"the root", NULL}, &rel);
			assert_int_equal(store_open(folder, 0, &other, NULL), 0);
			const struct release_part *const parts[] = {&rel.manifest, &rel.config,
				&rel.release.kernel, &rel.release.initramfs, &rel.release.root,
				&rel.release.packages};
			char byte = '#';

			path = store_blob_path(other, &parts[part]->digest);
			fd = open(path, O_RDWR | O_CLOEXEC);
			assert_true(fd >= 0);
			if (i == ARRAY_SIZE(cuts))
				assert_int_equal(unlink(path), 0);
			else if (cuts[i] >= 0)
				assert_int_equal(ftruncate(fd, cuts[i]), 0);
			else
				assert_int_equal(pwrite(fd, &byte, 1, 0), 1);
			assert_int_equal(close(fd), 0);
			/* the empty list, cut to nothing, is as it was */
			if (part == 5 && i < ARRAY_SIZE(cuts) && cuts[i] == 0)
				continue;
			assert_true(store_adopt(s, folder, &adopted, &err) < 0);
			assert_true(err.text[0]);
			expect_names(s, "");
			store_close(s);
			s = open_store(state, 0);
			assert_int_equal(count_entries(*state, "store/blobs/sha256"), 0);
			assert_int_equal(count_entries(*state, "store/.tmp"), 0);
		}
	}
}

static void test_refused(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	struct store_release rel = {0}, mine = publish(s, "a", "mine");
	_cleanup_free_ char *none = bring(s, (const char *[]){NULL}, &rel);
	_cleanup_free_ char *many = bring(s, (const char *[]){"one", "two", NULL}, &rel);
	_cleanup_free_ char *other = bring(s, (const char *[]){"other", NULL}, &rel);
	const struct {
		const char *folder;
		int expected;
		const char *text;
	} rows[] = {
		{none, -EBADMSG, "not a release of swarmboot"},
		{many, -EBADMSG, "more than one"},
		{other, -EEXIST, "a:1 is another release here"},
		{"/nonexistent", -ENOENT, "not a store"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct store_adopted adopted;
		struct err err = {0};

		assert_int_equal(store_adopt(s, rows[i].folder, &adopted, &err), rows[i].expected);
		assert_non_null(strstr(err.text, rows[i].text));
	}
	expect_names(s, "a:1[]");
	store_close(s);
	s = open_store(state, 0);
	assert_int_equal(store_check_blobs(s, &mine, NULL), 0);
	assert_int_equal(count_entries(*state, "store/blobs/sha256"), 6);
}

static void sign(struct store *s, const struct store_release *rel, const struct minisign_secret *key)
{
	_cleanup_buf_ struct buf manifest = {0}, signature = {0};
	char comment[TRUST_COMMENT_SIZE];

	trust_comment(&rel->release, comment);
	assert_int_equal(store_manifest_bytes(s, rel, &manifest, NULL), 0);
	assert_int_equal(minisign_sign(key, &manifest, comment, &signature, NULL), 0);
	assert_int_equal(store_add_signature(s, rel, &signature, NULL), 0);
}

/* Signatures by keys that are not here come along; the ones here stay. */
static void test_signatures(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1), *other = NULL;
	struct minisign_secret keys[2] = {0};
	struct minisign_keyring ring = {.count = 2};
	struct store_release rel, here = publish(s, "a", "one");
	_cleanup_free_ char *folder = bring(s, (const char *[]){"one", NULL}, &rel);
	struct store_adopted adopted;

	for (size_t i = 0; i < 2; i++)
		assert_int_equal(minisign_generate(&keys[i], &ring.keys[i], NULL), 0);
	assert_int_equal(store_open(folder, 0, &other, NULL), 0);
	sign(s, &here, &keys[0]);
	sign(other, &rel, &keys[0]);
	sign(other, &rel, &keys[1]);
	store_close(other);
	other = NULL;
	assert_int_equal(store_adopt(s, folder, &adopted, NULL), 0);
	assert_int_equal(adopted.is_new, 0);
	assert_int_equal(adopted.new_signatures, 1);
	assert_int_equal(adopted.release.signature_count, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct minisign_keyring one = {.keys = {ring.keys[i]}, .count = 1};
		_cleanup_store_signed_ struct store_signed proof = {0};

		assert_int_equal(store_verify(s, &adopted.release, &one, &proof, NULL), 0);
	}
}

/* What an OCI manifest names, before anything is fetched. */
static void test_parts(void **state)
{
	static const char *const bad[] = {"", "x", "{}", "[]", "{\"config\":{\"mediaType\":\"text/plain\"}}",
		"{\"config\":{\"mediaType\":\"" RELEASE_MEDIA_TYPE "\"}}",
		"{\"config\":{\"mediaType\":\"" RELEASE_MEDIA_TYPE "\",\"digest\":\"sha256:"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"size\":1},\"layers\":["
		"7]}"};
	_cleanup_store_ struct store *s = open_store(state, 1);
	struct store_release rel = publish(s, "a", "one");
	_cleanup_free_ char *path = store_blob_path(s, &rel.manifest.digest);
	_cleanup_free_ struct release_part *parts = NULL;
	_cleanup_buf_ struct buf text = {0};
	size_t count = 0;

	assert_int_equal(read_file(path, 1 << 20, &text.data, &text.len, NULL), 0);
	assert_int_equal(store_manifest_parts(&text, &parts, &count, NULL), 0);
	assert_int_equal(count, 5);
	assert_true(digest_equal(&parts[0].digest, &rel.config.digest));
	assert_true(digest_equal(&parts[3].digest, &rel.release.root.digest));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct buf b = {.data = (char *)bad[i], .len = strlen(bad[i])};
		struct release_part *none = NULL;

		assert_int_equal(store_manifest_parts(&b, &none, &count, NULL), -EBADMSG);
		assert_null(none);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reference),
		unit_test_in_dir(test_adopt),
		unit_test_in_dir(test_damaged),
		unit_test_in_dir(test_refused),
		unit_test_in_dir(test_signatures),
		unit_test_in_dir(test_parts),
	};

	return cmocka_run_group_tests_name("transfer", tests, NULL, NULL);
}
