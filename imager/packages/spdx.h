/*
 * The package list of a release as an SPDX document: JSON of version 2.3 of the specification
 * (spdx.github.io/spdx-spec/v2.3), media type SPDX_MEDIA_TYPE. It describes one SPDX package, the root image
 * with its SHA-256, which contains every installed package and every artifact.
 *
 * Releases of before hold a plain JSON array of {"name","version","arch"}; spdx_parse reads both.
 */
#ifndef IMAGER_PACKAGES_SPDX_H
#define IMAGER_PACKAGES_SPDX_H

#include "imager/base/buf.h"
#include "imager/base/err.h"
#include "imager/format/digest.h"
#include "imager/format/store.h"
#include "imager/packages/packages.h"

#define SPDX_LIMIT ((size_t)64 << 20) /* bytes of a list that is read */

/* A file put into the image that no package manager knows. */
struct spdx_artifact {
	const char *name;     /* where it is in the image, or its archive was unpacked */
	const char *location; /* its URL; NULL or "": not told */
	struct digest digest; /* SHA-256 of the file as it was obtained */
};

struct spdx_document {
	const char *name;    /* the profile's */
	const char *version; /* the profile's; NULL or "": not told */
	uint64_t created;    /* seconds since 1970 */
	struct digest image; /* of the root image */
	const struct packages *packages;
	const struct spdx_artifact *artifacts;
	size_t artifact_count;
};

/*
 * The same document gives the same bytes: the namespace comes from a digest of the text itself, and there is
 * no other time in it than `created`. 0 or -errno (-EILSEQ: a name that is not UTF-8).
 */
int spdx_format(const struct spdx_document *d, struct buf *ret, struct err *err);

/* The packages that a list names, sorted; -EBADMSG for what is neither form. Artifacts are packages of the
 * architecture "". *ret is zeroed by the caller, who releases it. */
int spdx_parse(const char *data, size_t len, struct packages *ret, struct err *err);

/* The same of a release in the store. */
int spdx_read(struct store *s, const struct store_release *rel, struct packages *ret, struct err *err);

#endif
