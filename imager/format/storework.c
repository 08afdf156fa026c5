/*
 * Owns what keeps writers apart and the store clean. A writer has a folder STORE/.tmp/work-XXXXXX, locked as
 * long as it lives, with a list of the blobs it put into the store ("added": one empty file each). A folder
 * whose lock is free belonged to a dead writer: it is removed, and so are the blobs on its list that nothing
 * in index.json leads to.
 */
#include "imager/format/storepriv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "imager/base/log.h"

#define WORK_PARENT ".tmp"
#define JOURNAL     "added"

int store_lock(struct store *s, struct err *err)
{
	_cleanup_free_ char *path = path_join(s->path, ".lock");
	_cleanup_close_ int fd = -1;

	if (!path)
		return err_oom(err, s->path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_path(err, errno, path);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_path(err, errno, path);
	return TAKE_FD(fd);
}

/* ---- the list of added blobs ---- */

int store_note_blob(struct store *s, const struct digest *d, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	char hex[65];

	digest_hex(d, hex);
	if (asprintf(&path, "%s/" JOURNAL "/%s", s->work, hex) < 0)
		return err_oom(err, s->work);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	return fd < 0 ? err_path(err, errno, path) : 0;
}

/* Nothing is removed unless all that index.json leads to could be read. */
static void remove_unnamed(struct store *s, const char *work)
{
	_cleanup_free_ char *journal = path_join(work, JOURNAL);
	_cleanup_closedir_ DIR *dir = journal ? opendir(journal) : NULL;
	_cleanup_json_ json_t *named = NULL;

	if (!dir || index_references(s, &named, NULL) < 0)
		return;
	for (struct dirent *e; (e = readdir(dir));) {
		_cleanup_free_ char *text = NULL, *blob = NULL;
		struct digest d;

		if (asprintf(&text, "sha256:%s", e->d_name) < 0 || digest_parse(text, &d) < 0)
			continue;
		if (json_object_get(named, text))
			continue;
		blob = store_blob_path(s, &d);
		if (blob)
			(void)unlink(blob);
	}
}

/* ---- dead writers ---- */

static void remove_logged(const char *path)
{
	struct err err = {0};

	if (remove_tree(path, &err) < 0)
		log_debug("cannot remove what a dead writer left: %s", err.text);
}

/* A killed build's tree goes at once; its list waits until no writer can need the blobs on it. */
static void remove_trees(const char *work)
{
	_cleanup_closedir_ DIR *dir = opendir(work);

	if (!dir)
		return;
	for (struct dirent *e; (e = readdir(dir));) {
		_cleanup_free_ char *path = NULL;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || !strcmp(e->d_name, JOURNAL))
			continue;
		path = path_join(work, e->d_name);
		if (path)
			remove_logged(path);
	}
}

static int is_alive(const char *work)
{
	_cleanup_close_ int fd = open(work, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
}

enum sweep { SWEEP_TREES, SWEEP_ALL };

/* How many writers are alive; dead ones are swept. The store's lock is held, so nobody comes or sweeps. */
static unsigned sweep_works(struct store *s, enum sweep sweep)
{
	_cleanup_free_ char *parent = path_join(s->path, WORK_PARENT);
	_cleanup_closedir_ DIR *dir = parent ? opendir(parent) : NULL;
	unsigned alive = 0;

	if (!dir)
		return 0;
	for (struct dirent *e; (e = readdir(dir));) {
		_cleanup_free_ char *work = NULL;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		work = path_join(parent, e->d_name);
		if (!work || is_alive(work)) {
			alive++;
			continue;
		}
		remove_trees(work);
		if (sweep == SWEEP_TREES)
			continue;
		remove_unnamed(s, work);
		remove_logged(work);
	}
	return alive;
}

/* Temporary names of write_file_atomic: only lock holders write there. */
static void sweep_root(struct store *s)
{
	_cleanup_closedir_ DIR *dir = opendir(s->path);

	if (!dir)
		return;
	for (struct dirent *e; (e = readdir(dir));)
		if (!strncmp(e->d_name, "index.json.tmp.", 15) || !strncmp(e->d_name, "oci-layout.tmp.", 15))
			(void)unlinkat(dirfd(dir), e->d_name, 0);
}

static void sweep(struct store *s)
{
	sweep_root(s);
	if (sweep_works(s, SWEEP_TREES) == 0)
		(void)sweep_works(s, SWEEP_ALL);
}

/* ---- this writer ---- */

static int make_work(struct store *s, const char *parent, struct err *err)
{
	_cleanup_free_ char *work = path_join(parent, "work-XXXXXX"), *journal = NULL;
	_cleanup_close_ int fd = -1;

	if (!work)
		return err_oom(err, parent);
	if (!mkdtemp(work) || chmod(work, 0755) < 0)
		return err_path(err, errno, work);
	journal = path_join(work, JOURNAL);
	if (!journal)
		return err_oom(err, work);
	fd = open(work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || mkdir(journal, 0755) < 0)
		return err_path(err, errno, work);
	s->work = TAKE(work);
	s->work_fd = TAKE_FD(fd);
	s->owner = getpid();
	return 0;
}

int store_begin(struct store *s, struct err *err)
{
	_cleanup_free_ char *parent = path_join(s->path, WORK_PARENT);
	_cleanup_close_ int lock = -1;
	int r;

	if (s->work)
		return 0;
	if (!parent)
		return err_oom(err, s->path);
	lock = store_lock(s, err);
	if (lock < 0)
		return lock;
	r = mkdir_p(parent, err);
	if (r < 0)
		return r;
	sweep(s);
	return make_work(s, parent, err);
}

/* Closing gives up the lock on the folder: from there on it is a dead writer's. */
void store_end(struct store *s)
{
	_cleanup_close_ int lock = -1;

	if (!s->work)
		return;
	(void)close(s->work_fd);
	if (s->owner == getpid())
		lock = store_lock(s, NULL);
	if (lock >= 0)
		sweep(s);
	free(s->work);
	s->work = NULL;
	s->work_fd = -1;
}
