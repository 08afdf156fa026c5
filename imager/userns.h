/*
 * The build of an ordinary user goes on as root of a user namespace (user_namespaces(7)): in there 0 is that
 * user, and the ids from 1 on are the subordinate ones that subuid(5) and subgid(5) give him, so that the
 * files of a tree can have their owners.
 */
#ifndef IMAGER_USERNS_H
#define IMAGER_USERNS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "imager/base/err.h"

/*
 * The calling process becomes that root; does nothing for one who is root already. Before any thread. 0, or
 * -errno with what is missing and how the administrator gives it: no subordinate ids (-ENOENT), too few
 * (-ERANGE), no newuidmap (-ENOENT), or user namespaces are switched off.
 */
int userns_enter(struct err *err);

/*
 * Whether a file of the tree can have this owner and be of this type: always so for root, else for the ids of
 * the map and for no device. To be asked when it could not be made. 0, -ERANGE or -EPERM with the file's
 * name.
 */
int userns_check_possible(const char *path, const struct stat *st, struct err *err);

/*
 * Whether the owner that stat(2) shows for a file outside of the tree is its owner: what the map lacks is
 * shown as nobody (65534). 0, or -EPERM for such an owner.
 */
int userns_check_known(const char *path, const struct stat *st, struct err *err);

/* ---- the parts, for tests ---- */

#define USERNS_RANGES_MAX 16

struct userns_ranges {
	struct userns_range {
		uint32_t first, count;
	} items[USERNS_RANGES_MAX];
	size_t count;
	uint64_t total; /* ids of all of them */
};

/* What getsubids(1) prints: lines "0: alice 100000 65536"; what goes beyond USERNS_RANGES_MAX of them is left
 * out. 0 or -EINVAL. */
int userns_parse_ranges(const char *text, struct userns_ranges *ret);

/* How many ids from 0 on are mapped by the text of /proc/self/uid_map: lines "inside outside count". */
uint64_t userns_mapped(const char *map);

#endif
