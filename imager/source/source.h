/*
 * obtain: a profile's source -> a root tree. Each kind of source is one file and one row of the table in
 * source.c.
 */
#ifndef IMAGER_SOURCE_SOURCE_H
#define IMAGER_SOURCE_SOURCE_H

#include <stdint.h>

#include "imager/base/err.h"
#include "imager/cache/cache.h"
#include "imager/format/digest.h"
#include "imager/format/store.h"
#include "imager/profile/profile.h"
#include "imager/source/lock.h"

struct source_job {
	const struct profile *profile;
	const char *root;    /* an empty folder: the tree to be */
	const char *workdir; /* for files of the source's own; the caller removes it */
	struct store *store; /* where from: release looks */
	struct cache *cache; /* what earlier builds fetched and made; NULL: none */
	int offline;         /* nothing may be fetched: what is not in the cache is a fault */
	unsigned jobs;       /* threads; 0: as many as are good for it */
	/* The tree is to be made of just this; NULL: of what the profile means today. */
	const struct lock *locked;
	/* Gets what the tree was made of where the source knows and it was not given; lock_free(). */
	struct lock **lock;
	/* Gets the digest of what the profile means by name alone: an image, a release. Else as it was. */
	struct digest *input;
	/* What is going on, one line at a time; never NULL. */
	void (*line)(const char *text, void *arg);
	/* One of several things at fault, to be shown when unpacking fails; never NULL. */
	void (*fault)(const char *text, void *arg);
	void *arg;
};

struct source {
	const char *kind; /* the key below "from:" */
	/*
	 * Fills job->root. ret_time gets the newest modification time (seconds since 1970) among what it was
	 * filled from: the same inputs give the same time, on whatever day they are unpacked. 0 or -errno;
	 * -EINVAL with "file:line: ..." where the profile is to blame.
	 */
	int (*unpack)(const struct source_job *job, uint64_t *ret_time, struct err *err);
};

extern const struct source source_debian;  /* debbase.c */
extern const struct source source_oci;     /* oci.c */
extern const struct source source_release; /* release.c */
extern const struct source source_rpm;     /* rpm.c */
extern const struct source source_tar;     /* tar.c */
extern const struct source source_dir;     /* dir.c */

/* The only one to work in the folder, which others share, until it closes the fd; it waits. Or -errno. */
int source_lock_folder(const char *folder, struct err *err);

/* Runs the source that the profile names. */
int source_unpack(const struct source_job *job, uint64_t *ret_time, struct err *err);

#endif
