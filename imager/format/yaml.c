/*
 * Owns the reading of YAML by a schema table. The document and the places of its faults are yamldoc.c's; what
 * the keys mean is their readers'.
 */
#include "imager/format/yaml.h"

#include <errno.h>
#include <string.h>

#include "imager/base/buf.h"
#include "imager/base/parse.h"
#include "imager/format/digest.h"
#include "imager/format/yamlpriv.h"

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
	char *copy;

	if (node->shape != YAML_SCALAR)
		return yaml_fault(node, key, err, "a single value is wanted, not a list or mapping");
	copy = strdup(node->text ? node->text : "");
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

static int set_sha256(const char *text, void *field)
{
	struct digest *digest = field;

	return strlen(text) == 2 * sizeof(digest->bytes)
		       ? parse_hex(text, digest->bytes, sizeof(digest->bytes))
		       : -EINVAL;
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
	[YAML_SHA256] = {set_sha256, "64 hex digits as sha256sum prints them"},
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

static int read_path(struct yaml_node *node, const struct yaml_key *k, char **field, struct err *err)
{
	_cleanup_free_ char *text = NULL, *path = NULL;
	int r = yaml_text(node, k->name, &text, err);

	if (r < 0)
		return r;
	if (!*text)
		return yaml_fault(node, k->name, err, "an empty path is not allowed: %s",
			k->allowed ? k->allowed : "a path");
	path = yaml_whole_path(node, text);
	if (!path)
		return err_oom(err, k->name);
	free(*field);
	*field = TAKE(path);
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
	int r = 0;

	if (node->shape == YAML_SCALAR)
		return read_string_into(node, k, field, err);
	if (node->shape != YAML_SEQUENCE)
		return yaml_fault(node, k->name, err, "a list is wanted, not a mapping");
	for (size_t i = 0; r == 0 && i < node->count; i++)
		r = read_string_into(node->items[i].value, k, field, err);
	return r;
}

static int read_list(struct yaml_node *node, const struct yaml_key *k, void *base, struct err *err)
{
	int r = 0;

	if (node->shape != YAML_SEQUENCE)
		return yaml_fault(
			node, k->name, err, "a list is wanted: %s", k->allowed ? k->allowed : "- ITEM");
	for (size_t i = 0; r == 0 && i < node->count; i++)
		r = k->each(node->items[i].value, NULL, base, err);
	return r;
}

int yaml_is_empty(const struct yaml_node *node)
{
	return node->shape == YAML_SCALAR && !node->text;
}

int yaml_read_table(struct yaml_node *node, const struct yaml_key *k, void *base, struct err *err)
{
	if (node->shape != YAML_MAPPING)
		return yaml_fault(node, k->name, err, "a mapping is wanted: %s",
			k->allowed ? k->allowed : "NAME: VALUE");
	for (size_t i = 0; i < node->count; i++) {
		const struct yaml_item *item = &node->items[i];
		int r;

		if (yaml_is_empty(item->value) && !k->may_be_empty)
			return yaml_fault(item->key, item->key->text, err, "has no value");
		r = k->each(item->value, item->key->text, base, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_map(struct yaml_node *node, const struct yaml_key *k, void *field, struct err *err)
{
	if (node->shape != YAML_MAPPING)
		return yaml_fault(node, k->name, err, "a mapping is wanted: %s",
			k->allowed ? k->allowed : "KEY: VALUE");
	return yaml_read_map(node, k->keys, field, err);
}

static int read_value(struct yaml_node *node, const struct yaml_key *k, void *base, struct err *err)
{
	void *field = (char *)base + k->offset;

	switch (k->kind) {
	case YAML_PATH:
		return read_path(node, k, field, err);
	case YAML_STRINGS:
		return read_strings(node, k, field, err);
	case YAML_MAP:
		return read_map(node, k, field, err);
	case YAML_LIST:
		return read_list(node, k, base, err);
	case YAML_INCLUDE:
	case YAML_ELSEWHERE:
		return 0;
	case YAML_TABLE:
		return yaml_read_table(node, k, base, err);
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

static int unknown_key(const struct yaml_node *key, const struct yaml_key *keys, struct err *err)
{
	_cleanup_buf_ struct buf known = {0};

	for (const struct yaml_key *k = keys; k->name; k++)
		if (buf_printf(&known, "%s%s", known.len ? ", " : "", k->name) < 0)
			return err_oom(err, key->text);
	return yaml_fault(
		key, key->text, err, "unknown key; allowed are %s", known.data ? known.data : "none");
}

static int read_pair(const struct yaml_item *item, const struct yaml_key *keys, void *base, struct err *err)
{
	const struct yaml_key *k = find_key(keys, item->key->text);

	if (!k)
		return unknown_key(item->key, keys, err);
	if (yaml_is_empty(item->value))
		return yaml_fault(item->key, k->name, err, "has no value; allowed is %s",
			k->allowed ? k->allowed : "a value");
	return read_value(item->value, k, base, err);
}

int yaml_read_map(struct yaml_node *node, const struct yaml_key *keys, void *base, struct err *err)
{
	if (node->shape != YAML_MAPPING)
		return yaml_fault(node, NULL, err, "a mapping of keys to values is wanted");
	for (size_t i = 0; i < node->count; i++) {
		int r = read_pair(&node->items[i], keys, base, err);

		if (r < 0)
			return r;
	}
	for (const struct yaml_key *k = keys; k->name; k++)
		if (k->required && !yaml_node_item(node, k->name, strlen(k->name)))
			return yaml_fault(node, k->name, err, "is missing; wanted is %s",
				k->allowed ? k->allowed : "a value");
	return 0;
}

void yaml_release_map(const struct yaml_key *keys, void *base)
{
	for (const struct yaml_key *k = keys; k->name; k++) {
		void *field = (char *)base + k->offset;

		switch (k->kind) {
		case YAML_STRING:
		case YAML_NAME:
		case YAML_PATH:
			free(*(char **)field);
			*(char **)field = NULL;
			break;
		case YAML_STRINGS:
			yaml_strings_release(field);
			break;
		case YAML_MAP:
			yaml_release_map(k->keys, field);
			break;
		default:
			break;
		}
	}
}
