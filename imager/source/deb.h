/* One Debian package file (deb(5)), read by libarchive. */
#ifndef IMAGER_SOURCE_DEB_H
#define IMAGER_SOURCE_DEB_H

#include "imager/base/buf.h"
#include "imager/base/err.h"

/*
 * Writes the package `path` to `output` with its data uncompressed, which dpkg unpacks in half the time, and
 * adds its control stanza (deb-control(5), ending in a newline) to ret_control. 0 or -errno; a package
 * without control or data is a fault. What is in `output` then is of no use.
 */
int deb_unwrap(const char *path, const char *output, struct buf *ret_control, struct err *err);

/* Whether the field of the stanza has this value, as a whole line of its own. */
int deb_field_is(const char *control, const char *field, const char *value);

#endif
