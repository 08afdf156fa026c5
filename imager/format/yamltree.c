/*
 * Owns the nodes of a YAML tree: their memory, the finding of keys, and the sentence with file and line that
 * every fault gets. Each node keeps its place, whatever tree it is moved to. Reading is yamldoc.c's.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/io.h"
#include "imager/format/yamlpriv.h"

struct yaml_node *yaml_node_new(enum yaml_shape shape, const struct yaml_file *file, int line)
{
	struct yaml_node *node = calloc(1, sizeof(*node));

	if (node)
		*node = (struct yaml_node){.shape = shape, .file = file, .line = line};
	return node;
}

void yaml_node_free(struct yaml_node *node)
{
	if (!node)
		return;
	for (size_t i = 0; i < node->count; i++) {
		yaml_node_free(node->items[i].key);
		yaml_node_free(node->items[i].value);
	}
	free(node->items);
	free(node->text);
	free(node->tag);
	free(node);
}

int yaml_node_add(struct yaml_node *node, struct yaml_node *key, struct yaml_node *value)
{
	/* Grows at each power of two. */
	if ((node->count & (node->count - 1)) == 0) {
		size_t size = node->count ? 2 * node->count : 1;
		struct yaml_item *items = reallocarray(node->items, size, sizeof(*items));

		if (!items)
			return -ENOMEM;
		node->items = items;
	}
	node->items[node->count++] = (struct yaml_item){key, value};
	return 0;
}

struct yaml_item *yaml_node_item(const struct yaml_node *node, const char *name, size_t len)
{
	for (size_t i = 0; node->shape == YAML_MAPPING && i < node->count; i++) {
		const char *text = node->items[i].key->text;

		if (!strncmp(text, name, len) && !text[len])
			return &node->items[i];
	}
	return NULL;
}

struct yaml_file *yaml_doc_add_file(struct yaml_doc *doc, const char *path)
{
	struct yaml_file *file = calloc(1, sizeof(*file)), **end = &doc->files;

	if (!file || !(file->path = strdup(path))) {
		free(file);
		return NULL;
	}
	while (*end)
		end = &(*end)->next;
	*end = file;
	return file;
}

void yaml_free(struct yaml_doc *doc)
{
	if (!doc)
		return;
	yaml_node_free(doc->root);
	for (struct yaml_file *file = doc->files, *next; file; file = next) {
		next = file->next;
		free(file->path);
		free(file->folder);
		free(file);
	}
	free(doc);
}

struct yaml_node *yaml_root(struct yaml_doc *doc)
{
	return doc->root;
}

char *yaml_whole_path(const struct yaml_node *node, const char *path)
{
	if (*path == '/' || !node->file->folder)
		return strdup(path);
	return path_join(node->file->folder, path);
}

struct yaml_node *yaml_find(struct yaml_node *node, const char *key)
{
	while (node && *key) {
		size_t len = strcspn(key, ".");
		struct yaml_item *item = yaml_node_item(node, key, len);

		node = item ? item->value : NULL;
		key += len + (key[len] == '.');
	}
	return node;
}

struct yaml_node *yaml_find_item(struct yaml_node *node, const char *key, size_t index)
{
	struct yaml_node *list = yaml_find(node, key);

	return list && index < list->count ? list->items[index].value : list;
}

/* "kernel.cmdline" in a mapping: its key; as much of it as there is, and the node itself for none of it. */
static const struct yaml_node *place_of(const struct yaml_node *node, const char *key)
{
	const struct yaml_node *place = node;

	while (key && *key) {
		size_t len = strcspn(key, ".");
		struct yaml_item *item = yaml_node_item(node, key, len);

		if (!item)
			break;
		place = item->key;
		node = item->value;
		key += len + (key[len] == '.');
	}
	return place;
}

void yaml_place(const struct yaml_node *node, char *ret, size_t size)
{
	if (node->line)
		(void)snprintf(ret, size, "%s:%d", node->file->path, node->line);
	else
		(void)snprintf(ret, size, "%s", node->file->path);
}

int yaml_fault(const struct yaml_node *node, const char *key, struct err *err, const char *fmt, ...)
{
	char what[ERR_TEXT_MAX], place[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	yaml_place(place_of(node, key), place, sizeof(place));
	return err_set(err, EINVAL, "%s: %s%s%s", place, key ? key : "", key ? ": " : "", what);
}
