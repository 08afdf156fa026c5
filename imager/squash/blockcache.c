/*
 * Owns the pack files of compressed blocks: finding, adding, and writing what many packs hold into one. The
 * folder and its size are the cache's, the compressing is pool.c's.
 */
#include "imager/squash/blockcache.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "imager/base/io.h"
#include "imager/format/digest.h"
#include "imager/squash/blockpack.h"

/* More packs than this with blocks of one image: they are written into one. */
#define SPREAD_MAX  8
#define SECRET_SIZE 32

struct blockcache {
	char *folder;
	struct blockhash *hash;
	struct blockpacks packs;
	pthread_mutex_t lock; /* on what follows */
	struct blockpack_writer writer;
	struct blockpack_hit *hits; /* what was found in old packs */
	size_t hit_count, hit_size;
};

/* ---- the secret ---- */

static int make_secret(const char *path, const char *folder)
{
	_cleanup_free_ char *temp = path_join(folder, CACHE_TEMP "XXXXXX");
	_cleanup_close_ int fd = temp ? mkostemp(temp, O_CLOEXEC) : -1;
	uint8_t secret[SECRET_SIZE];
	int r = -EIO;

	if (fd < 0)
		return -EIO;
	if (getrandom(secret, sizeof(secret), 0) == (ssize_t)sizeof(secret) &&
		write_full(fd, secret, sizeof(secret)) == 0)
		r = link(temp, path) < 0 && errno != EEXIST ? -errno : 0;
	(void)unlink(temp);
	return r;
}

/* Builds that begin at once agree on one: who links first. */
static int read_secret(const char *folder, uint8_t ret[SECRET_SIZE])
{
	_cleanup_free_ char *path = path_join(folder, ".key");

	for (int i = 0; path && i < 3; i++) {
		_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd >= 0 && read_full(fd, ret, SECRET_SIZE) == SECRET_SIZE)
			return 0;
		if (fd >= 0)
			(void)unlink(path);
		if (make_secret(path, folder) < 0)
			break;
	}
	return -EIO;
}

/* What the compressed form depends on besides the content goes into the key. */
static struct blockhash *hash_for(const char *folder, unsigned level)
{
	uint8_t text[SECRET_SIZE + 32] = {0};
	struct blockhash_key key;
	struct digest d;

	if (read_secret(folder, text) < 0)
		return NULL;
	(void)snprintf((char *)text + SECRET_SIZE, sizeof(text) - SECRET_SIZE, "zstd %u level %u",
		ZSTD_versionNumber(), level);
	if (digest_bytes(text, sizeof(text), &d) < 0)
		return NULL;
	memcpy(key.bytes, d.bytes, sizeof(key.bytes));
	return blockhash_new(&key);
}

struct blockcache *blockcache_open(struct cache *cache, unsigned level)
{
	struct blockcache *c;
	char *folder = cache_folder(cache, "block");

	if (!folder)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c) {
		free(folder);
		return NULL;
	}
	c->folder = folder;
	(void)pthread_mutex_init(&c->lock, NULL);
	c->hash = hash_for(folder, level);
	c->writer = (struct blockpack_writer){.hash = c->hash, .fd = -1};
	if (!c->hash) {
		blockcache_close(c, 0);
		return NULL;
	}
	blockpacks_load(&c->packs, folder, c->hash);
	return c;
}

/* ---- finding and adding ---- */

/* Without memory for it the pack is only not renewed. The lock is held. */
static void note_hit(struct blockcache *c, const struct blockpack_hit *hit)
{
	if (c->hit_count == c->hit_size) {
		size_t size = c->hit_size ? c->hit_size * 2 : 256;
		struct blockpack_hit *grown = reallocarray(c->hits, size, sizeof(*grown));

		if (!grown)
			return;
		c->hits = grown;
		c->hit_size = size;
	}
	c->hits[c->hit_count++] = *hit;
}

int blockcache_find(struct blockcache *c, const void *data, uint32_t size, struct blockhash_value *ret_key,
	void *out, uint32_t *ret_size)
{
	struct blockpack_hit hit;

	if (!c)
		return 0;
	*ret_key = (struct blockhash_value){0};
	if (blockhash_of(c->hash, data, size, ret_key) < 0)
		return 0;
	if (!blockpacks_find(&c->packs, ret_key, &hit) || hit.row->size >= size ||
		blockpack_read(&c->packs, &hit, out) < 0)
		return 0;
	*ret_size = hit.row->size;
	(void)pthread_mutex_lock(&c->lock);
	note_hit(c, &hit);
	(void)pthread_mutex_unlock(&c->lock);
	return 1;
}

void blockcache_add(
	struct blockcache *c, const struct blockhash_value *key, const void *packed, uint32_t size)
{
	if (!c)
		return;
	(void)pthread_mutex_lock(&c->lock);
	blockpack_add(&c->writer, c->folder, key, packed, size);
	(void)pthread_mutex_unlock(&c->lock);
}

/* ---- the end ---- */

/* Renews the packs that were of use; how many they are. */
static size_t renew_packs(struct blockcache *c)
{
	size_t used = 0;

	for (size_t i = 0; i < c->hit_count; i++)
		c->hits[i].pack->is_used = 1;
	for (size_t i = 0; i < c->packs.count; i++) {
		if (!c->packs.items[i].is_used)
			continue;
		(void)futimens(c->packs.items[i].fd, NULL);
		used++;
	}
	return used;
}

/* The old packs stay until the cache is full: another image may have its blocks there. */
static void gather(struct blockcache *c)
{
	for (size_t i = 0; i < c->hit_count; i++) {
		const struct blockpack_hit *hit = &c->hits[i];
		_cleanup_free_ void *data = malloc(hit->row->size + 1);

		if (data && blockpack_read(&c->packs, hit, data) == 0)
			blockpack_add(&c->writer, c->folder, &hit->row->key, data, hit->row->size);
	}
}

void blockcache_close(struct blockcache *c, int keep)
{
	if (!c)
		return;
	if (keep && renew_packs(c) > SPREAD_MAX)
		gather(c);
	blockpack_finish(&c->writer, c->folder, keep);
	blockpacks_release(&c->packs);
	blockhash_free(c->hash);
	(void)pthread_mutex_destroy(&c->lock);
	free(c->hits);
	free(c->folder);
	free(c);
}
