/* Owns how one entry of `files:` gets into a tree: bytes, mode, and the owner by the tree's own names. */
#include "imager/treefile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "imager/intree.h"
#include "imager/treecopy.h"
#include "imager/treeowner.h"

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

	if (file->owner || file->group || file->mode != (mode_t)-1)
		return yaml_fault(file->node, "files", err,
			"%s: mode, owner and group are for single files; a folder's files keep their modes "
			"and belong to root",
			file->path);
	(void)snprintf(opened, sizeof(opened), "/proc/self/fd/%d", root);
	return treecopy_folder(file->source, &target, NULL, err);
}

int treefile_put(int root, const struct profile_file *file, struct err *err)
{
	const struct treeowner_words words = {file->owner, file->group, file->node};
	struct treeowner owner;
	struct stat st;
	int r = treeowner_find(root, &words, &owner, err);

	if (r < 0)
		return r;
	if (file->source) {
		if (stat(file->source, &st) < 0)
			return err_path(err, errno, file->source);
		return S_ISDIR(st.st_mode) ? put_folder(root, file, err)
					   : put_copy(root, file, &owner, st.st_mode & 07777, err);
	}
	if (file->link) {
		r = put_link(root, file, &owner);
	} else {
		r = intree_write(root, file->path, file->content, strlen(file->content));
		if (r >= 0)
			r = set_owner(root, file, &owner, file->mode == (mode_t)-1 ? 0644 : file->mode);
	}
	return r < 0 ? err_path(err, -r, file->path) : 0;
}
