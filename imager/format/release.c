/*
 * Owns the release manifest: one table is the format, read for writing and for parsing alike. Knows nothing
 * of signatures (trust.c) or of where manifests are kept (store.c).
 */
#include "imager/format/release.h"

#include <errno.h>
#include <string.h>

#include "imager/base/parse.h"
#include "imager/format/json.h"

#define FORMAT_NUMBER 1

enum kind { KIND_NUMBER, KIND_TEXT, KIND_DIGEST, KIND_HEX };

struct field {
	const char *object; /* the object it is in, "a" or "a.b"; NULL: the manifest itself */
	const char *key;
	enum kind kind;
	size_t offset;
	size_t size;                     /* KIND_TEXT: bytes of the field, with the NUL */
	int (*check)(const char *value); /* KIND_TEXT: 0 or negative */
	const char *allowed;             /* KIND_TEXT: what check allows */
	json_int_t min;                  /* KIND_NUMBER */
	/* It, or its object, may be missing; it is written if the number at `when` is not 0. */
	int optional;
	size_t when;
};

/* uname -r; it becomes the name of a folder. */
static int check_kernel_release(const char *value)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+~-";

	return !*value || *value == '.' || value[strspn(value, allowed)] ? -EINVAL : 0;
}

/* Goes into boot scripts, where a line break would begin another command. */
static int check_cmdline(const char *value)
{
	for (; *value; value++)
		if (*value < 0x20 || *value > 0x7e)
			return -EINVAL;
	return 0;
}

static int check_text(const char *value)
{
	for (; *value; value++)
		if ((unsigned char)*value < 0x20 || *value == 0x7f)
			return -EINVAL;
	return 0;
}

#define NAME_ALLOWED "1 to 63 of a-z 0-9 . _ -"
#define MEMBER(m)    .offset = offsetof(struct release, m)
#define TEXT(m)      .kind = KIND_TEXT, MEMBER(m), .size = sizeof(((struct release *)NULL)->m)
#define PART(name, m)                                                                                        \
	{name, "digest", .kind = KIND_DIGEST, MEMBER(m.digest)},                                             \
	{                                                                                                    \
		name, "size", .kind = KIND_NUMBER, MEMBER(m.size)                                            \
	}

#define OPTIONAL(m)     .optional = 1, .when = offsetof(struct release, m)
#define VERITY(name, m) "root.verity", name, MEMBER(verity.m), OPTIONAL(verity.data_size)

static const struct field fields[] = {
	{NULL, "profile", TEXT(profile), .check = parse_name, .allowed = NAME_ALLOWED},
	{NULL, "sequence", .kind = KIND_NUMBER, MEMBER(sequence), .min = 1},
	{NULL, "version", TEXT(version), .check = check_text, .allowed = "text without control characters"},
	{NULL, "arch", TEXT(arch), .check = parse_name, .allowed = NAME_ALLOWED},
	{NULL, "created", .kind = KIND_NUMBER, MEMBER(created)},
	{NULL, "source", .kind = KIND_DIGEST, MEMBER(source)},
	{NULL, "overlay_limit", .kind = KIND_NUMBER, MEMBER(overlay_limit)},
	{NULL, "memory_reserve", .kind = KIND_NUMBER, MEMBER(memory_reserve), OPTIONAL(memory_reserve)},
	{"kernel", "release", TEXT(kernel_release), .check = check_kernel_release,
		.allowed = "letters, digits and . _ + ~ -"},
	PART("kernel", kernel),
	{"kernel", "cmdline", TEXT(cmdline), .check = check_cmdline, .allowed = "printable ASCII"},
	PART("initramfs", initramfs),
	PART("root", root),
	{VERITY("root_hash", root_hash), .kind = KIND_HEX},
	{VERITY("salt", salt), .kind = KIND_HEX},
	{VERITY("data_size", data_size), .kind = KIND_NUMBER, .min = 1},
	{VERITY("hash_offset", hash_offset), .kind = KIND_NUMBER, .min = 1},
	PART("packages", packages),
	{"packages", "count", .kind = KIND_NUMBER, MEMBER(package_count)},
};

/* ---- writing ---- */

static json_t *field_json(const struct field *f, const struct release *r)
{
	const char *value = (const char *)r + f->offset;
	char digest[DIGEST_TEXT_SIZE];

	switch (f->kind) {
	case KIND_NUMBER:
		return json_integer((json_int_t) * (const uint64_t *)(const void *)value);
	case KIND_TEXT:
		return json_string(value);
	case KIND_DIGEST:
		digest_format((const struct digest *)value, digest);
		return json_string(digest);
	case KIND_HEX:
		digest_hex((const struct digest *)value, digest);
		return json_string(digest);
	}
	return NULL;
}

/* Borrowed from root. */
static json_t *make_object(json_t *root, const char *name)
{
	if (!json_object_get(root, name) && json_object_set_new(root, name, json_object()) < 0)
		return NULL;
	return json_object_get(root, name);
}

/* The object by its name, borrowed; NULL: missing (find), or no memory (make_object). */
static json_t *object_of(json_t *root, const char *name, json_t *(*step)(json_t *object, const char *name))
{
	char first[RELEASE_NAME_SIZE];
	size_t len = name ? strcspn(name, ".") : 0;

	if (!name)
		return root;
	(void)snprintf(first, sizeof(first), "%.*s", (int)len, name);
	root = step(root, first);
	return root && name[len] ? step(root, name + len + 1) : root;
}

static int add_fields(json_t *root, const struct release *r)
{
	if (json_object_set_new(root, "format", json_integer(FORMAT_NUMBER)) < 0)
		return -ENOMEM;
	for (const struct field *f = fields; f < fields + ARRAY_SIZE(fields); f++) {
		json_t *object;

		if (f->optional && !*(const uint64_t *)(const void *)((const char *)r + f->when))
			continue;
		object = object_of(root, f->object, make_object);
		if (!object || json_object_set_new(object, f->key, field_json(f, r)) < 0)
			return -ENOMEM;
	}
	return 0;
}

int release_format(const struct release *r, struct buf *ret)
{
	_cleanup_json_ json_t *root = json_object();
	_cleanup_buf_ struct buf text = {0};

	if (!root || add_fields(root, r) < 0 || json_add_text(root, JSON_COMPACT, &text) < 0)
		return -ENOMEM;
	buf_move(ret, &text);
	return 0;
}

/* ---- parsing ---- */

static int fault(const struct field *f, struct err *err, const char *what, const char *allowed)
{
	return err_set(err, EBADMSG, "release manifest: %s%s%s: %s%s", f->object ? f->object : "",
		f->object ? "." : "", f->key, what, allowed);
}

static int read_number(const struct field *f, const json_t *value, struct release *r, struct err *err)
{
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value))
		return fault(f, err, "not a whole number", "");
	if (number < f->min || number > (json_int_t)RELEASE_NUMBER_MAX)
		return fault(f, err, "out of range", f->min ? " 1 to 2^53" : " 0 to 2^53");
	*(uint64_t *)(void *)((char *)r + f->offset) = (uint64_t)number;
	return 0;
}

static int read_text(const struct field *f, const json_t *value, struct release *r, struct err *err)
{
	const char *text = json_string_value(value);

	if (!text)
		return fault(f, err, "not a string", "");
	if (strlen(text) >= f->size)
		return fault(f, err, "too long", "");
	if (f->check(text) < 0)
		return fault(f, err, "not allowed; allowed: ", f->allowed);
	memcpy((char *)r + f->offset, text, strlen(text) + 1);
	return 0;
}

static int read_digest(const struct field *f, const json_t *value, struct release *r, struct err *err)
{
	const char *text = json_string_value(value);

	if (!text || digest_parse(text, (struct digest *)(void *)((char *)r + f->offset)) < 0)
		return fault(f, err, "not a digest; allowed: ", "sha256: and 64 lower case hex digits");
	return 0;
}

/* 32 bytes as veritysetup spells them. */
static int read_hex(const struct field *f, const json_t *value, struct release *r, struct err *err)
{
	struct digest *d = (struct digest *)(void *)((char *)r + f->offset);
	const char *text = json_string_value(value);

	if (!text || text[strspn(text, "0123456789abcdef")] ||
		parse_hex(text, d->bytes, sizeof(d->bytes)) < 0)
		return fault(f, err, "not allowed; allowed: ", "64 lower case hex digits");
	return 0;
}

static json_t *find_object(json_t *object, const char *name)
{
	return json_object_get(object, name);
}

static int read_field(const struct field *f, json_t *root, struct release *r, struct err *err)
{
	const json_t *object = object_of(root, f->object, find_object);
	const json_t *value = json_object_get(object, f->key);

	if (f->object && object && !json_is_object(object))
		return err_set(err, EBADMSG, "release manifest: %s: not an object", f->object);
	if (!value)
		return f->optional && (!f->object || !object) ? 0 : fault(f, err, "missing", "");
	switch (f->kind) {
	case KIND_NUMBER:
		return read_number(f, value, r, err);
	case KIND_TEXT:
		return read_text(f, value, r, err);
	case KIND_DIGEST:
		return read_digest(f, value, r, err);
	case KIND_HEX:
		return read_hex(f, value, r, err);
	}
	return -EBADMSG;
}

/* This version knows no critical key, so any refuses. */
static int check_critical(const json_t *root, struct err *err)
{
	json_t *critical = json_object_get(root, "critical");
	void *first = json_object_iter(critical);

	if (critical && !json_is_object(critical))
		return err_set(err, EBADMSG, "release manifest: critical: not an object");
	if (first)
		return err_set(err, EBADMSG,
			"release manifest: critical.%s: unknown to this version of swarmboot",
			json_object_iter_key(first));
	return 0;
}

/* What becomes a device's table must fit the image. */
static int check_verity(const struct release *r, struct err *err)
{
	const struct verity *v = &r->verity;

	if (!v->data_size)
		return 0;
	if (v->data_size % VERITY_BLOCK || v->hash_offset != v->data_size || v->data_size > r->root.size ||
		verity_file_size(v->data_size) != r->root.size)
		return err_set(err, EBADMSG,
			"release manifest: root.verity: data and tree are not the root image's size");
	return 0;
}

static int read_root(json_t *root, struct release *ret, struct err *err)
{
	const json_t *format = json_object_get(root, "format");
	int r;

	if (!json_is_object(root))
		return err_set(err, EBADMSG, "release manifest: not a JSON object");
	if (!json_is_integer(format) || json_integer_value(format) != FORMAT_NUMBER)
		return err_set(err, EBADMSG, "release manifest: format: missing or unknown; allowed: %d",
			FORMAT_NUMBER);
	r = check_critical(root, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(fields); i++)
		r = read_field(&fields[i], root, ret, err);
	return r < 0 ? r : check_verity(ret, err);
}

int release_parse(const char *data, size_t len, struct release *ret, struct err *err)
{
	_cleanup_json_ json_t *root = NULL;
	struct release release = {0};
	json_error_t error;
	int r;

	if (len > RELEASE_LIMIT)
		return err_set(
			err, EBADMSG, "release manifest: larger than the %d bytes allowed", RELEASE_LIMIT);
	root = json_loadb(data, len, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		return err_set(
			err, EBADMSG, "release manifest: not JSON: line %d: %s", error.line, error.text);
	r = read_root(root, &release, err);
	if (r == 0)
		*ret = release;
	return r;
}
