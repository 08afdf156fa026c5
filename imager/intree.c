/*
 * Owns the reaching of files inside an image's tree without ever leaving it, and the walk over all of them.
 * What is done to the files is the callers' business.
 */
#include "imager/intree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"

int intree_root(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_path(err, errno, path) : fd;
}

int intree_open(int root, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC,
		.mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

int intree_stat(int root, const char *path, struct stat *ret)
{
	_cleanup_close_ int fd = intree_open(root, path, O_PATH, 0);

	if (fd < 0)
		return fd;
	return fstat(fd, ret) < 0 ? -errno : 0;
}

int intree_read(int root, const char *path, size_t limit, char **ret, size_t *ret_len)
{
	_cleanup_close_ int fd = intree_open(root, path, O_RDONLY | O_NONBLOCK, 0);
	char self[32];

	if (fd < 0)
		return fd;
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return read_file_at(AT_FDCWD, self, limit, ret, ret_len);
}

/* One folder by its path from the root, made if it is missing. */
static int open_folder(int root, const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_close_ int parent = -1;
	int fd = intree_open(root, path, O_RDONLY | O_DIRECTORY, 0);

	if (fd != -ENOENT)
		return fd;
	if (slash && slash != path) {
		_cleanup_free_ char *up = strndup(path, (size_t)(slash - path));

		parent = up ? open_folder(root, up) : -ENOMEM;
	} else {
		parent = intree_open(root, "/", O_RDONLY | O_DIRECTORY, 0);
	}
	if (parent < 0)
		return parent;
	if (mkdirat(parent, slash ? slash + 1 : path, 0755) < 0)
		return -errno;
	return intree_open(root, path, O_RDONLY | O_DIRECTORY, 0);
}

int intree_parent(int root, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *folder = slash ? strndup(path, (size_t)(slash - path)) : strdup("");
	int fd;

	if (!folder)
		return -ENOMEM;
	fd = open_folder(root, *folder ? folder : "/");
	if (fd >= 0)
		*ret_name = slash ? slash + 1 : path;
	return fd;
}

int intree_write(int root, const char *path, const void *data, size_t len)
{
	const char *name;
	_cleanup_close_ int parent = intree_parent(root, path, &name), fd = -1;

	if (parent < 0)
		return parent;
	if (unlinkat(parent, name, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 || fchmod(fd, 0644) < 0)
		return -errno;
	return write_full(fd, data, len);
}

struct walk {
	intree_fn fn;
	void *arg;
	dev_t dev;
	struct err *err;
};

struct names {
	char **items;
	size_t count;
};

static void names_release(struct names *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->items[i]);
	free(n->items);
}
#define _cleanup_names_ _cleanup_(names_release)

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_names(int dirfd, struct names *ret)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return -errno;
	for (struct dirent *e; (e = readdir(dir));) {
		char **items;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		items = reallocarray(ret->items, ret->count + 1, sizeof(*items));
		if (!items)
			return -ENOMEM;
		ret->items = items;
		items[ret->count] = strdup(e->d_name);
		if (!items[ret->count])
			return -ENOMEM;
		ret->count++;
	}
	if (ret->count)
		qsort(ret->items, ret->count, sizeof(*ret->items), by_name);
	return 0;
}

static int walk_folder(struct walk *w, int dirfd, const char *path);

static int walk_entry(struct walk *w, int dirfd, const char *folder, const char *name)
{
	_cleanup_free_ char *path = NULL;
	struct intree_entry entry = {.dirfd = dirfd, .name = name};

	if (asprintf(&path, "%s/%s", folder, name) < 0)
		return err_oom(w->err, name);
	entry.path = path;
	if (fstatat(dirfd, name, &entry.st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_path(w->err, errno, path);
	if (entry.st.st_dev != w->dev)
		return 0;
	if (S_ISDIR(entry.st.st_mode)) {
		_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int r = fd < 0 ? err_path(w->err, errno, path) : walk_folder(w, fd, path);

		if (r < 0)
			return r;
	}
	return w->fn(&entry, w->arg, w->err);
}

static int walk_folder(struct walk *w, int dirfd, const char *path)
{
	_cleanup_names_ struct names names = {0};
	int r = list_names(dirfd, &names);

	if (r < 0)
		return err_path(w->err, -r, *path ? path : "/");
	for (size_t i = 0; i < names.count; i++) {
		r = walk_entry(w, dirfd, path, names.items[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

int intree_walk(int root, intree_fn fn, void *arg, struct err *err)
{
	struct walk w = {.fn = fn, .arg = arg, .err = err};
	struct stat st;

	if (fstat(root, &st) < 0)
		return err_path(err, errno, "the tree");
	w.dev = st.st_dev;
	return walk_folder(&w, root, "");
}
