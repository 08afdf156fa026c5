/*
 * Owns the shaping of a tree: one function for each part of the profile, one table that orders them. Does not
 * install packages (sources do) and does not clean up (scrub.c).
 */
#include "imager/tree/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/buf.h"
#include "imager/intree.h"
#include "imager/sandbox.h"
#include "imager/tree/treefile.h"

#define ARGV_MAX 64

struct shaping {
	const struct tree_job *job;
	const struct profile *profile;
	int root; /* the tree */
};

typedef int (*run_fn)(
	const char *root, const char *const argv[], const struct proc_opts *opts, struct err *err);

static int run_by(run_fn run, const struct shaping *s, const char *const argv[], struct err *err)
{
	char epoch[48];
	const char *const env[] = {epoch, NULL};
	const struct proc_opts opts = {.env = env, .line = s->job->line, .arg = s->job->arg};

	(void)snprintf(epoch, sizeof(epoch), "SOURCE_DATE_EPOCH=%" PRIu64, s->job->time);
	return run(s->job->root, argv, &opts, err);
}

/* One of the tree's own programs, as root inside the tree. */
static int run_inside(const struct shaping *s, const char *const argv[], struct err *err)
{
	return run_by(sandbox_run, s, argv, err);
}

static int add_group(const struct shaping *s, const struct profile_group *g, struct err *err)
{
	const char *argv[8] = {"groupadd"};
	char gid[24];
	size_t n = 1;

	if (g->system)
		argv[n++] = "--system";
	if (g->gid != UINT64_MAX) {
		(void)snprintf(gid, sizeof(gid), "%" PRIu64, g->gid);
		argv[n++] = "--gid";
		argv[n++] = gid;
	}
	argv[n++] = g->name;
	return run_inside(s, argv, err) < 0 ? err_prefix(err, "groups: %s", g->name) : 0;
}

static int shape_groups(const struct shaping *s, struct err *err)
{
	for (size_t i = 0; i < s->profile->group_count; i++) {
		int r = add_group(s, &s->profile->groups[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int add_user(const struct shaping *s, const struct profile_user *u, struct err *err)
{
	_cleanup_buf_ struct buf groups = {0};
	const char *argv[20] = {"useradd", u->system ? "--system" : "--create-home"};
	char uid[24];
	size_t n = 2;
	const struct {
		const char *option, *value;
	} texts[] = {{"--gid", u->group}, {"--home-dir", u->home}, {"--shell", u->shell}};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (!texts[i].value)
			continue;
		argv[n++] = texts[i].option;
		argv[n++] = texts[i].value;
	}
	if (u->uid != UINT64_MAX) {
		(void)snprintf(uid, sizeof(uid), "%" PRIu64, u->uid);
		argv[n++] = "--uid";
		argv[n++] = uid;
	}
	for (size_t i = 0; i < u->groups.count; i++)
		if (buf_printf(&groups, "%s%s", i ? "," : "", u->groups.items[i]) < 0)
			return err_oom(err, u->name);
	if (groups.len) {
		argv[n++] = "--groups";
		argv[n++] = groups.data;
	}
	argv[n++] = u->name;
	return run_inside(s, argv, err) < 0 ? err_prefix(err, "users: %s", u->name) : 0;
}

static int shape_users(const struct shaping *s, struct err *err)
{
	for (size_t i = 0; i < s->profile->user_count; i++) {
		int r = add_user(s, &s->profile->users[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int shape_files(const struct shaping *s, struct err *err)
{
	for (size_t i = 0; i < s->profile->file_count; i++) {
		int r = treefile_put(s->root, &s->profile->files[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int shape_artifacts(const struct shaping *s, struct err *err)
{
	const struct artifacts_job job = {
		.profile = s->profile,
		.root = s->job->root,
		.workdir = s->job->workdir,
		.stock = s->job->stock,
		.line = s->job->line,
		.arg = s->job->arg,
	};

	return artifacts_place(&job, err);
}

#define RESOLVER       "/etc/resolv.conf"
#define RESOLVER_ASIDE ".resolv.conf.aside"

/* For the time of a script with the network the tree's own file (or link) makes room for an empty one, over
 * which sandbox.c lays this machine's. */
static int swap_resolver(const struct shaping *s, int is_before, struct err *err)
{
	const char *name;
	_cleanup_close_ int etc = intree_parent(s->root, RESOLVER, &name), file = -1;

	if (etc < 0)
		return err_path(err, -etc, RESOLVER);
	if (!is_before) {
		if (unlinkat(etc, name, 0) < 0 ||
			(renameat(etc, RESOLVER_ASIDE, etc, name) < 0 && errno != ENOENT))
			return err_path(err, errno, RESOLVER);
		return 0;
	}
	if (renameat(etc, name, etc, RESOLVER_ASIDE) < 0 && errno != ENOENT)
		return err_path(err, errno, RESOLVER);
	file = openat(etc, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	return file < 0 ? err_path(err, errno, RESOLVER) : 0;
}

static int run_networked(const struct shaping *s, const char *const argv[], struct err *err)
{
	int r = swap_resolver(s, 1, err);

	if (r == 0)
		r = run_by(sandbox_run_networked, s, argv, err);
	return r < 0 ? r : swap_resolver(s, 0, err);
}

/* By sh -e, which stops at the first failure. Nothing of the text stays in the tree. */
static int shape_scripts(const struct shaping *s, struct err *err)
{
	for (size_t i = 0; i < s->profile->script_count; i++) {
		const struct profile_script *script = &s->profile->scripts[i];
		const char *const argv[] = {"/bin/sh", "-e", "-c", script->run, script->name, NULL};
		int r = script->network ? run_networked(s, argv, err) : run_inside(s, argv, err);

		if (r < 0)
			return err_prefix(err, "scripts: %s", script->name);
	}
	return 0;
}

static int run_systemctl(
	const struct shaping *s, const char *verb, const struct yaml_strings *units, struct err *err)
{
	const char *argv[ARGV_MAX + 3];

	for (size_t done = 0; done < units->count;) {
		size_t n = 0;

		argv[n++] = "systemctl";
		argv[n++] = verb;
		while (done < units->count && n < ARGV_MAX)
			argv[n++] = units->items[done++];
		argv[n] = NULL;
		if (run_inside(s, argv, err) < 0)
			return err_prefix(err, "units: %s", verb);
	}
	return 0;
}

static int shape_units(const struct shaping *s, struct err *err)
{
	const struct profile_units *u = &s->profile->units;
	struct yaml_strings target = {(char *[]){u->target}, u->target ? 1 : 0};
	const struct {
		const char *verb;
		const struct yaml_strings *units;
	} verbs[] = {{"enable", &u->enable}, {"disable", &u->disable}, {"mask", &u->mask},
		{"set-default", &target}};

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		int r = run_systemctl(s, verbs[i].verb, verbs[i].units, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Folders come after what is in them, so one that became empty goes as well. */
static int exclude_entry(const struct intree_entry *entry, void *arg, struct err *err)
{
	const struct shaping *s = arg;
	int is_dir = S_ISDIR(entry->st.st_mode);

	if (!profile_excludes(s->profile, entry->path))
		return 0;
	if (unlinkat(entry->dirfd, entry->name, is_dir ? AT_REMOVEDIR : 0) < 0 &&
		!(is_dir && (errno == ENOTEMPTY || errno == EEXIST)))
		return err_path(err, errno, entry->path);
	return 0;
}

static int shape_excludes(const struct shaping *s, struct err *err)
{
	if (!s->profile->exclude.count)
		return 0;
	return intree_walk(s->root, exclude_entry, (void *)s, err);
}

static int (*const steps[])(const struct shaping *s, struct err *err) = {
	shape_groups,
	shape_users,
	shape_files,
	shape_artifacts,
	shape_scripts,
	shape_units,
	shape_excludes,
};

int tree_apply(const struct tree_job *job, struct err *err)
{
	_cleanup_close_ int root = intree_root(job->root, err);
	const struct shaping s = {.job = job, .profile = job->profile, .root = root};

	if (root < 0)
		return root;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int r = steps[i](&s, err);

		if (r < 0)
			return r;
	}
	return 0;
}
