/* Owns the iPXE templates and the filling in of their placeholders. Who gets which is decided in boot.c. */
#include "seeder/ipxe.h"

#include <errno.h>
#include <string.h>

/* The file as it is, with a NUL after it. */
#define EMBED(name, file)                                                                                    \
	__asm__(".pushsection .rodata\n.global " #name "\n" #name ":\n.incbin \"" file                       \
		"\"\n.byte 0\n.popsection\n")

EMBED(ipxe_entry, "ipxe/entry.ipxe");
EMBED(ipxe_node, "ipxe/node.ipxe");
EMBED(ipxe_wait, "ipxe/wait.ipxe");

static int check_value(const struct ipxe_value *v, struct err *err)
{
	for (const char *p = v->value; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			return err_set(err, EINVAL, "iPXE script: %s holds a character that is not allowed",
				v->name);
	return 0;
}

static int is_named(const struct ipxe_value *v, const char *name, size_t len)
{
	return strlen(v->name) == len && memcmp(v->name, name, len) == 0;
}

/* The value, or the one of that number where there are several. */
static const struct ipxe_value *find_value(
	const struct ipxe_value *values, const char *name, size_t len, size_t number)
{
	const struct ipxe_value *found = NULL;

	for (; values->name; values++) {
		if (!is_named(values, name, len))
			continue;
		found = values;
		if (number-- == 0)
			break;
	}
	return found;
}

static size_t count_values(const struct ipxe_value *values, const char *name, size_t len)
{
	size_t count = 0;

	for (; values->name; values++)
		count += is_named(values, name, len) != 0;
	return count;
}

/* One line of a template, with the placeholders in it. */
struct line {
	const char *text;
	size_t len;
};

/* The next placeholder at or behind *at, without its braces, *at moved behind it. 1, 0 for none, -EINVAL. */
static int next_placeholder(const struct line *line, size_t *at, struct line *ret, struct err *err)
{
	const char *open = memmem(line->text + *at, line->len - *at, "{{", 2), *end;

	if (!open)
		return 0;
	open += 2;
	end = memmem(open, line->len - (size_t)(open - line->text), "}}", 2);
	if (!end)
		return err_set(err, EINVAL, "iPXE script: '{{' without '}}'");
	*ret = (struct line){open, (size_t)(end - open)};
	*at = (size_t)(end + 2 - line->text);
	return 1;
}

/* How often the line stands in the script. */
static int count_lines(const struct line *line, const struct ipxe_value *values, size_t *ret, struct err *err)
{
	struct line name;
	size_t at = 0;
	int r;

	*ret = 1;
	while ((r = next_placeholder(line, &at, &name, err)) == 1) {
		size_t count = count_values(values, name.text, name.len);

		if (count > *ret)
			*ret = count;
	}
	return r;
}

static int add_value(const struct line *name, const struct ipxe_value *values, size_t number, struct buf *ret,
	struct err *err)
{
	const struct ipxe_value *v = find_value(values, name->text, name->len, number);
	int r;

	if (!v)
		return err_set(err, EINVAL, "iPXE script: nothing is known for {{%.*s}}", (int)name->len,
			name->text);
	r = check_value(v, err);
	if (r < 0)
		return r;
	return buf_puts(ret, v->value) < 0 ? err_oom(err, "an iPXE script") : 0;
}

static int add_line(const struct line *line, const struct ipxe_value *values, size_t number, struct buf *ret,
	struct err *err)
{
	struct line name;
	size_t at = 0, before = 0;
	int r;

	while ((r = next_placeholder(line, &at, &name, err)) == 1) {
		size_t plain = (size_t)(name.text - 2 - line->text) - before;

		if (buf_add(ret, line->text + before, plain) < 0)
			return err_oom(err, "an iPXE script");
		r = add_value(&name, values, number, ret, err);
		if (r < 0)
			return r;
		before = at;
	}
	if (r == 0 && buf_add(ret, line->text + before, line->len - before) < 0)
		return err_oom(err, "an iPXE script");
	return r;
}

int ipxe_render(const char *template, const struct ipxe_value *values, struct buf *ret, struct err *err)
{
	int r = buf_add(ret, "", 0) < 0 ? err_oom(err, "an iPXE script") : 0;

	while (r == 0 && *template) {
		struct line line = {template, strcspn(template, "\n")};
		size_t count;

		line.len += template[line.len] == '\n';
		r = count_lines(&line, values, &count, err);
		for (size_t i = 0; r == 0 && i < count; i++)
			r = add_line(&line, values, i, ret, err);
		template += line.len;
	}
	return r;
}
