/*
 * A container image in an OCI image layout that others made (image-spec v1.0: image-layout.md,
 * image-index.md, manifest.md, config.md): which blobs it is of. Nothing in the layout is believed before its
 * digest is right.
 */
#ifndef FORMAT_OCIIMAGE_H
#define FORMAT_OCIIMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "imager/base/err.h"
#include "imager/format/release.h"

struct ociimage_query {
	const char *layout; /* path of the folder */
	const char *ref;  /* a name in its index, or a manifest's sha256:...; NULL: there is but one image */
	const char *arch; /* as Go names it: "amd64" */
};

struct ociimage {
	struct digest manifest;
	struct release_part *layers; /* the lowest first */
	size_t layer_count;
	uint64_t created; /* seconds since 1970, as its configuration says; 0: it does not */
};
void ociimage_release(struct ociimage *i);
#define _cleanup_ociimage_ _cleanup_(ociimage_release)

/*
 * 0, or -ENOENT: no layout, no such image in it (the sentence names those there are) or none for this
 * architecture; -ENOTUNIQ: more than one where ref is NULL; -EBADMSG: what is there is not as its digest or
 * the specification says.
 */
int ociimage_find(const struct ociimage_query *query, struct ociimage *ret, struct err *err);

/* A layer's blob, whole and with the digest and size it must have: an fd to close, at offset 0. -errno. */
int ociimage_open_layer(const char *layout, const struct release_part *part, struct err *err);

#endif
