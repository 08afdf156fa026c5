/* A YAML tree as text and as JSON, with the place of each value. */
#ifndef FORMAT_YAMLJSON_H
#define FORMAT_YAMLJSON_H

#include <jansson.h>

#include "imager/base/buf.h"
#include "imager/format/yaml.h"

/*
 * Adds the tree as YAML, which reads back as the same tree; places: each value's "file:line" as a comment.
 * without: a key of the root that is left out; NULL: none. 0 or -ENOMEM.
 */
int yaml_print(const struct yaml_node *node, int places, const char *without, struct buf *ret);

/* The tree's values; single values are strings. The caller's reference; NULL: out of memory. */
json_t *yaml_json_values(const struct yaml_node *node);

/* Where its single values stand: {"/from/debian/suite": {"file": "p.yaml", "line": 3}} by JSON pointers (RFC
 * 6901); line 0: no line of a file. Likewise. */
json_t *yaml_json_places(const struct yaml_node *node);

/* The files that the document was read from, in their order: a list of strings. Likewise. */
json_t *yaml_json_files(const struct yaml_doc *doc);

#endif
