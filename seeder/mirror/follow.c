/* Owns a mirror's round: whom to ask, what to bring, where channels point. How a release is brought is
 * bring.c's, when a round begins mirror.c's. */
#include "seeder/mirror/follow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "imager/base/io.h"
#include "imager/base/log.h"
#include "imager/base/loop.h"
#include "imager/base/parse.h"
#include "imager/format/store.h"
#include "seeder/mirror/bring.h"
#include "seeder/mirror/mirror.h"
#include "seeder/wire/http.h"

/* ---- the list ---- */

static int get_list(const struct follow *f, struct channels *ret, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};
	_cleanup_free_ char *url = NULL;
	int r;

	if (asprintf(&url, "%s/v1/channels", f->url) < 0) {
		url = NULL;
		return err_oom(err, "the channels");
	}
	r = http_get(
		&(struct http_request){
			.url = url, .limit = CHANNELS_LIMIT, .timeout_s = MIRROR_QUIET_S, .cut = f->cut},
		&text, err);
	if (r < 0)
		return r;
	r = channels_parse(text.data ? text.data : "", text.len, ret, err);
	return r < 0 ? err_prefix(err, "%s", url) : 0;
}

static int ask(const struct follow *f, struct channels *ret, struct err *err)
{
	int r = get_list(f, ret, err);

	if (r < 0)
		return r;
	/* Two that follow each other would pull a channel back and forth. */
	if (channels_has_id(ret, f->id))
		return err_set(err, ELOOP, "%s is this seeder itself or follows it", f->url);
	if (!ret->ready)
		return err_set(err, EAGAIN, "%s has not read its store yet", f->url);
	return 0;
}

/* ---- a release ---- */

/* One goal's turn in a round. */
struct turn {
	const struct follow *f;
	const char *name;
	const struct channels_row *row;
	int has_begun; /* something had to be brought */
};

static void on_begin(void *arg)
{
	struct turn *t = arg;

	t->has_begun = 1;
	mirror_state_coming(t->f->state, t->name);
	t->f->changed(t->f->arg);
}

static int on_progress(const char *what, uint64_t done, uint64_t size, void *arg)
{
	const struct turn *t = arg;

	if (atomic_load(t->f->stop))
		return -ECANCELED;
	mirror_state_progress(t->f->state, what, done, size);
	return 0;
}

static int bring(struct turn *t, struct store *store, struct store_release *ret, struct err *err)
{
	const struct follow *f = t->f;
	const struct bring b = {.url = f->url,
		.store = store,
		.ring = &f->wish->keyring,
		.row = t->row,
		.proof = f->proof,
		.begin = on_begin,
		.progress = on_progress,
		.arg = t,
		.stop = f->stop,
		.cut = f->cut};
	uint64_t began = monotonic_ms();
	int r = bring_release(&b, ret, err);

	mirror_state_progress(f->state, "", 0, 0);
	if (r == 1)
		log_info("mirror: brought %s from %s in %" PRIu64 " s", ret->name, f->url,
			(monotonic_ms() - began) / 1000);
	return r;
}

/*
 * A channel is moved back, too, when the other seeder's is: nodes must get the same from both. It goes by
 * what the channel says now and by the signature; to withdraw a release for good is a new one of old content
 * (docs/release.md).
 */
static int point(
	struct store *store, const struct channels_row *row, const struct store_release *rel, struct err *err)
{
	const char *channel = strchr(row->channel, ':') + 1;
	_cleanup_free_ struct store_release *now = calloc(1, sizeof(*now));
	uint64_t number;
	int r;

	if (!now)
		return err_oom(err, row->channel);
	r = store_resolve(store, row->channel, now, NULL);
	if (r == 0 && digest_equal(&now->config.digest, &rel->config.digest))
		return 0;
	if (parse_u64(channel, &number) == 0)
		return err_set(err, EEXIST, "it is another release here");
	if (r == 0 && now->release.sequence > rel->release.sequence)
		log_warn("mirror: %s moves back from %s to %s, as it did at the other seeder", row->channel,
			now->name, rel->name);
	r = store_tag(store, rel, channel, err);
	if (r == 0)
		log_info("mirror: %s is %s now", row->channel, rel->name);
	return r;
}

static int take(struct turn *t, struct err *err)
{
	_cleanup_store_ struct store *store = NULL;
	_cleanup_free_ struct store_release *rel = calloc(1, sizeof(*rel));
	int r = rel ? store_open(t->f->wish->store, 0, &store, err) : err_oom(err, "a release");

	if (r < 0)
		return r;
	store_set_stop(store, t->f->stop);
	r = bring(t, store, rel, err);
	if (r >= 0 && *t->row->channel)
		r = point(store, t->row, rel, err);
	return r < 0 ? r : 0;
}

/* ---- goals ---- */

static void note(const struct turn *t, const char *reason)
{
	int is_news = mirror_state_note(t->f->state, t->name, reason, monotonic_ms());

	if (is_news && *reason)
		log_warn("mirror: %s: %s", t->name, reason);
	if (is_news || t->has_begun)
		t->f->changed(t->f->arg);
}

static void try_row(const struct follow *f, const char *name, const struct channels_row *row)
{
	struct turn turn = {.f = f, .name = name, .row = row};
	struct err err = {0};
	int r = mirror_state_may_try(f->state, name, &row->release, monotonic_ms());

	if (r <= 0 || atomic_load(f->stop))
		return;
	r = take(&turn, &err);
	if (r < 0 && atomic_load(f->stop))
		return;
	if (r < 0 && !err.code)
		(void)err_set(&err, -r, "%s", strerror(-r));
	note(&turn, r < 0 ? err.text : "");
}

static void follow_channel(const struct follow *f, const struct channels *list, const char *channel)
{
	const struct channels_row *row = channels_find(list, channel);
	char why[ERR_TEXT_MAX];

	if (row && row->has_release) {
		try_row(f, channel, row);
		return;
	}
	if (row)
		(void)snprintf(why, sizeof(why), "%.80s has nothing to offer: %.380s", f->url, row->reason);
	else
		(void)snprintf(
			why, sizeof(why), "%.80s does not offer it: none of its groups has it", f->url);
	if (mirror_state_may_try(f->state, channel, NULL, monotonic_ms()) == 1)
		note(&(struct turn){.f = f, .name = channel}, why);
}

static int is_followed(const struct catalog_wish *wish, const char *channel)
{
	for (size_t i = 0; i < wish->channel_count; i++)
		if (!strcmp(wish->channels[i], channel))
			return 1;
	return 0;
}

/* The groups of the two files may differ, but hardly ever on purpose: nodes of such a group boot from there
 * alone. */
static void tell_others(const struct follow *f, const struct channels *list)
{
	_cleanup_buf_ struct buf others = {0};

	for (size_t i = 0; i < list->row_count; i++) {
		const char *channel = list->rows[i].channel;

		if (*channel && !is_followed(f->wish, channel))
			(void)buf_printf(&others, "%s%s", others.len ? ", " : "", channel);
	}
	if (mirror_state_others(f->state, others.data ? others.data : ""))
		log_warn("mirror: %s has groups with %s, and no group of the cluster file here has that: it "
			 "is not "
			 "followed",
			f->url, others.data);
}

/* Channels first: what nodes still run of older releases is only for those that boot it this moment. */
static void follow_list(const struct follow *f, const struct channels *list)
{
	for (size_t i = 0; i < f->wish->channel_count; i++)
		follow_channel(f, list, f->wish->channels[i]);
	for (size_t i = 0; i < list->row_count; i++) {
		char digest[DIGEST_TEXT_SIZE];

		if (*list->rows[i].channel)
			continue;
		digest_format(&list->rows[i].release, digest);
		try_row(f, digest, &list->rows[i]);
	}
}

static void clean(const struct follow *f)
{
	_cleanup_store_ struct store *store = NULL;

	if (mirror_state_in_step(f->state) && store_open(f->wish->store, 0, &store, NULL) == 0)
		bring_clean(store);
}

/* One that is stopped on the way drops no goal that it has not come to. */
static void go_through(const struct follow *f, const struct channels *list)
{
	if (mirror_state_heard(f->state, list, (uint64_t)time(NULL))) {
		log_info("mirror: follows %s channels=%zu", f->url, list->row_count);
		f->changed(f->arg);
	}
	tell_others(f, list);
	mirror_state_begin(f->state);
	follow_list(f, list);
	if (atomic_load(f->stop))
		return;
	mirror_state_end(f->state);
	clean(f);
}

/* What the scans know of the blobs is read once a round: a verdict that comes later is the next round's. */
static int recall(const struct follow *f, struct err *err)
{
	_cleanup_free_ char *memory = path_join(f->wish->state, VERIFIED_FILE);

	return memory && blobproof_load(f->proof, memory, f->stop) == 0
		       ? 0
		       : err_oom(err, "what is known of the blobs");
}

static void fail(const struct follow *f, const struct err *why)
{
	if (atomic_load(f->stop) || !mirror_state_fault(f->state, why->text))
		return;
	log_warn("mirror: %s; what is here is served on", why->text);
	f->changed(f->arg);
}

void follow_round(const struct follow *options)
{
	_cleanup_channels_ struct channels list = {0};
	_cleanup_(blobproof_release) struct blobproof proof = {0};
	struct follow f = *options;
	struct err err = {0};
	int r;

	f.proof = &proof;
	r = ask(&f, &list, &err);
	if (r == 0)
		r = recall(&f, &err);
	if (r < 0)
		fail(&f, &err);
	else
		go_through(&f, &list);
}
