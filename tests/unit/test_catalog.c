/* The catalog: what is offered of a store, why the rest is not, and what is not hashed again. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "imager/format/trust.h"
#include "seeder/catalog.h"
#include "seeder/verified.h"
#include "tests/unit/store_sample.h"
#include "tests/unit/tempdir.h"

struct key {
	struct minisign_secret secret;
	struct minisign_public public;
};

static struct key new_key(void)
{
	struct key k;

	assert_int_equal(minisign_generate(&k.secret, &k.public, NULL), 0);
	return k;
}

static void sign(struct store *s, const struct store_release *rel, const struct key *k)
{
	_cleanup_buf_ struct buf manifest = {0}, signature = {0};
	char comment[TRUST_COMMENT_SIZE];

	trust_comment(&rel->release, comment);
	assert_int_equal(store_manifest_bytes(s, rel, &manifest, NULL), 0);
	assert_int_equal(minisign_sign(&k->secret, &manifest, comment, &signature, NULL), 0);
	assert_int_equal(store_add_signature(s, rel, &signature, NULL), 0);
}

static struct catalog_wish wish_for(void **state, const struct key *k, const char *ref)
{
	struct catalog_wish w = {.keyring = {.keys = {k->public}, .count = 1}};

	w.store = path_join(*state, "store");
	w.state = path_join(*state, "state");
	assert_int_equal(mkdir_p(w.state, NULL), 0);
	assert_int_equal(catalog_wish_channel(&w, ref), 0);
	return w;
}

static struct catalog *scan(const struct catalog_wish *w)
{
	struct catalog *c = NULL;
	struct err err = {0};

	if (catalog_scan(w, &c, &err) < 0)
		fail_msg("%s", err.text);
	return c;
}

static char *image_path(struct store *s, const struct store_release *rel)
{
	return store_blob_path(s, &rel->release.root.digest);
}

static void test_offered(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	const struct key k = new_key();
	const struct store_release rel = publish(s, "slurm", "image one");
	_cleanup_(catalog_wish_release) struct catalog_wish w = wish_for(state, &k, "slurm:1");
	_cleanup_catalog_ struct catalog *c = NULL;
	const struct offer *o;
	struct digest manifest;
	int fd;

	sign(s, &rel, &k);
	assert_int_equal(catalog_wish_channel(&w, "slurm:1"), 0);
	assert_int_equal(w.channel_count, 1);
	c = scan(&w);
	o = catalog_channel(c, "slurm:1")->offer;
	assert_non_null(o);
	assert_int_equal(c->offer_count, 1);
	assert_int_equal(o->release.sequence, 1);
	assert_int_equal(digest_bytes(o->manifest.data, o->manifest.len, &manifest), 0);
	assert_true(digest_equal(&manifest, &o->digest));
	assert_memory_equal(o->torrent.data, "d4:info", 7);
	assert_ptr_equal(catalog_release(c, &o->digest), o);
	assert_ptr_equal(catalog_image(c, &rel.release.root.digest), o);
	assert_ptr_equal(catalog_blob(c, &rel.release.initramfs.digest), &o->initramfs);
	assert_ptr_equal(catalog_blob(c, &rel.release.packages.digest), &o->packages);
	assert_null(catalog_blob(c, &o->digest));
	assert_null(catalog_channel(c, "slurm:2"));
	fd = proved_blob_open(&o->root);
	assert_true(fd >= 0);
	(void)close(fd);
}

/* Every way a release is not fit to be offered, each with its sentence. */
static void test_not_offered(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	const struct key k = new_key(), other = new_key();
	const struct store_release bare = publish(s, "bare", "a"), foreign = publish(s, "foreign", "b");
	const struct store_release flipped = publish(s, "flipped", "c"), cut = publish(s, "cut", "dddd");
	const struct store_release gone = publish(s, "gone", "e");
	static const struct {
		const char *ref, *reason;
	} rows[] = {
		{"none:1", "none:1"},
		{"bare:1", "not signed"},
		{"foreign:1", "foreign:1"},
		{"flipped:1", "flipped:1: root image: its bytes are not those of the signed digest"},
		{"cut:1", "cut:1: root image: has 3 bytes where the manifest says 4"},
		{"gone:1", "No such file"},
	};
	_cleanup_free_ char *a = image_path(s, &flipped), *b = image_path(s, &cut), *e = image_path(s, &gone);
	_cleanup_(catalog_wish_release) struct catalog_wish w = wish_for(state, &k, rows[0].ref);
	_cleanup_catalog_ struct catalog *c = NULL;

	(void)bare;
	sign(s, &foreign, &other);
	sign(s, &flipped, &k);
	sign(s, &cut, &k);
	sign(s, &gone, &k);
	assert_int_equal(write_file(a, &(struct file_content){"C", 1, 0644}, NULL), 0);
	assert_int_equal(truncate(b, 3), 0);
	assert_int_equal(unlink(e), 0);
	for (size_t i = 1; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(catalog_wish_channel(&w, rows[i].ref), 0);
	c = scan(&w);
	assert_int_equal(c->offer_count, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct catalog_channel *channel = catalog_channel(c, rows[i].ref);

		assert_null(channel->offer);
		if (!strstr(channel->reason, rows[i].reason))
			fail_msg("'%s' has no '%s'", channel->reason, rows[i].reason);
	}
}

static void test_also(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	const struct key k = new_key();
	const struct store_release one = publish(s, "slurm", "one"), two = publish(s, "slurm", "two");
	_cleanup_(catalog_wish_release) struct catalog_wish w = wish_for(state, &k, "slurm:2");
	_cleanup_catalog_ struct catalog *c = NULL;
	struct digest unknown = {{1}};

	sign(s, &one, &k);
	sign(s, &two, &k);
	assert_int_equal(catalog_wish_also(&w, &one.config.digest), 0);
	assert_int_equal(catalog_wish_also(&w, &two.config.digest), 0);
	assert_int_equal(catalog_wish_also(&w, &unknown), 0);
	c = scan(&w);
	assert_int_equal(c->offer_count, 2);
	assert_non_null(catalog_release(c, &one.config.digest));
	assert_int_equal(c->channel_count, 1);
	assert_true(digest_equal(&c->channels[0].offer->digest, &two.config.digest));
}

/* What was hashed is not read again while size, mtime and inode stay; any change is looked at. */
static void test_remembered(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	const struct key k = new_key();
	const struct store_release rel = publish(s, "slurm", "image");
	_cleanup_free_ char *image = image_path(s, &rel);
	_cleanup_(catalog_wish_release) struct catalog_wish w = wish_for(state, &k, "slurm:1");
	_cleanup_catalog_ struct catalog *first = NULL, *second = NULL, *third = NULL, *fourth = NULL;
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1000}};

	sign(s, &rel, &k);
	assert_int_equal(utimensat(AT_FDCWD, image, times, 0), 0);
	first = scan(&w);
	assert_non_null(first->channels[0].offer);
	assert_int_equal(write_file(image, &(struct file_content){"imagE", 5, 0644}, NULL), 0);
	assert_int_equal(proved_blob_open(&first->channels[0].offer->root), -ESTALE);
	assert_int_equal(utimensat(AT_FDCWD, image, times, 0), 0);
	second = scan(&w);
	assert_non_null(second->channels[0].offer);
	times[1].tv_sec = 1001;
	assert_int_equal(utimensat(AT_FDCWD, image, times, 0), 0);
	third = scan(&w);
	assert_null(third->channels[0].offer);
	assert_int_equal(write_file(image, &(struct file_content){"image", 5, 0644}, NULL), 0);
	fourth = scan(&w);
	assert_non_null(fourth->channels[0].offer);
}

/* What one that was stopped has not come to is not forgotten. */
static void test_stopped(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	const struct key k = new_key();
	const struct store_release rel = publish(s, "slurm", "image");
	_cleanup_free_ char *image = image_path(s, &rel);
	_cleanup_(catalog_wish_release) struct catalog_wish w = wish_for(state, &k, "slurm:1");
	_cleanup_free_ char *memory = path_join(w.state, "verified");
	_cleanup_catalog_ struct catalog *whole = NULL;
	_cleanup_verified_ struct verified v = {0};
	struct catalog *c = NULL;
	const atomic_int stop = 1;

	sign(s, &rel, &k);
	whole = scan(&w);
	assert_int_equal(write_file(image, &(struct file_content){"imagE", 5, 0644}, NULL), 0);
	w.stop = &stop;
	assert_int_equal(catalog_scan(&w, &c, NULL), -ECANCELED);
	assert_null(c);
	assert_int_equal(verified_load(memory, &v), 0);
	assert_int_equal(v.count, 4);
}

#define expect(c, offers, pendings)                                                                          \
	assert_int_equal((c)->offer_count, offers);                                                          \
	assert_int_equal((c)->pending, pendings)

/* At the start: what is known at once, the rest one after the other, each read once. */
static void test_bounded(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	const struct key k = new_key();
	const struct store_release one = publish(s, "slurm", "one"), two = publish(s, "k3s", "two");
	_cleanup_(catalog_wish_release) struct catalog_wish w = wish_for(state, &k, "slurm:1");
	_cleanup_catalog_ struct catalog *none = NULL, *first = NULL, *known = NULL, *both = NULL,
					 *torrents = NULL;
	_cleanup_free_ char *folder = path_join(w.state, "torrents");

	sign(s, &one, &k);
	sign(s, &two, &k);
	assert_int_equal(catalog_wish_also(&w, &two.config.digest), 0);
	w.is_bounded = 1;
	none = scan(&w);
	expect(none, 0, 2);
	assert_true(catalog_channel(none, "slurm:1")->is_pending);
	assert_non_null(
		strstr(catalog_channel(none, "slurm:1")->reason, "slurm:1: kernel: is still being read"));
	w.fresh = 1;
	first = scan(&w);
	expect(first, 1, 1);
	assert_false(catalog_channel(first, "slurm:1")->is_pending);
	assert_non_null(catalog_channel(first, "slurm:1")->offer);
	w.fresh = 0;
	known = scan(&w);
	expect(known, 1, 1);
	w.fresh = 1;
	both = scan(&w);
	expect(both, 2, 0);
	/* to make a torrent is to read the image */
	assert_int_equal(remove_tree(folder, NULL), 0);
	w.fresh = 0;
	torrents = scan(&w);
	expect(torrents, 0, 2);
}

static void test_no_store(void **state)
{
	const struct key k = new_key();
	_cleanup_(catalog_wish_release) struct catalog_wish w = wish_for(state, &k, "slurm:1");
	struct catalog *c = NULL;
	struct err err = {0};

	assert_int_equal(catalog_scan(&w, &c, &err), -ENOENT);
	assert_null(c);
	assert_non_null(strstr(err.text, w.store));
}

/* Lines that are none of ours are passed over: at worst a blob is hashed once more. */
static void test_memory_damaged(void **state)
{
#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	static const char text[] =
		"good " HEX " 1 2 3\n\ngood\ngood " HEX " 1 2\ngood " HEX " 1 2 -3\n"
		"fine " HEX " 1 2 3\ngood 0123 1 2 3\ngood " HEX " 1 2 3 4\nbad " HEX " 7 8 9\n";
	_cleanup_free_ char *path = path_join(*state, "verified"), *again = NULL;
	_cleanup_verified_ struct verified v = {0}, none = {0};

	assert_int_equal(verified_load(path, &none), 0);
	assert_int_equal(none.count, 0);
	assert_int_equal(write_file(path, &(struct file_content){text, sizeof(text) - 1, 0644}, NULL), 0);
	assert_int_equal(verified_load(path, &v), 0);
	assert_int_equal(v.count, 2);
	assert_int_equal(v.rows[1].verdict, VERDICT_BAD);
	assert_int_equal(verified_save(&v, path, NULL), 0);
	assert_int_equal(read_file(path, 1000, &again, NULL, NULL), 0);
	assert_string_equal(again, "good " HEX " 1 2 3\nbad " HEX " 7 8 9\n");
}

/* The same image, offered under the tree it has and refused under another; remembered either way. */
static void test_tree(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	const struct key k = new_key();
	const struct store_release good = publish_tree(s, "good", 0), bad = publish_tree(s, "bad", 1);
	_cleanup_(catalog_wish_release) struct catalog_wish w = wish_for(state, &k, "good:1");
	_cleanup_free_ char *memory = path_join(w.state, "verified");
	struct err err = {0};

	sign(s, &good, &k);
	sign(s, &bad, &k);
	assert_int_equal(catalog_wish_channel(&w, "bad:1"), 0);
	for (int i = 0; i < 2; i++) {
		_cleanup_catalog_ struct catalog *c = scan(&w);
		_cleanup_(verified_release) struct verified v = {0};

		assert_non_null(catalog_channel(c, "good:1")->offer);
		assert_null(catalog_channel(c, "bad:1")->offer);
		assert_string_equal(catalog_channel(c, "bad:1")->reason,
			"bad:1: root image: its hash tree is not the signed one");
		assert_int_equal(verified_load(memory, &v), 0);
		assert_int_equal(v.count, 6); /* the four parts, and the tree twice */
	}
	assert_int_equal(store_check_blobs(s, &good, NULL), 0);
	assert_int_equal(store_check_blobs(s, &bad, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "bad:1: root image: "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_offered),
		unit_test_in_dir(test_not_offered),
		unit_test_in_dir(test_tree),
		unit_test_in_dir(test_also),
		unit_test_in_dir(test_remembered),
		unit_test_in_dir(test_stopped),
		unit_test_in_dir(test_bounded),
		unit_test_in_dir(test_no_store),
		unit_test_in_dir(test_memory_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
