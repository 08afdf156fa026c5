/* skopeo as a child: copying between stores, registries and archives, and asking for a manifest. */
#ifndef IMAGER_RELEASES_SKOPEO_H
#define IMAGER_RELEASES_SKOPEO_H

#include <signal.h>
#include <stddef.h>

#include "imager/base/buf.h"
#include "imager/base/err.h"

#define SKOPEO_MANIFEST_LIMIT ((size_t)1 << 20)

struct skopeo {
	const char *folder;   /* where it runs: oci: and oci-archive: take names in there */
	const char *tmpdir;   /* for its large temporary files, in the folder; NULL: its own choice */
	int insecure;         /* plain HTTP, or a certificate that nobody vouches for */
	const char *authfile; /* absolute; NULL: skopeo's default */
	const char *blobs;    /* oci: puts and seeks the blobs in there and not in the layout; NULL */
	int may_convert;      /* the manifest may become an OCI one, with another digest */
	const sigset_t *stop; /* blocked signals that end it, as in proc.h; NULL: none */
	/* Called for every line it prints; may be NULL. */
	void (*line)(const char *text, void *arg);
	void *arg;
};

/* skopeo copy, the digests kept unless may_convert. 0 or -errno with its own last words as the sentence. */
int skopeo_copy(const struct skopeo *k, const char *from, const char *to, struct err *err);

/* The bytes of the manifest that the reference names, at most SKOPEO_MANIFEST_LIMIT. 0 or -errno. */
int skopeo_manifest(const struct skopeo *k, const char *reference, struct buf *ret, struct err *err);

#endif
