/*
 * Owns mmdebstrap: what it is told, so that it makes the tree from the pool, all of it and nothing else.
 * Which packages these are was decided before; what is done to the tree afterwards is debbase.c's and
 * tree.c's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "imager/base/proc.h"
#include "imager/base/words.h"
#include "imager/sandbox.h"
#include "imager/source/debian.h"

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
static int write_patterns(const struct debian *d, struct err *err)
{
	_cleanup_free_ char *path = path_join(d->job->workdir, "dpkg.cfg");
	_cleanup_buf_ struct buf text = {0};

	if (!path || add_patterns(&text, "path-exclude", &d->job->profile->exclude) < 0 ||
		add_patterns(&text, "path-include", &d->job->profile->keep) < 0)
		return err_oom(err, "the exclude patterns");
	return write_file(path, &(struct file_content){text.data, text.len, 0644}, err);
}

/* ---- the hooks ---- */

/*
 * $0 is in the work folder, $1 is the tree. The pool is where apt keeps what it has fetched, so there is
 * nothing to fetch or to copy; it is gone again before apt cleans that folder.
 */
static const struct hook {
	const char *option, *name, *text;
} hooks[] = {
	{"setup", "setup-hook",
		"mkdir -p \"$1/var/cache/apt/archives\"\n"
		"exec mount --bind \"${0%/*}/pool\" \"$1/var/cache/apt/archives\"\n"},
	{"extract", "extract-hook",
		"exec cp \"${0%/*}/dpkg.cfg\" \"$1/etc/dpkg/dpkg.cfg.d/swarmboot-exclude\"\n"},
	{"customize", "customize-hook", "exec umount \"$1/var/cache/apt/archives\"\n"},
};

static int add_hook(const struct debian *d, const struct hook *h, struct words *w, struct err *err)
{
	_cleanup_free_ char *path = path_join(d->job->workdir, h->name), *text = NULL, *option = NULL;
	int r;

	if (!path || asprintf(&text, "#!/bin/sh\n%s", h->text) < 0 ||
		asprintf(&option, "--%s-hook=%s", h->option, path) < 0)
		return err_oom(err, "mmdebstrap");
	r = write_file(path, &(struct file_content){text, strlen(text), 0755}, err);
	if (r < 0)
		return r;
	return words_take(w, TAKE(option)) < 0 ? err_oom(err, "mmdebstrap") : 0;
}

/* ---- the run ---- */

static const char *const fixed[] = {"mmdebstrap", "--mode=root", "--format=directory", "--verbose",
	"--aptopt=APT::Install-Recommends \"false\"", "--aptopt=Acquire::Languages \"none\"",
	"--dpkgopt=force-unsafe-io", "--skip=check/signed-by,essential/unlink"};

/* A kernel's own initramfs is not wanted: that is the agent's place, and making one takes 20 s. */
static const char *const environment[] = {
	"LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "INITRD=No", NULL};

/* What is more than the essential packages is named in full, so only these differ in what is done. */
static const char *install_variant(const struct debian *d)
{
	const char *given = d->from->variant;

	return given && (!strcmp(given, "custom") || !strcmp(given, "extract")) ? given : "essential";
}

/* Every package of the pool, so that apt has nothing to choose. */
static char *list_packages(const struct debian *d)
{
	_cleanup_buf_ struct buf text = {0};
	int r = buf_puts(&text, "--include=");

	for (size_t i = 0; r == 0 && i < d->lock->package_count; i++) {
		const struct lock_package *p = &d->lock->packages[i];

		r = buf_printf(&text, "%s%s", i ? "," : "", p->name);
		if (r == 0 && strcmp(p->arch, "all") != 0 && strcmp(p->arch, d->arch) != 0)
			r = buf_printf(&text, ":%s", p->arch);
	}
	return r < 0 ? NULL : buf_steal(&text);
}

static int add_words(const struct debian *d, struct words *w, struct err *err)
{
	_cleanup_free_ char *variant = NULL, *sources = NULL;
	int r = 0;

	if (asprintf(&variant, "--variant=%s", install_variant(d)) < 0 ||
		asprintf(&sources, "deb [trusted=yes] copy:%s ./", d->pool) < 0)
		return err_oom(err, "mmdebstrap");
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(fixed); i++)
		r = words_add(w, fixed[i]);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(hooks); i++)
		r = add_hook(d, &hooks[i], w, err);
	if (r == 0)
		r = words_add(w, variant);
	if (r == 0)
		r = words_take(w, list_packages(d));
	if (r == 0 && access(MERGED_HOOKS, F_OK) == 0 && strcmp(install_variant(d), "extract") != 0)
		r = words_add(w, "--hook-dir=" MERGED_HOOKS);
	/* No suite: whatever is in the pool. */
	if (r == 0)
		r = words_add(w, "");
	if (r == 0)
		r = words_add(w, d->job->root);
	if (r == 0)
		r = words_take(w, TAKE(sources));
	return r == -ENOMEM ? err_oom(err, "mmdebstrap") : r;
}

int debian_install(struct debian *d, struct err *err)
{
	const struct proc_opts opts = {.env = environment, .line = debian_take_line, .arg = d};
	_cleanup_words_ struct words w = {0};
	int r = write_patterns(d, err);

	if (r == 0)
		r = add_words(d, &w, err);
	if (r < 0)
		return r;
	r = sandbox_run(NULL, (const char *const *)w.items, &opts, err);
	(void)remove_tree(d->pool, NULL);
	/* Which packages there are is settled, so the profile is not to blame. */
	if (r < 0 && *d->fault)
		return err_set(err, EIO, "from: debian: %s", d->fault);
	return r < 0 ? err_prefix(err, "from: debian") : 0;
}

int debian_add_options(const struct debian *d, struct buf *ret, struct err *err)
{
	static const char *const versions[] = {"dpkg-query", "--show",
		"--showformat=${Package} ${Version}\\n", "mmdebstrap", "apt", "dpkg", NULL};
	_cleanup_free_ char *tools = NULL;
	int r = proc_capture(versions, 4096, &tools, NULL);

	/* The tools may be there without being packages. */
	r = buf_printf(ret, "variant %s\ntools %s\n", install_variant(d), r < 0 ? "" : tools);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(fixed); i++)
		r = buf_printf(ret, "%s\n", fixed[i]);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(hooks); i++)
		r = buf_puts(ret, hooks[i].text);
	if (r == 0)
		r = add_patterns(ret, "path-exclude", &d->job->profile->exclude);
	if (r == 0)
		r = add_patterns(ret, "path-include", &d->job->profile->keep);
	return r < 0 ? err_oom(err, "the base") : 0;
}
