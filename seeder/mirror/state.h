/* What a mirror knows of its own work: written by the round, read by whoever asks. Every function takes the
 * lock inside. */
#ifndef MIRROR_STATE_H
#define MIRROR_STATE_H

#include <jansson.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "imager/base/err.h"
#include "imager/format/digest.h"
#include "seeder/catalog.h"
#include "seeder/wire/channels.h"

/* Something that is followed: a channel, or a release by its digest. */
struct mirror_goal {
	char name[CATALOG_REF_SIZE];
	char reason[ERR_TEXT_MAX]; /* "": in step */
	struct digest release;     /* that was tried last */
	unsigned failures;         /* of it, in a row */
	uint64_t again_ms;         /* not tried before */
	int is_wanted, is_coming;
};

struct mirror_state {
	pthread_mutex_t lock;
	const char *url;
	uint64_t heard; /* seconds since 1970 */
	char fault[ERR_TEXT_MAX];
	char ids[CHANNELS_IDS_MAX][CHANNELS_ID_SIZE];
	size_t id_count;
	struct mirror_goal *goals;
	size_t goal_count;
	char others[ERR_TEXT_MAX]; /* channels of the other seeder that no group here has, divided by ", " */
	char part[64];             /* "": nothing is being brought */
	uint64_t done, size;
};

int mirror_state_init(struct mirror_state *s, const char *url);
void mirror_state_release(struct mirror_state *s);

/* The other seeder answered, or did not. 1: that is news, else 0. After a fault all is tried again. */
int mirror_state_heard(struct mirror_state *s, const struct channels *list, uint64_t now_s);
int mirror_state_fault(struct mirror_state *s, const char *text);

/* The goals are begun to be gone through; those that no mirror_state_may_try asks for until the end go. */
void mirror_state_begin(struct mirror_state *s);
void mirror_state_end(struct mirror_state *s);
/* 1, or 0 while it rests after a failure of this release (NULL: there is none). -ENOMEM. */
int mirror_state_may_try(
	struct mirror_state *s, const char *name, const struct digest *release, uint64_t now);
/* It is not here, or not whole, and is being brought, until it is noted how that went. */
void mirror_state_coming(struct mirror_state *s, const char *name);
/* How it went, for the same name; "" for well. 1: that is news. */
int mirror_state_note(struct mirror_state *s, const char *name, const char *reason, uint64_t now);
/* Everything may be tried at once again. */
void mirror_state_retry(struct mirror_state *s);
/* Nothing is behind. */
int mirror_state_in_step(struct mirror_state *s);

/* What the other seeder offers and this one does not follow; copied. 1: that is news and something, else 0.
 */
int mirror_state_others(struct mirror_state *s, const char *others);

/* what: copied; "" for nothing. */
void mirror_state_progress(struct mirror_state *s, const char *what, uint64_t done, uint64_t size);

/* mirror_reason, mirror_value, mirror_add_ids of mirror.h. */
void mirror_state_reason(struct mirror_state *s, const char *name, char ret[ERR_TEXT_MAX]);
json_t *mirror_state_value(struct mirror_state *s);
void mirror_state_add_ids(struct mirror_state *s, struct channels *list);

#endif
