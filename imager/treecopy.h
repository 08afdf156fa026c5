/* Trees and archives into trees, by libarchive: names, modes, numeric owners, times, xattrs, hard links,
 * devices. */
#ifndef IMAGER_TREECOPY_H
#define IMAGER_TREECOPY_H

#include <stdint.h>

#include "imager/base/err.h"

/* Where entries go. */
struct treecopy_target {
	const char *root;   /* an existing folder */
	const char *prefix; /* put before every name, "" or "etc/thing" */
	int root_owned;     /* owner and group of all become 0 */
};

/*
 * Both refuse names that would leave the root. ret_time (may be NULL) gets the newest modification time seen.
 * 0 or -errno; the sentence names the entry.
 */
int treecopy_archive(
	const char *path, const struct treecopy_target *target, uint64_t *ret_time, struct err *err);
int treecopy_folder(
	const char *path, const struct treecopy_target *target, uint64_t *ret_time, struct err *err);

#endif
