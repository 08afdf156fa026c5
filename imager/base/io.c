/* Owns file reads and writes as wholes: limits on input, atomic appearance on output. */
#include "imager/base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/cleanup.h"

/* At an offset, or where the file stands. */
#define HERE ((off_t)-1)

static ssize_t read_all(int fd, char *data, size_t len, off_t at)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = at == HERE ? read(fd, data + done, len - done)
				       : pread(fd, data + done, len - done, at + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static int write_all(int fd, const char *data, size_t len, off_t at)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = at == HERE ? write(fd, data + done, len - done)
				       : pwrite(fd, data + done, len - done, at + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

ssize_t read_full(int fd, void *data, size_t len)
{
	return read_all(fd, data, len, HERE);
}

int write_full(int fd, const void *data, size_t len)
{
	return write_all(fd, data, len, HERE);
}

ssize_t pread_full(int fd, void *data, size_t len, uint64_t at)
{
	return at > INT64_MAX ? -EINVAL : read_all(fd, data, len, (off_t)at);
}

int pwrite_full(int fd, const void *data, size_t len, uint64_t at)
{
	return at > INT64_MAX ? -EINVAL : write_all(fd, data, len, (off_t)at);
}

int allocate_full(int fd, uint64_t size)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < (off_t)size && ftruncate(fd, (off_t)size) < 0)
		return -errno;
	r = posix_fallocate(fd, 0, (off_t)size);
	if (r != 0 && st.st_size < (off_t)size && ftruncate(fd, st.st_size) < 0)
		return -errno;
	return -r;
}

/* sysfs and procfs report a size of 0 or 4096, so the size is only a first guess. */
static int read_fd(int fd, size_t limit, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *data = NULL;
	size_t len = 0, size = 4096;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > limit)
		return -EFBIG;
	if (st.st_size > 0)
		size = (size_t)st.st_size + 2;
	for (;;) {
		char *grown = realloc(data, size);
		ssize_t n;

		if (!grown)
			return -ENOMEM;
		data = grown;
		n = read_full(fd, data + len, size - 1 - len);
		if (n < 0)
			return (int)n;
		len += (size_t)n;
		if (len > limit)
			return -EFBIG;
		if (len < size - 1)
			break;
		size *= 2;
	}
	data[len] = '\0';
	*ret = TAKE(data);
	if (ret_len)
		*ret_len = len;
	return 0;
}

int read_file_at(int dirfd, const char *path, size_t limit, char **ret, size_t *ret_len)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return read_fd(fd, limit, ret, ret_len);
}

int read_file(const char *path, size_t limit, char **ret, size_t *ret_len, struct err *err)
{
	int r = read_file_at(AT_FDCWD, path, limit, ret, ret_len);

	if (r == -EFBIG)
		return err_set(err, EFBIG, "%s: larger than the %zu bytes allowed", path, limit);
	if (r < 0)
		return err_path(err, -r, path);
	return 0;
}

int write_file(const char *path, const struct file_content *content, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, content->mode);
	int r;

	if (fd < 0)
		return err_path(err, errno, path);
	r = write_full(fd, content->data, content->len);
	if (r < 0)
		return err_path(err, -r, path);
	return 0;
}

static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	if (slash == path)
		return strdup("/");
	return strndup(path, (size_t)(slash - path));
}

int place_file(int fd, const char *from, const char *to, struct err *err)
{
	_cleanup_free_ char *parent = parent_of(to);

	if (!parent)
		return err_oom(err, to);
	if (fsync(fd) < 0)
		return err_path(err, errno, from);
	if (rename(from, to) < 0)
		return err_path(err, errno, to);
	return sync_dir(parent, err);
}

static int write_new(const char *temp, const char *path, const struct file_content *content, struct err *err)
{
	_cleanup_close_ int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, content->mode);
	int r;

	if (fd < 0)
		return err_path(err, errno, temp);
	if (fchmod(fd, content->mode) < 0)
		return err_path(err, errno, temp);
	r = write_full(fd, content->data, content->len);
	return r < 0 ? err_path(err, -r, temp) : place_file(fd, temp, path, err);
}

int write_file_atomic(const char *path, const struct file_content *content, struct err *err)
{
	_cleanup_free_ char *temp = NULL;
	int r;

	if (asprintf(&temp, "%s.tmp.%d", path, getpid()) < 0) {
		temp = NULL;
		return err_oom(err, path);
	}
	(void)unlink(temp); /* of an earlier process of this number that was killed */
	r = write_new(temp, path, content, err);
	if (r < 0)
		(void)unlink(temp);
	return r;
}

int sync_dir(const char *path, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_path(err, errno, path);
	return 0;
}

int copy_fd(int in, int out)
{
	char block[65536];
	ssize_t n;

	do {
		n = copy_file_range(in, NULL, out, NULL, 1 << 30, 0);
	} while (n > 0);
	/* Across file systems, on old kernels, and for procfs, of which copy_file_range says that it is
	 * empty; the offsets tell how far it came. */
	while ((n = read_full(in, block, sizeof(block))) > 0) {
		int r = write_full(out, block, (size_t)n);

		if (r < 0)
			return r;
	}
	return (int)n;
}

int copy_file(const char *from, const char *to, mode_t mode, struct err *err)
{
	_cleanup_close_ int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
	int r;

	if (in < 0)
		return err_path(err, errno, from);
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (out < 0 || fchmod(out, mode) < 0)
		return err_path(err, errno, to);
	r = copy_fd(in, out);
	if (r < 0)
		return err_path(err, -r, to);
	return 0;
}

int mkdir_p(const char *path, struct err *err)
{
	_cleanup_free_ char *part = strdup(path);
	struct stat st;

	if (!part)
		return err_oom(err, path);
	for (char *p = part + 1; *part; p++) {
		char end = *p;

		if (end != '/' && end != '\0')
			continue;
		*p = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return err_path(err, errno, part);
		*p = end;
		if (end == '\0')
			break;
	}
	if (stat(path, &st) < 0)
		return err_path(err, errno, path);
	return S_ISDIR(st.st_mode) ? 0 : err_path(err, ENOTDIR, path);
}

static int remove_at(int dirfd, const char *name);

static int remove_children(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		int r = -errno;

		if (fd >= 0)
			(void)close(fd);
		return r;
	}
	for (struct dirent *e; (e = readdir(dir));) {
		int r;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		r = remove_at(fd, e->d_name);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A bind mount has the device number of what is around it, so the kernel is asked (statx(2), Linux 5.8). */
static int remove_at(int dirfd, const char *name)
{
	struct statx st;
	int r;

	if (statx(dirfd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (st.stx_attributes & STATX_ATTR_MOUNT_ROOT)
		return -EXDEV;
	if (!S_ISDIR(st.stx_mode))
		return unlinkat(dirfd, name, 0) < 0 ? -errno : 0;
	r = remove_children(dirfd, name);
	if (r < 0)
		return r;
	return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int remove_tree(const char *path, struct err *err)
{
	int r = remove_at(AT_FDCWD, path);

	if (r == -EXDEV)
		return err_set(err, EXDEV, "%s: something is mounted on it or below it", path);
	if (r < 0)
		return err_path(err, -r, path);
	return 0;
}

char *path_join(const char *a, const char *b)
{
	char *joined;

	if (!*b)
		return strdup(a);
	while (*b == '/')
		b++;
	if (asprintf(&joined, "%s%s%s", a, *a && a[strlen(a) - 1] == '/' ? "" : "/", b) < 0)
		return NULL;
	return joined;
}

int path_is_inside(const char *path)
{
	if (!*path)
		return 0;
	for (;;) {
		size_t len = strcspn(path, "/");

		if (len == 0 || (len == 1 && path[0] == '.') || (len == 2 && !memcmp(path, "..", 2)))
			return 0;
		if (!path[len])
			return 1;
		path += len + 1;
	}
}
