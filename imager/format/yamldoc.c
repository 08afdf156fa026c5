/*
 * Owns the reading of a YAML file into a tree, from libfyaml's events. What aliases stand for is
 * yamlalias.c's, what the keys mean is yaml.c's and its callers'.
 */
#include <errno.h>
#include <libfyaml.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "imager/base/io.h"
#include "imager/base/parse.h"
#include "imager/format/yamlpriv.h"

#define ANCHORS_MAX 1000

struct anchor {
	char *name;
	const struct yaml_node *node;
};

struct reader {
	struct fy_parser *parser;
	struct fy_diag *diag;
	struct yaml_file *file;
	const char *text;
	struct anchor anchors[ANCHORS_MAX];
	size_t anchor_count;
	size_t copied; /* of yaml_copy */
	int line;      /* of the last token */
};

static void reader_free(struct reader *r)
{
	fy_parser_destroy(r->parser);
	fy_diag_destroy(r->diag);
	for (size_t i = 0; i < r->anchor_count; i++)
		free(r->anchors[i].name);
	free(r);
}
DEFINE_CLEANUP(struct reader *, reader_free)
#define _cleanup_reader_ _cleanup_(reader_free_p)

static struct reader *reader_new(const char *text, size_t len)
{
	_cleanup_reader_ struct reader *r = calloc(1, sizeof(*r));
	struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG};
	struct fy_diag_cfg diag_cfg;

	fy_diag_cfg_default(&diag_cfg);
	diag_cfg.fp = NULL;
	if (!r || !(r->diag = fy_diag_create(&diag_cfg)))
		return NULL;
	fy_diag_set_collect_errors(r->diag, true);
	cfg.diag = r->diag;
	r->parser = fy_parser_create(&cfg);
	if (!r->parser || fy_parser_set_string(r->parser, text, len) < 0)
		return NULL;
	return TAKE(r);
}

/* ---- events to nodes ---- */

static int line_of(struct fy_token *token)
{
	const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;
	enum fy_scalar_style style = token ? fy_token_scalar_style(token) : FYSS_ANY;
	/* The mark of a block is its first line of text; it begins with the "|" before. */
	int is_block = style == FYSS_LITERAL || style == FYSS_FOLDED;

	return mark ? mark->line + 1 - is_block : 1;
}

/* Whether a line of the text, from 1, has the word in it. */
static int line_has(const char *text, int line, const char *word)
{
	const char *found;

	while (--line > 0 && (text = strchr(text, '\n')))
		text++;
	found = text ? strstr(text, word) : NULL;
	return found && found < text + strcspn(text, "\n");
}

/* The first error libfyaml collected: "file:line: sentence". */
static int syntax_fault(struct reader *r, struct err *err)
{
	void *prev = NULL;
	struct fy_diag_error *e = fy_diag_errors_iterate(r->diag, &prev);

	if (!e)
		return err_set(err, EINVAL, "%s: empty: no YAML document in it", r->file->path);
	return err_set(err, EINVAL, "%s:%d: %s%s", r->file->path, e->line > 0 ? e->line : 1, e->msg,
		line_has(r->text, e->line, "${") ? "; within {} and [] a value with ${ needs quotes" : "");
}

static char *token_text(struct fy_token *token)
{
	size_t len;
	const char *text = token ? fy_token_get_text(token, &len) : NULL;

	return text ? strndup(text, len) : NULL;
}

static int note_anchor(
	struct reader *r, struct fy_token *token, const struct yaml_node *node, struct err *err)
{
	struct anchor *anchor = &r->anchors[r->anchor_count];

	if (!token)
		return 0;
	if (r->anchor_count == ANCHORS_MAX)
		return yaml_fault(node, NULL, err, "more than %d anchors", ANCHORS_MAX);
	anchor->name = token_text(token);
	anchor->node = node;
	if (!anchor->name)
		return err_oom(err, "YAML");
	r->anchor_count++;
	return 0;
}

/* An alias is of the last anchor before it, which is complete: nothing can hold itself. */
static int take_alias(
	struct reader *r, struct fy_token *token, unsigned depth, struct yaml_node **ret, struct err *err)
{
	_cleanup_free_ char *name = token_text(token);

	if (!name)
		return err_oom(err, "YAML");
	for (size_t i = r->anchor_count; i > 0; i--)
		if (!strcmp(r->anchors[i - 1].name, name))
			return yaml_copy(&r->copied, r->anchors[i - 1].node, depth, ret, err);
	return err_set(err, EINVAL, "%s:%d: *%.80s: there is no anchor of this name before", r->file->path,
		line_of(token), name);
}

static int read_node(
	struct reader *r, struct fy_event *event, unsigned depth, struct yaml_node **ret, struct err *err);

/* The next node of a collection; 0 with *ret NULL at its end. */
static int read_next(struct reader *r, unsigned depth, struct yaml_node **ret, struct err *err)
{
	struct fy_event *event = fy_parser_parse(r->parser);
	int n;

	if (!event)
		return syntax_fault(r, err);
	if (event->type == FYET_SEQUENCE_END || event->type == FYET_MAPPING_END)
		n = 0;
	else
		n = read_node(r, event, depth, ret, err);
	fy_parser_event_free(r->parser, event);
	return n;
}

static int check_key(const struct yaml_node *key, struct err *err)
{
	if (key->shape != YAML_SCALAR)
		return yaml_fault(key, NULL, err, "a key must be a single value");
	return key->text ? 0 : yaml_fault(key, NULL, err, "a key is empty");
}

static int by_text(const void *a, const void *b)
{
	const struct yaml_node *const *x = a, *const *y = b;
	int order = strcmp((*x)->text, (*y)->text);

	return order ? order : (*x)->line - (*y)->line;
}

static int check_repeated(const struct yaml_node *node, struct err *err)
{
	_cleanup_free_ const struct yaml_node **keys = calloc(node->count + 1, sizeof(struct yaml_node *));

	if (!keys)
		return err_oom(err, "YAML");
	for (size_t i = 0; i < node->count; i++)
		keys[i] = node->items[i].key;
	qsort(keys, node->count, sizeof(*keys), by_text);
	for (size_t i = 1; i < node->count; i++)
		if (!strcmp(keys[i - 1]->text, keys[i]->text))
			return yaml_fault(keys[i], NULL, err, "%.80s: given twice, before in line %d",
				keys[i]->text, keys[i - 1]->line);
	return 0;
}

static int read_items(struct reader *r, struct yaml_node *node, unsigned depth, struct err *err)
{
	for (;;) {
		_cleanup_yaml_node_ struct yaml_node *key = NULL, *value = NULL;
		struct yaml_node **first = node->shape == YAML_MAPPING ? &key : &value;
		int n = read_next(r, depth, first, err);

		if (n < 0)
			return n;
		if (!*first)
			return node->shape == YAML_MAPPING ? check_repeated(node, err) : 0;
		if (key) {
			n = check_key(key, err);
			if (n == 0)
				n = read_next(r, depth, &value, err);
			if (n < 0)
				return n;
		}
		if (yaml_node_add(node, key, value) < 0)
			return err_oom(err, "YAML");
		key = value = NULL;
	}
}

/* "\0" of a quoted text would end it for us. */
static int take_text(struct yaml_node *node, struct fy_token *token, struct err *err)
{
	node->text = token_text(token);
	if (!node->text)
		return err_oom(err, "YAML");
	if (strlen(node->text) != fy_token_get_text_length(token))
		return yaml_fault(node, NULL, err, "a NUL character is not allowed");
	return 0;
}

/* What the events of the three shapes have in common. */
struct start {
	enum yaml_shape shape;
	struct fy_token *anchor, *tag, *place;
};

static struct start start_of(const struct fy_event *event)
{
	if (event->type == FYET_SCALAR)
		return (struct start){
			YAML_SCALAR, event->scalar.anchor, event->scalar.tag, event->scalar.value};
	if (event->type == FYET_SEQUENCE_START)
		return (struct start){YAML_SEQUENCE, event->sequence_start.anchor, event->sequence_start.tag,
			event->sequence_start.sequence_start};
	return (struct start){YAML_MAPPING, event->mapping_start.anchor, event->mapping_start.tag,
		event->mapping_start.mapping_start};
}

/* Tags of the language's own kinds say nothing here: the schema knows what it wants. */
static int take_tag(struct yaml_node *node, struct fy_token *token, struct err *err)
{
	_cleanup_free_ char *tag = token_text(token);

	if (token && !tag)
		return err_oom(err, "YAML");
	if (tag && tag[0] == '!' && tag[1])
		node->tag = TAKE(tag);
	return 0;
}

static int read_node(
	struct reader *r, struct fy_event *event, unsigned depth, struct yaml_node **ret, struct err *err)
{
	_cleanup_yaml_node_ struct yaml_node *node = NULL;
	struct start start;
	int n;

	if (event->type == FYET_ALIAS)
		return take_alias(r, event->alias.anchor, depth, ret, err);
	start = start_of(event);
	if (start.place)
		r->line = line_of(start.place);
	node = yaml_node_new(start.shape, r->file, r->line);
	if (!node)
		return err_oom(err, "YAML");
	if (depth > YAML_DEPTH_MAX)
		return yaml_fault(node, NULL, err, "nested deeper than %d levels", YAML_DEPTH_MAX);
	n = take_tag(node, start.tag, err);
	if (n == 0 && start.shape != YAML_SCALAR)
		n = read_items(r, node, depth + 1, err);
	else if (n == 0 && start.place)
		n = take_text(node, start.place, err);
	if (n == 0)
		n = note_anchor(r, start.anchor, node, err);
	if (n < 0)
		return n;
	*ret = TAKE(node);
	return 0;
}

/* ---- a file ---- */

/* The one document: 0, and *ret stays NULL when there is none. */
static int read_document(struct reader *r, struct yaml_node **ret, struct err *err)
{
	for (;;) {
		struct fy_event *event = fy_parser_parse(r->parser);
		int n = 0, end = event && event->type == FYET_STREAM_END;

		if (!event)
			return syntax_fault(r, err);
		if (event->type == FYET_DOCUMENT_START && *ret)
			n = err_set(err, EINVAL,
				"%s:%d: a second YAML document begins; one for each file is allowed",
				r->file->path, line_of(event->document_start.document_start));
		else if (event->type >= FYET_MAPPING_START && event->type != FYET_MAPPING_END &&
			 event->type != FYET_SEQUENCE_END)
			n = read_node(r, event, 0, ret, err);
		fy_parser_event_free(r->parser, event);
		if (n < 0 || end)
			return n;
	}
}

static int line_at(const char *text, size_t at)
{
	int line = 1;

	for (size_t i = 0; i < at; i++)
		line += text[i] == '\n';
	return line;
}

/* What libfyaml is not given: it does not come back from some bytes that are no UTF-8 behind a "%". */
static int check_text(const char *path, const char *text, size_t len, struct err *err)
{
	size_t good = parse_utf8(text);

	if (strlen(text) != len)
		return err_set(err, EINVAL, "%s: holds a NUL byte, so it is not a text", path);
	if (good < len)
		return err_set(err, EINVAL, "%s:%d: not UTF-8", path, line_at(text, good));
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (*line == '%' && strncmp(line, "%YAML ", 6) != 0)
			return err_set(err, EINVAL, "%s:%d: the directive %.*s is not allowed", path,
				line_at(text, (size_t)(line - text)), (int)strcspn(line, " \t\r\n"), line);
	return 0;
}

static int parse(struct yaml_doc *doc, const char *text, size_t len, struct err *err)
{
	_cleanup_reader_ struct reader *r = reader_new(text, len);
	int n;

	if (!r)
		return err_oom(err, doc->files->path);
	r->file = doc->files;
	r->text = text;
	r->line = 1;
	n = read_document(r, &doc->root, err);
	if (n < 0)
		return n;
	if (!doc->root || (doc->root->shape == YAML_SCALAR && !doc->root->text))
		return err_set(err, EINVAL, "%s: empty: no YAML document in it", doc->files->path);
	return yaml_merge_keys(&r->copied, doc->root, 0, err);
}

static int add_own_file(struct yaml_doc *doc, const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	struct yaml_file *file = yaml_doc_add_file(doc, path);

	if (!folder || !file)
		return -ENOMEM;
	file->folder = realpath(folder, NULL);
	return file->folder ? 0 : -errno;
}

int yaml_load(const char *path, struct yaml_doc **ret, struct err *err)
{
	_cleanup_yaml_ struct yaml_doc *doc = calloc(1, sizeof(*doc));
	_cleanup_free_ char *text = NULL;
	int r;

	if (!doc)
		return err_oom(err, path);
	r = read_file(path, YAML_LIMIT, &text, &doc->size, err);
	if (r < 0)
		return r;
	r = add_own_file(doc, path);
	if (r < 0)
		return err_path(err, -r, path);
	r = check_text(path, text, doc->size, err);
	if (r == 0)
		r = parse(doc, text, doc->size, err);
	if (r < 0)
		return r;
	*ret = TAKE(doc);
	return 0;
}
