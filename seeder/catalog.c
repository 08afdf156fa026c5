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
#include "seeder/torrent.h"
#include "seeder/verified.h"

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
	struct verified known, proved; /* of former scans; of this one */
	struct catalog *catalog;
};

static void scan_release(struct scan *s)
{
	store_close(s->store);
	verified_release(&s->known);
	verified_release(&s->proved);
	catalog_free(s->catalog);
}

struct suspect {
	const struct release_part *part;
	const struct stat *st;
	const char *what;
};

static int hash_blob(int fd, const struct suspect *b, enum verdict *ret, struct err *err)
{
	struct digest digest;
	uint64_t size;
	int r = digest_fd(fd, &digest, &size, NULL, NULL);

	if (r < 0)
		return err_set(err, -r, "%s: cannot be read: %s", b->what, strerror(-r));
	*ret = size == b->part->size && digest_equal(&digest, &b->part->digest) ? VERDICT_GOOD : VERDICT_BAD;
	return 0;
}

/* The verdict of a former scan holds for the same file; a new one is kept, good or bad. */
static int judge_blob(struct scan *s, int fd, const struct suspect *b, struct err *err)
{
	enum verdict verdict = verified_find(&s->proved, &b->part->digest, b->st);
	int r = 0;

	if (verdict == VERDICT_NONE)
		verdict = verified_find(&s->known, &b->part->digest, b->st);
	if (verdict == VERDICT_NONE)
		r = hash_blob(fd, b, &verdict, err);
	if (r < 0)
		return r;
	if (verified_add(&s->proved, &b->part->digest, b->st, verdict) < 0)
		return err_oom(err, b->what);
	if (verdict == VERDICT_BAD)
		return err_set(err, EBADMSG, "%s: its bytes are not those of the signed digest", b->what);
	return 0;
}

/* The blob as the signed manifest says, or a sentence. */
static int prove_blob(struct scan *s, const struct release_part *part, const char *what,
	struct catalog_blob *ret, struct err *err)
{
	_cleanup_free_ char *path = store_blob_path(s->store, &part->digest);
	_cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	struct stat st;
	int r;

	if (!path)
		return err_oom(err, what);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_path(err, errno, path);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != part->size)
		return err_set(err, EBADMSG, "%s: has %lld bytes where the manifest says %llu", what,
			(long long)st.st_size, (unsigned long long)part->size);
	r = judge_blob(s, fd, &(struct suspect){part, &st, what}, err);
	if (r < 0)
		return r;
	*ret = (struct catalog_blob){
		.part = *part, .path = TAKE(path), .inode = st.st_ino, .mtime = st.st_mtim};
	return 0;
}

/* What is to be remembered of a hash tree: a digest of the image and of all that is said of its tree. */
static int tree_key(const struct release *r, struct digest *ret)
{
	const struct {
		struct digest image, root_hash, salt;
		uint64_t data_size, hash_offset;
	} key = {r->root.digest, r->verity.root_hash, r->verity.salt, r->verity.data_size,
		r->verity.hash_offset};

	return digest_bytes(&key, sizeof(key), ret);
}

static int judge_tree(
	struct scan *s, int fd, const struct suspect *tree, const struct verity *v, struct err *err)
{
	enum verdict verdict = verified_find(&s->proved, &tree->part->digest, tree->st);
	int r;

	if (verdict == VERDICT_NONE)
		verdict = verified_find(&s->known, &tree->part->digest, tree->st);
	if (verdict == VERDICT_NONE) {
		r = verity_check(fd, v, tree->what, err);
		if (r < 0 && r != -EBADMSG)
			return r;
		verdict = r == 0 ? VERDICT_GOOD : VERDICT_BAD;
	}
	if (verified_add(&s->proved, &tree->part->digest, tree->st, verdict) < 0)
		return err_oom(err, tree->what);
	if (verdict == VERDICT_BAD)
		return err_set(err, EBADMSG, "%s: its hash tree is not the signed one", tree->what);
	return 0;
}

/* Once for each image and tree, as prove_blob does for blobs. */
static int prove_tree(struct scan *s, const struct offer *o, struct err *err)
{
	_cleanup_close_ int fd = -1;
	struct release_part key = {0};
	struct stat st;

	if (!o->release.verity.data_size)
		return 0;
	fd = catalog_blob_open(&o->root);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_path(err, fd < 0 ? -fd : errno, o->root.path);
	if (tree_key(&o->release, &key.digest) < 0)
		return err_oom(err, o->root.path);
	return judge_tree(s, fd, &(struct suspect){&key, &st, "root image"}, &o->release.verity, err);
}

static int prove_blobs(struct scan *s, struct offer *o, struct err *err)
{
	int r = prove_blob(s, &o->release.kernel, "kernel", &o->kernel, err);

	if (r == 0)
		r = prove_blob(s, &o->release.initramfs, "initramfs", &o->initramfs, err);
	if (r == 0)
		r = prove_blob(s, &o->release.root, "root image", &o->root, err);
	/* No node wants it: without it the release is good to boot, but cannot be mirrored. */
	if (r == 0)
		(void)prove_blob(s, &o->release.packages, "package list", &o->packages, NULL);
	return r == 0 ? prove_tree(s, o, err) : r;
}

static int make_torrent(struct scan *s, struct offer *o, struct err *err)
{
	const struct torrent_image image = {
		.path = o->root.path, .digest = o->root.part.digest, .size = o->root.part.size};

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
	if (offers)
		c->offers = offers;
	o = offers ? calloc(1, sizeof(*o)) : NULL;
	if (!o)
		return err_oom(err, rel->name);
	r = prove(s, rel, o, err);
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

		memcpy(channel->ref, s->wish->channels[i], sizeof(channel->ref));
		if (scan_channel(s, channel, &why) < 0)
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

		digest_format(&s->wish->also[i], ref);
		if (rel && store_resolve(s->store, ref, rel, NULL) == 0)
			(void)add_offer(s, rel, &offer, NULL);
	}
}

int catalog_scan(const struct catalog_wish *wish, struct catalog **ret, struct err *err)
{
	_cleanup_(scan_release) struct scan s = {.wish = wish, .catalog = calloc(1, sizeof(struct catalog))};
	_cleanup_free_ char *memory = path_join(wish->state, "verified");
	int r;

	if (!s.catalog || !memory)
		return err_oom(err, "the catalog");
	r = store_open(wish->store, 0, &s.store, err);
	if (r < 0)
		return r;
	r = verified_load(memory, &s.known);
	if (r < 0)
		return err_oom(err, memory);
	r = scan_channels(&s, err);
	if (r < 0)
		return r;
	scan_also(&s);
	r = verified_save(&s.proved, memory, err);
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

const struct catalog_blob *catalog_blob(const struct catalog *c, const struct digest *blob)
{
	for (size_t i = 0; c && i < c->offer_count; i++) {
		const struct offer *o = c->offers[i];
		const struct catalog_blob *const blobs[] = {
			&o->kernel, &o->initramfs, &o->root, &o->packages};

		for (size_t j = 0; j < ARRAY_SIZE(blobs); j++)
			if (blobs[j]->path && digest_equal(&blobs[j]->part.digest, blob))
				return blobs[j];
	}
	return NULL;
}

int catalog_blob_open(const struct catalog_blob *b)
{
	_cleanup_close_ int fd = open(b->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_ino != b->inode || (uint64_t)st.st_size != b->part.size ||
		st.st_mtim.tv_sec != b->mtime.tv_sec || st.st_mtim.tv_nsec != b->mtime.tv_nsec)
		return -ESTALE;
	return TAKE_FD(fd);
}
