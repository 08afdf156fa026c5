/*
 * Owns the configuration that dnf and rpm get: the profile's repositories, the place of the database, folders
 * of their own. Running them is rpm.c's.
 */
#include "imager/source/rpmconf.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "imager/base/buf.h"
#include "imager/base/io.h"
#include "imager/intree.h"
#include "imager/packages/rpmdb.h"

#define KEY_LIMIT   ((size_t)1 << 20)
#define KEY_BEGINS  "-----BEGIN PGP PUBLIC KEY BLOCK-----"
#define KEYS_FOLDER "/etc/pki/rpm-gpg/"

/*
 * The mounts of a running system are not the packages' to make; they are there while scriptlets run. The host
 * may keep its database anywhere (Debian's rpm: in the user's home).
 */
static const char macros[] = "%_dbpath " RPMDB_NEW "\n"
			     "%_netsharedpath /proc:/sys:/dev\n"
			     "%_install_langs all\n";

/* dnf puts the tree's path before these folders, so they are told by the way to them from there. */
static const char main_section[] = "[main]\n"
				   "plugins=0\n"
				   "assumeyes=1\n"
				   "best=1\n"
				   "color=never\n"
				   "clean_requirements_on_remove=0\n"
				   "install_weak_deps=0\n"
				   "keepcache=1\n"
				   "metadata_expire=1\n"
				   "skip_if_unavailable=0\n"
				   "zchunk=0\n";

void rpmconf_release(struct rpmconf *c)
{
	free(c->home);
	free(c->config);
	free(c->cache);
}

typedef int (*repository_fn)(const struct profile_repository *repository, void *arg, struct err *err);

static int each_repository(const struct profile *p, repository_fn fn, void *arg, struct err *err)
{
	const struct profile_rpm *rpm = &p->from.rpm;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < rpm->repository_count; i++)
		r = fn(&rpm->repositories[i], arg, err);
	for (size_t i = 0; r >= 0 && i < p->repository_count; i++)
		r = fn(&p->repositories[i], arg, err);
	return r;
}

/* ---- the repositories ---- */

static int is_local(const struct profile_repository *repository)
{
	return !strncmp(repository->url, "file:///", strlen("file:///"));
}

/* rpm takes armoured keys alone. */
static int check_key(const struct profile_repository *repository, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int r = read_file(repository->key, KEY_LIMIT, &text, NULL, err);

	if (r < 0)
		return yaml_fault(repository->node, "key", err, "%s: %s", repository->key, strerror(-r));
	if (!strstr(text, KEY_BEGINS))
		return yaml_fault(repository->node, "key", err,
			"%s: no armoured public key, as gpg --armor --export writes it", repository->key);
	return 0;
}

static int check_proof(const struct profile_repository *repository, struct err *err)
{
	if (repository->key)
		return check_key(repository, err);
	if (is_local(repository))
		return 0;
	return yaml_fault(repository->node, "key", err,
		"is wanted for %s: nothing else proves that its packages are what they should be",
		repository->url);
}

static int add_section(const struct profile_repository *repository, const char *key, struct buf *text)
{
	if (buf_printf(text, "\n[%s]\nname=%s\nbaseurl=%s\nenabled=1\ngpgcheck=%d\n", repository->name,
		    repository->name, repository->url, key != NULL) < 0)
		return -ENOMEM;
	return key ? buf_printf(text, "gpgkey=file://%s\n", key) : 0;
}

static int add_repository(const struct profile_repository *repository, void *arg, struct err *err)
{
	_cleanup_free_ char *key = NULL;
	int r = check_proof(repository, err);

	if (r < 0)
		return r;
	if (repository->key && !(key = realpath(repository->key, NULL)))
		return err_path(err, errno, repository->key);
	return add_section(repository, key, arg) < 0 ? err_oom(err, "dnf.conf") : 0;
}

/* ---- the files ---- */

/* Short, as SQLite takes no path of more than 512 bytes: up to the folder that both are in, and down again.
 */
static int add_folder(struct buf *text, const char *root, const char *option, const char *path)
{
	size_t same = 0;

	for (size_t i = 0; root[i] && root[i] == path[i]; i++)
		if (root[i] == '/')
			same = i;
	if (buf_printf(text, "%s=", option) < 0)
		return -ENOMEM;
	for (const char *c = root + same; *c; c++)
		if (*c == '/' && buf_puts(text, "/..") < 0)
			return -ENOMEM;
	return buf_printf(text, "%s\n", path + same);
}

/* Packages and metadata are other builds' too, where there is a cache. */
static int add_folders(
	const struct source_job *job, const struct rpmconf *c, struct buf *text, struct err *err)
{
	_cleanup_free_ char *root = realpath(job->root, NULL);
	static const char *const options[][2] = {
		{"cachedir", "cache"}, {"logdir", "log"}, {"persistdir", "state"}};

	if (!root)
		return err_path(err, errno, job->root);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		_cleanup_free_ char *path =
			i == 0 && c->cache ? strdup(c->cache) : path_join(c->home, options[i][1]);

		if (!path || add_folder(text, root, options[i][0], path) < 0)
			return err_oom(err, "dnf.conf");
	}
	return 0;
}

static int write_config(const struct source_job *job, struct rpmconf *c, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};
	int r;

	if (buf_puts(&text, main_section) < 0)
		return err_oom(err, "dnf.conf");
	r = add_folders(job, c, &text, err);
	if (r >= 0)
		r = each_repository(job->profile, add_repository, &text, err);
	return r < 0 ? r : write_file(c->config, &(struct file_content){text.data, text.len, 0644}, err);
}

static int make_home(const char *home, struct err *err)
{
	static const char *const folders[] = {"repos", "vars"};
	_cleanup_free_ char *path = path_join(home, ".rpmmacros");
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(folders); i++) {
		_cleanup_free_ char *folder = path_join(home, folders[i]);

		r = folder ? mkdir_p(folder, err) : err_oom(err, home);
	}
	if (r >= 0 && !path)
		r = err_oom(err, home);
	return r < 0 ? r : write_file(path, &(struct file_content){macros, strlen(macros), 0644}, err);
}

int rpmconf_write(const struct source_job *job, struct rpmconf *ret, struct err *err)
{
	_cleanup_rpmconf_ struct rpmconf c = {0};
	_cleanup_free_ char *workdir = realpath(job->workdir, NULL), *given = NULL;
	int r;

	if (!workdir)
		return err_path(err, errno, job->workdir);
	c.home = path_join(workdir, "rpm");
	given = cache_folder(job->cache, "rpm");
	c.cache = given ? realpath(given, NULL) : NULL;
	c.config = c.home ? path_join(c.home, "dnf.conf") : NULL;
	if (!c.config)
		return err_oom(err, "dnf.conf");
	r = make_home(c.home, err);
	if (r >= 0)
		r = write_config(job, &c, err);
	if (r < 0)
		return r;
	*ret = c;
	c = (struct rpmconf){0};
	return 0;
}

static int describe(const struct profile_repository *repository, void *arg, struct err *err)
{
	_cleanup_free_ char *key = NULL;
	int r = repository->key ? read_file(repository->key, KEY_LIMIT, &key, NULL, err) : 0;

	if (r < 0)
		return r;
	if (add_section(repository, key ? "key" : NULL, arg) < 0 ||
		buf_printf(arg, "keep=%d\n%s", repository->keep, key ? key : "") < 0)
		return err_oom(err, repository->name);
	return 0;
}

int rpmconf_describe(const struct source_job *job, struct buf *ret, struct err *err)
{
	return each_repository(job->profile, describe, ret, err);
}

struct wanted {
	const char *name;
	size_t len;
	int found;
};

static int see_repository(const struct profile_repository *repository, void *arg, struct err *err)
{
	struct wanted *w = arg;

	(void)err;
	w->found |= strlen(repository->name) == w->len && !strncmp(repository->name, w->name, w->len);
	return 0;
}

int rpmconf_has(const struct source_job *job, const char *name, size_t len)
{
	struct wanted w = {.name = name, .len = len};

	(void)each_repository(job->profile, see_repository, &w, NULL);
	return w.found;
}

static int add_remote(const struct profile_repository *repository, void *arg, struct err *err)
{
	(void)err;
	*(int *)arg |= !is_local(repository);
	return 0;
}

int rpmconf_is_remote(const struct source_job *job)
{
	int remote = 0;

	(void)each_repository(job->profile, add_remote, &remote, NULL);
	return remote;
}

/* ---- what the image knows ---- */

static int keep_key(int root, const struct profile_repository *repository, const char *path, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = read_file(repository->key, KEY_LIMIT, &text, &len, err);

	if (r < 0)
		return r;
	r = intree_write(root, path, text, len);
	return r < 0 ? err_path(err, -r, path) : 0;
}

static int keep(const struct profile_repository *repository, void *arg, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};
	_cleanup_free_ char *path = NULL, *key = NULL;
	int root = *(const int *)arg, r;

	if (!repository->keep)
		return 0;
	if (asprintf(&path, "/etc/yum.repos.d/%s.repo", repository->name) < 0 ||
		asprintf(&key, KEYS_FOLDER "RPM-GPG-KEY-%s", repository->name) < 0)
		return err_oom(err, repository->name);
	r = repository->key ? keep_key(root, repository, key, err) : 0;
	if (r < 0)
		return r;
	if (add_section(repository, repository->key ? key : NULL, &text) < 0)
		return err_oom(err, repository->name);
	r = intree_write(root, path, text.data + 1, text.len - 1);
	return r < 0 ? err_path(err, -r, path) : 0;
}

int rpmconf_keep(const struct source_job *job, int root, struct err *err)
{
	return each_repository(job->profile, keep, &root, err);
}
