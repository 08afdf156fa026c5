/* Identifiers within an SPDX document: "SPDXRef-" and letters, digits, '.' and '-' (specification, 7.2). */
#ifndef IMAGER_PACKAGES_SPDXID_H
#define IMAGER_PACKAGES_SPDXID_H

#include <jansson.h>

#include "imager/base/buf.h"
#include "imager/packages/packages.h"

#define SPDXID_DOCUMENT "SPDXRef-DOCUMENT"
#define SPDXID_IMAGE    "SPDXRef-Image"

/* The prefix, name and arch of the package; a number after it when the ids have that one already. The ids (a
 * JSON object) get it. 0 or -ENOMEM. */
int spdxid_format(json_t *ids, const char *prefix, const struct package *p, struct buf *ret);

#endif
