/*
 * Seeding after the switch: what a node is told about it and what it says of itself. POST /v1/seed, JSON of
 * at most SEED_LIMIT bytes either way. The node asks before it begins to seed, then about once a minute,
 * whenever its state changes, and when the seeder pokes it: a UDP datagram to SEED_POKE_PORT with
 * SEED_POKE_TEXT, which says nothing but "ask now" and so need not be trusted. Both sides of the protocol are
 * in this file.
 */
#ifndef WIRE_SEED_H
#define WIRE_SEED_H

#include <stddef.h>
#include <stdint.h>

#include "imager/base/buf.h"
#include "imager/base/err.h"
#include "imager/base/parse.h"
#include "seeder/wire/bootargs.h"

#define SEED_LIMIT     1024
#define SEED_POKE_PORT 6882
#define SEED_UNTIL_MAX (365 * 86400) /* seconds */
#define SEED_RATE_MAX  INT32_MAX     /* bytes/s; what libtorrent counts to */
#define SEED_POKE_TEXT "swarmboot: ask for the seed policy\n"

/* How a booted node may seed. All zero: without any bound. */
struct seed_policy {
	int paused;        /* by the administrator */
	int pause_for_job; /* whether it pauses while a Slurm job runs on it */
	uint64_t until;    /* seconds after the node's boot, SEED_UNTIL_MAX at most; 0: always */
	uint64_t rate;     /* bytes/s at most, SEED_RATE_MAX at most; 0: no bound */
};

/* In the order in which a cause goes before another. */
enum seed_state {
	SEED_UNKNOWN, /* it has not said yet */
	SEED_ON,
	SEED_JOB,    /* paused: a Slurm job runs */
	SEED_PAUSED, /* paused by the administrator */
	SEED_OVER,   /* `until` has passed */
	SEED_STATE_COUNT
};

/* "unknown", "on", "job", "paused", "over" */
const char *seed_state_name(enum seed_state s);
/* -EINVAL when it is none. */
int seed_state_parse(const char *text, enum seed_state *ret);

/* Pure. What follows from the policy on a node that is up for so many seconds and runs so many jobs. */
enum seed_state seed_decide(const struct seed_policy *p, uint64_t uptime_s, size_t jobs);
/* Pure. The stricter of each: a node with several seeders obeys them all. */
struct seed_policy seed_join(const struct seed_policy *a, const struct seed_policy *b);

#define SEED_BY_SIZE (BOOTARGS_SEEDERS_MAX * BOOTARGS_URL_SIZE)

/* The node's question. */
struct seed_said {
	char node[64];
	char mac[MAC_TEXT_SIZE];
	enum seed_state state;
	/* Base URLs, divided by spaces, of the seeders other than the one it asks whose last word was that it
	 * is paused. Agents before this key do not say it. */
	int has_paused_by;
	char paused_by[SEED_BY_SIZE];
};

/* 0 or -ENOMEM; appends. */
int seed_said_format(const struct seed_said *s, struct buf *ret);
int seed_policy_format(const struct seed_policy *p, struct buf *ret);
/* -EBADMSG with the key that is wrong. Keys that are not known are passed over, as a newer side may send
 * them. */
int seed_said_parse(const char *data, size_t len, struct seed_said *ret, struct err *err);
int seed_policy_parse(const char *data, size_t len, struct seed_policy *ret, struct err *err);

#endif
