/*
 * Owns what follows from a scan: what is seeded and tracked is made to fit the new catalog, by differences
 * only, so that transfers of what stays are not touched.
 */
#include "seeder/head.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/log.h"

/* ---- what is wanted ---- */

static int wish_channels(const struct head *h, struct catalog_wish *w)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < h->cluster->group_count; i++)
		r = catalog_wish_channel(w, h->cluster->groups[i].channel);
	return r;
}

/* A node in the middle of a boot must find its release even when its group has moved on. */
static int wish_running(const struct head *h, struct catalog_wish *w)
{
	size_t count;
	const struct status_row *const *rows = status_rows(h->status, &count);
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		struct digest release;

		if (*rows[i]->node && digest_parse(rows[i]->last.release, &release) == 0)
			r = catalog_wish_also(w, &release);
	}
	return r;
}

int offers_wish(void *head, struct catalog_wish *ret, struct err *err)
{
	struct head *h = head;
	int r;

	httpd_lock(h->http);
	ret->keyring = h->keyring;
	ret->store = strdup(h->cluster->store);
	ret->state = strdup(h->cluster->state);
	r = ret->store && ret->state ? wish_channels(h, ret) : -ENOMEM;
	if (r == 0)
		r = wish_running(h, ret);
	httpd_unlock(h->http);
	return r < 0 ? err_oom(err, "the scan") : 0;
}

/* ---- seeding ---- */

static int track(struct head *h, const uint8_t infohash[20])
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < h->tracker_count; i++)
		r = tracker_add_seeder(
			h->trackers[i], infohash, h->cluster->networks[i].address, h->cluster->swarm_port);
	return r;
}

static void untrack(struct head *h, const uint8_t infohash[20])
{
	for (size_t i = 0; i < h->tracker_count; i++)
		tracker_drop(h->trackers[i], infohash);
}

static void remove_seed(struct head *h, size_t i)
{
	struct seed *seed = &h->seeds[i];

	if (!seed->failed)
		swarm_remove(h->swarm, seed->handle);
	untrack(h, seed->infohash);
	h->seed_count--;
	memmove(seed, seed + 1, (h->seed_count - i) * sizeof(*seed));
}

static void drop_seeds(struct head *h, const struct catalog *catalog)
{
	for (size_t i = h->seed_count; i-- > 0;) {
		const struct offer *o = catalog_image(catalog, &h->seeds[i].image);

		if (!o || o->root.inode != h->seeds[i].inode || h->seeds[i].failed)
			remove_seed(h, i);
	}
}

static int is_seeded(const struct head *h, const struct digest *image)
{
	for (size_t i = 0; i < h->seed_count; i++)
		if (digest_equal(&h->seeds[i].image, image))
			return 1;
	return 0;
}

static int add_seed(struct head *h, const struct offer *o, struct err *err)
{
	const struct swarm_torrent torrent = {
		.torrent = o->torrent.data, .len = o->torrent.len, .path = o->root.path, .complete = 1};
	struct seed *seeds = realloc(h->seeds, (h->seed_count + 1) * sizeof(*seeds)), *seed;
	struct swarm_info info;
	int r;

	if (!seeds)
		return err_oom(err, "a seed");
	h->seeds = seeds;
	r = swarm_inspect(o->torrent.data, o->torrent.len, &info, err);
	if (r < 0)
		return r;
	r = swarm_add(h->swarm, &torrent, err);
	if (r < 0)
		return r;
	seed = &seeds[h->seed_count++];
	*seed = (struct seed){.image = o->root.part.digest, .inode = o->root.inode, .handle = r};
	memcpy(seed->infohash, info.infohash, sizeof(seed->infohash));
	r = track(h, seed->infohash);
	return r < 0 ? err_set(err, -r, "cannot be tracked: %s", strerror(-r)) : 0;
}

static void add_seeds(struct head *h, const struct catalog *catalog)
{
	for (size_t i = 0; i < catalog->offer_count; i++) {
		const struct offer *o = catalog->offers[i];
		struct err err = {0};

		if (is_seeded(h, &o->root.part.digest))
			continue;
		/* Without the swarm the image still goes out by HTTP. */
		if (add_seed(h, o, &err) < 0)
			log_error("%s:%llu is not seeded: %s", o->release.profile,
				(unsigned long long)o->release.sequence, err.text);
	}
}

/* ---- what the operator is told ---- */

/* Why the mirrored seeder's release is not here, behind why there is nothing to offer. */
static void add_mirror_reason(struct head *h, struct catalog_channel *c)
{
	char why[ERR_TEXT_MAX];
	size_t len = strlen(c->reason);

	if (!h->mirror || c->offer)
		return;
	mirror_reason(h->mirror, c->ref, why);
	if (*why)
		(void)snprintf(c->reason + len, sizeof(c->reason) - len, "; the mirror: %s", why);
}

static void tell_channel(const struct catalog *old, const struct catalog_channel *now)
{
	const struct catalog_channel *before = catalog_channel(old, now->ref);
	char digest[DIGEST_TEXT_SIZE];

	if (!now->offer) {
		if (before && !before->offer && !strcmp(before->reason, now->reason))
			return;
		if (now->is_pending)
			log_info("%s: %s", now->ref, now->reason);
		else
			log_warn("nothing to offer: %s", now->reason);
		return;
	}
	if (before && before->offer && digest_equal(&before->offer->digest, &now->offer->digest))
		return;
	digest_format(&now->offer->digest, digest);
	log_info("%s: offers %s:%llu release=%s", now->ref, now->offer->release.profile,
		(unsigned long long)now->offer->release.sequence, digest);
}

/* Whether a node was sent off with a release while the scan that no longer has it was running. */
static int misses_running(const struct head *h, const struct catalog *old, const struct catalog *now)
{
	size_t count;
	const struct status_row *const *rows = status_rows(h->status, &count);

	for (size_t i = 0; i < count; i++) {
		struct digest release;

		if (digest_parse(rows[i]->last.release, &release) == 0 && catalog_release(old, &release) &&
			!catalog_release(now, &release))
			return 1;
	}
	return 0;
}

/* What was offered goes on to be; who waits for more is told. */
static void scan_failed(struct head *h, const struct err *why)
{
	int is_news = strcmp(why->text, h->scan_fault.text) != 0;

	httpd_lock(h->http);
	h->scan_fault = *why;
	httpd_unlock(h->http);
	if (is_news)
		log_error("the store cannot be read: %s", why->text);
}

void offers_apply(void *head, struct catalog *catalog, const struct err *why)
{
	struct head *h = head;
	struct catalog *old = h->catalog;
	int was_ready = old && !old->pending;

	if (!catalog) {
		scan_failed(h, why);
		return;
	}
	for (size_t i = 0; i < catalog->channel_count; i++) {
		add_mirror_reason(h, &catalog->channels[i]);
		tell_channel(old, &catalog->channels[i]);
	}
	/* Seeded first, offered after: nobody asks the tracker for what it does not know yet. */
	drop_seeds(h, catalog);
	add_seeds(h, catalog);
	httpd_lock(h->http);
	h->catalog = catalog;
	h->scan_fault = (struct err){0};
	if (misses_running(h, old, catalog))
		scanner_poke(h->scanner);
	httpd_unlock(h->http);
	if (!was_ready && !catalog->pending)
		log_info("has read the store releases=%zu", catalog->offer_count);
	catalog_free(old);
}

/* ---- watching over it ---- */

static void end_seed(struct head *h, struct seed *seed, const char *why)
{
	char digest[DIGEST_TEXT_SIZE];

	if (seed->failed)
		return;
	digest_format(&seed->image, digest);
	log_error("image %s is no longer seeded: %s", digest, why);
	swarm_remove(h->swarm, seed->handle);
	untrack(h, seed->infohash);
	seed->failed = 1;
	scanner_poke(h->scanner);
}

static int is_changed(const struct offer *o)
{
	const struct proved_blob *const blobs[] = {&o->kernel, &o->initramfs, &o->packages};
	int changed = 0;

	for (size_t i = 0; i < ARRAY_SIZE(blobs); i++) {
		int fd = blobs[i]->path ? proved_blob_open(blobs[i]) : -1;

		if (fd >= 0)
			(void)close(fd);
		changed |= blobs[i]->path && fd < 0;
	}
	return changed;
}

int offers_check(void *head)
{
	struct head *h = head;

	for (size_t i = 0; h->catalog && i < h->catalog->offer_count; i++)
		if (is_changed(h->catalog->offers[i]))
			scanner_poke(h->scanner);

	for (size_t i = 0; i < h->seed_count; i++) {
		const struct offer *o = catalog_image(h->catalog, &h->seeds[i].image);
		int fd = o ? proved_blob_open(&o->root) : -ENOENT;

		if (fd >= 0)
			(void)close(fd);
		else
			end_seed(h, &h->seeds[i], fd == -ESTALE ? "its file was changed" : strerror(-fd));
	}
	return 0;
}

int offers_events(void *head)
{
	struct head *h = head;
	struct swarm_event event;

	while (swarm_next_event(h->swarm, &event) > 0) {
		if (event.kind == SWARM_EVENT_TRACKER)
			log_warn("tracker: %s", event.text);
		for (size_t i = 0; event.kind == SWARM_EVENT_FAILED && i < h->seed_count; i++)
			if (h->seeds[i].handle == event.handle)
				end_seed(h, &h->seeds[i], event.text);
	}
	return 0;
}

/* ---- the swarm itself ---- */

/* On the boot networks only. */
static int swarm_addresses(const struct cluster *c, struct buf *ret)
{
	char address[INET_ADDRSTRLEN] = "";
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->network_count; i++) {
		(void)inet_ntop(AF_INET, &c->networks[i].address, address, sizeof(address));
		r = buf_printf(ret, "%s%s:%u", i ? "," : "", address, c->swarm_port);
	}
	return r;
}

int offers_start_swarm(struct head *h, struct err *err)
{
	_cleanup_buf_ struct buf listen = {0};

	if (swarm_addresses(h->cluster, &listen) < 0)
		return err_oom(err, "the swarm");
	h->swarm = swarm_new(&(struct swarm_options){.role = SWARM_SEEDER, .listen = listen.data}, err);
	if (!h->swarm)
		return -EIO;
	if (loop_add_fd(h->loop, swarm_fd(h->swarm), offers_events, h) < 0)
		return err_set(err, EIO, "cannot watch the swarm");
	return 0;
}

void offers_stop_swarm(struct head *h)
{
	if (h->swarm)
		loop_remove_fd(h->loop, swarm_fd(h->swarm));
	swarm_free(h->swarm);
	free(h->seeds);
}
