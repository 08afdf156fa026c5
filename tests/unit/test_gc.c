/* gc: which releases stay, what nodes are understood to run, and the going of blobs. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "imager/format/gc.h"
#include "seeder/gcneeds.h"
#include "tests/unit/tempdir.h"

#include "tests/unit/store_sample.h"

/* ---- the policy ---- */

static void test_judge(void **state)
{
	/* releases "p1*": profile p, sequence 1, a star for a name of its own and '!' for one that is needed
	 */
	static const struct {
		const char *releases;
		unsigned keep;
		const char *stay; /* a letter each: l(ast), n(amed), w(anted), - */
	} rows[] = {
		{"", 3, ""},
		{"a1", 1, "l"},
		{"a1", 0, "l"},
		{"a1 a2 a3", 1, "--l"},
		{"a1 a2 a3", 2, "-ll"},
		{"a1 a2 a3", 9, "lll"},
		{"a1* a2 a3", 1, "n-l"},
		{"a1 a2! a3", 1, "-wl"},
		{"a1*! a2 a3*", 1, "w-n"},
		{"a1 a2 b1 b7 b9 c4", 1, "-l--ll"},
		{"a1 a2 b1 b7 b9 c4", 2, "ll-lll"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = strdup(rows[i].releases);
		struct store_release items[8] = {0};
		struct store_list list = {.items = items};
		struct gc_needs needs = {0};
		enum gc_reason reasons[8];
		unsigned named[8] = {0};
		char *rest = text, *word, stay[9] = "";

		while ((word = strsep(&rest, " "))) {
			struct store_release *rel = &items[list.count];

			if (!*word)
				continue;
			rel->release.profile[0] = word[0];
			rel->release.sequence = (uint64_t)(word[1] - '0');
			(void)snprintf(rel->name, sizeof(rel->name), "%c:%c", word[0], word[1]);
			(void)digest_bytes(rel->name, 3, &rel->config.digest);
			(void)digest_bytes(rel->name, 2, &rel->release.root.digest);
			named[list.count++] = strchr(word, '*') != NULL;
			if (strchr(word, '!'))
				assert_int_equal(gc_needs_digest(&needs, &rel->config.digest), 0);
		}
		gc_judge(&list, named, rows[i].keep, &needs, reasons);
		for (size_t j = 0; j < list.count; j++)
			stay[j] = "-lnw"[reasons[j]];
		assert_string_equal(stay, rows[i].stay);
		gc_needs_release(&needs);
	}
}

/* By the digest of the image as well, and by a name that a group pins. */
static void test_needs(void **state)
{
	struct store_release items[3] = {
		{.name = "a:1", .release.profile = "a"},
		{.name = "a:2", .release.profile = "a"},
		{.name = "a:3", .release.profile = "a"},
	};
	const struct store_list list = {.items = items, .count = 3};
	_cleanup_gc_needs_ struct gc_needs needs = {0};
	enum gc_reason reasons[3];
	unsigned named[3] = {0};

	(void)state;
	(void)digest_bytes("root", 4, &items[0].release.root.digest);
	assert_int_equal(gc_needs_digest(&needs, &items[0].release.root.digest), 0);
	assert_int_equal(gc_needs_name(&needs, "a:stable"), 0);
	assert_int_equal(gc_needs_name(&needs, "a:2"), 0);
	gc_judge(&list, named, 1, &needs, reasons);
	assert_int_equal(reasons[0], GC_NEEDED);
	assert_int_equal(reasons[1], GC_NEEDED);
	assert_int_equal(reasons[2], GC_LAST);
}

/* ---- what nodes run ---- */

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void test_answers(void **state)
{
	static const struct {
		int (*take)(const struct buf *json, struct gc_needs *needs, struct err *err);
		const char *json;
		int expected;
		size_t digests, names;
	} rows[] = {
		{gcneeds_nodes, "{\"nodes\":[]}", 0, 0, 0},
		{gcneeds_nodes, "{\"nodes\":[{\"phase\":\"up\",\"release\":\"" A "\",\"image\":\"" B "\"}]}",
			0, 2, 0},
		{gcneeds_nodes,
			"{\"nodes\":[{\"phase\":\"fetch\",\"release\":\"" A "\",\"image\":\"\"},"
			"{\"phase\":\"up\",\"release\":\"" A "\",\"image\":\"\"}]}",
			0, 1, 0},
		{gcneeds_nodes, "{\"nodes\":[{\"phase\":\"discovered\",\"release\":\"\",\"image\":\"\"}]}", 0,
			0, 0},
		{gcneeds_nodes, "{\"nodes\":[{\"phase\":\"up\",\"release\":\"\",\"image\":\"\"}]}", -EBADMSG,
			0, 0},
		{gcneeds_nodes, "{\"nodes\":[{\"phase\":\"up\",\"release\":\"" A "\"}]}", -EBADMSG, 0, 0},
		{gcneeds_nodes, "{\"nodes\":[{\"phase\":\"up\",\"release\":\"slurm:7\",\"image\":\"\"}]}",
			-EBADMSG, 0, 0},
		{gcneeds_nodes, "{\"nodes\":[{\"release\":7,\"image\":\"\"}]}", -EBADMSG, 0, 0},
		{gcneeds_nodes, "{\"nodes\":[7]}", -EBADMSG, 0, 0},
		{gcneeds_nodes, "{\"nodes\":{}}", -EBADMSG, 0, 0},
		{gcneeds_nodes, "{}", -EBADMSG, 0, 0},
		{gcneeds_nodes, "[]", -EBADMSG, 0, 0},
		{gcneeds_nodes, "", -EBADMSG, 0, 0},
		{gcneeds_nodes, "{\"nodes\":[", -EBADMSG, 0, 0},
		{gcneeds_health, "{\"ready\":true,\"channels\":[]}", 0, 0, 0},
		{gcneeds_health,
			"{\"ready\":true,\"channels\":[{\"channel\":\"a:stable\",\"release\":\"" A "\"},"
			"{\"channel\":\"a:7\",\"release\":null}]}",
			0, 1, 2},
		{gcneeds_health, "{\"ready\":false,\"channels\":[]}", -EAGAIN, 0, 0},
		{gcneeds_health, "{\"channels\":[]}", -EAGAIN, 0, 0},
		{gcneeds_health, "{\"ready\":true,\"channels\":[{\"release\":\"" A "\"}]}", -EBADMSG, 0, 0},
		{gcneeds_health, "{\"ready\":true,\"channels\":[{\"channel\":\"a:7\",\"release\":\"x\"}]}",
			-EBADMSG, 0, 0},
		{gcneeds_health, "{\"ready\":true,\"channels\":[[]]}", -EBADMSG, 0, 0},
		{gcneeds_health, "{\"ready\":true}", -EBADMSG, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct buf json = {.data = (char *)rows[i].json, .len = strlen(rows[i].json)};
		_cleanup_gc_needs_ struct gc_needs needs = {0};
		struct err err = {0};

		assert_int_equal(rows[i].take(&json, &needs, &err), rows[i].expected);
		if (rows[i].expected == 0) {
			assert_int_equal(needs.digest_count, rows[i].digests);
			assert_int_equal(needs.name_count, rows[i].names);
		} else {
			assert_true(err.text[0]);
		}
	}
}

/* ---- the store ---- */

static void gc(struct store *s, unsigned keep, int dry_run, struct gc_result *ret)
{
	const struct gc_needs needs = {0};
	struct err err = {0};

	if (store_gc(s,
		    &(struct gc_options){
			    .keep = keep, .needs = &needs, .dry_run = dry_run, .now = (uint64_t)time(NULL)},
		    ret, &err) < 0)
		fail_msg("%s", err.text);
}

static unsigned count_blobs(void **state)
{
	return count_entries(*state, "store/blobs/sha256");
}

static void test_gc(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	_cleanup_gc_result_ struct gc_result dry = {0}, wet = {0}, none = {0};
	struct store_release first;
	unsigned before;

	first = publish(s, "a", "one");
	(void)publish(s, "a", "two");
	(void)publish(s, "a", "three");
	(void)publish(s, "b", "one"); /* the image of a:1 as well */
	assert_int_equal(store_tag(s, &first, "old", NULL), 0);
	store_close(s);
	s = open_store(state, 0);
	before = count_blobs(state);
	gc(s, 1, 1, &dry);
	assert_int_equal(count_blobs(state), before);
	expect_names(s, "a:1[old] a:2[] a:3[] b:1[]");
	gc(s, 1, 0, &wet);
	expect_names(s, "a:1[old] a:3[] b:1[]");
	/* manifest, OCI manifest and image of a:2; kernel, initramfs and list are others' as well */
	assert_int_equal(wet.blobs, 3);
	assert_int_equal(dry.blobs, 3);
	assert_int_equal(wet.left, 0);
	assert_int_equal(count_blobs(state), before - 3);
	assert_int_equal(wet.rows[1].reason, GC_GOES);
	assert_int_equal(wet.rows[0].reason, GC_NAMED);
	gc(s, 1, 0, &none);
	assert_int_equal(none.blobs, 0);
	/* the numbers go on */
	store_close(s);
	s = open_store(state, 0);
	assert_int_equal(publish(s, "a", "two").release.sequence, 4);
}

/* Another writer has added a part of the release that goes, and publishes after that. */
static void test_writer(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1), *writer = NULL;
	_cleanup_gc_result_ struct gc_result result = {0};
	struct store_release published;
	struct release again;
	int is_new;

	(void)publish(s, "a", "one");
	(void)publish(s, "a", "two");
	store_close(s);
	writer = open_store(state, 0);
	again = add_parts(writer, "b", "one");
	s = open_store(state, 0);
	gc(s, 1, 0, &result);
	expect_names(s, "a:2[]");
	assert_int_equal(result.blobs, 3);
	assert_int_equal(result.left, 3);
	assert_int_equal(store_publish(writer, &again, &published, &is_new, NULL), 0);
	assert_int_equal(store_check_blobs(writer, &published, NULL), 0);
	store_close(writer);
	writer = NULL;
	/* the last one out has removed the two that nobody took */
	assert_int_equal(store_check_blobs(s, &published, NULL), 0);
	expect_names(s, "a:2[] b:1[]");
	assert_int_equal(count_entries(*state, "store/.tmp"), 0);
	assert_int_equal(count_blobs(state), 3 + 2 * 3);
}

/* What nothing names: another program's copy that is under way stays, what is old goes. */
static void test_orphans(void **state)
{
	static const char *const names[] = {
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
		"notes.txt",
	};
	_cleanup_free_ char *blobs = path_join(*state, "store/blobs/sha256");
	_cleanup_store_ struct store *s = open_store(state, 1);
	_cleanup_gc_result_ struct gc_result result = {0};
	const struct timespec old[2] = {{.tv_sec = 1700000000}, {.tv_sec = 1700000000}};

	(void)publish(s, "a", "one");
	store_close(s);
	s = open_store(state, 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = path_join(blobs, names[i]);

		assert_int_equal(write_file(path, &(struct file_content){"x", 1, 0644}, NULL), 0);
		if (i != 0)
			assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	}
	gc(s, 1, 0, &result);
	assert_int_equal(result.blobs, 1);
	assert_int_equal(result.bytes, 1);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = path_join(blobs, names[i]);

		assert_int_equal(access(path, F_OK), i == 1 ? -1 : 0);
	}
}

/* A release that cannot be read: what it names is not known, so nothing goes. */
static void test_damage(void **state)
{
	_cleanup_store_ struct store *s = open_store(state, 1);
	const struct gc_options options = {.keep = 1, .needs = &(struct gc_needs){0}};
	struct gc_result result = {0};
	_cleanup_free_ char *path = NULL;
	struct store_release first = publish(s, "a", "one");
	struct err err = {0};
	unsigned before;

	(void)publish(s, "a", "two");
	store_close(s);
	s = open_store(state, 0);
	path = store_blob_path(s, &first.config.digest);
	assert_int_equal(truncate(path, 3), 0);
	before = count_blobs(state);
	assert_int_equal(store_gc(s, &options, &result, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "a:1"));
	assert_int_equal(count_blobs(state), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_needs),
		cmocka_unit_test(test_answers),
		unit_test_in_dir(test_gc),
		unit_test_in_dir(test_writer),
		unit_test_in_dir(test_orphans),
		unit_test_in_dir(test_damage),
	};

	return cmocka_run_group_tests_name("gc", tests, NULL, NULL);
}
