/*
 * Owns how a YAML tree is written: as YAML that reads back as the same tree, with each value's place as a
 * comment if that is wanted, and as JSON.
 */
#include <errno.h>
#include <string.h>

#include "imager/format/yamljson.h"
#include "imager/format/yamlpriv.h"

struct printer {
	struct buf *text;
	int places;
	const char *without; /* a key of the root */
};

/* ---- single values ---- */

/* Nothing in it can mean anything to YAML, in whatever place outside of [] and {}. */
static int is_plain(const char *text)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_";
	size_t len = strlen(text);

	return len && strchr(first, *text) &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "0123456789/_.+=@%~^,:*-") == len &&
	       text[len - 1] != ':';
}

/*
 * Characters that a quoted text cannot hold as they are: controls, and those that YAML takes for line breaks
 * or a byte order mark. Gives their length in bytes, 0 for none; the code point in *ret.
 */
static size_t special_at(const char *text, unsigned *ret)
{
	static const struct {
		const char *bytes;
		unsigned code;
	} rows[] = {{"\xe2\x80\xa8", 0x2028}, {"\xe2\x80\xa9", 0x2029}, {"\xef\xbb\xbf", 0xfeff}};
	const unsigned char *c = (const unsigned char *)text;

	*ret = *c;
	if (*c < ' ' || *c == 0x7f)
		return 1;
	if (*c == 0xc2 && c[1] >= 0x80 && c[1] <= 0xa0) {
		*ret = c[1];
		return 2;
	}
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strncmp(text, rows[i].bytes, strlen(rows[i].bytes))) {
			*ret = rows[i].code;
			return strlen(rows[i].bytes);
		}
	return 0;
}

/* Lines that can stand as they are below "|": text of several lines, the first of them not indented. */
static int is_block(const char *text)
{
	unsigned code;

	if (!strchr(text, '\n') || strchr(" \t\n", *text))
		return 0;
	for (const char *c = text; *c; c++)
		if (*c != '\n' && *c != '\t' && special_at(c, &code))
			return 0;
	return 1;
}

static int add_quoted(struct buf *b, const char *text)
{
	int r = buf_puts(b, "\"");

	while (r == 0 && *text) {
		unsigned code;
		size_t len = special_at(text, &code);

		if (*text == '\n')
			r = buf_puts(b, "\\n");
		else if (*text == '\t')
			r = buf_puts(b, "\\t");
		else if (len)
			r = code > 0xff ? buf_printf(b, "\\u%04x", code) : buf_printf(b, "\\x%02x", code);
		else
			r = buf_printf(b, "%s%c", strchr("\"\\", *text) ? "\\" : "", *text);
		text += len ? len : 1;
	}
	return r < 0 ? r : buf_puts(b, "\"");
}

static int add_indent(struct buf *b, unsigned depth)
{
	return buf_printf(b, "%*s", (int)(2 * depth), "");
}

static int add_lines(struct buf *b, unsigned depth, const char *text)
{
	int r = 0;

	while (r == 0 && *text) {
		size_t len = strcspn(text, "\n");

		r = len ? add_indent(b, depth) : 0;
		if (r == 0)
			r = buf_add(b, text, len);
		if (r == 0)
			r = buf_puts(b, "\n");
		text += len + (text[len] == '\n');
	}
	return r;
}

/* "|" keeps one line break at the end, "|-" none, "|+" all. */
static const char *block_mark(const char *text)
{
	size_t len = strlen(text);

	if (text[len - 1] != '\n')
		return "|-";
	return len > 1 && text[len - 2] == '\n' ? "|+" : "|";
}

/* ---- the tree ---- */

/* A path could hold a line break, which would end the comment. */
static int end_line(struct printer *p, const struct yaml_node *node)
{
	char place[ERR_TEXT_MAX];

	if (!p->places)
		return buf_puts(p->text, "\n");
	yaml_place(node, place, sizeof(place));
	for (char *c = place; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return buf_printf(p->text, "  # %s\n", place);
}

static int add_scalar(struct printer *p, const struct yaml_node *node, unsigned depth)
{
	const char *text = node->text;
	int block = text && is_block(text), r;

	if (!text)
		return end_line(p, node);
	r = buf_puts(p->text, " ");
	if (r == 0 && block)
		r = buf_puts(p->text, block_mark(text));
	else if (r == 0)
		r = is_plain(text) ? buf_puts(p->text, text) : add_quoted(p->text, text);
	if (r == 0)
		r = end_line(p, node);
	return r == 0 && block ? add_lines(p->text, depth, text) : r;
}

static int add_items(struct printer *p, const struct yaml_node *node, unsigned depth, int in_line);

/* What follows "key:" or "-". */
static int add_value(struct printer *p, const struct yaml_node *node, unsigned depth, int after_dash)
{
	int r;

	if (node->shape == YAML_SCALAR)
		return add_scalar(p, node, depth);
	if (!node->count) {
		r = buf_puts(p->text, node->shape == YAML_MAPPING ? " {}" : " []");
		return r < 0 ? r : end_line(p, node);
	}
	if (after_dash && node->shape == YAML_MAPPING) {
		r = buf_puts(p->text, " ");
		return r < 0 ? r : add_items(p, node, depth, 1);
	}
	r = buf_puts(p->text, "\n");
	return r < 0 ? r : add_items(p, node, depth, 0);
}

/* in_line: the first item goes on where the line is. */
static int add_items(struct printer *p, const struct yaml_node *node, unsigned depth, int in_line)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < node->count; i++) {
		const struct yaml_item *item = &node->items[i];

		if (depth == 0 && item->key && p->without && !strcmp(item->key->text, p->without))
			continue;
		if (!in_line || i)
			r = add_indent(p->text, depth);
		if (r == 0 && !item->key)
			r = buf_puts(p->text, "-");
		else if (r == 0)
			r = is_plain(item->key->text) ? buf_puts(p->text, item->key->text)
						      : add_quoted(p->text, item->key->text);
		if (r == 0 && item->key)
			r = buf_puts(p->text, ":");
		if (r == 0)
			r = add_value(p, item->value, depth + 1, !item->key);
	}
	return r;
}

int yaml_print(const struct yaml_node *node, int places, const char *without, struct buf *ret)
{
	struct printer p = {.text = ret, .places = places, .without = without};

	if (node->shape != YAML_SCALAR && node->count)
		return add_items(&p, node, 0, 0);
	return add_value(&p, node, 0, 0);
}
