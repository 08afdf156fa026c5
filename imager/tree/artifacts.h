/* shape: files from elsewhere, each pinned by its digest, into a tree. */
#ifndef IMAGER_TREE_ARTIFACTS_H
#define IMAGER_TREE_ARTIFACTS_H

#include "imager/base/err.h"
#include "imager/cache/cache.h"
#include "imager/profile/profile.h"

/* Where artifacts with a url are looked for before they are fetched. */
struct artifacts_stock {
	const char *folder;  /* of files called by the hex of their SHA-256 or as at the end of the url; NULL:
				none */
	struct cache *cache; /* kind "artifact", by the digest; NULL: none */
	int offline;         /* what is in neither is not fetched */
};

struct artifacts_job {
	const struct profile *profile;
	const char *root, *workdir; /* the tree; an existing folder for what is on its way */
	struct artifacts_stock stock;
	/* What is going on, one line at a time; may be NULL. */
	void (*line)(const char *text, void *arg);
	void *arg;
};

/*
 * One after the other: found or fetched by curl, its digest compared, and only then laid or unpacked into the
 * tree. Links on the way are resolved inside the tree. 0 or -errno; the sentence begins with the artifact's
 * place in the profile. -EINVAL: the profile or the file is to blame (a wrong digest, no such source), not
 * the network.
 */
int artifacts_place(const struct artifacts_job *job, struct err *err);

#endif
