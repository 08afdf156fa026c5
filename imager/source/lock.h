/*
 * What an image was made from, to the byte: `build --lock FILE` writes it down, `build --locked FILE` builds
 * from it. JSON; docs/build.md is its description for people.
 */
#ifndef IMAGER_SOURCE_LOCK_H
#define IMAGER_SOURCE_LOCK_H

#include <stddef.h>
#include <stdint.h>

#include "imager/base/buf.h"
#include "imager/base/cleanup.h"
#include "imager/base/err.h"
#include "imager/format/digest.h"

#define LOCK_FORMAT "swarmboot-lock-1"
#define LOCK_LIMIT  (16 << 20) /* bytes of a lock file */

struct lock_package {
	char *name, *version, *arch; /* as the package manager writes them */
	char *uri;                   /* where it came from; NULL: not told, then nor are digest and size */
	struct digest digest;
	uint64_t size;
};

/* Takes a zeroed one. */
void lock_package_release(struct lock_package *p);

/* Texts are its own. */
struct lock {
	char *source;  /* the kind of profile_from: "debian" */
	char *suite;   /* debian; else NULL */
	char *variant; /* debian; else NULL */
	char *arch;    /* debian: of dpkg; else NULL */
	/* What the profile asked of the package manager, in its order. */
	char **wanted;
	size_t wanted_count;
	int has_input;
	struct digest input; /* of an image or a release that the profile means by name */
	struct lock_package *packages;
	size_t package_count;
};

/* Takes NULL. */
void lock_free(struct lock *l);
DEFINE_CLEANUP(struct lock *, lock_free)
#define _cleanup_lock_ _cleanup_(lock_free_p)

/* Copies the texts. 0 or -ENOMEM. */
int lock_want(struct lock *l, const char *name);
int lock_add(struct lock *l, const struct lock_package *package);

/* By name, architecture, version, all by bytes: as strcmp(3). */
int lock_compare(const struct lock_package *a, const struct lock_package *b);
/* In that order. */
void lock_sort(struct lock *l);

/* The file's text, one package a line: the same lock, the same bytes. 0 or -ENOMEM. */
int lock_format(const struct lock *l, struct buf *ret);

/*
 * Whole and checked: every text is fit to be an argument, a URI or a part of a file's name. from: what is
 * read, for the sentence. *ret: lock_free(). 0, -EINVAL or -ENOMEM.
 */
int lock_parse(const char *text, size_t len, const char *from, struct lock **ret, struct err *err);

/* The same with files; writing is atomic. 0 or -errno. */
int lock_read(const char *path, struct lock **ret, struct err *err);
int lock_write(const char *path, const struct lock *l, struct err *err);

#endif
