/* The tree that a YAML file becomes; private to imager/format's yaml*.c. */
#ifndef FORMAT_YAMLPRIV_H
#define FORMAT_YAMLPRIV_H

#include "imager/format/yaml.h"

/* Where nodes were written. Belongs to a document. */
struct yaml_file {
	char *path;   /* as faults tell it */
	char *folder; /* absolute; where relative paths start; NULL: what was not read from a file */
	struct yaml_file *next;
};

enum yaml_shape { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_item {
	struct yaml_node *key; /* a scalar with a text; NULL in a sequence */
	struct yaml_node *value;
};

struct yaml_node {
	enum yaml_shape shape;
	int line; /* from 1; 0: the whole file */
	const struct yaml_file *file;
	char *text; /* of a scalar; NULL: none is given */
	char *tag;  /* a local one, "!replace"; NULL: none */
	struct yaml_item *items;
	size_t count;
};

struct yaml_doc {
	struct yaml_node *root;
	struct yaml_file *files; /* in the order they were read */
	size_t size;             /* bytes of all of them */
};

/* ---- yamltree.c ---- */

/* NULL: out of memory. */
struct yaml_node *yaml_node_new(enum yaml_shape shape, const struct yaml_file *file, int line);
void yaml_node_free(struct yaml_node *node);
DEFINE_CLEANUP(struct yaml_node *, yaml_node_free)
#define _cleanup_yaml_node_ _cleanup_(yaml_node_free_p)

/* Takes key and value over on success. 0 or -ENOMEM. */
int yaml_node_add(struct yaml_node *node, struct yaml_node *key, struct yaml_node *value);

/* NULL: there is none. name need not be terminated. */
struct yaml_item *yaml_node_item(const struct yaml_node *node, const char *name, size_t len);

/* A file of the document's; NULL: out of memory. */
struct yaml_file *yaml_doc_add_file(struct yaml_doc *doc, const char *path);

/* A path's whole form, by the folder of the file that the node is written in; free(). NULL: out of memory. */
char *yaml_whole_path(const struct yaml_node *node, const char *path);

/* ---- yamlalias.c ---- */

#define YAML_DEPTH_MAX 64

/*
 * A copy for a place at depth; its nodes keep their own places. *copied sums up the memory of a file's
 * copies. 0, -ENOMEM, or -EINVAL with the fault of a limit.
 */
int yaml_copy(size_t *copied, const struct yaml_node *from, unsigned depth, struct yaml_node **ret,
	struct err *err);

/* Does what the "<<" keys of a tree ask for (https://yaml.org/type/merge.html). As yaml_copy. */
int yaml_merge_keys(size_t *copied, struct yaml_node *node, unsigned depth, struct err *err);

#endif
