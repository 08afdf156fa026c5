/* Owns the reading of a lock file, which may be anyone's: every text in it is checked before it is used. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "imager/base/io.h"
#include "imager/format/json.h"
#include "imager/source/lock.h"

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* A part of a file's name, and an argument: no '/', no '-' in front. */
static int check_word(const char *text)
{
	size_t len = strlen(text);

	return len && len < 200 && strchr(ALNUM, *text) && !text[strspn(text, ALNUM "+-.:~^_")];
}

/* What apt is asked for has '=' and '/' too. */
static int check_wanted(const char *text)
{
	size_t len = strlen(text);

	return len && len < 400 && strchr(ALNUM, *text) && !text[strspn(text, ALNUM "+-.:~^_=/*")];
}

/* A line of a program's input: printable, and a scheme in front. */
static int check_uri(const char *text)
{
	size_t scheme = strspn(text, "abcdefghijklmnopqrstuvwxyz+");

	if (!scheme || text[scheme] != ':' || strlen(text) > 2000)
		return 0;
	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p > '~' || strchr("'\"\\`$", *p))
			return 0;
	return 1;
}

static const struct key {
	const char *name;
	int (*check)(const char *text);
	size_t offset;
	int is_wanted;
} head_keys[] =
	{
		{"source", check_word, offsetof(struct lock, source), 1},
		{"suite", check_word, offsetof(struct lock, suite), 0},
		{"variant", check_word, offsetof(struct lock, variant), 0},
		{"arch", check_word, offsetof(struct lock, arch), 0},
},
  package_keys[] = {
	  {"name", check_word, offsetof(struct lock_package, name), 1},
	  {"version", check_word, offsetof(struct lock_package, version), 1},
	  {"arch", check_word, offsetof(struct lock_package, arch), 1},
	  {"uri", check_uri, offsetof(struct lock_package, uri), 0},
};

struct place {
	const char *from; /* the file */
	size_t line;      /* of the package list, from 1; 0: not in it */
	struct err *err;
};

static int fault(const struct place *at, const char *key)
{
	if (at->line)
		return err_set(at->err, EINVAL,
			"%s: package %zu: '%s' is missing or not what a lock file has there", at->from,
			at->line, key);
	return err_set(
		at->err, EINVAL, "%s: '%s' is missing or not what a lock file has there", at->from, key);
}

/* Each text is a copy. */
static int read_keys(const struct place *at, json_t *object, const struct key *keys, size_t count, void *base)
{
	for (size_t i = 0; i < count; i++) {
		char **field = (char **)((char *)base + keys[i].offset);
		json_t *value = json_object_get(object, keys[i].name);
		const char *text = json_string_value(value);

		if (!value && !keys[i].is_wanted)
			continue;
		if (!text || strlen(text) != json_string_length(value) || !keys[i].check(text))
			return fault(at, keys[i].name);
		*field = strdup(text);
		if (!*field)
			return err_oom(at->err, at->from);
	}
	return 0;
}

static int read_digest(const struct place *at, json_t *object, const char *key, struct digest *ret)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && digest_parse(text, ret) == 0 ? 0 : fault(at, key);
}

static int read_package(const struct place *at, json_t *object, struct lock *l)
{
	_cleanup_(lock_package_release) struct lock_package p = {0};
	int r = read_keys(at, object, package_keys, ARRAY_SIZE(package_keys), &p);

	if (r < 0)
		return r;
	if (p.uri) {
		json_int_t size = json_integer_value(json_object_get(object, "size"));

		if (size <= 0)
			return fault(at, "size");
		p.size = (uint64_t)size;
		r = read_digest(at, object, "digest", &p.digest);
		if (r < 0)
			return r;
	}
	return lock_add(l, &p) < 0 ? err_oom(at->err, at->from) : 0;
}

static int read_lists(struct place *at, json_t *root, struct lock *l)
{
	json_t *wanted = json_object_get(root, "wanted"), *packages = json_object_get(root, "packages"),
	       *item;
	size_t i;

	if (!json_is_array(wanted))
		return fault(at, "wanted");
	json_array_foreach(wanted, i, item)
	{
		const char *text = json_string_value(item);

		if (!text || strlen(text) != json_string_length(item) || !check_wanted(text))
			return fault(at, "wanted");
		if (lock_want(l, text) < 0)
			return err_oom(at->err, at->from);
	}
	if (!json_is_array(packages))
		return fault(at, "packages");
	json_array_foreach(packages, i, item)
	{
		int r;

		at->line = i + 1;
		r = read_package(at, item, l);
		if (r < 0)
			return r;
	}
	lock_sort(l);
	return 0;
}

static int read_lock(struct place *at, json_t *root, struct lock *l)
{
	const char *format = json_string_value(json_object_get(root, "format"));
	int r;

	if (!format || strcmp(format, LOCK_FORMAT) != 0)
		return err_set(
			at->err, EINVAL, "%s: no lock file ('format' is not " LOCK_FORMAT ")", at->from);
	r = read_keys(at, root, head_keys, ARRAY_SIZE(head_keys), l);
	if (r == 0 && json_object_get(root, "input")) {
		l->has_input = 1;
		r = read_digest(at, root, "input", &l->input);
	}
	return r < 0 ? r : read_lists(at, root, l);
}

int lock_parse(const char *text, size_t len, const char *from, struct lock **ret, struct err *err)
{
	struct place at = {.from = from, .err = err};
	_cleanup_lock_ struct lock *l = calloc(1, sizeof(*l));
	json_error_t error;
	_cleanup_json_ json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	int r;

	if (!l)
		return err_oom(err, from);
	if (!root)
		return err_set(err, EINVAL, "%s:%d: no lock file: %s", from, error.line, error.text);
	r = read_lock(&at, root, l);
	if (r == 0)
		*ret = TAKE(l);
	return r;
}

int lock_read(const char *path, struct lock **ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = read_file(path, LOCK_LIMIT, &text, &len, err);

	return r < 0 ? r : lock_parse(text, len, path, ret, err);
}
