/* Owns a YAML tree's form as JSON: the values apart from their places. */
#include "imager/format/yamljson.h"

#include <errno.h>

#include "imager/format/json.h"
#include "imager/format/yamlpriv.h"

json_t *yaml_json_values(const struct yaml_node *node)
{
	_cleanup_json_ json_t *value = NULL;

	if (node->shape == YAML_SCALAR)
		return json_string(node->text ? node->text : "");
	value = node->shape == YAML_MAPPING ? json_object() : json_array();
	for (size_t i = 0; value && i < node->count; i++) {
		const struct yaml_item *item = &node->items[i];
		json_t *child = yaml_json_values(item->value);
		int r = item->key ? json_object_set_new(value, item->key->text, child)
				  : json_array_append_new(value, child);

		if (r < 0)
			return NULL;
	}
	return TAKE(value);
}

/* "/" and "~" of a key are written "~1" and "~0". */
static int add_token(struct buf *pointer, const struct yaml_item *item, size_t index)
{
	int r = buf_puts(pointer, "/");

	if (r == 0 && !item->key)
		return buf_printf(pointer, "%zu", index);
	for (const char *c = item->key->text; r == 0 && *c; c++)
		r = *c == '~'   ? buf_puts(pointer, "~0")
		    : *c == '/' ? buf_puts(pointer, "~1")
				: buf_add(pointer, c, 1);
	return r;
}

static int add_places(json_t *places, const struct yaml_node *node, struct buf *pointer)
{
	size_t len = pointer->len;
	int r = 0;

	if (node->shape == YAML_SCALAR)
		return json_object_set_new(places, pointer->data ? pointer->data : "",
			json_pack("{s:s, s:i}", "file", node->file->path, "line", node->line));
	for (size_t i = 0; r == 0 && i < node->count; i++) {
		r = add_token(pointer, &node->items[i], i);
		if (r == 0)
			r = add_places(places, node->items[i].value, pointer);
		pointer->len = len;
		if (pointer->data)
			pointer->data[len] = '\0';
	}
	return r;
}

json_t *yaml_json_places(const struct yaml_node *node)
{
	_cleanup_json_ json_t *places = json_object();
	_cleanup_buf_ struct buf pointer = {0};

	return places && add_places(places, node, &pointer) == 0 ? TAKE(places) : NULL;
}

json_t *yaml_json_files(const struct yaml_doc *doc)
{
	_cleanup_json_ json_t *files = json_array();

	for (const struct yaml_file *file = doc->files; files && file; file = file->next)
		if (file->folder && json_array_append_new(files, json_string(file->path)) < 0)
			return NULL;
	return TAKE(files);
}
