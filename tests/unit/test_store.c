/* The store: layout, blobs, publishing, names, signatures, damage. test_storework.c has what
 * dead writers leave behind. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "imager/format/trust.h"
#include "tests/unit/store_sample.h"
#include "tests/unit/tempdir.h"

static void write_text(const char *dir, const char *name, const char *text)
{
	_cleanup_free_ char *path = path_join(dir, name);

	assert_int_equal(write_file(path, &(struct file_content){text, strlen(text), 0600}, NULL), 0);
}

/* ---- the layout ---- */

static void test_layout(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1), *again = open_store(state, 0);
	_cleanup_free_ char *layout = path_join(store_path(s), "oci-layout"), *text = NULL;

	assert_int_equal(read_file(layout, 100, &text, NULL, NULL), 0);
	assert_string_equal(text, "{\"imageLayoutVersion\":\"1.0.0\"}\n");
	expect_names(again, "");
}

static void test_no_store(void **state)
{
	static const struct {
		const char *file, *text;
		int create, expected;
	} rows[] = {
		{NULL, NULL, 0, -ENOENT},
		{"notes.txt", "mine", 0, -ENOENT},
		{"notes.txt", "mine", 1, -ENOTEMPTY},
		{"oci-layout", "{\"imageLayoutVersion\":\"2.0.0\"}", 0, -EBADMSG},
		{"oci-layout", "{\"imageLayoutVersion\":\"2.0.0\"}", 1, -EBADMSG},
		{"oci-layout", "not JSON", 1, -EBADMSG},
		{".lock", "", 1, 0}, /* killed while making it */
		{"index.json.tmp.12", "{", 1, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *name = NULL, *path = NULL;
		_cleanup_store_ struct store *s = NULL;
		struct err err = {0};

		assert_true(asprintf(&name, "%zu", i) > 0);
		path = path_join(*state, name);
		assert_int_equal(mkdir(path, 0755), 0);
		if (rows[i].file)
			write_text(path, rows[i].file, rows[i].text);
		assert_int_equal(store_open(path, rows[i].create, &s, &err), rows[i].expected);
		assert_int_equal(s != NULL, rows[i].expected == 0);
		if (rows[i].expected)
			assert_non_null(strstr(err.text, path));
	}
}

static void test_index_damaged(void **state)
{
	static const char *const rows[] = {"", "{", "[]", "{\"schemaVersion\":2}",
		"{\"schemaVersion\":1,\"manifests\":[]}", "{\"schemaVersion\":2,\"manifests\":{}}",
		"{\"schemaVersion\":2,\"manifests\":[],\"manifests\":[]}"};
	_cleanup_store_ struct store *s = open_store(state, 1);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct store_list list = {0};
		struct err err = {0};

		write_text(store_path(s), "index.json", rows[i]);
		assert_int_equal(store_releases(s, &list, &err), -EBADMSG);
		assert_non_null(strstr(err.text, "index.json"));
	}
}

/* ---- blobs ---- */

static void test_add_file(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	_cleanup_free_ char *dir = NULL, *path = NULL, *blob = NULL, *text = NULL;
	struct release_part part, again;
	struct digest d;

	assert_int_equal(store_temp_dir(s, &dir, NULL), 0);
	assert_int_equal(strncmp(dir, store_path(s), strlen(store_path(s))), 0);
	path = path_join(dir, "file");
	write_text(dir, "file", "hello");
	assert_int_equal(store_add_file(s, path, &part, NULL), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(digest_bytes("hello", 5, &d), 0);
	assert_true(digest_equal(&d, &part.digest));
	assert_int_equal(part.size, 5);
	blob = store_blob_path(s, &d);
	assert_int_equal(read_file(blob, 100, &text, NULL, NULL), 0);
	assert_string_equal(text, "hello");
	write_text(dir, "file", "hello");
	assert_int_equal(store_add_file(s, path, &again, NULL), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_true(digest_equal(&again.digest, &part.digest));
}

static void test_add_file_refused(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	_cleanup_free_ char *dir = NULL, *link = NULL, *missing = NULL;
	struct release_part part;

	assert_int_equal(store_temp_dir(s, &dir, NULL), 0);
	link = path_join(dir, "link");
	missing = path_join(dir, "missing");
	assert_int_equal(symlink("/etc/passwd", link), 0);
	assert_int_equal(store_add_file(s, link, &part, NULL), -ELOOP);
	assert_int_equal(store_add_file(s, missing, &part, NULL), -ENOENT);
	assert_int_equal(store_add_file(s, dir, &part, NULL), -EINVAL);
}

static ino_t inode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

/* A blob of the right name and other bytes, or another number of them, cannot be the one that is meant; the
 * right one stays as it is, for those that have it open. */
static void test_damaged_blob_is_replaced(void **state)
{
	static const char *const rows[] = {"he", "hellO", "", "hello, all", "hello"};
	_cleanup_store_ struct store *s = open_store(state, 1);
	_cleanup_free_ char *blob = NULL;
	struct release_part part;

	assert_int_equal(store_add_bytes(s, "hello", 5, &part, NULL), 0);
	blob = store_blob_path(s, &part.digest);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct file_content content = {rows[i], strlen(rows[i]), 0644};
		_cleanup_free_ char *text = NULL;
		ino_t inode;

		assert_int_equal(write_file(blob, &content, NULL), 0);
		inode = inode_of(blob);
		assert_int_equal(store_add_bytes(s, "hello", 5, &part, NULL), 0);
		assert_int_equal(read_file(blob, 100, &text, NULL, NULL), 0);
		assert_string_equal(text, "hello");
		assert_int_equal(inode_of(blob) == inode, !strcmp(rows[i], "hello"));
	}
}

/* ---- publishing ---- */

static void test_publish_and_list(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	struct store_release first = publish(s, "slurm", "root one"), found;

	assert_string_equal(first.name, "slurm:1");
	(void)publish(s, "slurm", "root two");
	(void)publish(s, "k3s", "root three");
	expect_names(s, "k3s:1[] slurm:1[] slurm:2[]");
	assert_int_equal(store_resolve(s, "slurm:1", &found, NULL), 0);
	assert_true(digest_equal(&found.config.digest, &first.config.digest));
	assert_int_equal(found.signature_count, 0);
	assert_int_equal(store_check_blobs(s, &found, NULL), 0);
}

static void test_same_content_is_one_release(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	struct store_release first = publish(s, "slurm", "root"), again;
	struct release r = add_parts(s, "slurm", "root");
	int is_new = -1;

	r.sequence = 99;
	assert_int_equal(store_publish(s, &r, &again, &is_new, NULL), 0);
	assert_int_equal(is_new, 0);
	assert_int_equal(r.sequence, 1);
	assert_string_equal(again.name, "slurm:1");
	assert_true(digest_equal(&first.config.digest, &again.config.digest));
	(void)publish(s, "slurm", "other root");
	/* back to the old content is a new release: a deliberate rollback */
	r = add_parts(s, "slurm", "root");
	assert_int_equal(store_publish(s, &r, &again, &is_new, NULL), 0);
	assert_int_equal(is_new, 1);
	assert_string_equal(again.name, "slurm:3");
}

static void test_publish_refused(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	struct release r = add_parts(s, "slurm", "root"), bad;
	struct store_release rel;
	struct err err = {0};
	int is_new;

	bad = r;
	bad.root.digest.bytes[0] ^= 1;
	assert_int_equal(store_publish(s, &bad, &rel, &is_new, &err), -ENOENT);
	assert_non_null(strstr(err.text, "root image: not in the store"));
	bad = r;
	bad.kernel.size++;
	assert_int_equal(store_publish(s, &bad, &rel, &is_new, &err), -ENOENT);
	bad = r;
	(void)snprintf(bad.profile, sizeof(bad.profile), "Not A Name");
	assert_int_equal(store_publish(s, &bad, &rel, &is_new, &err), -EBADMSG);
	bad = r;
	(void)snprintf(bad.cmdline, sizeof(bad.cmdline), "quiet\nchain evil");
	assert_int_equal(store_publish(s, &bad, &rel, &is_new, &err), -EBADMSG);
	expect_names(s, "");
}

/* ---- names ---- */

static void test_resolve_and_tag(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	struct store_release one = publish(s, "slurm", "1"), two = publish(s, "slurm", "2"), found;
	char digest[DIGEST_TEXT_SIZE];
	static const struct {
		const char *ref, *expected;
	} rows[] = {
		{"slurm", "slurm:2"},
		{"slurm:1", "slurm:1"},
		{"slurm:2", "slurm:2"},
		{"slurm:stable", "slurm:1"},
		{"slurm:sta", NULL},
		{"slurm:table", NULL},
		{"slurm:", NULL},
		{"slurm:3", NULL},
		{"slurm:01", NULL},
		{"slur", NULL},
		{"", NULL},
		{":", NULL},
		{"k3s:stable", NULL},
	};

	assert_int_equal(store_tag(s, &two, "stable", NULL), 0);
	assert_int_equal(store_tag(s, &one, "testing.1", NULL), 0);
	assert_int_equal(store_tag(s, &one, "stable", NULL), 0);
	expect_names(s, "slurm:1[stable testing.1] slurm:2[]");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = {0};

		if (rows[i].expected) {
			assert_int_equal(store_resolve(s, rows[i].ref, &found, &err), 0);
			assert_string_equal(found.name, rows[i].expected);
		} else {
			assert_int_equal(store_resolve(s, rows[i].ref, &found, &err), -ENOENT);
			assert_non_null(strstr(err.text, "slurm:1, slurm:2"));
		}
	}
	digest_format(&two.config.digest, digest);
	assert_int_equal(store_resolve(s, digest, &found, NULL), 0);
	assert_string_equal(found.name, "slurm:2");
	digest_format(&two.manifest.digest, digest);
	assert_int_equal(store_resolve(s, digest, &found, NULL), -ENOENT);
}

static void test_channel_names(void **state)
{
	static const struct {
		const char *channel;
		int expected;
	} rows[] = {{"stable", 0}, {"v1", 0}, {"1.0", 0}, {"1", -EINVAL}, {"007", -EINVAL},
		{"18446744073709551616", -EINVAL}, {"", -EINVAL}, {"Stable", -EINVAL}, {"a:b", -EINVAL},
		{"../x", -EINVAL}};
	_cleanup_store_ struct store *s = open_store(state, 1);
	struct store_release rel = publish(s, "slurm", "root");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(store_tag(s, &rel, rows[i].channel, NULL), rows[i].expected);
	expect_names(s, "slurm:1[stable v1 1.0]");
}

static void test_too_many_channels(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	struct store_release rel = publish(s, "slurm", "root");
	int r = 0;

	for (unsigned i = 0; r == 0 && i < 100; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "channel-with-a-rather-long-name-%03u", i);
		r = store_tag(s, &rel, name, NULL);
	}
	assert_int_equal(r, -E2BIG);
	assert_int_equal(store_resolve(s, "slurm:channel-with-a-rather-long-name-000", &rel, NULL), 0);
}

/* ---- signatures ---- */

static void sign(struct store *s, const struct store_release *rel, const struct minisign_secret *key)
{
	_cleanup_buf_ struct buf manifest = {0}, signature = {0};
	char comment[TRUST_COMMENT_SIZE];
	struct err err = {0};

	trust_comment(&rel->release, comment);
	assert_int_equal(store_manifest_bytes(s, rel, &manifest, NULL), 0);
	assert_int_equal(minisign_sign(key, &manifest, comment, &signature, NULL), 0);
	if (store_add_signature(s, rel, &signature, &err) < 0)
		fail_msg("%s", err.text);
}

static void test_signatures(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	struct store_release rel = publish(s, "slurm", "root"), now;
	struct minisign_keyring rings[3] = {{.count = 1}, {.count = 1}, {.count = 1}};
	struct minisign_secret keys[3];
	struct err err = {0};

	for (size_t i = 0; i < 3; i++)
		assert_int_equal(minisign_generate(&keys[i], &rings[i].keys[0], NULL), 0);
	assert_int_equal(store_verify(s, &rel, &rings[0], &(struct store_signed){0}, &err), -ENOKEY);
	assert_non_null(strstr(err.text, "slurm:1: not signed"));
	assert_int_equal(store_tag(s, &rel, "stable", NULL), 0);
	sign(s, &rel, &keys[0]);
	sign(s, &rel, &keys[1]);
	sign(s, &rel, &keys[0]);
	expect_names(s, "slurm:1[stable]");
	assert_int_equal(store_resolve(s, "slurm:stable", &now, NULL), 0);
	assert_int_equal(now.signature_count, 2);
	assert_true(digest_equal(&now.config.digest, &rel.config.digest));
	for (size_t i = 0; i < 3; i++) {
		_cleanup_store_signed_ struct store_signed proof = {0};

		assert_int_equal(store_verify(s, &now, &rings[i], &proof, &err), i < 2 ? 0 : -ENOKEY);
		if (i < 2)
			assert_string_equal(proof.release.profile, "slurm");
	}
}

static void test_only_signature_files(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	struct store_release rel = publish(s, "slurm", "root");
	char text[] = "untrusted comment: x\nAAAA\n";
	struct buf junk = {.data = text, .len = strlen(text)};

	assert_int_equal(store_add_signature(s, &rel, &junk, NULL), -EBADMSG);
	expect_names(s, "slurm:1[]");
}

/* ---- damage ---- */

static void flip(const struct store *s, const struct digest *d)
{
	_cleanup_free_ char *path = store_blob_path(s, d), *data = NULL;
	size_t len;

	assert_int_equal(read_file(path, 1 << 20, &data, &len, NULL), 0);
	data[len / 2] ^= 1;
	assert_int_equal(write_file(path, &(struct file_content){data, len, 0644}, NULL), 0);
}

static void test_check_blobs(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	struct store_release rel = publish(s, "slurm", "root bytes");
	_cleanup_free_ char *root = NULL;
	const struct {
		const struct digest *digest;
		const char *what;
	} rows[] = {{&rel.release.root.digest, "root image"}, {&rel.release.kernel.digest, "kernel"},
		{&rel.release.initramfs.digest, "initramfs"}, {&rel.config.digest, "release manifest"},
		{&rel.manifest.digest, "OCI manifest"}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = {0};

		flip(s, rows[i].digest);
		assert_int_equal(store_check_blobs(s, &rel, &err), -EBADMSG);
		assert_non_null(strstr(err.text, rows[i].what));
		flip(s, rows[i].digest);
		assert_int_equal(store_check_blobs(s, &rel, &err), 0);
	}
	root = store_blob_path(s, &rel.release.root.digest);
	assert_int_equal(unlink(root), 0);
	assert_int_equal(store_check_blobs(s, &rel, NULL), -EBADMSG);
}

/* One release that cannot be read hides no other, is told of, and keeps its number. */
static void test_damaged_release(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	struct store_release one = publish(s, "slurm", "1"), two = publish(s, "slurm", "2");
	_cleanup_free_ char *config = store_blob_path(s, &two.config.digest);
	_cleanup_store_list_ struct store_list list = {0};

	assert_int_equal(truncate(config, 10), 0);
	assert_int_equal(store_releases(s, &list, NULL), 0);
	assert_int_equal(list.count, 1);
	assert_string_equal(list.items[0].name, one.name);
	assert_int_equal(list.damage.code, EBADMSG);
	assert_non_null(strstr(list.damage.text, "slurm:2"));
	store_list_release(&list);
	assert_int_equal(unlink(config), 0);
	assert_int_equal(store_releases(s, &list, NULL), 0);
	assert_int_equal(list.damage.code, ENOENT);
	assert_string_equal(publish(s, "slurm", "3").name, "slurm:3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_layout),
		unit_test_in_dir(test_no_store),
		unit_test_in_dir(test_index_damaged),
		unit_test_in_dir(test_add_file),
		unit_test_in_dir(test_add_file_refused),
		unit_test_in_dir(test_damaged_blob_is_replaced),
		unit_test_in_dir(test_publish_and_list),
		unit_test_in_dir(test_same_content_is_one_release),
		unit_test_in_dir(test_publish_refused),
		unit_test_in_dir(test_resolve_and_tag),
		unit_test_in_dir(test_channel_names),
		unit_test_in_dir(test_too_many_channels),
		unit_test_in_dir(test_signatures),
		unit_test_in_dir(test_only_signature_files),
		unit_test_in_dir(test_check_blobs),
		unit_test_in_dir(test_damaged_release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
