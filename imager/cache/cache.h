/*
 * A folder that remembers what is dear to make: DIR/<kind>/<hex of the key>. The key is a digest over all
 * that the content depends on, so an entry is right for ever and nothing is ever updated in place.
 *
 * An entry appears complete or not at all, also when its writer is killed; each carries the digest of its
 * content, and one that is damaged is removed and counts as missing. Any number of processes may share the
 * folder. Every use renews an entry's time, and closing removes the oldest ones beyond the limit.
 *
 * Whoever may write to the folder decides what the images hold, so one of another user's, or that everybody
 * may write to, is refused. A NULL cache is no cache: nothing is found in it, nothing is kept.
 */
#ifndef IMAGER_CACHE_CACHE_H
#define IMAGER_CACHE_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "imager/base/buf.h"
#include "imager/base/err.h"
#include "imager/format/digest.h"

#define CACHE_LIMIT_DEFAULT (UINT64_C(20) << 30)
#define CACHE_OPTION_HELP                                                                                    \
	"what earlier builds made is kept here; default: $SWARMBOOT_CACHE, else /var/cache/swarmboot for "   \
	"root, else swarmboot below $XDG_CACHE_HOME or ~/.cache"

struct cache;

/*
 * The folder to use: the one given, else the first of CACHE_OPTION_HELP's list. free(); NULL: out of memory.
 * Call it before a user namespace makes an ordinary user look like root.
 */
char *cache_choose(const char *given);

/* Makes the folder (mode 0700) if it is not there. -EPERM: another's, or everybody's; else -errno. */
int cache_open(const char *path, struct cache **ret, struct err *err);
/* Trims to the limit; takes NULL. */
void cache_close(struct cache *c);
DEFINE_CLEANUP(struct cache *, cache_close)
#define _cleanup_cache_ _cleanup_(cache_close_p)

/* Bytes that closing leaves in the folder, all kinds together; CACHE_LIMIT_DEFAULT unless set. */
void cache_set_limit(struct cache *c, uint64_t bytes);

/*
 * Thread-safe. get: 1 when it was there: the file `output` (made or replaced, mode 0644) or *ret holds it; 0
 * when it was not; -errno when output cannot be written (it is removed).
 */
int cache_get_file(
	struct cache *c, const char *kind, const struct digest *key, const char *output, struct err *err);
int cache_get_bytes(struct cache *c, const char *kind, const struct digest *key, struct buf *ret);

/* Thread-safe. 0, or -errno when nothing was kept, which is no reason to end a build. */
int cache_put_file(
	struct cache *c, const char *kind, const struct digest *key, const char *path, struct err *err);
int cache_put_bytes(struct cache *c, const char *kind, const struct digest *key, const struct buf *content,
	struct err *err);

/*
 * The folder of a kind that manages its files itself; free(). NULL: no cache, or it cannot be made. Its files
 * are trimmed as entries are, whole files by the time of their last change, except those (and all in folders)
 * whose names begin with a dot.
 */
char *cache_folder(struct cache *c, const char *kind);

/* Names of files that are still written. */
#define CACHE_TEMP ".new-"

/* cachetrim.c: removes the files that were not used for the longest time until `limit` bytes are left. */
void cache_trim(const char *path, uint64_t limit);

#endif
