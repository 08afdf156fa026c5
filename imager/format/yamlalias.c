/*
 * Owns what aliases and merge keys ("<<") of a YAML file stand for: copies, put in their place while the file
 * is read. Bounded, since a few lines of aliases can name more than any memory holds.
 */
#include <errno.h>
#include <string.h>

#include "imager/format/yamlpriv.h"

#define COPY_LIMIT (16 << 20) /* bytes of memory that all aliases of a file may stand for */

static int add_copy(
	size_t *copied, const struct yaml_item *item, unsigned depth, struct yaml_node *node, struct err *err)
{
	_cleanup_yaml_node_ struct yaml_node *key = NULL, *value = NULL;
	int n = item->key ? yaml_copy(copied, item->key, depth, &key, err) : 0;

	if (n == 0)
		n = yaml_copy(copied, item->value, depth, &value, err);
	if (n == 0 && yaml_node_add(node, key, value) < 0)
		n = err_oom(err, "YAML");
	if (n == 0)
		key = value = NULL;
	return n;
}

int yaml_copy(
	size_t *copied, const struct yaml_node *from, unsigned depth, struct yaml_node **ret, struct err *err)
{
	_cleanup_yaml_node_ struct yaml_node *node = yaml_node_new(from->shape, from->file, from->line);
	int n = 0;

	*copied += sizeof(*from) + from->count * sizeof(*from->items) + (from->text ? strlen(from->text) : 0);
	if (*copied > COPY_LIMIT)
		return yaml_fault(
			from, NULL, err, "the file's aliases stand for more than %d MiB", COPY_LIMIT >> 20);
	if (depth > YAML_DEPTH_MAX)
		return yaml_fault(from, NULL, err, "nested deeper than %d levels", YAML_DEPTH_MAX);
	if (!node || (from->text && !(node->text = strdup(from->text))) ||
		(from->tag && !(node->tag = strdup(from->tag))))
		return err_oom(err, "YAML");
	for (size_t i = 0; n == 0 && i < from->count; i++)
		n = add_copy(copied, &from->items[i], depth + 1, node, err);
	if (n == 0)
		*ret = TAKE(node);
	return n;
}

/* Adds what the mapping does not have itself. */
static int add_missing(
	size_t *copied, struct yaml_node *node, const struct yaml_node *from, unsigned depth, struct err *err)
{
	int n = 0;

	if (from->shape != YAML_MAPPING)
		return yaml_fault(from, "<<", err, "a mapping or a list of mappings is wanted");
	for (size_t i = 0; n == 0 && i < from->count; i++) {
		const char *name = from->items[i].key->text;

		if (!yaml_node_item(node, name, strlen(name)))
			n = add_copy(copied, &from->items[i], depth + 1, node, err);
	}
	return n;
}

/* The innermost first. */
int yaml_merge_keys(size_t *copied, struct yaml_node *node, unsigned depth, struct err *err)
{
	_cleanup_yaml_node_ struct yaml_node *key = NULL, *merged = NULL;
	struct yaml_item *item = yaml_node_item(node, "<<", 2);
	int n = 0;

	for (size_t i = 0; n == 0 && i < node->count; i++)
		n = yaml_merge_keys(copied, node->items[i].value, depth + 1, err);
	if (n < 0 || !item)
		return n;
	key = item->key;
	merged = item->value;
	memmove(item, item + 1, (size_t)(node->items + node->count - item - 1) * sizeof(*item));
	node->count--;
	if (merged->shape != YAML_SEQUENCE)
		return add_missing(copied, node, merged, depth, err);
	for (size_t i = 0; n == 0 && i < merged->count; i++)
		n = add_missing(copied, node, merged->items[i].value, depth, err);
	return n;
}
