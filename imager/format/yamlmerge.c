/*
 * Owns how one YAML tree is laid over another, and the other changes of whole trees. Nodes move with their
 * places. Which files are merged is yamlinclude.c's, what the keys mean is yaml.c's.
 */
#include <errno.h>
#include <string.h>

#include "imager/format/yamlpriv.h"

#define REPLACE  "!replace"
#define KEYS_MAX 1000 /* of one mapping */

/* Tags stand at values of mappings only, since nothing else can be replaced. */
static int check_tags(const struct yaml_node *node, int is_value, struct err *err)
{
	int r = 0;

	if (node->tag && (!is_value || strcmp(node->tag, REPLACE) != 0))
		return yaml_fault(node, NULL, err,
			"the tag %.40s is not allowed here; allowed is " REPLACE
			" between a key and its value",
			node->tag);
	if (node->shape == YAML_MAPPING && node->count > KEYS_MAX)
		return yaml_fault(node, NULL, err, "more than %d keys", KEYS_MAX);
	for (size_t i = 0; r == 0 && i < node->count; i++)
		r = check_tags(node->items[i].value, is_value && node->shape == YAML_MAPPING, err);
	return r;
}

/* One text that stands for a list of one becomes that list. */
static int make_list(struct yaml_node **value)
{
	struct yaml_node *text = *value, *list;

	if (text->shape != YAML_SCALAR || !text->text)
		return 0;
	list = yaml_node_new(YAML_SEQUENCE, text->file, text->line);
	if (!list || yaml_node_add(list, NULL, text) < 0) {
		yaml_node_free(list);
		return -ENOMEM;
	}
	list->tag = TAKE(text->tag);
	*value = list;
	return 0;
}

static int make_lists(struct yaml_node *node, const struct yaml_key *keys)
{
	int r = 0;

	for (const struct yaml_key *k = keys; r == 0 && k->name; k++) {
		struct yaml_item *item = yaml_node_item(node, k->name, strlen(k->name));

		if (item && k->kind == YAML_STRINGS)
			r = make_list(&item->value);
		else if (item && k->kind == YAML_MAP)
			r = make_lists(item->value, k->keys);
	}
	return r;
}

static void swap_items(struct yaml_item *a, struct yaml_item *b)
{
	struct yaml_item kept = *a;

	*a = *b;
	*b = kept;
}

static int append(struct yaml_node *list, struct yaml_node *more)
{
	for (size_t i = 0; i < more->count; i++) {
		if (yaml_node_add(list, NULL, more->items[i].value) < 0)
			return -ENOMEM;
		more->items[i].value = NULL;
	}
	return 0;
}

static const char *shape_name(const struct yaml_node *node)
{
	static const char *const names[] = {
		[YAML_SCALAR] = "a single value", [YAML_SEQUENCE] = "a list", [YAML_MAPPING] = "a mapping"};

	return names[node->shape];
}

static int merge_map(struct yaml_node *into, struct yaml_node *over, struct err *err);

static int merge_item(struct yaml_item *into, struct yaml_item *over, struct err *err)
{
	struct yaml_node *have = into->value, *value = over->value;
	char place[ERR_TEXT_MAX / 2];
	int r = 0;

	if (value->tag || (value->shape == YAML_SCALAR && (have->shape == YAML_SCALAR || !value->text))) {
		swap_items(into, over);
		return 0;
	}
	if (have->shape != value->shape) {
		yaml_place(have, place, sizeof(place));
		return yaml_fault(over->key, over->key->text, err,
			"is %s here and %s in %s; " REPLACE " would drop that", shape_name(value),
			shape_name(have), place);
	}
	r = have->shape == YAML_SEQUENCE ? append(have, value) : merge_map(have, value, err);
	if (r == -ENOMEM)
		return err_oom(err, "YAML");
	/* The last that has it is its place. */
	have->file = value->file;
	have->line = value->line;
	into->key->file = over->key->file;
	into->key->line = over->key->line;
	return r;
}

static int merge_map(struct yaml_node *into, struct yaml_node *over, struct err *err)
{
	for (size_t i = 0; i < over->count; i++) {
		struct yaml_item *item = &over->items[i], *have;
		int r;

		have = yaml_node_item(into, item->key->text, strlen(item->key->text));
		if (have)
			r = merge_item(have, item, err);
		else
			r = yaml_node_add(into, item->key, item->value) < 0 ? err_oom(err, "YAML") : 1;
		if (r < 0)
			return r;
		if (r > 0)
			*item = (struct yaml_item){NULL, NULL};
	}
	return 0;
}

static void take_files(struct yaml_doc *doc, struct yaml_doc *over)
{
	struct yaml_file **end = &doc->files;

	while (*end)
		end = &(*end)->next;
	*end = TAKE(over->files);
	doc->size += over->size;
}

int yaml_merge(struct yaml_doc *doc, struct yaml_doc *over, const struct yaml_key *keys, struct err *err)
{
	_cleanup_yaml_node_ struct yaml_node *root = TAKE(over->root);
	int r;

	take_files(doc, over);
	if (root->shape != YAML_MAPPING)
		return yaml_fault(root, NULL, err, "a mapping of keys to values is wanted");
	if (root->tag)
		return yaml_fault(root, NULL, err, "a tag is not allowed here");
	r = check_tags(root, 1, err);
	if (r < 0)
		return r;
	if (doc->size > YAML_LIMIT)
		return yaml_fault(
			root, NULL, err, "with this file more than %d bytes are merged", YAML_LIMIT);
	if (make_lists(root, keys) < 0)
		return err_oom(err, "YAML");
	if (!doc->root) {
		doc->root = TAKE(root);
		return 0;
	}
	r = merge_map(doc->root, root, err);
	doc->root->file = root->file;
	doc->root->line = root->line;
	return r;
}

int yaml_edit_texts(struct yaml_node *node, yaml_edit *edit, void *arg, struct err *err)
{
	int r = 0;

	if (node->text)
		return edit(node, &node->text, arg, err);
	for (size_t i = 0; r == 0 && i < node->count; i++)
		r = yaml_edit_texts(node->items[i].value, edit, arg, err);
	return r;
}

int yaml_set_text(struct yaml_doc *doc, struct yaml_node *node, const char *place, const char *text)
{
	struct yaml_file *file = yaml_doc_add_file(doc, place);
	char *copy = file ? strdup(text) : NULL;

	if (!copy)
		return -ENOMEM;
	free(node->text);
	node->text = copy;
	node->file = file;
	node->line = 0;
	return 0;
}

static int whole_path(struct yaml_node *node)
{
	char *path;

	if (node->shape != YAML_SCALAR || !node->text || !*node->text)
		return 0;
	path = yaml_whole_path(node, node->text);
	if (!path)
		return -ENOMEM;
	free(node->text);
	node->text = path;
	return 0;
}

int yaml_whole_paths(struct yaml_node *node, const struct yaml_key *keys)
{
	int r = 0;

	for (const struct yaml_key *k = keys; r == 0 && k && k->name; k++) {
		struct yaml_item *item = yaml_node_item(node, k->name, strlen(k->name));
		struct yaml_node *value = item ? item->value : NULL;

		if (value && k->kind == YAML_PATH)
			r = whole_path(value);
		else if (value && k->kind == YAML_MAP)
			r = yaml_whole_paths(value, k->keys);
		else if (value && k->kind == YAML_LIST)
			for (size_t i = 0; r == 0 && i < value->count; i++)
				r = yaml_whole_paths(value->items[i].value, k->keys);
	}
	return r;
}
