/* Owns the folder that says how the node seeds: its files, and the watch on them. Decides nothing. */
#include "initramfs/seedfolder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/buf.h"
#include "imager/base/io.h"
#include "initramfs/sandbox.h"

#define STATE_LIMIT 32
#define HEADS_LIMIT 4096

static int open_folder(const char *path, int *ret, struct err *err)
{
	int fd, r = mkdir_p(path, err);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_path(err, errno, path);
	*ret = fd;
	return 0;
}

int seedfolder_open(const char *path, struct seedfolder *ret, struct err *err)
{
	_cleanup_(seedfolder_close) struct seedfolder f = {-1, -1};
	_cleanup_free_ char *jobs = path_join(path, "jobs");
	int r = jobs ? open_folder(path, &f.dir, err) : err_oom(err, path);

	if (r == 0)
		r = open_folder(jobs, &f.jobs, err);
	if (r < 0)
		return r;
	if (geteuid() == 0 && fchown(f.dir, SANDBOX_ID, SANDBOX_ID) < 0)
		return err_path(err, errno, path);
	*ret = f;
	f = (struct seedfolder){-1, -1};
	return 0;
}

void seedfolder_close(struct seedfolder *f)
{
	if (f->dir >= 0)
		(void)close(f->dir);
	if (f->jobs >= 0)
		(void)close(f->jobs);
}

int seedfolder_watch(const char *path, struct err *err)
{
	_cleanup_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	_cleanup_free_ char *jobs = path_join(path, "jobs");

	if (!jobs)
		return err_oom(err, path);
	if (fd < 0 || inotify_add_watch(fd, path, IN_MOVED_TO | IN_DELETE) < 0 ||
		inotify_add_watch(fd, jobs, IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM) < 0)
		return err_path(err, errno, path);
	return TAKE_FD(fd);
}

void seedfolder_drain(int watch)
{
	char block[4096];

	while (read(watch, block, sizeof(block)) > 0)
		;
}

/* ---- its files ---- */

static int put(const struct seedfolder *f, const char *name, const struct buf *text, struct err *err)
{
	_cleanup_close_ int fd = -1;
	char temporary[32];

	(void)snprintf(temporary, sizeof(temporary), "%s.new", name);
	fd = openat(f->dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 || write_full(fd, text->data, text->len) < 0 ||
		renameat(f->dir, temporary, f->dir, name) < 0)
		return err_set(err, errno, "the seed folder: %s: %s", name, strerror(errno));
	return 0;
}

int seedfolder_policy(const struct seedfolder *f, struct seed_policy *ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = read_file_at(f->dir, "policy", SEED_LIMIT, &text, &len);

	if (r == -ENOENT) {
		*ret = (struct seed_policy){0};
		return 0;
	}
	if (r < 0)
		return err_set(err, -r, "the seed policy: %s", strerror(-r));
	return seed_policy_parse(text, len, ret, err);
}

int seedfolder_put_policy(const struct seedfolder *f, const struct seed_policy *p, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};

	if (seed_policy_format(p, &text) < 0)
		return err_oom(err, "the seed policy");
	return put(f, "policy", &text, err);
}

int seedfolder_heads(const struct seedfolder *f, char **ret, struct err *err)
{
	int r = read_file_at(f->dir, "heads", HEADS_LIMIT, ret, NULL);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? err_set(err, -r, "the seed folder: heads: %s", strerror(-r)) : 0;
}

int seedfolder_put_heads(const struct seedfolder *f, const struct buf *text, struct err *err)
{
	return put(f, "heads", text, err);
}

enum seed_state seedfolder_state(const struct seedfolder *f)
{
	_cleanup_free_ char *text = NULL;
	enum seed_state state = SEED_UNKNOWN;

	if (read_file_at(f->dir, "state", STATE_LIMIT, &text, NULL) == 0) {
		text[strcspn(text, "\n")] = '\0';
		(void)seed_state_parse(text, &state);
	}
	return state;
}

int seedfolder_put_state(const struct seedfolder *f, enum seed_state state, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};

	if (buf_printf(&text, "%s\n", seed_state_name(state)) < 0)
		return err_oom(err, "the seed state");
	return put(f, "state", &text, err);
}

static int is_number(const char *name)
{
	return *name && strspn(name, "0123456789") == strlen(name);
}

size_t seedfolder_jobs(const struct seedfolder *f)
{
	/* A descriptor of its own, as the place in the list is the open file's. */
	int fd = openat(f->jobs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	size_t count = 0;

	if (!dir && fd >= 0)
		(void)close(fd);
	for (struct dirent *e; dir && (e = readdir(dir));)
		count += is_number(e->d_name);
	return count;
}
