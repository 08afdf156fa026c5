/*
 * Hostlists as Slurm writes them: names divided by commas, each with at most one bracket of numbers and
 * ranges: "n[001-100,205],login". Leading zeros give the width.
 */
#ifndef BASE_HOSTLIST_H
#define BASE_HOSTLIST_H

#include <stddef.h>

#include "imager/base/buf.h"
#include "imager/base/err.h"

#define HOSTLIST_MAX 65536 /* names of one list */

struct hostlist {
	char **names; /* in the order given, each once */
	size_t count;
};
void hostlist_release(struct hostlist *l);
#define _cleanup_hostlist_ _cleanup_(hostlist_release)

/* -EINVAL with the part that is wrong, -E2BIG beyond HOSTLIST_MAX; an empty list is -EINVAL. Every name
 * passes parse_name. */
int hostlist_parse(const char *text, struct hostlist *ret, struct err *err);

int hostlist_has(const struct hostlist *l, const char *name);

/* The shortest such text for the names, sorted; "" for none. Appends to ret. 0 or -ENOMEM. */
int hostlist_format(const struct hostlist *l, struct buf *ret);

#endif
