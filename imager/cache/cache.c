/*
 * Owns the cache folder: entries with a trailer that proves them, what is refused as a folder. Removal by age
 * is cachetrim.c's. What is kept and by which key is its users' business.
 */
#include "imager/cache/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"

#define CACHE_ROOT "/var/cache/swarmboot"
/* Of cache_get_bytes. */
#define BYTES_LIMIT (64 << 20)

struct cache {
	char *path;
	uint64_t limit;
	int is_dirty; /* something was put, so there is something to trim */
};

/* At the end of every entry. The content comes first, so that a copy can share its blocks on disk. */
struct trailer {
	char magic[16];
	uint64_t size; /* of the content, this machine's byte order: caches do not travel */
	struct digest digest;
};

static const char magic[16] = "swarmboot cache1";

/* ---- the folder ---- */

static char *join3(const char *a, const char *b, const char *c)
{
	char *path;

	return asprintf(&path, "%s/%s/%s", a, b, c) < 0 ? NULL : path;
}

char *cache_choose(const char *given)
{
	const char *set = given ? given : getenv("SWARMBOOT_CACHE"), *base;

	if (set && *set)
		return strdup(set);
	if (geteuid() == 0)
		return strdup(CACHE_ROOT);
	base = getenv("XDG_CACHE_HOME");
	if (base && *base == '/')
		return path_join(base, "swarmboot");
	base = getenv("HOME");
	return base && *base ? path_join(base, ".cache/swarmboot") : strdup(CACHE_ROOT);
}

static int make_folder(const char *path, struct err *err)
{
	_cleanup_free_ char *parent = strdup(path);
	char *slash;

	if (!parent)
		return err_oom(err, path);
	slash = strrchr(parent, '/');
	if (slash && slash > parent) {
		int r;

		*slash = '\0';
		r = mkdir_p(parent, err);
		if (r < 0)
			return r;
	}
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_path(err, errno, path);
	return 0;
}

static int check_folder(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_path(err, errno, path);
	if (!S_ISDIR(st.st_mode))
		return err_path(err, ENOTDIR, path);
	if (st.st_uid != geteuid())
		return err_set(err, EPERM,
			"%s: belongs to user %u, who could put anything into the images; another cache "
			"folder "
			"is wanted",
			path, st.st_uid);
	if (st.st_mode & S_IWOTH)
		return err_set(err, EPERM,
			"%s: everybody may write to it and so put anything into the images (chmod o-w)",
			path);
	return access(path, R_OK | W_OK | X_OK) < 0 ? err_path(err, errno, path) : 0;
}

int cache_open(const char *path, struct cache **ret, struct err *err)
{
	_cleanup_free_ char *trimmed = strdup(path);
	struct cache *c;
	int r;

	if (!trimmed)
		return err_oom(err, path);
	for (size_t len = strlen(trimmed); len > 1 && trimmed[len - 1] == '/'; len--)
		trimmed[len - 1] = '\0';
	r = make_folder(trimmed, err);
	if (r == 0)
		r = check_folder(trimmed, err);
	if (r < 0)
		return r;
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_oom(err, path);
	c->path = TAKE(trimmed);
	c->limit = CACHE_LIMIT_DEFAULT;
	*ret = c;
	return 0;
}

void cache_set_limit(struct cache *c, uint64_t bytes)
{
	if (c)
		c->limit = bytes;
}

char *cache_folder(struct cache *c, const char *kind)
{
	_cleanup_free_ char *path = c ? path_join(c->path, kind) : NULL;

	if (!path || (mkdir(path, 0700) < 0 && errno != EEXIST))
		return NULL;
	__atomic_store_n(&c->is_dirty, 1, __ATOMIC_RELAXED);
	return TAKE(path);
}

static char *entry_path(const struct cache *c, const char *kind, const struct digest *key)
{
	char hex[65];

	digest_hex(key, hex);
	return join3(c->path, kind, hex);
}

/* ---- finding ---- */

/* 1: the file is an entry as it was put; its content is *ret_size bytes. 0: it is not. */
static int check_trailer(int fd, struct trailer *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof(*ret))
		return 0;
	if (pread(fd, ret, sizeof(*ret), st.st_size - (off_t)sizeof(*ret)) != (ssize_t)sizeof(*ret))
		return 0;
	return !memcmp(ret->magic, magic, sizeof(magic)) && ret->size == (uint64_t)st.st_size - sizeof(*ret);
}

/* Cuts the trailer off the copy and proves what is left. 1, 0 (damaged), -errno. */
static int prove_copy(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
	struct trailer t;
	struct digest d;
	int r;

	if (fd < 0)
		return -errno;
	if (!check_trailer(fd, &t))
		return 0;
	if (ftruncate(fd, (off_t)t.size) < 0)
		return -errno;
	r = digest_fd(fd, &d, NULL, NULL);
	return r < 0 ? r : digest_equal(&d, &t.digest);
}

int cache_get_file(
	struct cache *c, const char *kind, const struct digest *key, const char *output, struct err *err)
{
	_cleanup_free_ char *path = c ? entry_path(c, kind, key) : NULL;
	int r;

	/* The touch also tells whether it is there. */
	if (!path || utimensat(AT_FDCWD, path, NULL, 0) < 0)
		return 0;
	r = copy_file(path, output, 0644, err);
	if (r == 0) {
		r = prove_copy(output);
		if (r < 0)
			(void)err_path(err, -r, output);
	}
	if (r <= 0)
		(void)unlink(output);
	if (r == 0)
		(void)unlink(path);
	/* Another process may trim it away between touch and copy. */
	return r == -ENOENT && access(path, F_OK) < 0 ? 0 : r;
}

int cache_get_bytes(struct cache *c, const char *kind, const struct digest *key, struct buf *ret)
{
	_cleanup_free_ char *path = c ? entry_path(c, kind, key) : NULL, *data = NULL;
	struct trailer t;
	struct digest d;
	size_t len;

	if (!path || read_file(path, BYTES_LIMIT, &data, &len, NULL) < 0)
		return 0;
	if (len >= sizeof(t))
		memcpy(&t, data + len - sizeof(t), sizeof(t));
	if (len < sizeof(t) || memcmp(t.magic, magic, sizeof(magic)) != 0 || t.size != len - sizeof(t) ||
		digest_bytes(data, len - sizeof(t), &d) < 0 || !digest_equal(&d, &t.digest)) {
		(void)unlink(path);
		return 0;
	}
	(void)utimensat(AT_FDCWD, path, NULL, 0);
	data[t.size] = '\0';
	buf_release(ret);
	*ret = (struct buf){.data = TAKE(data), .len = t.size, .size = len + 1};
	return 1;
}

/* ---- keeping ---- */

/* A new file of the kind's folder: a descriptor, and its name in *ret. */
static int make_temp(struct cache *c, const char *kind, char **ret, struct err *err)
{
	_cleanup_free_ char *folder = cache_folder(c, kind), *path = NULL;
	int fd;

	if (!folder)
		return err_path(err, errno ? errno : ENOMEM, c->path);
	path = path_join(folder, CACHE_TEMP "XXXXXX");
	if (!path)
		return err_oom(err, folder);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return err_path(err, errno, path);
	*ret = TAKE(path);
	return fd;
}

/* The content is in the file: proves it and gives it its name. */
static int seal(struct cache *c, const char *kind, const struct digest *key, int fd, const char *temp)
{
	_cleanup_free_ char *path = entry_path(c, kind, key);
	struct trailer t = {0};
	int r;

	if (!path)
		return -ENOMEM;
	memcpy(t.magic, magic, sizeof(magic));
	r = digest_fd(fd, &t.digest, &t.size, NULL);
	if (r < 0)
		return r;
	if (lseek(fd, 0, SEEK_END) < 0)
		return -errno;
	r = write_full(fd, &t, sizeof(t));
	if (r < 0)
		return r;
	return rename(temp, path) < 0 ? -errno : 0;
}

static int finish(struct cache *c, const char *kind, const struct digest *key, int fd, const char *temp,
	struct err *err)
{
	int r = seal(c, kind, key, fd, temp);

	if (r < 0) {
		(void)unlink(temp);
		return err_path(err, -r, temp);
	}
	return 0;
}

int cache_put_file(
	struct cache *c, const char *kind, const struct digest *key, const char *path, struct err *err)
{
	_cleanup_free_ char *temp = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	if (!c)
		return 0;
	fd = make_temp(c, kind, &temp, err);
	if (fd < 0)
		return fd;
	r = copy_file(path, temp, 0600, err);
	if (r < 0) {
		(void)unlink(temp);
		return r;
	}
	return finish(c, kind, key, fd, temp, err);
}

int cache_put_bytes(struct cache *c, const char *kind, const struct digest *key, const struct buf *content,
	struct err *err)
{
	_cleanup_free_ char *temp = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	if (!c)
		return 0;
	fd = make_temp(c, kind, &temp, err);
	if (fd < 0)
		return fd;
	r = write_full(fd, content->data, content->len);
	if (r < 0) {
		(void)unlink(temp);
		return err_path(err, -r, temp);
	}
	return finish(c, kind, key, fd, temp, err);
}

void cache_close(struct cache *c)
{
	if (!c)
		return;
	if (c->is_dirty)
		cache_trim(c->path, c->limit);
	free(c->path);
	free(c);
}
