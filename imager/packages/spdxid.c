/* Owns the making of identifiers that are allowed in SPDX and unique in their document. */
#include "imager/packages/spdxid.h"

#include <ctype.h>
#include <errno.h>

/* Whatever is not allowed becomes its hex number between dashes: "libstdc-2B-2B6" would be "libstdc++6". */
static int add_word(struct buf *b, const char *text)
{
	int r = 0;

	for (const char *p = text; r == 0 && *p; p++) {
		unsigned char c = (unsigned char)*p;

		r = isalnum(c) || c == '.' || c == '-' ? buf_add(b, p, 1) : buf_printf(b, "-%02X", c);
	}
	return r;
}

static int is_taken(const json_t *ids, const char *id)
{
	return json_object_get(ids, id) != NULL;
}

int spdxid_format(json_t *ids, const char *prefix, const struct package *p, struct buf *ret)
{
	size_t len;
	int r = buf_puts(ret, prefix);

	if (r == 0)
		r = add_word(ret, p->name);
	if (r == 0 && p->arch && *p->arch)
		r = buf_puts(ret, "-");
	if (r == 0 && p->arch)
		r = add_word(ret, p->arch);
	len = ret->len;
	for (unsigned n = 2; r == 0 && is_taken(ids, ret->data); n++) {
		ret->len = len;
		r = buf_printf(ret, "-%u", n);
	}
	return r < 0 || json_object_set_new(ids, ret->data, json_true()) < 0 ? -ENOMEM : 0;
}
