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

static int add_value(
	const char *name, size_t len, const struct ipxe_value *values, struct buf *ret, struct err *err)
{
	for (; values->name; values++) {
		int r;

		if (strlen(values->name) != len || memcmp(values->name, name, len) != 0)
			continue;
		r = check_value(values, err);
		if (r < 0)
			return r;
		return buf_puts(ret, values->value) < 0 ? err_oom(err, "an iPXE script") : 0;
	}
	return err_set(err, EINVAL, "iPXE script: nothing is known for {{%.*s}}", (int)len, name);
}

int ipxe_render(const char *template, const struct ipxe_value *values, struct buf *ret, struct err *err)
{
	for (;;) {
		const char *open = strstr(template, "{{"), *end;
		size_t before = open ? (size_t)(open - template) : strlen(template);
		int r;

		if (buf_add(ret, template, before) < 0)
			return err_oom(err, "an iPXE script");
		if (!open)
			return 0;
		end = strstr(open, "}}");
		if (!end)
			return err_set(err, EINVAL, "iPXE script: '{{' without '}}'");
		r = add_value(open + 2, (size_t)(end - open - 2), values, ret, err);
		if (r < 0)
			return r;
		template = end + 2;
	}
}
