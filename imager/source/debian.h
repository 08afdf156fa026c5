/*
 * What the parts of from: debian share; between imager/source/deb*.c alone.
 *
 * The way: the sources are written for an apt of our own (debsources.c), which says what packages the profile
 * means, down to their digests (debresolve.c): that list is the lock. The packages are fetched into the cache
 * and unwrapped into a pool (debpool.c), and mmdebstrap makes the tree from the pool alone
 * (debinstall.c); debbase.c puts them in order. So the tree is a function of the lock and the profile,
 * whatever the archive has by then.
 */
#ifndef IMAGER_SOURCE_DEBIAN_H
#define IMAGER_SOURCE_DEBIAN_H

#include "imager/base/buf.h"
#include "imager/source/lock.h"
#include "imager/source/source.h"

#define APT_HELPER   "/usr/lib/apt/apt-helper"
#define MERGED_HOOKS "/usr/share/mmdebstrap/hooks/maybe-merged-usr"

struct debian {
	const struct source_job *job;
	const struct profile_debian *from;
	char *folder;      /* of our own apt, in the work folder */
	char *config;      /* "APT_CONFIG=..." for it */
	char *arch;        /* as dpkg names it */
	struct buf inputs; /* sources and keys: all that decides what apt would see, but for the archive */
	struct buf kept;   /* text of the image's own sources.list; empty: it gets none */
	const struct lock *lock; /* what the tree is made of */
	struct lock *own;        /* the same, unless it was given */
	char *pool;              /* folder with the unwrapped packages, by apt's names, and their index */
	char fault[256];         /* the first line that apt or mmdebstrap began with "E: " */
};

#define DEBIAN_KEY_LIMIT (4 << 20) /* bytes of a file with keys */

/* ---- debapt.c ---- */

/* Makes the folder of our own apt: its configuration, sources and keys. 0 or -errno. */
int debian_prepare(struct debian *d, struct err *err);

/* Runs apt of our own; lines that begin with "'" go to uri, the others to debian_take_line. */
struct debian_lines {
	struct debian *d;
	int (*uri)(const char *line, void *arg); /* 0 or -errno; NULL: none are expected */
	void *arg;
	int failed; /* what uri returned first */
};
int debian_apt(struct debian_lines *lines, const char *const argv[], struct err *err);

/* ---- debsources.c ---- */

/* Writes the sources into our own apt's folder; d->inputs and d->kept. 0 or -errno. */
int debian_write_sources(struct debian *d, struct err *err);
/* Puts what the image keeps of it (sources of the profile's mirrors, kept repositories) into the tree. */
int debian_keep_sources(const struct debian *d, struct err *err);
/* Adds what that is to the text of a key. 0 or -errno. */
int debian_add_kept(const struct debian *d, struct buf *ret, struct err *err);

/* ---- debresolve.c ---- */

/* What the profile asks for, by the package lists that our own apt has; *ret: lock_free(). 0 or -errno. */
int debian_ask(struct debian *d, struct lock **ret, struct err *err);
/* Whether d->lock was made for what the profile asks; -EINVAL with the profile's line if not. */
int debian_check_lock(const struct debian *d, struct err *err);

/* ---- deblists.c ---- */

/* d->lock: what the profile asks for, by the archive as it is now (offline: as it was when last seen). 0 or
 * -errno. */
int debian_resolve(struct debian *d, struct err *err);

/* ---- debpool.c ---- */

/*
 * Fills the pool with the packages of d->lock, from the cache where they are there, and the rest into the
 * cache. job->fault is called for each that cannot be had. 0 or -errno; nothing is in the tree yet.
 */
int debian_fill_pool(struct debian *d, struct err *err);
/* apt's name for the file of a package; free(). NULL: out of memory. */
char *debian_file_name(const struct lock_package *p);

/* ---- debinstall.c ---- */

/* The tree from the pool, by mmdebstrap. 0 or -errno. */
int debian_install(struct debian *d, struct err *err);
/* Adds what decides about it besides the packages to the text of a key. 0 or -errno. */
int debian_add_options(const struct debian *d, struct buf *ret, struct err *err);

/* ---- debian.c ---- */

/* A child's line: d->fault, and on to the job. arg: the struct debian. */
void debian_take_line(const char *text, void *arg);
/* Turns d->fault into a fault at the line of the profile that asks for the package it speaks of. */
int debian_blame(const struct debian *d, struct err *err);
/* "asc" or "gpg", by what the key file holds: apt goes by the ending. */
const char *debian_key_ending(const char *key);
#endif
