/*
 * Owns the reading of YAML by a schema table over libfyaml's document tree. A struct yaml_node is libfyaml's
 * own node: the file and line of a fault come from its token. Knows nothing of what the keys mean.
 */
#include "imager/format/yaml.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/buf.h"
#include "imager/base/io.h"
#include "imager/base/parse.h"

struct yaml_doc {
	struct fy_document *fyd;
	struct fy_diag *diag;
	char *text; /* the document's tokens point into it */
	char *path;
};

static struct fy_node *fy(const struct yaml_node *node)
{
	return (struct fy_node *)(uintptr_t)node;
}

static struct yaml_node *own(struct fy_node *node)
{
	return (struct yaml_node *)node;
}

void yaml_free(struct yaml_doc *doc)
{
	if (!doc)
		return;
	fy_document_destroy(doc->fyd);
	fy_diag_destroy(doc->diag);
	free(doc->text);
	free(doc->path);
	free(doc);
}

struct yaml_node *yaml_root(struct yaml_doc *doc)
{
	return own(fy_document_root(doc->fyd));
}

/* The first error libfyaml collected: "file:line: sentence". */
static int syntax_fault(struct yaml_doc *doc, struct err *err)
{
	void *prev = NULL;
	struct fy_diag_error *e = fy_diag_errors_iterate(doc->diag, &prev);

	if (!e)
		return err_set(err, EINVAL, "%s: empty: no YAML document in it", doc->path);
	return err_set(err, EINVAL, "%s:%d: %s", doc->path, e->line > 0 ? e->line : 1, e->msg);
}

static int build(struct yaml_doc *doc, size_t len, struct err *err)
{
	struct fy_diag_cfg diag_cfg;
	struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET};

	fy_diag_cfg_default(&diag_cfg);
	diag_cfg.fp = NULL;
	doc->diag = fy_diag_create(&diag_cfg);
	if (!doc->diag)
		return err_oom(err, doc->path);
	fy_diag_set_collect_errors(doc->diag, true);
	cfg.diag = doc->diag;
	doc->fyd = fy_document_build_from_string(&cfg, doc->text, len);
	if (!doc->fyd)
		return syntax_fault(doc, err);
	if (!fy_document_root(doc->fyd))
		return err_set(err, EINVAL, "%s: empty", doc->path);
	/* Where faults find the file's name again. */
	if (fy_node_set_meta(fy_document_root(doc->fyd), doc->path) < 0)
		return err_oom(err, doc->path);
	return 0;
}

int yaml_load(const char *path, struct yaml_doc **ret, struct err *err)
{
	_cleanup_yaml_ struct yaml_doc *doc = calloc(1, sizeof(*doc));
	size_t len;
	int r;

	if (!doc || !(doc->path = strdup(path)))
		return err_oom(err, path);
	r = read_file(path, YAML_LIMIT, &doc->text, &len, err);
	if (r < 0)
		return r;
	if (strlen(doc->text) != len)
		return err_set(err, EINVAL, "%s: holds a NUL byte, so it is not a text", path);
	r = build(doc, len, err);
	if (r < 0)
		return r;
	*ret = TAKE(doc);
	return 0;
}

static int line_of(struct fy_node *node)
{
	const struct fy_mark *mark;
	struct fy_token *token = fy_node_is_scalar(node) ? fy_node_get_scalar_token(node) : NULL;

	if (!token) {
		/* A mapping or sequence begins where its first value does. */
		struct fy_node_pair *pair =
			fy_node_is_mapping(node) ? fy_node_mapping_get_by_index(node, 0) : NULL;
		struct fy_node *first = pair ? fy_node_pair_key(pair) : NULL;

		if (!first && fy_node_is_sequence(node))
			first = fy_node_sequence_get_by_index(node, 0);
		return first ? line_of(first) : 1;
	}
	mark = fy_token_start_mark(token);
	return mark ? mark->line + 1 : 1;
}

int yaml_fault(const struct yaml_node *node, const char *key, struct err *err, const char *fmt, ...)
{
	const char *path = fy_node_get_meta(fy_document_root(fy_node_document(fy(node))));
	char what[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(err, EINVAL, "%s:%d: %s%s%s", path ? path : "?", line_of(fy(node)), key ? key : "",
		key ? ": " : "", what);
}

void yaml_strings_release(struct yaml_strings *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++)
		free(s->items[i]);
	free(s->items);
	*s = (struct yaml_strings){0};
}

int yaml_text(struct yaml_node *node, const char *key, char **ret, struct err *err)
{
	const char *text;
	size_t len;
	char *copy;

	if (!fy_node_is_scalar(fy(node)))
		return yaml_fault(node, key, err, "a single value is wanted, not a list or mapping");
	text = fy_node_get_scalar(fy(node), &len);
	copy = text ? strndup(text, len) : strdup("");
	if (!copy)
		return err_oom(err, key);
	*ret = copy;
	return 0;
}

/* Scalars: text to value. Each returns 0 or negative; the field is written on success only. */
static int set_string(const char *text, void *field)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*(char **)field);
	*(char **)field = copy;
	return 0;
}

static int set_name(const char *text, void *field)
{
	return parse_name(text) < 0 ? -EINVAL : set_string(text, field);
}

static int set_size(const char *text, void *field)
{
	return parse_size(text, field);
}

static int set_u64(const char *text, void *field)
{
	return parse_u64(text, field);
}

static int set_bool(const char *text, void *field)
{
	return parse_bool(text, field);
}

static int set_mode(const char *text, void *field)
{
	return parse_mode(text, field);
}

static int set_mac(const char *text, void *field)
{
	return parse_mac(text, field);
}

static const struct scalar_kind {
	int (*set)(const char *text, void *field);
	const char *allowed;
} scalar_kinds[] = {
	[YAML_STRING] = {set_string, "a text"},
	[YAML_NAME] = {set_name, "1 to 63 of a-z 0-9 . _ - with a letter or digit at both ends"},
	[YAML_SIZE] = {set_size, "a number of bytes such as 512MiB"},
	[YAML_U64] = {set_u64, "a whole number"},
	[YAML_BOOL] = {set_bool, "true or false"},
	[YAML_MODE] = {set_mode, "octal permission bits such as 0644"},
	[YAML_MAC] = {set_mac, "a MAC address such as 52:54:00:12:34:56"},
};

static int read_scalar(struct yaml_node *node, const struct yaml_key *k, void *field, struct err *err)
{
	const struct scalar_kind *kind = &scalar_kinds[k->kind];
	_cleanup_free_ char *text = NULL;
	int r = yaml_text(node, k->name, &text, err);

	if (r < 0)
		return r;
	if (kind->set(text, field) < 0)
		return yaml_fault(node, k->name, err, "'%.80s' is not allowed: %s", text,
			k->allowed ? k->allowed : kind->allowed);
	return 0;
}

static int add_string(struct yaml_strings *s, char *text)
{
	char **items = realloc(s->items, (s->count + 1) * sizeof(*items));

	if (!items)
		return -ENOMEM;
	s->items = items;
	items[s->count++] = text;
	return 0;
}

static int read_string_into(
	struct yaml_node *node, const struct yaml_key *k, struct yaml_strings *s, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int r = yaml_text(node, k->name, &text, err);

	if (r < 0)
		return r;
	if (!*text)
		return yaml_fault(node, k->name, err, "an empty value is not allowed: %s",
			k->allowed ? k->allowed : "a text");
	if (add_string(s, text) < 0)
		return err_oom(err, k->name);
	(void)TAKE(text);
	return 0;
}

static int read_strings(struct yaml_node *node, const struct yaml_key *k, void *field, struct err *err)
{
	void *it = NULL;
	struct fy_node *item;

	if (fy_node_is_scalar(fy(node)))
		return read_string_into(node, k, field, err);
	if (!fy_node_is_sequence(fy(node)))
		return yaml_fault(node, k->name, err, "a list is wanted, not a mapping");
	while ((item = fy_node_sequence_iterate(fy(node), &it))) {
		int r = read_string_into(own(item), k, field, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int read_list(struct yaml_node *node, const struct yaml_key *k, void *base, struct err *err)
{
	void *it = NULL;
	struct fy_node *item;

	if (!fy_node_is_sequence(fy(node)))
		return yaml_fault(
			node, k->name, err, "a list is wanted: %s", k->allowed ? k->allowed : "- ITEM");
	while ((item = fy_node_sequence_iterate(fy(node), &it))) {
		int r = k->each(own(item), NULL, base, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int read_table(struct yaml_node *node, const struct yaml_key *k, void *base, struct err *err)
{
	void *it = NULL;
	struct fy_node_pair *pair;

	if (!fy_node_is_mapping(fy(node)))
		return yaml_fault(node, k->name, err, "a mapping is wanted: %s",
			k->allowed ? k->allowed : "NAME: VALUE");
	while ((pair = fy_node_mapping_iterate(fy(node), &it))) {
		_cleanup_free_ char *name = NULL;
		int r = yaml_text(own(fy_node_pair_key(pair)), k->name, &name, err);

		if (r < 0)
			return r;
		if (fy_node_is_null(fy_node_pair_value(pair)))
			return yaml_fault(own(fy_node_pair_key(pair)), name, err, "has no value");
		r = k->each(own(fy_node_pair_value(pair)), name, base, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_value(struct yaml_node *node, const struct yaml_key *k, void *base, struct err *err)
{
	void *field = (char *)base + k->offset;

	switch (k->kind) {
	case YAML_STRINGS:
		return read_strings(node, k, field, err);
	case YAML_MAP:
		return yaml_read_map(node, k->keys, field, err);
	case YAML_LIST:
		return read_list(node, k, base, err);
	case YAML_TABLE:
		return read_table(node, k, base, err);
	default:
		return read_scalar(node, k, field, err);
	}
}

static const struct yaml_key *find_key(const struct yaml_key *keys, const char *name)
{
	for (const struct yaml_key *k = keys; k->name; k++)
		if (!strcmp(k->name, name))
			return k;
	return NULL;
}

static int unknown_key(struct yaml_node *key, const char *name, const struct yaml_key *keys, struct err *err)
{
	_cleanup_buf_ struct buf known = {0};

	for (const struct yaml_key *k = keys; k->name; k++)
		if (buf_printf(&known, "%s%s", known.len ? ", " : "", k->name) < 0)
			return err_oom(err, name);
	return yaml_fault(key, name, err, "unknown key; allowed are %s", known.data ? known.data : "none");
}

static int read_pair(struct fy_node_pair *pair, const struct yaml_key *keys, void *base, struct err *err)
{
	struct yaml_node *key = own(fy_node_pair_key(pair)), *value = own(fy_node_pair_value(pair));
	_cleanup_free_ char *name = NULL;
	const struct yaml_key *k;
	int r;

	if (!key)
		return err_set(err, EINVAL, "a key is empty");
	r = yaml_text(key, NULL, &name, err);
	if (r < 0)
		return r;
	k = find_key(keys, name);
	if (!k)
		return unknown_key(key, name, keys, err);
	if (!value)
		return yaml_fault(
			key, name, err, "has no value; allowed is %s", k->allowed ? k->allowed : "a value");
	return read_value(value, k, base, err);
}

int yaml_read_map(struct yaml_node *node, const struct yaml_key *keys, void *base, struct err *err)
{
	void *it = NULL;
	struct fy_node_pair *pair;

	if (!node || !fy_node_is_mapping(fy(node)))
		return node ? yaml_fault(node, NULL, err, "a mapping of keys to values is wanted") : -EINVAL;
	while ((pair = fy_node_mapping_iterate(fy(node), &it))) {
		int r = read_pair(pair, keys, base, err);

		if (r < 0)
			return r;
	}
	for (const struct yaml_key *k = keys; k->name; k++)
		if (k->required && !fy_node_mapping_lookup_value_by_string(fy(node), k->name, (size_t)-1))
			return yaml_fault(node, k->name, err, "is missing; wanted is %s",
				k->allowed ? k->allowed : "a value");
	return 0;
}
