/*
 * Owns the lock file: the struct, its JSON, and what is refused in it. Who fills it and who builds from it is
 * the sources' business.
 */
#include "imager/source/lock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/format/json.h"

/* ---- the struct ---- */

void lock_package_release(struct lock_package *p)
{
	free(p->name);
	free(p->version);
	free(p->arch);
	free(p->uri);
}

void lock_free(struct lock *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->wanted_count; i++)
		free(l->wanted[i]);
	for (size_t i = 0; i < l->package_count; i++)
		lock_package_release(&l->packages[i]);
	free(l->wanted);
	free(l->packages);
	free(l->source);
	free(l->suite);
	free(l->variant);
	free(l->arch);
	free(l);
}

int lock_want(struct lock *l, const char *name)
{
	char **grown = reallocarray(l->wanted, l->wanted_count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	l->wanted = grown;
	grown[l->wanted_count] = strdup(name);
	return grown[l->wanted_count] ? (int)(++l->wanted_count, 0) : -ENOMEM;
}

int lock_add(struct lock *l, const struct lock_package *package)
{
	struct lock_package copy = *package, *grown;

	grown = reallocarray(l->packages, l->package_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	l->packages = grown;
	copy.name = strdup(package->name);
	copy.version = strdup(package->version);
	copy.arch = strdup(package->arch);
	copy.uri = package->uri ? strdup(package->uri) : NULL;
	if (!copy.name || !copy.version || !copy.arch || (package->uri && !copy.uri)) {
		lock_package_release(&copy);
		return -ENOMEM;
	}
	grown[l->package_count++] = copy;
	return 0;
}

int lock_compare(const struct lock_package *a, const struct lock_package *b)
{
	int r = strcmp(a->name, b->name);

	if (r == 0)
		r = strcmp(a->arch, b->arch);
	return r ? r : strcmp(a->version, b->version);
}

static int compare(const void *a, const void *b)
{
	return lock_compare(a, b);
}

void lock_sort(struct lock *l)
{
	if (l->package_count)
		qsort(l->packages, l->package_count, sizeof(l->packages[0]), compare);
}

/* ---- writing ---- */

static int add_text(json_t *object, const char *key, const char *value)
{
	return value && json_object_set_new(object, key, json_string(value)) < 0 ? -ENOMEM : 0;
}

static int add_digest(json_t *object, const char *key, const struct digest *digest)
{
	char text[DIGEST_TEXT_SIZE];

	digest_format(digest, text);
	return add_text(object, key, text);
}

static json_t *head_json(const struct lock *l)
{
	_cleanup_json_ json_t *root = json_object(), *wanted = json_array();

	for (size_t i = 0; i < l->wanted_count; i++)
		if (json_array_append_new(wanted, json_string(l->wanted[i])) < 0)
			return NULL;
	if (add_text(root, "format", LOCK_FORMAT) < 0 || add_text(root, "source", l->source) < 0 ||
		add_text(root, "suite", l->suite) < 0 || add_text(root, "variant", l->variant) < 0 ||
		add_text(root, "arch", l->arch) < 0 ||
		(l->has_input && add_digest(root, "input", &l->input) < 0) ||
		json_object_set(root, "wanted", wanted) < 0)
		return NULL;
	return TAKE(root);
}

static json_t *package_json(const struct lock_package *p)
{
	_cleanup_json_ json_t *root = json_object();

	if (add_text(root, "name", p->name) < 0 || add_text(root, "version", p->version) < 0 ||
		add_text(root, "arch", p->arch) < 0)
		return NULL;
	if (p->uri && (add_digest(root, "digest", &p->digest) < 0 ||
			      json_object_set_new(root, "size", json_integer((json_int_t)p->size)) < 0 ||
			      add_text(root, "uri", p->uri) < 0))
		return NULL;
	return TAKE(root);
}

/* One package a line, so that a comparison of two lock files reads well. */
static int add_package(const struct lock_package *p, int is_first, struct buf *ret)
{
	_cleanup_json_ json_t *json = package_json(p);

	if (!json || buf_puts(ret, is_first ? "\n  " : ",\n  ") < 0)
		return -ENOMEM;
	if (json_add_text(json, JSON_COMPACT, ret) < 0)
		return -ENOMEM;
	ret->data[--ret->len] = '\0'; /* its newline */
	return 0;
}

int lock_format(const struct lock *l, struct buf *ret)
{
	_cleanup_json_ json_t *head = head_json(l);
	int r = head ? json_add_text(head, JSON_INDENT(1), ret) : -ENOMEM;

	if (r < 0)
		return r;
	/* The list goes in before the closing "\n}\n". */
	ret->len -= strlen("\n}\n");
	ret->data[ret->len] = '\0';
	r = buf_puts(ret, ",\n \"packages\": [");
	for (size_t i = 0; r >= 0 && i < l->package_count; i++)
		r = add_package(&l->packages[i], i == 0, ret);
	return r < 0 ? r : buf_puts(ret, l->package_count ? "\n ]\n}\n" : "]\n}\n");
}

int lock_write(const char *path, const struct lock *l, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};

	if (lock_format(l, &text) < 0)
		return err_oom(err, path);
	return write_file_atomic(path, &(struct file_content){text.data, text.len, 0644}, err);
}
