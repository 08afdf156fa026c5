/* Owns hostlists: text to names and back. What the names stand for is the caller's. */
#include "imager/base/hostlist.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/base/parse.h"

#define NAME_LIMIT  64
#define WIDTH_LIMIT 9 /* digits of a number */

void hostlist_release(struct hostlist *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->names[i]);
	free(l->names);
	*l = (struct hostlist){0};
}

int hostlist_has(const struct hostlist *l, const char *name)
{
	for (size_t i = 0; i < l->count; i++)
		if (!strcmp(l->names[i], name))
			return 1;
	return 0;
}

/* ---- reading ---- */

static int add_name(struct hostlist *l, const char *name, struct err *err)
{
	char **names;

	if (parse_name(name) < 0)
		return err_set(err, EINVAL, "'%s' is no name of a host", name);
	if (l->count == HOSTLIST_MAX)
		return err_set(err, E2BIG, "more than %d hosts", HOSTLIST_MAX);
	names = realloc(l->names, (l->count + 1) * sizeof(*names));
	if (!names)
		return err_oom(err, "a hostlist");
	l->names = names;
	names[l->count] = strdup(name);
	if (!names[l->count])
		return err_oom(err, "a hostlist");
	l->count++;
	return 0;
}

/* One item of a list: what stands around the bracket, and the bracket's text (NULL: none). */
struct item {
	char prefix[NAME_LIMIT], suffix[NAME_LIMIT];
	char *ranges;
};

static int add_range(struct hostlist *l, const struct item *item, char *range, struct err *err)
{
	char *last = strchr(range, '-'), name[3 * NAME_LIMIT];
	uint64_t from, to;
	size_t width;

	if (last)
		*last++ = '\0';
	width = strlen(range);
	if (width > WIDTH_LIMIT || parse_u64(range, &from) < 0 || (last && strlen(last) > WIDTH_LIMIT) ||
		parse_u64(last ? last : range, &to) < 0 || to < from)
		return err_set(err, EINVAL, "'%s%s%s' in brackets is no number or range", range,
			last ? "-" : "", last ? last : "");
	for (uint64_t i = from; i <= to; i++) {
		int r;

		(void)snprintf(
			name, sizeof(name), "%s%0*" PRIu64 "%s", item->prefix, (int)width, i, item->suffix);
		r = add_name(l, name, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_item(struct hostlist *l, char *text, struct err *err)
{
	char *open = strchr(text, '['), *close = open ? strchr(open, ']') : NULL, *range;
	struct item item = {0};

	if (!open)
		return add_name(l, text, err);
	if (!close || strchr(close + 1, '[') || strlen(text) >= 65536)
		return err_set(err, EINVAL, "'%s': one pair of brackets is allowed", text);
	*open = *close = '\0';
	if (strlen(text) >= NAME_LIMIT || strlen(close + 1) >= NAME_LIMIT)
		return err_set(err, EINVAL, "'%.64s' is too long for the name of a host", text);
	(void)snprintf(item.prefix, sizeof(item.prefix), "%s", text);
	(void)snprintf(item.suffix, sizeof(item.suffix), "%s", close + 1);
	item.ranges = open + 1;
	while ((range = strsep(&item.ranges, ","))) {
		int r = add_range(l, &item, range, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* The end of an item: the next comma outside of brackets. */
static char *item_end(char *text)
{
	int depth = 0;

	for (; *text; text++) {
		if (*text == '[')
			depth++;
		else if (*text == ']')
			depth--;
		else if (*text == ',' && depth <= 0)
			break;
	}
	return text;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Drops what was named before; by a sorted copy, as lists may be long. */
static int drop_repeated(struct hostlist *l, struct err *err)
{
	_cleanup_free_ char **sorted = malloc((l->count + 1) * sizeof(*sorted));
	size_t kept = 0;
	int repeated = 0;

	if (!sorted)
		return err_oom(err, "a hostlist");
	memcpy(sorted, l->names, l->count * sizeof(*sorted));
	qsort(sorted, l->count, sizeof(*sorted), compare_names);
	for (size_t i = 1; i < l->count; i++)
		repeated |= !strcmp(sorted[i - 1], sorted[i]);
	for (size_t i = 0; repeated && i < l->count; i++) {
		struct hostlist before = {l->names, kept};

		if (hostlist_has(&before, l->names[i]))
			free(l->names[i]);
		else
			l->names[kept++] = l->names[i];
	}
	if (repeated)
		l->count = kept;
	return 0;
}

int hostlist_parse(const char *text, struct hostlist *ret, struct err *err)
{
	_cleanup_hostlist_ struct hostlist l = {0};
	_cleanup_free_ char *copy = strdup(text);
	int r = 0;

	if (!copy)
		return err_oom(err, "a hostlist");
	for (char *p = copy; r == 0;) {
		char *end = item_end(p);
		int more = *end == ',';

		*end = '\0';
		r = add_item(&l, p, err);
		if (!more)
			break;
		p = end + 1;
	}
	if (r == 0)
		r = drop_repeated(&l, err);
	if (r < 0)
		return r;
	*ret = l;
	l = (struct hostlist){0};
	return 0;
}

/* ---- writing ---- */

/* A name as prefix and the number it ends with; no number: width 0. */
struct split {
	size_t prefix, width;
	uint64_t number;
};

static struct split split_name(const char *name)
{
	size_t len = strlen(name), start = len;
	struct split s = {.prefix = len};

	while (start > 0 && len - start < WIDTH_LIMIT && name[start - 1] >= '0' && name[start - 1] <= '9')
		start--;
	if (start < len && start > 0 && parse_u64(name + start, &s.number) == 0) {
		s.prefix = start;
		s.width = len - start;
	}
	return s;
}

static int same_series(const char *a, const char *b)
{
	struct split x = split_name(a), y = split_name(b);

	return x.width && x.width == y.width && x.prefix == y.prefix && !memcmp(a, b, x.prefix);
}

/* Names [first, end) are one series: "n[001-003,007]". */
static int format_series(char *const *names, size_t count, struct buf *ret)
{
	struct split s = split_name(names[0]);
	int r = buf_printf(ret, "%.*s[", (int)s.prefix, names[0]);

	for (size_t i = 0, end; r == 0 && i < count; i = end) {
		uint64_t from = split_name(names[i]).number, to = from;

		for (end = i + 1; end < count && split_name(names[end]).number == to + 1; end++)
			to++;
		r = buf_printf(ret, "%s%0*" PRIu64, i ? "," : "", (int)s.width, from);
		if (r == 0 && to > from)
			r = buf_printf(ret, "-%0*" PRIu64, (int)s.width, to);
	}
	return r == 0 ? buf_puts(ret, "]") : r;
}

int hostlist_format(const struct hostlist *l, struct buf *ret)
{
	_cleanup_free_ char **names = malloc((l->count + 1) * sizeof(*names));
	int r = names ? 0 : -ENOMEM;

	if (names && l->count)
		memcpy(names, l->names, l->count * sizeof(*names));
	if (names)
		qsort(names, l->count, sizeof(*names), compare_names);
	for (size_t i = 0, end; r == 0 && i < l->count; i = end) {
		for (end = i + 1; end < l->count && same_series(names[i], names[end]); end++)
			;
		if (i)
			r = buf_puts(ret, ",");
		if (r == 0)
			r = end - i > 1 ? format_series(names + i, end - i, ret) : buf_puts(ret, names[i]);
	}
	return r;
}
