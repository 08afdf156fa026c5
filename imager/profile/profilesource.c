/*
 * Owns the digest of a profile's inputs: its merged text, and all that its paths name. What the source brings
 * from elsewhere (packages, a registry's image, another release) is not there yet and is no part of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "imager/format/yamljson.h"
#include "imager/intree.h"
#include "imager/profile/profile.h"

#define XATTRS_MAX 65536 /* XATTR_LIST_MAX, XATTR_SIZE_MAX */

struct taking {
	struct digest_stream *stream;
	int is_tree; /* owners, times and extended attributes count as well */
};

/* With its length, so that no two lists of values look the same. */
static int add_bytes(struct digest_stream *stream, const void *data, size_t len)
{
	char length[24];
	int n = snprintf(length, sizeof(length), "%zu:", len);
	int r = digest_stream_add(stream, length, (size_t)n);

	return r < 0 ? r : digest_stream_add(stream, data, len);
}

static int add_text(struct digest_stream *stream, const char *text)
{
	return add_bytes(stream, text, strlen(text));
}

static int add_content(struct digest_stream *stream, int dirfd, const char *name, int flags)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | flags);
	struct digest digest;
	int r = fd < 0 ? -errno : digest_fd(fd, &digest, NULL, NULL);

	return r < 0 ? r : add_bytes(stream, digest.bytes, sizeof(digest.bytes));
}

static int add_link(struct digest_stream *stream, int dirfd, const char *name)
{
	char target[4096];
	ssize_t len = readlinkat(dirfd, name, target, sizeof(target));

	return len < 0 ? -errno : add_bytes(stream, target, (size_t)len);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int add_xattr(struct digest_stream *stream, const char *path, const char *name)
{
	char value[XATTRS_MAX];
	ssize_t size = lgetxattr(path, name, value, sizeof(value));
	int r = size < 0 ? -errno : add_text(stream, name);

	return r < 0 ? r : add_bytes(stream, value, (size_t)size);
}

/* By name, as file systems list them in any order. The host's own security labels stay out. */
static int add_xattrs(struct digest_stream *stream, int dirfd, const char *name)
{
	char path[PATH_MAX], list[XATTRS_MAX];
	const char *names[1024];
	size_t count = 0;
	ssize_t len;
	int r = 0;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name);
	len = llistxattr(path, list, sizeof(list));
	if (len < 0)
		return errno == ENOTSUP ? 0 : -errno;
	for (const char *x = list; x < list + len && count < ARRAY_SIZE(names); x += strlen(x) + 1)
		if (strcmp(x, "security.selinux") != 0)
			names[count++] = x;
	qsort(names, count, sizeof(*names), by_name);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_xattr(stream, path, names[i]);
	return r;
}

/* Name and mode of all; what a tree that is copied whole has besides. */
static int add_facts(const struct taking *t, const struct intree_entry *e)
{
	char facts[128];
	int r = add_text(t->stream, e->path);

	if (t->is_tree)
		(void)snprintf(facts, sizeof(facts), "%o %u %u %" PRIu64 " %" PRId64, e->st.st_mode,
			e->st.st_uid, e->st.st_gid, (uint64_t)e->st.st_rdev, (int64_t)e->st.st_mtime);
	else
		(void)snprintf(facts, sizeof(facts), "%o", e->st.st_mode);
	if (r == 0)
		r = add_text(t->stream, facts);
	return r == 0 && t->is_tree ? add_xattrs(t->stream, e->dirfd, e->name) : r;
}

static int add_entry(const struct intree_entry *e, void *arg, struct err *err)
{
	const struct taking *t = arg;
	int r = add_facts(t, e);

	if (r == 0 && S_ISREG(e->st.st_mode))
		r = add_content(t->stream, e->dirfd, e->name, O_NOFOLLOW);
	else if (r == 0 && S_ISLNK(e->st.st_mode))
		r = add_link(t->stream, e->dirfd, e->name);
	return r < 0 ? err_path(err, -r, e->path) : 0;
}

static int add_path(struct digest_stream *stream, const char *path, int is_tree, struct err *err)
{
	struct taking t = {.stream = stream, .is_tree = is_tree};
	_cleanup_close_ int root = -1;
	char facts[16];
	struct stat st;
	int r;

	if (stat(path, &st) < 0)
		return err_path(err, errno, path);
	(void)snprintf(facts, sizeof(facts), "%o", st.st_mode);
	r = add_text(stream, facts);
	if (r == 0 && S_ISREG(st.st_mode))
		r = add_content(stream, AT_FDCWD, path, 0);
	if (r < 0)
		return err_path(err, -r, path);
	if (!S_ISDIR(st.st_mode))
		return 0;
	root = intree_root(path, err);
	return root < 0 ? root : intree_walk(root, add_entry, &t, err);
}

/* path may be NULL. The sentence names what cannot be read by the key that wants it. */
static int add_input(struct digest_stream *stream, struct yaml_node *node, const char *key, const char *path,
	struct err *err)
{
	struct err why = {0};
	int r = path ? add_path(stream, path, !strcmp(key, "from.dir"), &why) : 0;

	return r < 0 ? yaml_fault(node, key, err, "%s", why.text) : 0;
}

static int add_keys(struct digest_stream *stream, const struct profile_repository *repositories, size_t count,
	struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_input(stream, repositories[i].node, "key", repositories[i].key, err);
	return r;
}

/* An artifact's digest stands in the text already. */
static int add_inputs(struct digest_stream *stream, const struct profile *p, struct err *err)
{
	const struct profile_from *f = &p->from;
	const struct {
		const char *key, *path;
	} rows[] = {{"from.debian.keyring", f->debian.keyring}, {"from.oci.layout", f->oci.layout},
		{"from.oci.archive", f->oci.archive}, {"from.tar", f->tar}, {"from.dir", f->dir}};
	int r = add_keys(stream, f->rpm.repositories, f->rpm.repository_count, err);

	if (r == 0)
		r = add_keys(stream, p->repositories, p->repository_count, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rows); i++)
		r = add_input(stream, yaml_root(p->doc), rows[i].key, rows[i].path, err);
	for (size_t i = 0; r == 0 && i < p->file_count; i++)
		r = add_input(stream, p->files[i].node, "source", p->files[i].source, err);
	return r;
}

int profile_take_source(struct profile *p, struct err *err)
{
	_cleanup_digest_stream_ struct digest_stream *stream = digest_stream_new();
	_cleanup_buf_ struct buf text = {0};
	int r = stream ? yaml_print(yaml_root(p->doc), 0, "vars", &text) : -ENOMEM;

	if (r == 0)
		r = add_text(stream, text.data);
	if (r < 0)
		return err_oom(err, p->name);
	r = add_inputs(stream, p, err);
	if (r < 0)
		return r;
	return digest_stream_end(stream, &p->source) < 0 ? err_set(err, EIO, "SHA-256 failed") : 0;
}
