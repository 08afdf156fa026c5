/* Owns how one entry of `files:` gets into a tree: bytes, mode, extended attributes, and the owner by the
 * tree's own names. */
#include "imager/tree/treefile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "imager/intree.h"
#include "imager/tree/treecopy.h"
#include "imager/tree/treeowner.h"

#define FILE_LIMIT ((size_t)1 << 30)

static int put_link(int root, const struct profile_file *file, const struct treeowner *owner)
{
	const char *name;
	_cleanup_close_ int parent = intree_parent(root, file->path, &name);

	if (parent < 0)
		return parent;
	if (unlinkat(parent, name, 0) < 0 && errno != ENOENT)
		return -errno;
	if (symlinkat(file->link, parent, name) < 0)
		return -errno;
	return fchownat(parent, name, owner->uid, owner->gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* Owner first: a change of owner takes set-uid bits away. */
static int set_owner(int root, const struct profile_file *file, const struct treeowner *owner, mode_t mode)
{
	const char *name;
	_cleanup_close_ int parent = intree_parent(root, file->path, &name);

	if (parent < 0)
		return parent;
	if (fchownat(parent, name, owner->uid, owner->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return fchmodat(parent, name, mode, 0) < 0 ? -errno : 0;
}

/* Why this tree cannot have the attribute. */
static int xattr_fault(const struct profile_file *file, const char *name, int code, struct err *err)
{
	const char *why = strerror(code);

	if (code == ENOTSUP)
		why = "the file system that the build works on cannot hold it";
	else if (code == EPERM && !strncmp(name, "trusted.", 8))
		why = "only root's build can set it";
	else if (code == EPERM && file->link)
		why = "a symbolic link cannot have it";
	return yaml_fault(file->node, "xattrs", err, "%s: %s: %s", file->path, name, why);
}

/* Last of all: a change of owner takes capabilities away. Through the folder, so that a link can have some.
 */
static int set_xattrs(int root, const struct profile_file *file, struct err *err)
{
	const char *name;
	_cleanup_close_ int parent = file->xattr_count ? intree_parent(root, file->path, &name) : -1;
	_cleanup_free_ char *path = NULL;

	if (!file->xattr_count)
		return 0;
	if (parent < 0)
		return err_path(err, -parent, file->path);
	if (asprintf(&path, "/proc/self/fd/%d/%s", parent, name) < 0)
		return err_oom(err, file->path);
	for (size_t i = 0; i < file->xattr_count; i++) {
		const struct profile_xattr *x = &file->xattrs[i];

		if (lsetxattr(path, x->name, x->value, x->size, 0) < 0)
			return xattr_fault(file, x->name, errno, err);
	}
	return 0;
}

static int put_copy(int root, const struct profile_file *file, const struct treeowner *owner, mode_t mode,
	struct err *err)
{
	_cleanup_free_ char *data = NULL;
	size_t len;
	int r = read_file(file->source, FILE_LIMIT, &data, &len, err);

	if (r < 0)
		return r;
	r = intree_write(root, file->path, data, len);
	if (r >= 0)
		r = set_owner(root, file, owner, file->mode == (mode_t)-1 ? mode : file->mode);
	return r < 0 ? err_path(err, -r, file->path) : 0;
}

/* A folder keeps its files' modes; they belong to root unless the profile says otherwise. */
static int put_folder(int root, const struct profile_file *file, struct err *err)
{
	static const struct treeowner owner = {0};
	char opened[32];
	const struct treecopy_target target = {.root = opened, .prefix = file->path + 1, .owner = &owner};

	if (file->owner || file->group || file->mode != (mode_t)-1 || file->xattr_count)
		return yaml_fault(file->node, "files", err,
			"%s: mode, owner, group and xattrs are for single files; a folder's files keep their "
			"modes "
			"and belong to root",
			file->path);
	(void)snprintf(opened, sizeof(opened), "/proc/self/fd/%d", root);
	return treecopy_folder(file->source, &target, NULL, err);
}

static int put_single(int root, const struct profile_file *file, const struct treeowner *owner, mode_t mode,
	struct err *err)
{
	int r;

	if (file->source)
		return put_copy(root, file, owner, mode, err);
	if (file->link) {
		r = put_link(root, file, owner);
	} else {
		r = intree_write(root, file->path, file->content, strlen(file->content));
		if (r >= 0)
			r = set_owner(root, file, owner, file->mode == (mode_t)-1 ? 0644 : file->mode);
	}
	return r < 0 ? err_path(err, -r, file->path) : 0;
}

int treefile_put(int root, const struct profile_file *file, struct err *err)
{
	const struct treeowner_words words = {file->owner, file->group, file->node};
	struct treeowner owner;
	struct stat st = {0};
	int r = treeowner_find(root, &words, &owner, err);

	if (r < 0)
		return r;
	if (file->source && stat(file->source, &st) < 0)
		return err_path(err, errno, file->source);
	if (S_ISDIR(st.st_mode))
		return put_folder(root, file, err);
	r = put_single(root, file, &owner, st.st_mode & 07777, err);
	return r < 0 ? r : set_xattrs(root, file, err);
}
