/* Owns the package list of a tree: dpkg's status file in, sorted JSON out. */
#include "imager/packages.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/intree.h"

#define STATUS_PATH  "/var/lib/dpkg/status"
#define STATUS_LIMIT ((size_t)64 << 20)

struct package {
	const char *name, *version, *arch;
	int installed;
};

struct packages {
	struct package *items;
	size_t count;
};

static void packages_release(struct packages *p)
{
	free(p->items);
}
#define _cleanup_packages_ _cleanup_(packages_release)

/* "Field: value" of the line, NULL if it is another field. */
static const char *field(const char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncmp(line, name, len) != 0 || line[len] != ':')
		return NULL;
	return line + len + 1 + strspn(line + len + 1, " \t");
}

static void take_line(struct package *p, const char *line)
{
	const struct {
		const char *name, **value;
	} fields[] = {{"Package", &p->name}, {"Version", &p->version}, {"Architecture", &p->arch}};
	const char *status = field(line, "Status");

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const char *value = field(line, fields[i].name);

		if (value)
			*fields[i].value = value;
	}
	if (status)
		p->installed =
			!strcmp(status, "install ok installed") || !strcmp(status, "hold ok installed");
}

static int end_stanza(struct packages *all, struct package *p)
{
	struct package *items;

	if (p->installed && p->name && p->version) {
		items = reallocarray(all->items, all->count + 1, sizeof(*items));
		if (!items)
			return -ENOMEM;
		all->items = items;
		items[all->count++] = *p;
	}
	*p = (struct package){0};
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct package *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r ? r : strcmp(x->arch ? x->arch : "", y->arch ? y->arch : "");
}

static int add_json(struct buf *ret, const struct package *p, int is_last)
{
	json_t *object = json_pack(
		"{s:s, s:s, s:s}", "name", p->name, "version", p->version, "arch", p->arch ? p->arch : "");
	_cleanup_free_ char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	/* Not UTF-8: nothing that dpkg would have taken. */
	return text ? buf_printf(ret, "%s%s\n", text, is_last ? "" : ",") : -EINVAL;
}

int packages_format(char *status, struct buf *ret, uint64_t *ret_count)
{
	_cleanup_packages_ struct packages all = {0};
	struct package current = {0};
	char *rest = status;
	int r = 0;

	for (char *line; r >= 0 && (line = strsep(&rest, "\n"));) {
		if (*line)
			take_line(&current, line);
		else
			r = end_stanza(&all, &current);
	}
	if (r >= 0)
		r = end_stanza(&all, &current);
	if (all.count)
		qsort(all.items, all.count, sizeof(*all.items), by_name);
	if (r >= 0)
		r = buf_puts(ret, all.count ? "[\n" : "[");
	for (size_t i = 0; r >= 0 && i < all.count; i++)
		r = add_json(ret, &all.items[i], i + 1 == all.count);
	if (r >= 0)
		r = buf_puts(ret, "]\n");
	if (r >= 0)
		*ret_count = all.count;
	return r;
}

int packages_list(const char *root, struct buf *ret, uint64_t *ret_count, struct err *err)
{
	_cleanup_close_ int fd = intree_root(root, err);
	_cleanup_free_ char *status = NULL;
	int r = fd < 0 ? fd : intree_read(fd, STATUS_PATH, STATUS_LIMIT, &status, NULL);

	if (fd < 0)
		return fd;
	if (r < 0 && r != -ENOENT)
		return err_path(err, -r, STATUS_PATH);
	if (!status && !(status = strdup("")))
		return err_oom(err, STATUS_PATH);
	r = packages_format(status, ret, ret_count);
	return r < 0 ? err_set(err, -r, STATUS_PATH ": cannot be listed: %s", strerror(-r)) : 0;
}
