/*
 * YAML read by a schema that is a table: every key has a kind, a place to go and a sentence on what is
 * allowed. Every fault names "file:line: key: what is wrong, what is allowed". Over libfyaml; used by the
 * profile and by the cluster file. A file is one document; aliases and merge keys ("<<") stand for what they
 * name.
 */
#ifndef FORMAT_YAML_H
#define FORMAT_YAML_H

#include <stddef.h>
#include <stdint.h>

#include "imager/base/cleanup.h"
#include "imager/base/err.h"

#define YAML_LIMIT (1 << 20) /* bytes of one file, and of all that are merged */

struct yaml_doc;
struct yaml_node; /* borrowed from its document */

/* -EINVAL: "file:line: what is wrong" with its text; else the -errno of reading it. */
int yaml_load(const char *path, struct yaml_doc **ret, struct err *err);
void yaml_free(struct yaml_doc *doc);
DEFINE_CLEANUP(struct yaml_doc *, yaml_free)
#define _cleanup_yaml_ _cleanup_(yaml_free_p)
struct yaml_node *yaml_root(struct yaml_doc *doc);

/*
 * Sets err to "file:line: KEY: sentence" and returns -EINVAL. node may be any node of the document; the line
 * is its own or, for a mapping that holds KEY ("a.b": b in a), the key's.
 */
int yaml_fault(const struct yaml_node *node, const char *key, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Writes "file:line" of the node. */
void yaml_place(const struct yaml_node *node, char *ret, size_t size);

enum yaml_kind {
	YAML_STRING, /* char *, malloc'd */
	YAML_NAME,   /* char *, must pass parse_name */
	YAML_PATH,   /* char *, not empty; a relative one starts at the folder of the file it is written in */
	YAML_SIZE,   /* uint64_t bytes, "512MiB" */
	YAML_U64,    /* uint64_t */
	YAML_BOOL,   /* int */
	YAML_MODE,   /* mode_t */
	YAML_MAC,    /* char[MAC_TEXT_SIZE] */
	YAML_SHA256, /* struct digest, 64 hex digits */
	YAML_STRINGS,   /* struct yaml_strings: a list of strings (one string counts as a list of one) */
	YAML_MAP,       /* a nested mapping, read by .keys into base + offset */
	YAML_LIST,      /* a list of mappings or values, each handed to .each */
	YAML_INCLUDE,   /* what yaml_load_merged takes out; nothing is read */
	YAML_ELSEWHERE, /* the caller reads it by himself (yaml_find) */
	YAML_TABLE, /* a mapping of name -> value (never empty) with free names, each handed to .each with its
		       name */
};

struct yaml_strings {
	char **items;
	size_t count;
};
void yaml_strings_release(struct yaml_strings *s);

struct yaml_key {
	const char *name; /* NULL ends the table */
	enum yaml_kind kind;
	size_t offset; /* of the field below `base` */
	int required;
	int may_be_empty; /* YAML_TABLE: names without a value are handed to .each as well (yaml_is_empty) */
	const char *allowed;         /* what is allowed, for the sentence; NULL: told from the kind */
	const struct yaml_key *keys; /* YAML_MAP; of a YAML_LIST: its items' */
	/* YAML_LIST: name is NULL. base is the base of the table. 0 or negative with err set (yaml_fault). */
	int (*each)(struct yaml_node *node, const char *name, void *base, struct err *err);
};

/* Reads a mapping by the table into base. Unknown and repeated keys, missing required ones and wrong types
 * are faults. */
int yaml_read_map(struct yaml_node *node, const struct yaml_key *keys, void *base, struct err *err);

/* Calls k->each as for a key of kind YAML_TABLE. */
int yaml_read_table(struct yaml_node *node, const struct yaml_key *k, void *base, struct err *err);

/* Frees what yaml_read_map made: the texts, lists and mappings of the table, but nothing of .each. */
void yaml_release_map(const struct yaml_key *keys, void *base);

/* The value of KEY ("a.b": b in a) in a mapping; NULL: there is none. */
struct yaml_node *yaml_find(struct yaml_node *node, const char *key);

/* The value that gave the item of a struct yaml_strings its text: its own place, whatever file it is from. */
struct yaml_node *yaml_find_item(struct yaml_node *node, const char *key, size_t index);

/* Whether nothing is given for the value: "key:" alone. */
int yaml_is_empty(const struct yaml_node *node);

/* A scalar's text; -EINVAL with a fault when it is none. free(). */
int yaml_text(struct yaml_node *node, const char *key, char **ret, struct err *err);

/* ---- documents of several files ---- */

/*
 * The file with all that its key "include" names (a path or a list of them, from its own folder), nested: the
 * included files come first, in their order and each once, and what comes later is laid over it. Mappings
 * merge key by key, lists append, single values replace; the tag "!replace" at a value replaces as well. keys
 * says which values are lists even where they are one text. "include" itself is gone from the result. Limits:
 * 64 files, 16 levels, YAML_LIMIT bytes. As yaml_load; what is wrong with an included file is -EINVAL.
 */
int yaml_load_merged(const char *path, const struct yaml_key *keys, struct yaml_doc **ret, struct err *err);

/* Lays `over`, which is empty afterwards, upon doc. -EINVAL with the fault's place. */
int yaml_merge(struct yaml_doc *doc, struct yaml_doc *over, const struct yaml_key *keys, struct err *err);

/* May free *text, a value's that is never NULL, and put another in its place. 0 or negative with err set. */
typedef int yaml_edit(const struct yaml_node *node, char **text, void *arg, struct err *err);

/* Calls edit for every single value of the tree, keys left out, until it fails. */
int yaml_edit_texts(struct yaml_node *node, yaml_edit *edit, void *arg, struct err *err);

/* Gives a single value another text, and `place` for a place. 0 or -ENOMEM. */
int yaml_set_text(struct yaml_doc *doc, struct yaml_node *node, const char *place, const char *text);

/* Makes the relative paths of the tree (YAML_PATH of keys) whole. 0 or -ENOMEM. */
int yaml_whole_paths(struct yaml_node *node, const struct yaml_key *keys);

#endif
