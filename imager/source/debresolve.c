/*
 * Owns the question which packages a profile means, asked of our own apt with the package lists it has, and
 * whether a lock that is given is one for the profile. Where the lists come from is deblists.c's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/parse.h"
#include "imager/base/words.h"
#include "imager/sandbox.h"
#include "imager/source/debian.h"

static const char *variant(const struct debian *d)
{
	return d->from->variant ? d->from->variant : "essential";
}

/* ---- what is asked ---- */

/* What a variant of mmdebstrap means, in apt's patterns (apt-patterns(7)); see its man page, VARIANTS. */
static const struct variant_row {
	const char *name, *patterns[4];
	const char *package;
} variants[] = {
	{"essential", {"?essential"}, NULL},
	{"apt", {"?essential"}, "apt"},
	{"required", {"?essential", "?priority(required)"}, NULL},
	{"minbase", {"?essential", "?priority(required)"}, NULL},
	{"important", {"?essential", "?priority(required)", "?priority(important)"}, NULL},
	{"standard", {"?essential", "?priority(required)", "?priority(important)", "?priority(standard)"},
		NULL},
	{"custom", {NULL}, NULL},
	{"extract", {NULL}, NULL},
};

static int check_variant(const struct debian *d, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(variants); i++)
		if (!strcmp(variants[i].name, variant(d)))
			return 0;
	return yaml_fault(yaml_root(d->job->profile->doc), "from.debian.variant", err,
		"%s: none is called so; allowed are essential, apt, required, minbase, important, standard "
		"and "
		"custom",
		variant(d));
}

static int add_variant(const struct debian *d, struct words *w)
{
	const char *suite = d->from->suite;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
		const struct variant_row *v = &variants[i];

		if (strcmp(v->name, variant(d)) != 0)
			continue;
		for (size_t k = 0; r == 0 && k < ARRAY_SIZE(v->patterns) && v->patterns[k]; k++) {
			char *pattern;

			r = asprintf(&pattern,
				"?narrow(?or(?archive(^%s$),?codename(^%s$)),?architecture(%s),%s)", suite,
				suite, d->arch, v->patterns[k]);
			r = r < 0 ? -ENOMEM : words_take(w, pattern);
		}
		if (r == 0 && v->package)
			r = words_add(w, v->package);
	}
	return r;
}

/* mmdebstrap's hook for a merged /usr puts this package in where the archive has it. */
static int has_merged(struct debian *d)
{
	const char *const argv[] = {"apt-cache", "show", "--no-all-versions", "usr-is-merged", NULL};
	const char *const env[] = {"LC_ALL=C.UTF-8", d->config, NULL};
	const struct proc_opts opts = {.env = env};

	return access(MERGED_HOOKS, F_OK) == 0 && sandbox_run(NULL, argv, &opts, NULL) == 0;
}

static int add_names(const struct debian *d, struct words *w)
{
	const struct profile *p = d->job->profile;
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->package_count; i++)
		r = words_add(w, p->packages[i].name);
	return r < 0 || !p->kernel.package ? r : words_add(w, p->kernel.package);
}

/* ---- the answer ---- */

/* "libc6_2.36-9%2bdeb_amd64.deb": apt quotes as in URIs. In place; -EINVAL. */
static int unquote(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++, to++) {
		uint8_t byte = (uint8_t)*from;

		if (byte == '%') {
			const char digits[] = {from[1], from[1] ? from[2] : '\0', '\0'};

			if (parse_hex(digits, &byte, 1) < 0)
				return -EINVAL;
			from += 2;
		}
		*to = (char)byte;
	}
	*to = '\0';
	return 0;
}

/* NAME_VERSION_ARCH.deb into its three, in place. */
static int split_file(char *file, struct lock_package *ret)
{
	char *version = strchr(file, '_'), *arch = strrchr(file, '_'), *end = strrchr(file, '.');

	if (!version || arch == version || !end || end < arch)
		return -EINVAL;
	*version++ = *arch++ = *end = '\0';
	ret->name = file;
	ret->version = version;
	ret->arch = arch;
	return unquote(ret->name) < 0 || unquote(ret->version) < 0 ? -EINVAL : unquote(ret->arch);
}

/* 'URI' FILE SIZE SHA256:HEX */
static int take_package(const char *line, void *arg)
{
	_cleanup_free_ char *copy = strdup(line + 1);
	struct lock_package p = {0};
	char *rest = copy, *file, *size, *hash;

	if (!copy)
		return -ENOMEM;
	p.uri = strsep(&rest, "'");
	rest = rest ? rest + (*rest == ' ') : NULL;
	file = strsep(&rest, " ");
	size = strsep(&rest, " ");
	hash = rest;
	if (!hash || strncmp(hash, "SHA256:", 7) != 0 ||
		parse_hex(hash + 7, p.digest.bytes, sizeof(p.digest.bytes)) < 0 ||
		parse_u64(size, &p.size) < 0 || split_file(file, &p) < 0)
		return -EINVAL;
	return lock_add(arg, &p);
}

static int new_lock(const struct debian *d, struct lock **ret, struct err *err)
{
	const struct profile *p = d->job->profile;
	_cleanup_lock_ struct lock *l = calloc(1, sizeof(*l));
	int r = l ? 0 : -ENOMEM;

	if (l) {
		l->source = strdup("debian");
		l->suite = strdup(d->from->suite);
		l->variant = strdup(variant(d));
		l->arch = strdup(d->arch);
		r = l->source && l->suite && l->variant && l->arch ? 0 : -ENOMEM;
	}
	for (size_t i = 0; r == 0 && i < p->package_count; i++)
		r = lock_want(l, p->packages[i].name);
	if (r == 0 && p->kernel.package)
		r = lock_want(l, p->kernel.package);
	if (r < 0)
		return err_oom(err, "the package list");
	*ret = TAKE(l);
	return 0;
}

static int ask(struct debian *d, struct lock *l, struct err *err)
{
	static const char *const fixed[] = {"apt-get", "install", "--yes", "--print-uris", "-qq", "-o",
		"Acquire::ForceHash=SHA256", "--"};
	_cleanup_words_ struct words w = {0};
	struct debian_lines lines = {.d = d, .uri = take_package, .arg = l};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(fixed); i++)
		r = words_add(&w, fixed[i]);
	if (r == 0)
		r = add_variant(d, &w);
	if (r == 0 && strcmp(variant(d), "extract") != 0 && has_merged(d))
		r = words_add(&w, "usr-is-merged");
	if (r == 0)
		r = add_names(d, &w);
	if (r < 0)
		return err_oom(err, "the package list");
	r = debian_apt(&lines, (const char *const *)w.items, err);
	if (r < 0)
		return debian_blame(d, err);
	if (!l->package_count)
		return err_set(err, ENOENT, "from: debian: apt found no package to install");
	lock_sort(l);
	return 0;
}

int debian_ask(struct debian *d, struct lock **ret, struct err *err)
{
	_cleanup_lock_ struct lock *l = NULL;
	int r = check_variant(d, err);

	if (r == 0)
		r = new_lock(d, &l, err);
	if (r == 0)
		r = ask(d, l, err);
	if (r == 0)
		*ret = TAKE(l);
	return r;
}

/* ---- a lock that is given ---- */

static int is_wanted(const struct lock *l, const char *name)
{
	for (size_t i = 0; i < l->wanted_count; i++)
		if (!strcmp(l->wanted[i], name))
			return 1;
	return 0;
}

static int is_named(const struct profile *p, const char *name)
{
	int is = p->kernel.package && !strcmp(p->kernel.package, name);

	for (size_t i = 0; !is && i < p->package_count; i++)
		is = !strcmp(p->packages[i].name, name);
	return is;
}

static int check_text(
	const struct debian *d, const char *key, const char *ours, const char *theirs, struct err *err)
{
	if (theirs && !strcmp(ours, theirs))
		return 0;
	return yaml_fault(yaml_root(d->job->profile->doc), key, err,
		"is %s, but the lock file was made for %s: it has to be made anew (--lock)", ours,
		theirs ? theirs : "none");
}

#define RELOCK "it has to be made anew (--lock)"

int debian_check_lock(const struct debian *d, struct err *err)
{
	const struct profile *p = d->job->profile;
	const struct lock *l = d->lock;
	int r = check_text(d, "from", "debian", l->source, err);

	if (r == 0)
		r = check_text(d, "from.debian.suite", d->from->suite, l->suite, err);
	if (r == 0)
		r = check_text(d, "from.debian.variant", variant(d), l->variant, err);
	if (r < 0)
		return r;
	if (!l->arch || strcmp(l->arch, d->arch) != 0)
		return err_set(err, EPERM, "the lock file is for %s, this machine is %s",
			l->arch ? l->arch : "no architecture", d->arch);
	for (size_t i = 0; i < p->package_count; i++)
		if (!is_wanted(l, p->packages[i].name))
			return yaml_fault(p->packages[i].node, "packages", err,
				"%s: the lock file was made without it: " RELOCK, p->packages[i].name);
	if (p->kernel.package && !is_wanted(l, p->kernel.package))
		return yaml_fault(yaml_root(p->doc), "kernel.package", err,
			"%s: the lock file was made without it: " RELOCK, p->kernel.package);
	for (size_t i = 0; i < l->wanted_count; i++)
		if (!is_named(p, l->wanted[i]))
			return yaml_fault(yaml_root(p->doc), "packages", err,
				"%s is missing, but the lock file was made with it: " RELOCK, l->wanted[i]);
	return 0;
}
