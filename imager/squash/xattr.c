/* Owns the extended attributes: read from the tree, sorted, gathered into sets. */
#include <errno.h>
#include <sqfs/xattr.h>
#include <sqfs/xattr_writer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "imager/base/cleanup.h"
#include "imager/squash/data.h"

/* Attribute sets in one metadata block: 8 KiB of 16 byte entries. */
#define SETS_PER_BLOCK 512

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Access control lists, above all: squashfs has no room for what is neither user., trusted. nor security. */
static void note_left_out(struct squash_writer *w, const char *path, const char *name)
{
	struct squash_result *result = &w->result;

	if (result->left_out++ == 0)
		(void)snprintf(
			result->left_out_first, sizeof(result->left_out_first), "%.800s: %s", path, name);
}

/* Sorted, so that the image does not depend on the order in which a file system lists them. */
static size_t split_names(struct squash_writer *w, const char *path, char *list, size_t len, const char **ret)
{
	size_t count = 0;

	for (char *name = list; name < list + len; name += strlen(name) + 1)
		if (sqfs_get_xattr_prefix_id(name) >= 0)
			ret[count++] = name;
		else
			note_left_out(w, path, name);
	if (count)
		qsort(ret, count, sizeof(ret[0]), compare_names);
	return count;
}

static int add_xattr(struct squash_writer *w, const char *path, const char *name, struct err *err)
{
	ssize_t len = lgetxattr(path, name, w->buffer, SQUASH_BUFFER_SIZE);
	int r;

	if (len < 0)
		return err_set(err, errno, "%s: attribute %s: %s", path, name, strerror(errno));
	r = sqfs_xattr_writer_add(w->xattrs, name, w->buffer, (size_t)len);
	return r ? squash_fault(w, r, path, err) : 0;
}

static int add_set(struct squash_writer *w, const char *path, size_t len, uint32_t *ret, struct err *err)
{
	_cleanup_free_ char *list = malloc(len);
	_cleanup_free_ const char **names = calloc(len / 2, sizeof(*names));
	size_t count;
	int r;

	if (!list || !names)
		return err_oom(err, path);
	count = split_names(w, path, memcpy(list, w->buffer, len), len, names);
	if (!count)
		return 0;
	r = sqfs_xattr_writer_begin(w->xattrs, 0);
	if (r)
		return squash_fault(w, r, path, err);
	for (size_t i = 0; i < count; i++) {
		r = add_xattr(w, path, names[i], err);
		if (r < 0)
			return r;
	}
	r = sqfs_xattr_writer_end(w->xattrs, ret);
	return r ? squash_fault(w, r, path, err) : 0;
}

/* The set's index, SQUASH_NO_XATTR for a file without attributes (or a file system without them). */
static int add_xattrs(struct squash_writer *w, const char *path, uint32_t *ret, struct err *err)
{
	ssize_t len = llistxattr(path, w->buffer, SQUASH_BUFFER_SIZE);

	if (len == 0 || (len < 0 && errno == ENOTSUP))
		return 0;
	if (len < 0)
		return err_set(err, errno, "%s: attributes: %s", path, strerror(errno));
	return add_set(w, path, (size_t)len, ret, err);
}

/*
 * libsquashfs (up to 1.3.1 at least) writes one location too many when the sets fill their last metadata
 * block exactly; one more set that nothing refers to keeps it from that.
 */
static int pad_sets(struct squash_writer *w, uint32_t sets)
{
	sqfs_u32 unused;
	int r;

	if (!sets || sets % SETS_PER_BLOCK)
		return 0;
	r = sqfs_xattr_writer_begin(w->xattrs, 0);
	if (r == 0)
		r = sqfs_xattr_writer_add(w->xattrs, "user.pad", "", 0);
	return r ? r : sqfs_xattr_writer_end(w->xattrs, &unused);
}

int squash_writer_xattrs(struct squash_writer *w, struct squash_tree *tree, struct err *err)
{
	uint32_t sets = 0;
	int r;

	for (size_t i = 0; i < tree->count; i++) {
		struct squash_node *node = tree->all[i];
		_cleanup_free_ char *path = squash_host_path(tree, node);

		if (!path)
			return err_oom(err, "a path");
		r = add_xattrs(w, path, &node->xattr, err);
		if (r < 0)
			return r;
		if (node->xattr != SQUASH_NO_XATTR && node->xattr >= sets)
			sets = node->xattr + 1;
	}
	r = pad_sets(w, sets);
	return r ? squash_fault(w, r, "attributes", err) : 0;
}
