/*
 * What a seeder offers, for the mirrors that follow it: GET /v1/channels, JSON, at most CHANNELS_LIMIT bytes:
 *   {"seeders": ["ID", ...], "ready": true,
 *    "channels": [{"channel": "slurm:stable", "release": "sha256:...", "sequence": 7, "reason": ""}],
 *    "releases": ["sha256:...", ...]}
 * seeders: the one that answers, then whom it follows and so on, each by an id it made up at its start.
 * channels: what its groups name; release is "" where there is nothing to offer, and reason says why.
 * releases: others that its nodes still boot or run. Nothing of it is signed: it says what is to be had, and
 * the release's own signature decides whether that is taken.
 */
#ifndef WIRE_CHANNELS_H
#define WIRE_CHANNELS_H

#include <stddef.h>
#include <stdint.h>

#include "imager/base/buf.h"
#include "imager/base/err.h"
#include "imager/format/digest.h"

#define CHANNELS_LIMIT    (1 << 20)
#define CHANNELS_ID_SIZE  33 /* 32 hex digits and a NUL */
#define CHANNELS_IDS_MAX  8  /* a mirror of a mirror of ... */
#define CHANNELS_ROWS_MAX 1024
#define CHANNELS_REF_SIZE 132
#define CHANNELS_TEXT     384

struct channels_row {
	char channel[CHANNELS_REF_SIZE]; /* "PROFILE:NAME"; "": a release without a channel */
	int has_release;
	struct digest release;
	uint64_t sequence;
	char reason[CHANNELS_TEXT];
};

struct channels {
	char ids[CHANNELS_IDS_MAX][CHANNELS_ID_SIZE];
	size_t id_count;
	int ready; /* 0: it has not read its store yet, so the rows say nothing */
	struct channels_row *rows;
	size_t row_count;
};
void channels_release(struct channels *c);
#define _cleanup_channels_ _cleanup_(channels_release)

/* A zeroed row at the end, or NULL: out of memory or CHANNELS_ROWS_MAX are there. */
struct channels_row *channels_add(struct channels *c);
const struct channels_row *channels_find(const struct channels *c, const char *channel);
/* Whether this id is among those of the list. */
int channels_has_id(const struct channels *c, const char *id);

/* Appends the JSON. 0 or -ENOMEM. */
int channels_format(const struct channels *c, struct buf *ret);
/* -EBADMSG with the key that is wrong; unknown keys are passed over. *ret: channels_release(). Reasons are
 * cut to their field, and what is not printable ASCII in them becomes '?'. */
int channels_parse(const char *data, size_t len, struct channels *ret, struct err *err);

#endif
