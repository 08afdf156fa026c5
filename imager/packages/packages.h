/* The packages of a tree, as a list. imager/packages/spdx.h writes it down and reads it again. */
#ifndef IMAGER_PACKAGES_PACKAGES_H
#define IMAGER_PACKAGES_PACKAGES_H

#include <stddef.h>
#include <stdint.h>

#include "imager/base/err.h"

/* Texts of a list are its own and never NULL: "" for what is not told. */
struct package {
	const char *name;
	const char *version; /* as the package manager writes it, with the epoch: "1:2.4-1" */
	const char *arch;
	const char *source;         /* name of the source package; "": the same as name */
	const char *source_version; /* "": the same as version */
	const char *maintainer;     /* "Name <mail>" */
};

#define PACKAGES_WORD_SIZE 32

struct packages {
	char type[PACKAGES_WORD_SIZE];   /* as in a package URL: "deb", "rpm"; "" for a tree without either */
	char vendor[PACKAGES_WORD_SIZE]; /* ID of the tree's os-release (os-release(5)), "" without one */
	struct package *items;
	size_t count;
};

/* Takes a zeroed one. */
void packages_release(struct packages *p);
#define _cleanup_packages_ _cleanup_(packages_release)

/* Copies the row; a NULL in it counts as "". 0 or -ENOMEM. */
int packages_add(struct packages *p, const struct package *row);

/* By name, architecture, version, all by bytes: the order of every list that is written. */
void packages_sort(struct packages *p);

#endif
