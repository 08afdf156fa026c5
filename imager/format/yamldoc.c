/*
 * Owns a YAML file as libfyaml's document: its loading, and the file and line of every fault, which come from
 * the node's token. Knows nothing of keys; those are yaml.c's.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/io.h"
#include "imager/format/yamlpriv.h"

struct yaml_doc {
	struct fy_document *fyd;
	struct fy_diag *diag;
	char *text; /* the document's tokens point into it */
	char *path, *folder;
};

void yaml_free(struct yaml_doc *doc)
{
	if (!doc)
		return;
	fy_document_destroy(doc->fyd);
	fy_diag_destroy(doc->diag);
	free(doc->text);
	free(doc->path);
	free(doc->folder);
	free(doc);
}

struct yaml_node *yaml_root(struct yaml_doc *doc)
{
	return yaml_own(fy_document_root(doc->fyd));
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
	/* Resolved: an alias stands for what it names, not for its own name. */
	struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_RESOLVE_DOCUMENT};

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
	if (fy_node_set_meta(fy_document_root(doc->fyd), doc) < 0)
		return err_oom(err, doc->path);
	return 0;
}

int yaml_load(const char *path, struct yaml_doc **ret, struct err *err)
{
	_cleanup_yaml_ struct yaml_doc *doc = calloc(1, sizeof(*doc));
	const char *slash = strrchr(path, '/');
	size_t len;
	int r;

	if (!doc || !(doc->path = strdup(path)))
		return err_oom(err, path);
	doc->folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("./");
	if (!doc->folder)
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

/* "kernel.cmdline" in a mapping: its key; as much of it as there is, and the node itself for none of it. */
static struct fy_node *place_of(struct fy_node *node, const char *key)
{
	struct fy_node *place = node;

	while (key && *key && fy_node_is_mapping(node)) {
		size_t len = strcspn(key, ".");
		struct fy_node *found = fy_node_mapping_lookup_key_by_string(node, key, len);

		if (!found)
			break;
		place = found;
		node = fy_node_mapping_lookup_value_by_string(node, key, len);
		key += len + (key[len] == '.');
	}
	return place;
}

static const struct yaml_doc *doc_of(const struct yaml_node *node)
{
	return fy_node_get_meta(fy_document_root(fy_node_document(yaml_fy(node))));
}

const char *yaml_folder(const struct yaml_node *node)
{
	return doc_of(node)->folder;
}

struct yaml_node *yaml_find(struct yaml_node *node, const char *key)
{
	struct fy_node *found = yaml_fy(node);

	while (found && *key) {
		size_t len = strcspn(key, ".");

		found = fy_node_is_mapping(found) ? fy_node_mapping_lookup_value_by_string(found, key, len)
						  : NULL;
		key += len + (key[len] == '.');
	}
	return yaml_own(found);
}

int yaml_fault(const struct yaml_node *node, const char *key, struct err *err, const char *fmt, ...)
{
	const struct yaml_doc *doc = doc_of(node);
	char what[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(err, EINVAL, "%s:%d: %s%s%s", doc ? doc->path : "?",
		line_of(place_of(yaml_fy(node), key)), key ? key : "", key ? ": " : "", what);
}
