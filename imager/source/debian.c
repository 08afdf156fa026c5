/*
 * Owns from: debian: mmdebstrap as a child, what it is told, and what its words mean. Which packages end up
 * in the tree is apt's decision; what is done to the tree afterwards is tree.c's.
 */
#include "imager/source/source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "imager/base/buf.h"
#include "imager/base/io.h"
#include "imager/intree.h"
#include "imager/sandbox.h"
#include "imager/source/blame.h"

#define URIS_LIMIT   (1 << 20)
#define MERGED_HOOKS "/usr/share/mmdebstrap/hooks/maybe-merged-usr"

/* One run of mmdebstrap. */
struct bootstrap {
	const struct source_job *job;
	const struct profile_debian *from;
	char *sources, *hook, *include; /* arguments made for it */
	char fault[256];                /* the first line that apt or mmdebstrap began with "E: " */
};

static void bootstrap_release(struct bootstrap *b)
{
	free(b->sources);
	free(b->hook);
	free(b->include);
}

/* What mmdebstrap and apt leave behind of this machine and of our own options. */
static const char *const leftovers[] = {
	"/etc/apt/sources.list", /* stays first */
	"/etc/apt/apt.conf.d/99mmdebstrap",
	"/etc/dpkg/dpkg.cfg.d/99mmdebstrap",
	"/etc/dpkg/dpkg.cfg.d/swarmboot-exclude",
	"/etc/hostname",
	"/etc/resolv.conf",
};

/* ---- the sources ---- */

static int is_suite(const char *suite, const char *name, size_t len)
{
	size_t base = strlen(suite);

	/* bookworm, bookworm-security, bookworm-updates; not what was backported, which nobody asked for */
	return len >= base && !strncmp(name, suite, base) &&
	       (len == base || (name[base] == '-' && !memmem(name, len, "-backports", 10)));
}

/* One line of `apt-get --print-uris update`: 'URI/dists/SUITE/InRelease' FILE 0 */
static int add_uri(const struct bootstrap *b, const char *line, struct buf *ret)
{
	const char *dists = strstr(line, "/dists/"), *end = strstr(line, "/InRelease'");
	const char *suite = dists ? dists + strlen("/dists/") : NULL;

	if (line[0] != '\'' || !suite || !end || end < suite ||
		!is_suite(b->from->suite, suite, (size_t)(end - suite)))
		return 0;
	if (buf_printf(ret, "deb %.*s %.*s", (int)(dists - line - 1), line + 1, (int)(end - suite), suite) <
		0)
		return -ENOMEM;
	for (size_t i = 0; i < b->from->components.count; i++)
		if (buf_printf(ret, " %s", b->from->components.items[i]) < 0)
			return -ENOMEM;
	if (!b->from->components.count && buf_puts(ret, " main") < 0)
		return -ENOMEM;
	return buf_puts(ret, "\n");
}

/* What this machine's apt would ask for the suite. */
static int machine_sources(const struct bootstrap *b, struct buf *ret, struct err *err)
{
	static const char *const argv[] = {"apt-get", "--print-uris", "update", NULL};
	_cleanup_free_ char *uris = NULL;
	char *rest;
	int r = proc_capture(argv, URIS_LIMIT, &uris, err);

	if (r < 0)
		return r;
	rest = uris;
	for (char *line; (line = strsep(&rest, "\n"));)
		if (add_uri(b, line, ret) < 0)
			return err_oom(err, "the package sources");
	if (!ret->len)
		return yaml_fault(yaml_root(b->job->profile->doc), "from.debian.mirror", err,
			"this machine's apt has no source for %s, so a mirror is wanted here",
			b->from->suite);
	return 0;
}

static int named_sources(const struct bootstrap *b, struct buf *ret, struct err *err)
{
	for (size_t i = 0; i < b->from->mirror.count; i++) {
		const char *m = b->from->mirror.items[i];
		int r;

		if (!strncmp(m, "deb ", 4)) {
			r = buf_printf(ret, "%s\n", m);
		} else {
			r = buf_printf(ret, "deb %s %s", m, b->from->suite);
			for (size_t k = 0; r >= 0 && k < b->from->components.count; k++)
				r = buf_printf(ret, " %s", b->from->components.items[k]);
			if (r >= 0)
				r = buf_puts(ret, b->from->components.count ? "\n" : " main\n");
		}
		if (r < 0)
			return err_oom(err, "the package sources");
	}
	return 0;
}

static int write_sources(struct bootstrap *b, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};
	int r = b->from->mirror.count ? named_sources(b, &text, err) : machine_sources(b, &text, err);

	if (r < 0)
		return r;
	b->sources = path_join(b->job->workdir, "sources.list");
	if (!b->sources)
		return err_oom(err, "the package sources");
	return write_file(b->sources, &(struct file_content){text.data, text.len, 0644}, err);
}

/* ---- the exclude patterns ---- */

/* dpkg sees names as they are in the package: on a merged /usr both spellings occur. */
static int add_patterns(struct buf *text, const char *option, const struct yaml_strings *patterns)
{
	static const char *const merged[] = {"/bin/", "/sbin/", "/lib"};

	for (size_t i = 0; i < patterns->count; i++) {
		const char *p = patterns->items[i];

		if (buf_printf(text, "%s=%s\n", option, p) < 0)
			return -ENOMEM;
		for (size_t k = 0; k < ARRAY_SIZE(merged); k++) {
			size_t len = strlen(merged[k]);
			int r = 0;

			if (!strncmp(p, merged[k], len))
				r = buf_printf(text, "%s=/usr%s\n", option, p);
			else if (!strncmp(p, "/usr", 4) && !strncmp(p + 4, merged[k], len))
				r = buf_printf(text, "%s=%s\n", option, p + 4);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/*
 * The patterns are given to dpkg by a hook that runs after mmdebstrap's own extraction of the essential
 * packages: as --dpkgopt they would send that extraction through a tar filter in Perl, which takes 55 s
 * instead of 10. What the extraction wrote in spite of the patterns is removed in the end (tree.c).
 */
static int write_hook(struct bootstrap *b, struct err *err)
{
	static const char script[] =
		"#!/bin/sh\n"
		"exec cp \"${0%/*}/dpkg.cfg\" \"$1/etc/dpkg/dpkg.cfg.d/swarmboot-exclude\"\n";
	_cleanup_buf_ struct buf text = {0};
	_cleanup_free_ char *config = path_join(b->job->workdir, "dpkg.cfg");
	int r;

	b->hook = path_join(b->job->workdir, "extract-hook");
	if (!config || !b->hook || add_patterns(&text, "path-exclude", &b->job->profile->exclude) < 0 ||
		add_patterns(&text, "path-include", &b->job->profile->keep) < 0)
		return err_oom(err, "the exclude patterns");
	r = write_file(config, &(struct file_content){text.data, text.len, 0644}, err);
	if (r < 0)
		return r;
	return write_file(b->hook, &(struct file_content){script, strlen(script), 0755}, err);
}

/* ---- the run ---- */

static int list_packages(struct bootstrap *b, struct err *err)
{
	const struct profile *p = b->job->profile;
	_cleanup_buf_ struct buf text = {0};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < p->package_count; i++)
		r = buf_printf(&text, "%s%s", i ? "," : "--include=", p->packages[i].name);
	if (r >= 0 && p->kernel.package)
		r = buf_printf(&text, "%s%s", text.len ? "," : "--include=", p->kernel.package);
	b->include = buf_steal(&text);
	return r < 0 || !b->include ? err_oom(err, "the package list") : 0;
}

static void take_line(const char *text, void *arg)
{
	struct bootstrap *b = arg;

	if (!*b->fault && !strncmp(text, "E: ", 3))
		(void)snprintf(b->fault, sizeof(b->fault), "%.*s", (int)sizeof(b->fault) - 1, text + 3);
	b->job->line(text, b->job->arg);
}

/* "Unable to locate package X": back to the line of the profile that asks for X. */
static int blame(const struct bootstrap *b, struct err *err)
{
	_cleanup_free_ char *where = NULL;
	int r;

	if (!*b->fault)
		return err_prefix(err, "from: debian");
	if (asprintf(&where, "suite %s", b->from->suite) < 0)
		return err_oom(err, b->fault);
	r = blame_package(b->job->profile, b->fault, where, err);
	return r < 0 ? r : err_set(err, EIO, "from: debian: %s", b->fault);
}

static int run(struct bootstrap *b, struct err *err)
{
	_cleanup_free_ char *variant = NULL, *hook = NULL, *keyring = NULL;
	const char *argv[24] = {"mmdebstrap", "--mode=root", "--format=directory", "--verbose",
		"--aptopt=APT::Install-Recommends \"false\"", "--aptopt=Acquire::Languages \"none\"",
		"--dpkgopt=force-unsafe-io"};
	/* A kernel's own initramfs is not wanted: that is the agent's place, and making one takes 20 s. */
	static const char *const env[] = {
		"LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "INITRD=No", NULL};
	const struct proc_opts opts = {.env = env, .line = take_line, .arg = b};
	size_t n = 7;

	if (asprintf(&variant, "--variant=%s", b->from->variant ? b->from->variant : "essential") < 0 ||
		asprintf(&hook, "--extract-hook=%s", b->hook) < 0 ||
		asprintf(&keyring, "--keyring=%s", b->from->keyring ? b->from->keyring : "") < 0)
		return err_oom(err, "mmdebstrap");
	argv[n++] = variant;
	if (*b->include)
		argv[n++] = b->include;
	argv[n++] = hook;
	if (access(MERGED_HOOKS, F_OK) == 0)
		argv[n++] = "--hook-dir=" MERGED_HOOKS;
	if (b->from->keyring)
		argv[n++] = keyring;
	argv[n++] = b->from->suite;
	argv[n++] = b->job->root;
	argv[n++] = b->sources;
	return sandbox_run(NULL, argv, &opts, err) < 0 ? blame(b, err) : 0;
}

/* ---- afterwards ---- */

struct newest {
	uint64_t before, time;
};

static int see_time(const struct intree_entry *entry, void *arg, struct err *err)
{
	struct newest *n = arg;
	uint64_t time = entry->st.st_mtime > 0 ? (uint64_t)entry->st.st_mtime : 0;

	(void)err;
	if (time < n->before && time > n->time)
		n->time = time;
	return 0;
}

/* Of the packages' files: whatever the installation itself wrote is younger than its start. */
static int newest_time(int root, time_t started, uint64_t *ret, struct err *err)
{
	struct newest n = {.before = (uint64_t)started};
	int r = intree_walk(root, see_time, &n, err);

	if (r >= 0)
		*ret = n.time;
	return r;
}

static int tidy(const struct bootstrap *b, int root, struct err *err)
{
	/* This machine's mirrors mean nothing on a node; one that the profile names does. */
	size_t skip = b->from->mirror.count ? 1 : 0;

	for (size_t i = skip; i < ARRAY_SIZE(leftovers); i++) {
		const char *name;
		_cleanup_close_ int parent = intree_parent(root, leftovers[i], &name);

		if (parent < 0 || (unlinkat(parent, name, 0) < 0 && errno != ENOENT))
			return err_path(err, parent < 0 ? -parent : errno, leftovers[i]);
	}
	return 0;
}

static int unpack(const struct source_job *job, uint64_t *ret_time, struct err *err)
{
	_cleanup_(bootstrap_release) struct bootstrap b = {.job = job, .from = &job->profile->from.debian};
	_cleanup_close_ int root = -1;
	time_t started = time(NULL);
	int r = write_sources(&b, err);

	if (r < 0)
		return r;
	r = write_hook(&b, err);
	if (r < 0)
		return r;
	r = list_packages(&b, err);
	if (r < 0)
		return r;
	r = run(&b, err);
	if (r < 0)
		return r;
	root = intree_root(job->root, err);
	if (root < 0)
		return root;
	r = tidy(&b, root, err);
	return r < 0 ? r : newest_time(root, started, ret_time, err);
}

const struct source source_debian = {"debian", unpack};
