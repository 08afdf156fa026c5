/*
 * Owns from: rpm: dnf as a child, the mounts that packages' scriptlets need, and what is done to rpm's
 * database afterwards. What dnf is told in files is rpmconf.c's.
 */
#include "imager/source/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "imager/base/io.h"
#include "imager/base/words.h"
#include "imager/intree.h"
#include "imager/packages/rpmdb.h"
#include "imager/sandbox.h"
#include "imager/source/basecache.h"
#include "imager/source/blame.h"
#include "imager/source/rpmbase.h"

#define MACROS_LIMIT ((size_t)1 << 20)

struct install {
	const struct source_job *job;
	struct rpmconf conf;
	char fault[256]; /* the first line that dnf began with "Error: " */
	int is_told;     /* the line before was "Error:" */
	int has_details;
};

static void install_release(struct install *i)
{
	rpmconf_release(&i->conf);
}

/* ---- what scriptlets find in the tree ---- */

static const struct {
	const char *path;
	mode_t mode; /* of the folder; 0: a file to bind a device on */
} places[] = {
	{"proc", 0555},
	{"sys", 0555},
	{"dev", 0755}, /* folders come first */
	{"dev/null", 0},
	{"dev/zero", 0},
	{"dev/full", 0},
	{"dev/random", 0},
	{"dev/urandom", 0},
};

static int make_place(const char *path, mode_t mode)
{
	int fd;

	if (mode)
		return mkdir(path, mode) < 0 && errno != EEXIST ? -errno : 0;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	(void)close(fd);
	return 0;
}

/* This process has mounts of its own (sandbox_private_mounts). The tree is empty yet: no link can mislead. */
static int mount_places(const struct source_job *job, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		_cleanup_free_ char *path = path_join(job->root, places[i].path), *host = NULL;
		int r;

		if (!path || asprintf(&host, "/%s", places[i].path) < 0)
			return err_oom(err, "from: rpm");
		r = make_place(path, places[i].mode);
		if (r < 0)
			return err_path(err, -r, path);
		if ((!places[i].mode || !strcmp(host, "/proc")) &&
			mount(host, path, NULL, MS_BIND | MS_REC, NULL) < 0)
			return err_path(err, errno, path);
	}
	return 0;
}

/* The devices' files would lie in the tree afterwards. */
static void unmount_places(const struct source_job *job)
{
	for (size_t i = ARRAY_SIZE(places); i-- > 0;) {
		_cleanup_free_ char *path = path_join(job->root, places[i].path);

		if (!path)
			continue;
		if (!places[i].mode || !strcmp(places[i].path, "proc"))
			(void)umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
		if (!places[i].mode)
			(void)unlink(path);
	}
}

/* ---- dnf ---- */

/* "Error: sentence", or "Error: Something:" with the sentence below, and perhaps " - details" below that. */
static void take_line(const char *text, void *arg)
{
	struct install *i = arg;
	const char *rest = strncmp(text, "Error:", 6) != 0 ? NULL : text + 6 + strspn(text + 6, " ");
	size_t len = strlen(i->fault);

	if (i->is_told && !*i->fault)
		(void)snprintf(i->fault, sizeof(i->fault), "%.255s", text + strspn(text, " "));
	else if (*i->fault && !strncmp(text, "  - ", 4) && !i->has_details)
		i->has_details = snprintf(i->fault + len, sizeof(i->fault) - len, ", %s", text + 4) > 0;
	if (rest && !*i->fault && *rest && rest[strlen(rest) - 1] != ':')
		(void)snprintf(i->fault, sizeof(i->fault), "%.255s", rest);
	i->is_told = rest != NULL;
	i->job->line(text, i->job->arg);
}

static int fault(const struct install *i, struct err *err)
{
	int r;

	if (!*i->fault)
		return err_prefix(err, "from: rpm");
	r = blame_package(i->job->profile, i->fault, "the repositories", err);
	return r < 0 ? r : err_set(err, EIO, "from: rpm: %s", i->fault);
}

/* command: "install"; then names, NULL-terminated. */
static int run(struct install *i, const char *const command[], const char *const names[], struct err *err)
{
	_cleanup_free_ char *repos = NULL, *vars = NULL, *root = NULL, *release = NULL, *config = NULL,
			    *home = NULL;
	_cleanup_free_ const char **argv = NULL;
	/* rpm takes the time of installation from this one: the same packages, the same database. What a
	   kernel's package would do for a boot loader is not wanted. */
	const char *env[] = {"LC_ALL=C.UTF-8", "SOURCE_DATE_EPOCH=1", "KERNEL_INSTALL_BYPASS=1", NULL, NULL};
	const struct proc_opts opts = {.env = env, .line = take_line, .arg = i};
	size_t n = 0, count = 0;

	while (names[count])
		count++;
	argv = calloc(count + 13, sizeof(*argv));
	if (!argv || asprintf(&config, "--config=%s", i->conf.config) < 0 ||
		asprintf(&repos, "--setopt=reposdir=%s/repos", i->conf.home) < 0 ||
		asprintf(&vars, "--setopt=varsdir=%s/vars", i->conf.home) < 0 ||
		asprintf(&root, "--installroot=%s", i->job->root) < 0 ||
		asprintf(&release, "--releasever=%s", i->job->profile->from.rpm.releasever) < 0 ||
		asprintf(&home, "HOME=%s", i->conf.home) < 0)
		return err_oom(err, "dnf");
	env[3] = home;
	argv[n++] = "dnf";
	argv[n++] = config;
	argv[n++] = repos;
	argv[n++] = vars;
	argv[n++] = root;
	argv[n++] = release;
	if (i->job->offline && rpmconf_is_remote(i->job))
		argv[n++] = "--cacheonly";
	while (*command)
		argv[n++] = *command++;
	for (size_t k = 0; k < count; k++)
		argv[n++] = names[k];
	return sandbox_run(NULL, argv, &opts, err) < 0 ? fault(i, err) : 0;
}

static int enable_modules(struct install *i, struct err *err)
{
	static const char *const command[] = {"module", "enable", NULL};
	const struct yaml_strings *modules = &i->job->profile->from.rpm.modules;
	_cleanup_free_ const char **names = calloc(modules->count + 1, sizeof(*names));

	if (!names)
		return err_oom(err, "the module streams");
	for (size_t k = 0; k < modules->count; k++)
		names[k] = modules->items[k];
	return modules->count ? run(i, command, names, err) : 0;
}

static int install_packages(struct install *i, struct err *err)
{
	static const char *const command[] = {"install", NULL};
	const struct profile *p = i->job->profile;
	_cleanup_free_ const char **names = calloc(p->package_count + 2, sizeof(*names));
	size_t count = 0;

	if (!names)
		return err_oom(err, "the packages");
	for (; count < p->package_count; count++)
		names[count] = p->packages[count].name;
	if (p->kernel.package)
		names[count++] = p->kernel.package;
	if (!count)
		return yaml_fault(yaml_root(p->doc), "packages", err, "from: rpm wants one at least");
	return run(i, command, names, err);
}

/* All of them, each by its version and architecture. */
static int install_locked(struct install *i, struct err *err)
{
	static const char *const command[] = {"install", NULL};
	const struct lock *lock = i->job->locked;
	_cleanup_words_ struct words names = {0};

	for (size_t k = 0; k < lock->package_count; k++) {
		const struct lock_package *p = &lock->packages[k];
		char *name = NULL;

		if (asprintf(&name, "%s-%s.%s", p->name, p->version, p->arch) < 0 ||
			words_take(&names, name) < 0)
			return err_oom(err, "the packages");
	}
	if (!names.count)
		return err_set(err, EPERM, "from: rpm: the lock file names no package");
	return run(i, command, (const char *const *)names.items, err);
}

/* ---- the database ---- */

/* Where the tree's own rpm looks: its macros say; a tree without rpm has nobody who would look. */
static int wants_old_place(int root)
{
	_cleanup_free_ char *text = NULL;
	char *rest;

	if (intree_read(root, "/usr/lib/rpm/macros", MACROS_LIMIT, &text, NULL) < 0)
		return 0;
	rest = text;
	for (char *line; (line = strsep(&rest, "\n"));)
		if (!strncmp(line, "%_dbpath", 8) && strchr(" \t", line[8]))
			return strstr(line, "%{_var}/lib/rpm") || strstr(line, RPMDB_OLD);
	return 0;
}

/* Lock and journal: empty when all is written, and never twice the same. */
static void drop_leftovers(int root)
{
	static const char *const names[] = {".rpm.lock", "rpmdb.sqlite-shm", "rpmdb.sqlite-wal"};
	_cleanup_close_ int folder = intree_open(root, RPMDB_NEW, O_RDONLY | O_DIRECTORY, 0);

	for (size_t i = 0; folder >= 0 && i < ARRAY_SIZE(names); i++) {
		struct stat st;

		if (fstatat(folder, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			(st.st_size == 0 || strstr(names[i], "-shm")))
			(void)unlinkat(folder, names[i], 0);
	}
}

static int move_database(int root, struct err *err)
{
	const char *from_name, *to_name;
	_cleanup_close_ int from = intree_parent(root, RPMDB_NEW, &from_name),
			    to = intree_parent(root, RPMDB_OLD, &to_name);

	if (from < 0 || to < 0)
		return err_path(err, from < 0 ? -from : -to, RPMDB_OLD);
	/* rpm's own package brings the folder, empty */
	if (unlinkat(to, to_name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_path(err, errno, RPMDB_OLD);
	return renameat(from, from_name, to, to_name) < 0 ? err_path(err, errno, RPMDB_OLD) : 0;
}

static int finish(const struct source_job *job, uint64_t *ret_time, struct err *err)
{
	_cleanup_close_ int root = intree_root(job->root, err);
	int r = root < 0 ? root : rpmdb_newest(job->root, RPMDB_NEW, ret_time, err);

	if (r < 0)
		return r;
	drop_leftovers(root);
	r = wants_old_place(root) ? move_database(root, err) : 0;
	return r < 0 ? r : rpmconf_keep(job, root, err);
}

/* dnf itself, where there is no tree in the cache. */
static int make_tree(struct install *i, uint64_t *ret_time, struct err *err)
{
	const struct source_job *job = i->job;
	int r = mount_places(job, err);

	if (r >= 0)
		r = enable_modules(i, err);
	if (r >= 0)
		r = job->locked ? install_locked(i, err) : install_packages(i, err);
	unmount_places(job);
	return r < 0 ? r : finish(job, ret_time, err);
}

/* The repositories' metadata as they are now decide whether the tree is there already. */
static int find_key(struct install *i, struct digest *ret, struct err *err)
{
	static const char *const command[] = {"makecache", NULL}, *const none[] = {NULL};
	int r = i->job->offline ? 0 : run(i, command, none, err);

	return r < 0 ? r : rpmbase_key(i->job, &i->conf, ret, err);
}

static int make_cached_tree(struct install *i, uint64_t *ret_time, struct err *err)
{
	const struct source_job *job = i->job;
	struct digest key, after;
	const struct basecache base = {
		.cache = job->cache, .key = &key, .root = job->root, .workdir = job->workdir};
	int has_key = find_key(i, &key, err), r = has_key;

	if (has_key > 0)
		r = basecache_get(&base, ret_time, err);
	if (r != 0 && has_key != 0)
		return r < 0 ? r : 0;
	r = make_tree(i, ret_time, err);
	/* metadata that changed meanwhile would be another tree's key */
	if (r >= 0 && has_key > 0 && rpmbase_key(job, &i->conf, &after, NULL) > 0 &&
		digest_equal(&key, &after))
		(void)basecache_put(&base, *ret_time, NULL);
	return r;
}

static int unpack(const struct source_job *job, uint64_t *ret_time, struct err *err)
{
	_cleanup_(install_release) struct install i = {.job = job};
	/* dnf's own locks know processes by their number, which in a namespace is always the same */
	_cleanup_close_ int lock = -1;
	int r = rpmconf_write(job, &i.conf, err);

	if (r < 0)
		return r;
	if (!i.conf.cache)
		return make_tree(&i, ret_time, err);
	lock = source_lock_folder(i.conf.cache, err);
	return lock < 0 ? lock : make_cached_tree(&i, ret_time, err);
}

const struct source source_rpm = {"rpm", unpack};
