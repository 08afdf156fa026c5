/*
 * diff: what changes between two releases: packages, files of the root image, kernel and command line, and
 * what a node has to fetch. Times of files are not compared. Nothing is proved here; `verify` does that.
 */
#ifndef IMAGER_RELEASES_DIFF_H
#define IMAGER_RELEASES_DIFF_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "imager/base/err.h"
#include "imager/format/store.h"
#include "imager/packages/packages.h"

/* Texts are borrowed from the two lists. */
struct diff_package {
	const char *name, *arch;
	const char *before, *after; /* versions; before NULL: added, after NULL: removed */
};

/* Both lists sorted. Rows by name; *ret is the caller's, free(). 0 or -ENOMEM. */
int diff_packages(const struct packages *before, const struct packages *after, struct diff_package **ret,
	size_t *ret_count);

enum diff_change { DIFF_ADDED, DIFF_REMOVED, DIFF_CHANGED };
const char *diff_change_name(enum diff_change c);

struct diff_file {
	char *path; /* in the image, with the leading slash */
	enum diff_change change;
	unsigned what; /* DIFF_CHANGED: bits of enum squash_difference */
};

struct diff_files {
	struct diff_file *items; /* a folder before what is in it, names by bytes */
	size_t count;
	uint64_t known; /* bytes of the second image that are blocks the first one has as well */
};
void diff_files_release(struct diff_files *f);
#define _cleanup_diff_files_ _cleanup_(diff_files_release)

/* Two squashfs images by their paths. 0, -EBADMSG for what is none, or -errno. */
int diff_files(const char *before, const char *after, struct diff_files *ret, struct err *err);

struct diff {
	struct store_release before, after;
	struct packages packages_before, packages_after;
	struct diff_package *packages;
	size_t package_count;
	struct diff_files files;
	struct err package_fault, file_fault; /* why that part could not be compared; code 0: it was */
};
void diff_release(struct diff *d);
#define _cleanup_diff_ _cleanup_(diff_release)

/* Both in the store. A part that cannot be read is a fault in *ret and hides no other. 0 or -ENOMEM. */
int diff_releases(struct store *s, const struct store_release *before, const struct store_release *after,
	struct diff *ret, struct err *err);

/* Bytes of the parts of `after` (kernel, initramfs, root image) whose digest `before` does not have. */
uint64_t diff_fetch(const struct diff *d);

/* ---- diffshow.c ---- */

/* Text for people, with at most `files` of the files named (SIZE_MAX: all). */
void diff_print(const struct diff *d, size_t files, FILE *to);
/* docs/store.md has the keys. New; NULL when out of memory. */
json_t *diff_json(const struct diff *d, int files);

#endif
