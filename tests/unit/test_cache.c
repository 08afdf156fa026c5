/*
 * The cache: what is put is found, what is damaged is not, what is old goes; writers that race, folders that
 * cannot be trusted.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/cache/cache.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/testtree.h"

static struct digest key_of(const char *text)
{
	struct digest d;

	assert_int_equal(digest_bytes(text, strlen(text), &d), 0);
	return d;
}

static char *entry_of(const char *dir, const char *kind, const char *key)
{
	struct digest d = key_of(key);
	char hex[65], *path;

	digest_hex(&d, hex);
	assert_true(asprintf(&path, "%s/cache/%s/%s", dir, kind, hex) > 0);
	return path;
}

static struct cache *open_in(const char *dir)
{
	_cleanup_free_ char *path = path_join(dir, "cache");
	struct cache *c = NULL;
	struct err err = {0};

	if (cache_open(path, &c, &err) < 0)
		fail_msg("%s", err.text);
	return c;
}

static void put(struct cache *c, const char *key, const char *text)
{
	const struct digest d = key_of(key);
	const struct buf content = {.data = (char *)text, .len = strlen(text)};

	assert_int_equal(cache_put_bytes(c, "small", &d, &content, NULL), 0);
}

static int has(struct cache *c, const char *key, const char *text)
{
	_cleanup_buf_ struct buf found = {0};
	const struct digest d = key_of(key);

	if (!cache_get_bytes(c, "small", &d, &found))
		return 0;
	assert_string_equal(found.data, text);
	assert_int_equal(found.len, strlen(text));
	return 1;
}

static void test_bytes(void **state)
{
	_cleanup_cache_ struct cache *c = open_in(*state);

	assert_false(has(c, "a", ""));
	put(c, "a", "one");
	put(c, "b", "");
	assert_true(has(c, "a", "one"));
	assert_true(has(c, "b", ""));
	put(c, "a", "two");
	assert_true(has(c, "a", "two"));
	assert_false(has(c, "c", ""));
}

static void test_files(void **state)
{
	_cleanup_cache_ struct cache *c = open_in(*state);
	_cleanup_free_ char *in = path_join(*state, "in"), *out = path_join(*state, "out");
	const struct digest key = key_of("k");
	struct err err = {0};

	tree_put(*state, "in", "content");
	assert_int_equal(cache_get_file(c, "big", &key, out, NULL), 0);
	assert_int_equal(tree_size(*state, "out"), -1);
	assert_int_equal(cache_put_file(c, "big", &key, in, NULL), 0);
	assert_int_equal(cache_get_file(c, "big", &key, out, NULL), 1);
	tree_is(*state, "out", "content");
	/* again, over what is there */
	assert_int_equal(cache_get_file(c, "big", &key, out, NULL), 1);
	tree_is(*state, "out", "content");
	assert_int_equal(cache_get_file(c, "other", &key, out, NULL), 0);
	assert_true(cache_get_file(c, "big", &key, *state, &err) < 0);
	assert_non_null(strstr(err.text, *state));
	assert_int_equal(cache_put_file(c, "big", &key, "/nonexistent", &err), -ENOENT);
}

static void damage(const char *path, off_t at, int cut)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
	char byte;

	assert_true(fd >= 0);
	if (cut) {
		assert_int_equal(ftruncate(fd, at), 0);
		return;
	}
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

/* "content" has 7 bytes, its trailer 56: magic, size, digest. */
static void test_damage(void **state)
{
	static const struct {
		off_t at;
		int cut;
	} rows[] = {
		{0, 0}, {6, 0}, {7, 0}, {23, 0}, {30, 0}, {31, 0}, {62, 0}, {0, 1}, {7, 1}, {56, 1}, {62, 1}};
	_cleanup_cache_ struct cache *c = open_in(*state);
	_cleanup_free_ char *small = entry_of(*state, "small", "k"), *big = entry_of(*state, "big", "k");
	_cleanup_free_ char *in = path_join(*state, "in"), *out = path_join(*state, "out");
	const struct digest key = key_of("k");

	tree_put(*state, "in", "content");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		put(c, "k", "content");
		assert_int_equal(cache_put_file(c, "big", &key, in, NULL), 0);
		damage(small, rows[i].at, rows[i].cut);
		damage(big, rows[i].at, rows[i].cut);
		assert_false(has(c, "k", "content"));
		assert_int_equal(cache_get_file(c, "big", &key, out, NULL), 0);
		assert_int_equal(tree_size(*state, "out"), -1);
		/* removed, so that it is made again */
		assert_int_equal(access(small, F_OK), -1);
		assert_int_equal(access(big, F_OK), -1);
	}
}

struct racer {
	struct cache *cache;
	unsigned first;
};

static void *race(void *arg)
{
	const struct racer *r = arg;

	for (unsigned i = 0; i < 200; i++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "%u", (r->first + i) % 50);
		if (!has(r->cache, key, key))
			put(r->cache, key, key);
	}
	return NULL;
}

/* Two caches over one folder, as two builds have, and two threads each. */
static void test_writers_at_once(void **state)
{
	_cleanup_cache_ struct cache *a = open_in(*state), *b = open_in(*state);
	struct racer racers[4] = {{a, 0}, {b, 0}, {a, 25}, {b, 10}};
	pthread_t threads[4];

	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (unsigned i = 0; i < 50; i++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "%u", i);
		assert_true(has(a, key, key));
	}
}

static void set_age(const char *path, time_t time)
{
	const struct timespec times[2] = {{.tv_sec = time}, {.tv_sec = time}};

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* The least recently used go, whatever their kind; using one keeps it; names with a dot are left alone. */
static void test_trim(void **state)
{
	struct cache *c = open_in(*state);
	static const char *const names[] = {"old", "used", "young"};
	_cleanup_free_ char *own = cache_folder(c, "own"), *big = malloc(8193);

	assert_non_null(own);
	memset(big, 'x', 8192);
	big[8192] = '\0';
	tree_put(*state, "cache/own/oldest", big);
	tree_put(*state, "cache/own/.lock", big);
	tree_put(*state, "cache/own/.new-dead", big);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = entry_of(*state, "small", names[i]);

		put(c, names[i], big);
		set_age(path, 1000 + (time_t)i);
	}
	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *path = path_join(own, i ? ".new-dead" : "oldest");

		set_age(path, 10);
	}
	assert_true(has(c, "used", big));
	cache_set_limit(c, 26 * 1024);
	cache_close(c);
	c = open_in(*state);
	assert_int_equal(tree_size(*state, "cache/own/oldest"), -1);
	assert_int_equal(tree_size(*state, "cache/own/.new-dead"), -1);
	assert_int_equal(tree_size(*state, "cache/own/.lock"), 8192);
	assert_false(has(c, "old", big));
	assert_true(has(c, "used", big));
	assert_true(has(c, "young", big));
	cache_close(c);
}

static void test_no_cache(void **state)
{
	const struct digest key = key_of("k");
	struct buf content = {0};

	(void)state;
	assert_int_equal(cache_put_bytes(NULL, "small", &key, &content, NULL), 0);
	assert_int_equal(cache_get_bytes(NULL, "small", &key, &content), 0);
	assert_int_equal(cache_put_file(NULL, "big", &key, "/nonexistent", NULL), 0);
	assert_int_equal(cache_get_file(NULL, "big", &key, "/nonexistent/x", NULL), 0);
	assert_null(cache_folder(NULL, "own"));
	cache_set_limit(NULL, 1);
	cache_close(NULL);
}

/* Folders that are no good: a sentence with the path, and nothing made. */
static void test_refused(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "cache");
	struct cache *c = NULL;
	struct err err = {0};

	tree_put(*state, "file", "");
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, 0777), 0);
	assert_int_equal(cache_open(path, &c, &err), -EPERM);
	assert_non_null(strstr(err.text, "everybody may write to it"));
	assert_int_equal(chmod(path, 0700), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, 12345), 0);
		assert_int_equal(cache_open(path, &c, &err), -EPERM);
		assert_non_null(strstr(err.text, "belongs to user 12345"));
	}
	(void)rmdir(path);
	free(path);
	path = path_join(*state, "file");
	assert_int_equal(cache_open(path, &c, &err), -ENOTDIR);
	assert_non_null(strstr(err.text, path));
	free(path);
	path = path_join(*state, "file/below");
	assert_true(cache_open(path, &c, &err) < 0);
	assert_null(c);
}

static void test_choose(void **state)
{
	_cleanup_free_ char *given = cache_choose("/x"), *set = NULL, *fallback = NULL;

	(void)state;
	assert_string_equal(given, "/x");
	assert_int_equal(setenv("SWARMBOOT_CACHE", "/y", 1), 0);
	set = cache_choose(NULL);
	assert_string_equal(set, "/y");
	assert_int_equal(unsetenv("SWARMBOOT_CACHE"), 0);
	fallback = cache_choose(NULL);
	if (geteuid() == 0)
		assert_string_equal(fallback, "/var/cache/swarmboot");
	else
		assert_non_null(strstr(fallback, "swarmboot"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_bytes),
		unit_test_in_dir(test_files),
		unit_test_in_dir(test_damage),
		unit_test_in_dir(test_writers_at_once),
		unit_test_in_dir(test_trim),
		cmocka_unit_test(test_no_cache),
		unit_test_in_dir(test_refused),
		cmocka_unit_test(test_choose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
