/*
 * tell: the node table. A row per MAC: the cluster file's nodes, and MACs that asked for a boot script
 * without being in it ("discovered"). Rows change in memory only; status_flush writes the changed ones to one
 * SQLite file, from which they come back after a restart. Times are seconds since 1970, given by the caller.
 */
#ifndef SEEDER_STATUS_H
#define SEEDER_STATUS_H

#include <stddef.h>
#include <stdint.h>

#include "imager/base/buf.h"
#include "imager/base/cleanup.h"
#include "imager/base/err.h"
#include "imager/base/parse.h"
#include "seeder/cluster.h"
#include "seeder/wire/report.h"
#include "seeder/wire/seed.h"

#define STATUS_DISCOVERED_MAX 1024 /* beyond it, the one not seen for longest goes */

enum status_change { STATUS_CLEAN, STATUS_CHANGED, STATUS_WRITING };

struct status_row {
	char mac[MAC_TEXT_SIZE];
	char node[CLUSTER_NAME_SIZE]; /* "": discovered, in no cluster file */
	uint64_t since;               /* of the phase */
	uint64_t seen;                /* last sign of life; 0: never */
	struct report last;
	/* The last fault stays until a phase after the one it happened in has succeeded. */
	char error[REPORT_TEXT];
	enum phase error_phase;
	struct in_addr address;  /* where it is, when the cluster file does not say; 0.0.0.0: not known */
	enum seed_state seeding; /* as it said since the start */
	int has_paused_by;       /* whether it also said which other seeders have paused it: */
	char paused_by[SEED_BY_SIZE];
	enum status_change changed; /* since the last flush */
};

struct status;

/* db: the path of the SQLite file, made when missing. Negative with a sentence when it is none of ours. */
int status_open(const char *db, struct status **ret, struct err *err);
/* Flushes. Takes NULL. */
void status_close(struct status *s);
DEFINE_CLEANUP(struct status *, status_close)

/* What keeps others off the table: all functions but status_flush and status_json are called with it held, or
 * there is none. */
struct status_guard {
	void (*lock)(void *arg), (*unlock)(void *arg);
	void *arg;
};

/*
 * Takes the guard (NULL: none) only to copy rows, some at a time, and writes without it, each batch as a
 * transaction. One flush at a time. 0, or negative with a sentence: the rest is for the next flush.
 */
int status_flush(struct status *s, const struct status_guard *guard, struct err *err);

/* Makes the rows those of the cluster file: new nodes get one, a discovered MAC that is named now becomes its
 * node, and nodes that are gone lose theirs. 0 or -ENOMEM. */
int status_sync(struct status *s, const struct cluster *cluster);

/* A MAC that no cluster file names asked for a script. 0 or -ENOMEM. */
int status_discovered(struct status *s, const char *mac, uint64_t now);

/* What a known node was told when it asked. */
struct status_offer {
	const char *release; /* "sha256:..."; NULL: there was nothing to offer */
	const char *profile;
	uint64_t sequence;
	const char *reason; /* why not, then */
};
int status_offered(
	struct status *s, const struct cluster_node *node, const struct status_offer *offer, uint64_t now);

/*
 * A node's report. -EPERM with a sentence when node and MAC are not the same row of the cluster file; a MAC
 * that is in none becomes a discovered row and its report is -ENOENT.
 */
int status_apply(struct status *s, const struct cluster *cluster, const struct report *report, uint64_t now,
	struct err *err);

/* What a node says of its seeding; refused as status_apply refuses. */
int status_seeding(struct status *s, const struct cluster *cluster, const struct seed_said *said,
	uint64_t now, struct err *err);

/*
 * Nodes that the administrator has paused, by name, on disk when this returns: all of them or, on failure,
 * none. A node that is taken out of the cluster file and put back is still paused.
 */
int status_pause(struct status *s, char *const *names, size_t count, int paused, struct err *err);
int status_is_paused(const struct status *s, const char *node);

/* The row's fields after a report; pure. */
void status_row_apply(struct status_row *row, const struct report *report, uint64_t now);

/* All rows, sorted by MAC; borrowed until the next change. */
const struct status_row *const *status_rows(const struct status *s, size_t *ret_count);

/* Where a MAC is (sender.h), and back. */
void status_seen_at(struct status *s, const char *mac, struct in_addr address);
const struct status_row *status_row_at(const struct status *s, struct in_addr address);

/* NULL when there is none. */
const struct status_row *status_row(const struct status *s, const char *mac);

/*
 * Appends {"nodes":[...]}: the cluster's nodes in the order of its file, then the discovered. Takes the guard
 * (NULL: none) only to list the rows and to copy some at a time; *cluster is looked at under it, as it may be
 * another one each time. So each row is of one moment, but not all of the same. 0, or -ENOMEM with a part
 * appended.
 */
int status_json(const struct status *s, struct cluster *const *cluster, const struct status_guard *guard,
	struct buf *ret);

#endif
