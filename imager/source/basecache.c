/*
 * Owns how a base tree is kept: one archive in the cache, and the time that belongs to it in an entry of its
 * own, put after the archive, so that who finds the time finds both.
 */
#include "imager/source/basecache.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/base/parse.h"
#include "imager/tree/treecopy.h"
#include "imager/tree/treepack.h"

#define CACHE_KIND "base"

static int time_key(const struct digest *key, struct digest *ret)
{
	struct {
		struct digest key;
		char word[8];
	} text = {*key, "time"};

	return digest_bytes(&text, sizeof(text), ret);
}

static int get_time(const struct basecache *b, uint64_t *ret)
{
	_cleanup_buf_ struct buf text = {0};
	struct digest key;

	return time_key(b->key, &key) == 0 && cache_get_bytes(b->cache, CACHE_KIND, &key, &text) &&
	       parse_u64(text.data, ret) == 0;
}

int basecache_get(const struct basecache *b, uint64_t *ret_time, struct err *err)
{
	const struct treecopy_target target = {.root = b->root, .prefix = ""};
	_cleanup_free_ char *packed = path_join(b->workdir, "base.tar");
	uint64_t time;
	int r;

	if (!packed)
		return err_oom(err, "the base");
	if (!get_time(b, &time))
		return 0;
	r = cache_get_file(b->cache, CACHE_KIND, b->key, packed, err);
	if (r <= 0)
		return r;
	r = treecopy_archive(packed, &target, NULL, err);
	(void)unlink(packed);
	if (r < 0)
		return err_prefix(err, "the cached base");
	*ret_time = time;
	return 1;
}

int basecache_put(const struct basecache *b, uint64_t time, struct err *err)
{
	_cleanup_free_ char *packed = path_join(b->workdir, "base.tar");
	_cleanup_buf_ struct buf text = {0};
	struct digest key;
	int r;

	if (!b->cache)
		return 0;
	if (!packed || buf_printf(&text, "%" PRIu64, time) < 0 || time_key(b->key, &key) < 0)
		return err_oom(err, "the base");
	r = treepack(b->root, packed, err);
	if (r == 0)
		r = cache_put_file(b->cache, CACHE_KIND, b->key, packed, err);
	(void)unlink(packed);
	return r < 0 ? r : cache_put_bytes(b->cache, CACHE_KIND, &key, &text, err);
}
