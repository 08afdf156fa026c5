/* chain: iPXE scripts from the templates in ipxe/, which are part of the program. */
#ifndef SEEDER_IPXE_H
#define SEEDER_IPXE_H

#include "imager/base/buf.h"
#include "imager/base/err.h"

extern const char ipxe_entry[], ipxe_node[], ipxe_wait[];

struct ipxe_value {
	const char *name; /* NULL ends the list */
	const char *value;
};

/*
 * Appends the template with every {{name}} replaced. A name may have several values: a line with it stands
 * once for each of them, in their order. -EINVAL: a name without a value, a placeholder without its end, or a
 * value that is not one line of printable ASCII.
 */
int ipxe_render(const char *template, const struct ipxe_value *values, struct buf *ret, struct err *err);

#endif
