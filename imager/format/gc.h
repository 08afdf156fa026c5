/*
 * gc: which releases of a store may go, and their going. A release stays when it is among the last of its
 * profile, when a channel or any other name in index.json points to it, or when it is needed: nodes run it,
 * or a seeder is told to offer it. The newest of a profile always stays, for its number.
 */
#ifndef FORMAT_GC_H
#define FORMAT_GC_H

#include <stddef.h>
#include <stdint.h>

#include "imager/base/err.h"
#include "imager/format/digest.h"
#include "imager/format/store.h"

enum gc_reason {
	GC_GOES,   /* nothing keeps it */
	GC_LAST,   /* among the last of its profile */
	GC_NAMED,  /* a channel, or another name */
	GC_NEEDED, /* by nodes or a seeder */
};
const char *gc_reason_name(enum gc_reason r);

/* What the world outside the store needs. */
struct gc_needs {
	struct digest *digests; /* of release manifests or of root images */
	size_t digest_count;
	char **names; /* PROFILE:SEQUENCE, or other references that name no release of themselves */
	size_t name_count;
};
void gc_needs_release(struct gc_needs *n);
#define _cleanup_gc_needs_ _cleanup_(gc_needs_release)
/* Copies; 0 or -ENOMEM. */
int gc_needs_digest(struct gc_needs *n, const struct digest *d);
int gc_needs_name(struct gc_needs *n, const char *name);

/*
 * The policy, pure: list as store_releases gives it, named[i]: how many names but its own point to release i;
 * keep: how many of each profile stay in any case, at least 1. Fills ret[i].
 */
void gc_judge(const struct store_list *list, const unsigned *named, unsigned keep,
	const struct gc_needs *needs, enum gc_reason *ret);

/* A blob that nothing names and no writer of ours added may be part of a copy that another program is making:
 * it stays until it is as old as this. */
#define GC_ORPHAN_AGE 3600 /* seconds */

struct gc_options {
	unsigned keep;
	const struct gc_needs *needs;
	int dry_run;  /* changes nothing */
	uint64_t now; /* seconds since 1970 */
};

struct gc_row {
	struct store_release release;
	enum gc_reason reason;
};

struct gc_result {
	struct gc_row *rows; /* every release, sorted as store_releases does */
	size_t count;
	size_t blobs;   /* that go */
	uint64_t bytes; /* of them */
	size_t left;    /* of them, still there: a writer is at work, and the last one to end removes them */
};
void gc_result_release(struct gc_result *r);
#define _cleanup_gc_result_ _cleanup_(gc_result_release)

/*
 * Takes the names of releases that go out of index.json in one rename, then removes what no release names.
 * Writers at work keep what they added. Nothing is done when any part of the store cannot be read (-EBADMSG),
 * as what it names would not be known. 0 or -errno.
 */
int store_gc(struct store *s, const struct gc_options *options, struct gc_result *ret, struct err *err);

#endif
