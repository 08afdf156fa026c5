/*
 * follow: a seeder that mirrors another one. Every MIRROR_POLL_MS it asks for the other's channels
 * (seeder/wire/channels.h); a release that is not here is brought and checked by this seeder's own keys
 * (bring.h), then the channel is pointed to it, and the scanner, who watches the store, offers it. While the
 * other one is down or has something wrong, what is here is served on.
 *
 * One round at a time, in a thread of its own; it posts to the loop when it ends.
 */
#ifndef MIRROR_MIRROR_H
#define MIRROR_MIRROR_H

#include <jansson.h>

#include "imager/base/err.h"
#include "imager/base/loop.h"
#include "seeder/catalog.h"
#include "seeder/cluster.h"
#include "seeder/wire/channels.h"

#define MIRROR_POLL_MS 5000

struct mirror_options {
	const char *url; /* of the seeder to follow, as mirror_check_url wants it; must outlive the mirror */
	const char *id;  /* this seeder's, likewise */
	/* Fills the wish for the round that starts now: store, keys, channels. Called on the loop. */
	int (*wish)(void *arg, struct catalog_wish *ret, struct err *err);
	/* Why something is not here (mirror_reason) is another matter now. Called in the round's thread. */
	void (*changed)(void *arg);
	void *arg;
};

struct mirror;

/* -EINVAL with a sentence: no URL such as http://10.77.0.1:8080, or the seeder of this cluster file itself,
 * as far as its addresses tell. A name is looked up; one that cannot be found now is no fault. */
int mirror_check_url(const char *url, const struct cluster *self, struct err *err);

/* The first round starts at once. Call after loop_add_signal: it starts threads. */
int mirror_start(
	struct loop *loop, const struct mirror_options *options, struct mirror **ret, struct err *err);
/* How long the other seeder may say nothing. */
#define MIRROR_QUIET_S 5
/* Ends a round that runs, whatever it is at, but for the look-up of the other seeder's name. Takes NULL. */
void mirror_stop(struct mirror *m);

/* A round soon, and whatever failed is tried again: keys or groups have changed. On the loop. */
void mirror_poke(struct mirror *m);

/* ---- from any thread ---- */

/* Why there is nothing to offer for the channel. */
void mirror_reason(struct mirror *m, const char *channel, char ret[ERR_TEXT_MAX]);

/*
 * {"url", "heard", "fault", "behind": [{"channel", "reason"}], "others", "part", "done", "size"}: when the
 * other seeder was heard of last (seconds since 1970, 0 for never), why not since, what is not in step, what
 * it offers and this one does not follow, and what is being brought. A new reference, or NULL: out of memory.
 */
json_t *mirror_value(struct mirror *m);

/* Appends the ids of the other seeder and of those it follows. */
void mirror_add_ids(struct mirror *m, struct channels *list);

#endif
