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
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "imager/base/io.h"
#include "imager/squash/blockpack.h"

/* More packs than this with blocks of one image: they are written into one. */
#define SPREAD_MAX 8

struct blockcache {
	char *folder;
	char salt[32]; /* what the compressed form depends on besides the content */
	struct blockpacks packs;
	pthread_mutex_t lock; /* on what follows */
	struct blockpack_writer writer;
	struct blockpack_hit *hits; /* what was found in old packs */
	size_t hit_count, hit_size;
};

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
	(void)snprintf(c->salt, sizeof(c->salt), "zstd %u level %u", ZSTD_versionNumber(), level);
	c->writer.fd = -1;
	(void)pthread_mutex_init(&c->lock, NULL);
	blockpacks_load(&c->packs, folder);
	return c;
}

/* ---- finding and adding ---- */

static int make_key(const struct blockcache *c, const void *data, uint32_t size, struct digest *ret)
{
	_cleanup_digest_stream_ struct digest_stream *s = digest_stream_new();

	if (!s || digest_stream_add(s, c->salt, sizeof(c->salt)) < 0 ||
		digest_stream_add(s, data, size) < 0 || digest_stream_end(s, ret) < 0) {
		*ret = (struct digest){0};
		return -EIO;
	}
	return 0;
}

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

int blockcache_find(struct blockcache *c, const void *data, uint32_t size, struct digest *ret_key, void *out,
	uint32_t *ret_size)
{
	struct blockpack_hit hit;

	if (!c || make_key(c, data, size, ret_key) < 0)
		return 0;
	if (!blockpacks_find(&c->packs, ret_key, &hit) || hit.row->size >= size ||
		blockpack_read(&hit, out) < 0)
		return 0;
	*ret_size = hit.row->size;
	(void)pthread_mutex_lock(&c->lock);
	note_hit(c, &hit);
	(void)pthread_mutex_unlock(&c->lock);
	return 1;
}

void blockcache_add(struct blockcache *c, const struct digest *key, const void *packed, uint32_t size)
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

		if (data && blockpack_read(hit, data) == 0)
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
	(void)pthread_mutex_destroy(&c->lock);
	free(c->hits);
	free(c->folder);
	free(c);
}
