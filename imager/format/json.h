/* Two things jansson lacks: scope-bound clean-up, and writing into a struct buf. */
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

#endif
