/* An image as a layout, however it is given: between imager/source/oci*.c alone. */
#ifndef IMAGER_SOURCE_OCI_H
#define IMAGER_SOURCE_OCI_H

#include "imager/source/source.h"

struct oci_place {
	const struct source_job *job;
	const struct profile_oci *from;
	char *layout;    /* the folder */
	const char *ref; /* the image's name in it; NULL: the only one */
};
void oci_place_release(struct oci_place *p);
#define _cleanup_place_ _cleanup_(oci_place_release)

/* Fills layout and ref. -EINVAL with the profile's line, or -errno. */
int oci_bring(struct oci_place *p, struct err *err);

/* The sentence in err becomes one with the profile's line. Returns -EINVAL. */
int oci_blame(const struct oci_place *p, const char *key, struct err *err);

#endif
