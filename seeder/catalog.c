/*
 * Owns the way from the store to verified offers: signature, then manifest, then blobs, then torrent. Does
 * not decide what is to be offered (the cluster file does) and does not serve.
 */
#include "seeder/catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/io.h"
#include "imager/format/store.h"
#include "seeder/blobproof.h"
#include "seeder/torrent.h"

void catalog_wish_release(struct catalog_wish *w)
{
	free(w->store);
	free(w->state);
	free(w->channels);
	free(w->also);
	*w = (struct catalog_wish){0};
}

int catalog_wish_channel(struct catalog_wish *w, const char *ref)
{
	char(*channels)[CATALOG_REF_SIZE];

	for (size_t i = 0; i < w->channel_count; i++)
		if (!strcmp(w->channels[i], ref))
			return 0;
	channels = realloc(w->channels, (w->channel_count + 1) * sizeof(*channels));
	if (!channels)
		return -ENOMEM;
	w->channels = channels;
	(void)snprintf(channels[w->channel_count++], CATALOG_REF_SIZE, "%s", ref);
	return 0;
}

int catalog_wish_also(struct catalog_wish *w, const struct digest *release)
{
	struct digest *also;

	for (size_t i = 0; i < w->also_count; i++)
		if (digest_equal(&w->also[i], release))
			return 0;
	also = realloc(w->also, (w->also_count + 1) * sizeof(*also));
	if (!also)
		return -ENOMEM;
	w->also = also;
	also[w->also_count++] = *release;
	return 0;
}

static void offer_free(struct offer *o)
{
	buf_release(&o->manifest);
	buf_release(&o->signature);
	buf_release(&o->torrent);
	free(o->kernel.path);
	free(o->initramfs.path);
	free(o->root.path);
	free(o->packages.path);
	free(o);
}
DEFINE_CLEANUP(struct offer *, offer_free)

void catalog_free(struct catalog *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->offer_count; i++)
		offer_free(c->offers[i]);
	free(c->offers);
	free(c->channels);
	free(c);
}

/* ---- the scan ---- */

struct scan {
	const struct catalog_wish *wish;
	struct store *store;
	struct blobproof proof;
	struct catalog *catalog;
	size_t fresh; /* left of the wish's */
};

static void scan_release(struct scan *s)
{
	store_close(s->store);
	blobproof_release(&s->proof);
	catalog_free(s->catalog);
}

/* All are looked at whatever is wrong with one: what is damaged is known after one scan. */
static int prove_blobs(struct scan *s, struct offer *o, struct err *err)
{
	const struct {
		const char *what;
		const struct release_part *part;
		struct proved_blob *blob;
	} rows[] = {
		{"kernel", &o->release.kernel, &o->kernel},
		{"initramfs", &o->release.initramfs, &o->initramfs},
		{"root image", &o->release.root, &o->root},
	};
	int first = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int r = blobproof_blob(&s->proof, &(struct suspect){s->store, rows[i].part, rows[i].what},
			rows[i].blob, first ? NULL : err);

		first = first ? first : r;
	}
	/* No node wants it: without it the release is good to boot, but cannot be mirrored. */
	(void)blobproof_blob(&s->proof, &(struct suspect){s->store, &o->release.packages, "package list"},
		&o->packages, NULL);
	return first == 0 ? blobproof_tree(&s->proof, &o->release, &o->root, err) : first;
}

static int on_piece(uint64_t done, void *arg)
{
	const struct blobproof *p = arg;

	(void)done;
	if (p->is_bound)
		return -EAGAIN;
	return blobproof_is_stopped(p) ? -ECANCELED : 0;
}

static int make_torrent(struct scan *s, struct offer *o, struct err *err)
{
	const struct torrent_image image = {.path = o->root.path,
		.digest = o->root.part.digest,
		.size = o->root.part.size,
		.progress = on_piece,
		.arg = &s->proof};

	return torrent_make(s->wish->state, &image, &o->torrent, err);
}

static int prove(struct scan *s, const struct store_release *rel, struct offer *o, struct err *err)
{
	_cleanup_store_signed_ struct store_signed proof = {0};
	int r = store_verify(s->store, rel, &s->wish->keyring, &proof, err);

	if (r < 0)
		return r;
	o->digest = rel->config.digest;
	o->release = proof.release;
	o->manifest = proof.manifest;
	o->signature = proof.signature;
	proof = (struct store_signed){0};
	r = prove_blobs(s, o, err);
	if (r == 0)
		r = make_torrent(s, o, err);
	return r < 0 ? err_prefix(err, "%s", rel->name) : 0;
}

static int try_offer(struct scan *s, const struct store_release *rel, struct offer **ret, struct err *err)
{
	_cleanup_(offer_free_p) struct offer *o = calloc(1, sizeof(*o));
	int r = o ? prove(s, rel, o, err) : err_oom(err, rel->name);

	if (r == 0)
		*ret = TAKE(o);
	return r;
}

static int make_offer(struct scan *s, const struct store_release *rel, struct offer **ret, struct err *err)
{
	int r;

	s->proof.is_bound = s->wish->is_bounded;
	r = try_offer(s, rel, ret, err);
	if (r != -EAGAIN || !s->fresh)
		return r;
	s->fresh--;
	s->proof.is_bound = 0;
	return try_offer(s, rel, ret, err);
}

static int add_offer(
	struct scan *s, const struct store_release *rel, const struct offer **ret, struct err *err)
{
	_cleanup_(offer_free_p) struct offer *o = NULL;
	struct catalog *c = s->catalog;
	struct offer **offers;
	int r;

	*ret = catalog_release(c, &rel->config.digest);
	if (*ret)
		return 0;
	offers = realloc(c->offers, (c->offer_count + 1) * sizeof(struct offer *));
	if (!offers)
		return err_oom(err, rel->name);
	c->offers = offers;
	r = make_offer(s, rel, &o, err);
	c->pending += r == -EAGAIN;
	if (r < 0)
		return r;
	*ret = o;
	c->offers[c->offer_count++] = TAKE(o);
	return 0;
}

static int scan_channel(struct scan *s, struct catalog_channel *channel, struct err *err)
{
	_cleanup_free_ struct store_release *rel = calloc(1, sizeof(*rel));
	int r;

	if (!rel)
		return err_oom(err, channel->ref);
	r = store_resolve(s->store, channel->ref, rel, err);
	return r == 0 ? add_offer(s, rel, &channel->offer, err) : r;
}

static int scan_channels(struct scan *s, struct err *err)
{
	struct catalog *c = s->catalog;

	c->channels = calloc(s->wish->channel_count + 1, sizeof(*c->channels));
	if (!c->channels)
		return err_oom(err, "the channels");
	c->channel_count = s->wish->channel_count;
	for (size_t i = 0; i < c->channel_count; i++) {
		struct catalog_channel *channel = &c->channels[i];
		struct err why = {0};
		int r;

		memcpy(channel->ref, s->wish->channels[i], sizeof(channel->ref));
		r = scan_channel(s, channel, &why);
		channel->is_pending = r == -EAGAIN;
		if (r < 0)
			(void)snprintf(channel->reason, sizeof(channel->reason), "%s", why.text);
	}
	return 0;
}

/* What nodes still run may be gone from the store: then it is not served, and nothing is said. */
static void scan_also(struct scan *s)
{
	for (size_t i = 0; i < s->wish->also_count; i++) {
		_cleanup_free_ struct store_release *rel = calloc(1, sizeof(*rel));
		const struct offer *offer;
		char ref[DIGEST_TEXT_SIZE];
		struct err why = {0}; /* without one its code is lost */

		digest_format(&s->wish->also[i], ref);
		if (rel && store_resolve(s->store, ref, rel, NULL) == 0)
			(void)add_offer(s, rel, &offer, &why);
	}
}

int catalog_scan(const struct catalog_wish *wish, struct catalog **ret, struct err *err)
{
	_cleanup_(scan_release) struct scan s = {
		.wish = wish, .catalog = calloc(1, sizeof(struct catalog)), .fresh = wish->fresh};
	_cleanup_free_ char *memory = path_join(wish->state, VERIFIED_FILE);
	int r;

	if (!s.catalog || !memory)
		return err_oom(err, "the catalog");
	r = store_open(wish->store, 0, &s.store, err);
	if (r < 0)
		return r;
	r = blobproof_load(&s.proof, memory, wish->stop);
	if (r < 0)
		return err_oom(err, memory);
	r = scan_channels(&s, err);
	if (r < 0)
		return r;
	scan_also(&s);
	r = blobproof_save(&s.proof, memory, err);
	if (r < 0)
		return r;
	*ret = TAKE(s.catalog);
	return 0;
}

/* ---- look-ups ---- */

const struct catalog_channel *catalog_channel(const struct catalog *c, const char *ref)
{
	for (size_t i = 0; c && i < c->channel_count; i++)
		if (!strcmp(c->channels[i].ref, ref))
			return &c->channels[i];
	return NULL;
}

const struct offer *catalog_release(const struct catalog *c, const struct digest *release)
{
	for (size_t i = 0; c && i < c->offer_count; i++)
		if (digest_equal(&c->offers[i]->digest, release))
			return c->offers[i];
	return NULL;
}

const struct offer *catalog_image(const struct catalog *c, const struct digest *root)
{
	for (size_t i = 0; c && i < c->offer_count; i++)
		if (digest_equal(&c->offers[i]->root.part.digest, root))
			return c->offers[i];
	return NULL;
}

const struct proved_blob *catalog_blob(const struct catalog *c, const struct digest *blob)
{
	for (size_t i = 0; c && i < c->offer_count; i++) {
		const struct offer *o = c->offers[i];
		const struct proved_blob *const blobs[] = {&o->kernel, &o->initramfs, &o->root, &o->packages};

		for (size_t j = 0; j < ARRAY_SIZE(blobs); j++)
			if (blobs[j]->path && digest_equal(&blobs[j]->part.digest, blob))
				return blobs[j];
	}
	return NULL;
}
