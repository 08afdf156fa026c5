/* What jansson lacks: scope-bound clean-up, writing into a struct buf, strings of any bytes. */
#ifndef FORMAT_JSON_H
#define FORMAT_JSON_H

#include <jansson.h>

#include "imager/base/buf.h"
#include "imager/base/cleanup.h"

DEFINE_CLEANUP(json_t *, json_decref)
#define _cleanup_json_ _cleanup_(json_decref_p)

/* Adds the JSON text and a newline; flags as json_dumps. 0 or -ENOMEM (also for a string that is not UTF-8).
 */
int json_add_text(const json_t *json, size_t flags, struct buf *ret);

/* A string of whatever stands there, as text_clean leaves it: a reason may name a file of any bytes, or be
 * cut in the middle of a character, and must not keep the rest from being told. NULL: out of memory. */
json_t *json_clean(const char *text);

#endif
