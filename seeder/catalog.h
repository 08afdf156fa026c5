/*
 * offer: the store's releases that may be served. A release is offered when a trusted key signed its manifest
 * (checked before a byte of it is parsed) and every blob it names has the size and digest it says. A blob
 * that was hashed once is remembered by digest, size, mtime and inode (verified.h), so a restart does not
 * hash again.
 */
#ifndef SEEDER_CATALOG_H
#define SEEDER_CATALOG_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "imager/base/buf.h"
#include "imager/base/cleanup.h"
#include "imager/base/err.h"
#include "imager/format/digest.h"
#include "imager/format/minisign.h"
#include "imager/format/release.h"
#include "seeder/blobproof.h"

#define CATALOG_REF_SIZE 132

/* What is to be offered; owned as a whole, so that it can be handed to another thread. */
struct catalog_wish {
	char *store, *state; /* folders */
	struct minisign_keyring keyring;
	char (*channels)[CATALOG_REF_SIZE]; /* store references, as the groups name them */
	size_t channel_count;
	struct digest *also; /* releases that nodes run or are booting: served on while they are there */
	size_t also_count;
	const atomic_int *stop; /* as of digest_fd; the caller's */
	/* Whether at most `fresh` releases are read that were not read before; others are pending. So what
	 * was known at the last end is offered at once, and the rest one after the other. */
	int is_bounded;
	size_t fresh;
};
void catalog_wish_release(struct catalog_wish *w);
int catalog_wish_channel(struct catalog_wish *w, const char *ref); /* once each; 0 or -ENOMEM */
int catalog_wish_also(struct catalog_wish *w, const struct digest *release);

struct offer {
	struct digest digest; /* of the release manifest */
	struct release release;
	struct buf manifest, signature, torrent;
	struct proved_blob kernel, initramfs, root;
	struct proved_blob packages; /* for mirrors; path NULL: it is missing or damaged */
};

struct catalog_channel {
	char ref[CATALOG_REF_SIZE];
	const struct offer *offer; /* NULL: nothing to offer */
	int is_pending;            /* it is still to be read */
	char reason[ERR_TEXT_MAX]; /* why, then */
};

struct catalog {
	struct offer **offers; /* each release once */
	size_t offer_count;
	struct catalog_channel *channels; /* one a wish, in its order */
	size_t channel_count;
	size_t pending; /* releases that are still to be read: for channels or for nodes that run them */
};
void catalog_free(struct catalog *c);
DEFINE_CLEANUP(struct catalog *, catalog_free)
#define _cleanup_catalog_ _cleanup_(catalog_free_p)

/*
 * Hashes what is new and makes its torrents, so it may take long: not for the loop. A release that is not fit
 * to be offered is no failure: its channel has the reason. Negative with err set when the store as a whole
 * cannot be read, and -ECANCELED when it was stopped; what it had hashed until then is remembered.
 */
int catalog_scan(const struct catalog_wish *wish, struct catalog **ret, struct err *err);

/* NULL when there is none. */
const struct catalog_channel *catalog_channel(const struct catalog *c, const char *ref);
const struct offer *catalog_release(const struct catalog *c, const struct digest *release);
const struct offer *catalog_image(const struct catalog *c, const struct digest *root);
const struct proved_blob *catalog_blob(const struct catalog *c, const struct digest *blob);

#endif
