/*
 * Owns the package sources of from: debian: what this machine's apt or the profile says, the profile's
 * repositories and their keys, and what of these the image keeps. The apt that reads them is debapt.c's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/io.h"
#include "imager/base/proc.h"
#include "imager/intree.h"
#include "imager/source/debian.h"

#define OUTPUT_LIMIT (1 << 20)

/* ---- the sources ---- */

/* The suite itself, with what its archive calls its updates; not what was backported, nor what others built
 * for it. */
static int is_suite(const char *suite, const char *name)
{
	static const char *const endings[] = {"", "-updates", "-security"};
	size_t base = strlen(suite);

	for (size_t i = 0; !strncmp(name, suite, base) && i < ARRAY_SIZE(endings); i++)
		if (!strcmp(name + base, endings[i]))
			return 1;
	return 0;
}

static int is_component(const struct yaml_strings *wanted, const char *name)
{
	for (size_t i = 0; i < wanted->count; i++)
		if (!strcmp(wanted->items[i], name))
			return 1;
	return !wanted->count && !strcmp(name, "main");
}

/* One line of `apt-get indextargets`: URI SUITE COMPONENT, once for each architecture. */
static int add_target(const struct debian *d, char *line, struct buf *ret)
{
	const char *uri = strsep(&line, " "), *suite = strsep(&line, " "), *component = line;
	_cleanup_free_ char *source = NULL;

	if (!component || !is_suite(d->from->suite, suite) || !is_component(&d->from->components, component))
		return 0;
	if (asprintf(&source, "deb %s %s %s\n", uri, suite, component) < 0)
		return -ENOMEM;
	return ret->data && strstr(ret->data, source) ? 0 : buf_puts(ret, source);
}

/* Where this machine's apt takes the suite from. */
static int machine_sources(const struct debian *d, struct buf *ret, struct err *err)
{
	static const char *const argv[] = {"apt-get", "indextargets", "--format",
		"$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages", NULL};
	_cleanup_free_ char *targets = NULL;
	char *rest;
	int r = proc_capture(argv, OUTPUT_LIMIT, &targets, err);

	if (r < 0)
		return r;
	rest = targets;
	for (char *line; (line = strsep(&rest, "\n"));)
		if (add_target(d, line, ret) < 0)
			return err_oom(err, "the package sources");
	if (!ret->len)
		return yaml_fault(yaml_root(d->job->profile->doc), "from.debian.mirror", err,
			"this machine's apt has no source for %s, so a mirror is wanted here",
			d->from->suite);
	return 0;
}

static int add_components(const struct yaml_strings *components, struct buf *ret)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < components->count; i++)
		r = buf_printf(ret, " %s", components->items[i]);
	return r < 0 ? r : buf_puts(ret, components->count ? "\n" : " main\n");
}

static int named_sources(const struct debian *d, struct buf *ret, struct err *err)
{
	for (size_t i = 0; i < d->from->mirror.count; i++) {
		const char *m = d->from->mirror.items[i];
		int r;

		if (!strncmp(m, "deb ", 4)) {
			r = buf_printf(ret, "%s\n", m);
		} else {
			r = buf_printf(ret, "deb %s %s", m, d->from->suite);
			if (r >= 0)
				r = add_components(&d->from->components, ret);
		}
		if (r < 0)
			return err_oom(err, "the package sources");
	}
	return 0;
}

/* ---- the profile's repositories ---- */

/* The line of one of them; key: the path of its key there, NULL without one. */
static int add_repository(
	const struct debian *d, const struct profile_repository *p, const char *key, struct buf *ret)
{
	const char *suite = p->suite ? p->suite : d->from->suite;
	int r = key ? buf_printf(ret, "deb [signed-by=%s] %s %s", key, p->url, suite)
		    : buf_printf(ret, "deb %s %s", p->url, suite);

	if (r < 0)
		return r;
	if (suite[strlen(suite) - 1] == '/')
		return buf_puts(ret, "\n");
	return add_components(&p->components, ret);
}

/* Reads the key file and says where below folder it belongs; *ret_path is free()d by the caller. */
static int repository_key(const struct profile_repository *p, const char *folder, char **ret_path,
	struct buf *ret, struct err *err)
{
	_cleanup_free_ char *data = NULL;
	size_t len;
	int r = read_file(p->key, DEBIAN_KEY_LIMIT, &data, &len, err);

	if (r < 0)
		return r;
	if (asprintf(ret_path, "%s/%s.%s", folder, p->name, debian_key_ending(data)) < 0 ||
		buf_add(ret, data, len) < 0)
		return err_oom(err, p->key);
	return 0;
}

static int write_bytes(const char *path, const struct buf *data, struct err *err)
{
	return write_file(path, &(struct file_content){data->data, data->len, 0644}, err);
}

static int add_repositories(struct debian *d, struct buf *sources, struct err *err)
{
	for (size_t i = 0; i < d->job->profile->repository_count; i++) {
		const struct profile_repository *p = &d->job->profile->repositories[i];
		_cleanup_free_ char *path = NULL;
		_cleanup_buf_ struct buf key = {0};

		if (p->key) {
			int r = repository_key(p, d->folder, &path, &key, err);

			if (r >= 0)
				r = write_bytes(path, &key, err);
			if (r < 0)
				return r;
		}
		/* The work folder's name is another one each time. */
		if (add_repository(d, p, path, sources) < 0 ||
			add_repository(d, p, p->key ? "key" : NULL, &d->inputs) < 0 ||
			buf_add(&d->inputs, key.data, key.len) < 0)
			return err_oom(err, "the package sources");
	}
	return 0;
}

/* ---- all of them ---- */

/* apt reads a file: repository in place, also the next time; copies are what can be kept. */
static int write_sources(const struct debian *d, struct buf *text, struct err *err)
{
	_cleanup_free_ char *path = path_join(d->folder, "sources.list");

	if (!path)
		return err_oom(err, "the package sources");
	for (char *at = text->data; (at = strstr(at, " file:/"));)
		memcpy(at, " copy:/", 7);
	return write_bytes(path, text, err);
}

int debian_write_sources(struct debian *d, struct err *err)
{
	_cleanup_buf_ struct buf sources = {0};
	int r = d->from->mirror.count ? named_sources(d, &sources, err) : machine_sources(d, &sources, err);

	if (r < 0)
		return r;
	/* This machine's mirrors mean nothing on a node; one that the profile names does. */
	if (buf_add(&d->inputs, sources.data, sources.len) < 0 ||
		(d->from->mirror.count && buf_add(&d->kept, sources.data, sources.len) < 0))
		return err_oom(err, "the package sources");
	r = add_repositories(d, &sources, err);
	return r < 0 ? r : write_sources(d, &sources, err);
}

/* ---- what the image keeps ---- */

static int keep_file(int root, const char *path, const struct buf *data, struct err *err)
{
	int r = intree_write(root, path, data->data, data->len);

	return r < 0 ? err_path(err, -r, path) : 0;
}

static int keep_repository(
	const struct debian *d, int root, const struct profile_repository *p, struct err *err)
{
	_cleanup_free_ char *key_path = NULL, *path = NULL;
	_cleanup_buf_ struct buf key = {0}, line = {0};
	int r = p->key ? repository_key(p, "/etc/apt/keyrings", &key_path, &key, err) : 0;

	if (r >= 0 && key_path)
		r = keep_file(root, key_path, &key, err);
	if (r < 0)
		return r;
	if (asprintf(&path, "/etc/apt/sources.list.d/%s.list", p->name) < 0 ||
		add_repository(d, p, key_path, &line) < 0)
		return err_oom(err, "the package sources");
	return keep_file(root, path, &line, err);
}

int debian_keep_sources(const struct debian *d, struct err *err)
{
	_cleanup_close_ int root = intree_root(d->job->root, err);
	int r = root < 0 ? root : 0;

	if (r >= 0 && d->kept.len)
		r = keep_file(root, "/etc/apt/sources.list", &d->kept, err);
	for (size_t i = 0; r >= 0 && i < d->job->profile->repository_count; i++)
		if (d->job->profile->repositories[i].keep)
			r = keep_repository(d, root, &d->job->profile->repositories[i], err);
	return r;
}

int debian_add_kept(const struct debian *d, struct buf *ret, struct err *err)
{
	int r = buf_printf(ret, "sources\n%s\n", d->kept.data ? d->kept.data : "");

	for (size_t i = 0; r >= 0 && i < d->job->profile->repository_count; i++) {
		const struct profile_repository *p = &d->job->profile->repositories[i];
		_cleanup_free_ char *path = NULL;

		if (!p->keep)
			continue;
		if (p->key) {
			_cleanup_buf_ struct buf key = {0};

			r = repository_key(p, "/etc/apt/keyrings", &path, &key, err);
			if (r < 0)
				return r;
			r = buf_printf(ret, "key %s %zu\n", path, key.len);
			if (r >= 0)
				r = buf_add(ret, key.data, key.len);
		}
		if (r >= 0)
			r = buf_printf(ret, "repository %s\n", p->name);
		if (r >= 0)
			r = add_repository(d, p, path, ret);
	}
	return r < 0 ? err_oom(err, "the package sources") : 0;
}
