/*
 * The cache of compressed blocks: the image has the same bytes cold, warm, damaged and without it; only what
 * changed is made again; many small packs become one.
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/squash/blockcache.h"
#include "imager/squash/squash.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/testtree.h"

#define BLOCK 4096
#define FILES 400

static struct cache *open_in(const char *dir)
{
	_cleanup_free_ char *path = path_join(dir, "cache");
	struct cache *c = NULL;
	struct err err = {0};

	if (cache_open(path, &c, &err) < 0)
		fail_msg("%s", err.text);
	return c;
}

/* Text that compresses, another one for each seed. */
static void put_file(const char *dir, unsigned number, unsigned seed, size_t size)
{
	_cleanup_free_ char *text = malloc(size + 1);
	char name[32];

	for (size_t i = 0; i < size; i++)
		text[i] = (char)('a' + (i * (seed % 7 + 1) + i / 11 + seed) % 26);
	text[size] = '\0';
	(void)snprintf(name, sizeof(name), "tree/%03u", number);
	tree_put(dir, name, text);
}

static void make_files(const char *dir)
{
	for (unsigned i = 0; i < FILES; i++)
		put_file(dir, i, i * 131, i % 50 ? 100 + i * 37 % 3000 : 5 * BLOCK + i);
}

/* The image's digest. */
static struct digest pack(const char *dir, struct cache *cache, unsigned jobs)
{
	_cleanup_free_ char *tree = path_join(dir, "tree"), *image = path_join(dir, "image");
	const struct squash_options options = {
		.level = 3, .block_size = BLOCK, .jobs = jobs, .mtime = 1000, .cache = cache};
	struct squash_result result;
	struct err err = {0};
	struct digest d;

	if (squash_pack(tree, image, &options, &result, &err) < 0)
		fail_msg("%s", err.text);
	{
		_cleanup_close_ int fd = open(image, O_RDONLY | O_CLOEXEC);

		assert_int_equal(digest_fd(fd, &d, NULL, NULL), 0);
	}
	assert_int_equal(unlink(image), 0);
	return d;
}

static struct digest pack_cached(const char *dir, unsigned jobs)
{
	_cleanup_cache_ struct cache *c = open_in(dir);

	return pack(dir, c, jobs);
}

struct packs {
	size_t count;
	off_t newest, all; /* bytes */
	char name[NAME_MAX + 1];
};

static struct packs look(const char *dir)
{
	_cleanup_free_ char *path = path_join(dir, "cache/block");
	_cleanup_closedir_ DIR *stream = opendir(path);
	struct packs p = {0};
	struct timespec newest = {0};

	assert_non_null(stream);
	for (struct dirent *e; (e = readdir(stream));) {
		struct stat st;

		if (e->d_name[0] == '.') {
			assert_true(!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
				    !strcmp(e->d_name, ".key"));
			continue;
		}
		assert_int_equal(fstatat(dirfd(stream), e->d_name, &st, 0), 0);
		p.count++;
		p.all += st.st_size;
		if (st.st_ctim.tv_sec > newest.tv_sec ||
			(st.st_ctim.tv_sec == newest.tv_sec && st.st_ctim.tv_nsec >= newest.tv_nsec)) {
			newest = st.st_ctim;
			p.newest = st.st_size;
			(void)snprintf(p.name, sizeof(p.name), "%s", e->d_name);
		}
	}
	return p;
}

static void assert_same(const struct digest *a, const struct digest *b)
{
	assert_true(digest_equal(a, b));
}

static void test_same_bytes(void **state)
{
	struct digest without, cold, warm;

	make_files(*state);
	without = pack(*state, NULL, 1);
	cold = pack_cached(*state, 3);
	assert_int_equal(look(*state).count, 1);
	warm = pack_cached(*state, 2);
	assert_same(&without, &cold);
	assert_same(&without, &warm);
	/* nothing new, no new pack */
	assert_int_equal(look(*state).count, 1);
}

/* A change of one file, also of its size, makes few blocks anew. */
static void test_only_what_changed(void **state)
{
	struct packs before, after;
	struct digest cached, without;

	make_files(*state);
	(void)pack_cached(*state, 2);
	before = look(*state);
	for (unsigned i = 0; i < 4; i++) {
		put_file(*state, 3 + i * 90, 7000 + i, 500 + i * 211);
		cached = pack_cached(*state, 2);
		without = pack(*state, NULL, 1);
		assert_same(&cached, &without);
	}
	after = look(*state);
	assert_int_equal(after.count, 5);
	assert_true(after.all - before.all < before.all / 3);
}

/* Each byte of a pack, one after the other in steps, and every length: the image stays what it is. */
static void test_damage(void **state)
{
	_cleanup_free_ char *path = NULL;
	struct digest good, d;
	struct packs p;

	make_files(*state);
	good = pack(*state, NULL, 2);
	for (unsigned i = 0; i < 24; i++) {
		_cleanup_close_ int fd = -1;
		off_t at;
		char byte;

		(void)pack_cached(*state, 2);
		p = look(*state);
		free(path);
		assert_true(asprintf(&path, "%s/cache/block/%s", (const char *)*state, p.name) > 0);
		fd = open(path, O_RDWR | O_CLOEXEC);
		assert_true(fd >= 0);
		at = i < 16 ? p.newest * i / 16 : p.newest - 1 - (off_t)(i - 16) * 7;
		if (i % 4 == 3) {
			assert_int_equal(ftruncate(fd, at), 0);
		} else {
			assert_int_equal(pread(fd, &byte, 1, at), 1);
			byte ^= 0x40;
			assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		}
		d = pack_cached(*state, 2);
		assert_same(&good, &d);
	}
}

static void test_many_packs_become_one(void **state)
{
	struct digest cached, without;
	size_t most = 0;

	make_files(*state);
	for (unsigned i = 0; i < 14; i++) {
		put_file(*state, 10 + i * 25, 9000 + i, 5000);
		cached = pack_cached(*state, 2);
		if (look(*state).newest > (off_t)most)
			most = (size_t)look(*state).newest;
	}
	without = pack(*state, NULL, 1);
	assert_same(&cached, &without);
	/* one of the later packs holds all that the image needs */
	assert_true((off_t)most > look(*state).all / 4);
}

/* Level and content decide; an interrupted packing keeps nothing. */
static void test_keys(void **state)
{
	_cleanup_cache_ struct cache *cache = open_in(*state);
	struct blockcache *c = blockcache_open(cache, 3);
	uint8_t out[16];
	uint32_t size = 99;
	struct blockhash_value key;

	assert_non_null(c);
	assert_false(blockcache_find(c, "content", 7, &key, out, &size));
	blockcache_add(c, &key, "abc", 3);
	assert_false(blockcache_find(c, "incompressible", 14, &key, out, &size));
	blockcache_add(c, &key, "", 0);
	blockcache_close(c, 0);
	assert_int_equal(look(*state).count, 0);

	c = blockcache_open(cache, 3);
	assert_false(blockcache_find(c, "content", 7, &key, out, &size));
	blockcache_add(c, &key, "abc", 3);
	assert_false(blockcache_find(c, "incompressible", 14, &key, out, &size));
	blockcache_add(c, &key, "", 0);
	blockcache_close(c, 1);

	c = blockcache_open(cache, 3);
	assert_true(blockcache_find(c, "content", 7, &key, out, &size));
	assert_int_equal(size, 3);
	assert_memory_equal(out, "abc", 3);
	assert_true(blockcache_find(c, "incompressible", 14, &key, out, &size));
	assert_int_equal(size, 0);
	assert_false(blockcache_find(c, "contend", 7, &key, out, &size));
	blockcache_close(c, 1);
	c = blockcache_open(cache, 4);
	assert_false(blockcache_find(c, "content", 7, &key, out, &size));
	blockcache_close(c, 1);
	assert_null(blockcache_open(NULL, 3));
	assert_false(blockcache_find(NULL, "content", 7, &key, out, &size));
	blockcache_add(NULL, &key, "abc", 3);
	blockcache_close(NULL, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_same_bytes),
		unit_test_in_dir(test_only_what_changed),
		unit_test_in_dir(test_damage),
		unit_test_in_dir(test_many_packs_become_one),
		unit_test_in_dir(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
