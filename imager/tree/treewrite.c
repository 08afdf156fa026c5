/*
 * Owns the writing of archive entries into a tree: where each goes, what gives way to it, and what is set
 * last. libarchive makes the files; it is given real paths, so links of the tree are never its to follow.
 */
#include "imager/tree/treewrite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "imager/intree.h"
#include "imager/tree/archiveutil.h"
#include "imager/userns.h"

#define WRITE_FLAGS                                                                                          \
	(ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_XATTR |       \
		ARCHIVE_EXTRACT_ACL | ARCHIVE_EXTRACT_SECURE_NODOTDOT)

/* Far above any file of a node's image; a sparse entry can claim 2^63 bytes in a few. */
#define SIZE_LIMIT (INT64_C(1) << 40)

static int open_disk(struct treewrite *w, struct err *err)
{
	w->disk = archive_write_disk_new();
	if (!w->disk)
		return err_oom(err, w->from);
	(void)archive_write_disk_set_options(w->disk, WRITE_FLAGS);
	return 0;
}

int treewrite_open(
	const struct treecopy_target *target, const char *from, struct treewrite *ret, struct err *err)
{
	*ret = (struct treewrite){.target = target, .from = from, .parent.fd = -1};
	ret->root = intree_root(target->root, err);
	return ret->root < 0 ? ret->root : open_disk(ret, err);
}

/* A folder keeps its time when something in it changes: its own entry says what it is. */
static void leave_parent(struct treewrite *w)
{
	if (w->parent.fd >= 0) {
		(void)futimens(w->parent.fd, w->parent.times);
		(void)close(w->parent.fd);
	}
	free(w->parent.name);
	w->parent.name = NULL;
	w->parent.fd = -1;
}

void treewrite_release(struct treewrite *w)
{
	leave_parent(w);
	if (w->disk)
		(void)archive_write_free(w->disk);
	if (w->root >= 0)
		(void)close(w->root);
	w->disk = NULL;
	w->root = -1;
}

int treewrite_finish(struct treewrite *w, struct err *err)
{
	leave_parent(w);
	return archive_write_close(w->disk) < ARCHIVE_OK ? archive_fault(w->disk, w->from, err) : 0;
}

/*
 * libarchive keeps paths of folders whose times and modes it sets at the end. Before a folder goes they are
 * set, so that none of these paths can become another's.
 */
static int flush(struct treewrite *w, struct err *err)
{
	int r = treewrite_finish(w, err);

	(void)archive_write_free(w->disk);
	w->disk = NULL;
	return r < 0 ? r : open_disk(w, err);
}

/* ---- names ---- */

/* The name below the target's root, without slashes at its end; "" is the root. */
static int full_name(const struct treewrite *w, const char *name, char **ret, struct err *err)
{
	_cleanup_free_ char *bare = strdup(name), *full = NULL;
	size_t len = strlen(name);

	while (bare && len && bare[len - 1] == '/')
		bare[--len] = '\0';
	if (bare && *bare && !path_is_inside(bare))
		return err_set(err, EINVAL, "%s: the name '%s' would leave the tree", w->from, name);
	full = bare ? path_join(w->target->prefix, bare) : NULL;
	if (!full)
		return err_oom(err, name);
	while (*full == '/')
		memmove(full, full + 1, strlen(full));
	*ret = TAKE(full);
	return 0;
}

static int real_path(int fd, char ret[PATH_MAX])
{
	char opened[32];
	ssize_t len;

	(void)snprintf(opened, sizeof(opened), "/proc/self/fd/%d", fd);
	len = readlink(opened, ret, PATH_MAX - 1);
	if (len < 0)
		return -errno;
	ret[len] = '\0';
	return 0;
}

/* Makes the folder of the name the parent; *ret_base is the name in it, "." for the root itself. */
static int enter_parent(struct treewrite *w, const char *name, const char **ret_base)
{
	const char *slash = strrchr(name, '/'), *base;
	size_t len = slash ? (size_t)(slash - name) : 0;
	struct stat st;
	int r;

	*ret_base = !*name ? "." : slash ? slash + 1 : name;
	if (w->parent.name && strlen(w->parent.name) == len && !strncmp(w->parent.name, name, len))
		return 0;
	leave_parent(w);
	w->parent.fd = intree_parent(w->root, name, &base);
	if (w->parent.fd < 0)
		return w->parent.fd;
	r = real_path(w->parent.fd, w->parent.path);
	if (r < 0)
		return r;
	if (fstat(w->parent.fd, &st) < 0)
		return -errno;
	w->parent.times[0] = st.st_atim;
	w->parent.times[1] = st.st_mtim;
	w->parent.name = strndup(name, len);
	return w->parent.name ? 0 : -ENOMEM;
}

static int way_fault(const struct treewrite *w, int r, const char *name, struct err *err)
{
	return err_set(err, -r, "%s: '%s': %s", w->from, name,
		r == -EEXIST ? "a link on the way to it leads nowhere" : strerror(-r));
}

/* ---- what is there already ---- */

/* The folder above keeps its time here too. */
static int remove_at(struct treewrite *w, const char *base, struct err *err)
{
	_cleanup_free_ char *path = path_join(w->parent.path, base);
	_cleanup_close_ int above = dup(w->parent.fd);
	struct stat st;
	int r = path ? flush(w, err) : err_oom(err, base);

	if (r < 0)
		return r;
	if (above < 0 || fstat(above, &st) < 0)
		return err_path(err, errno, path);
	r = remove_tree(path, err);
	(void)futimens(above, (const struct timespec[]){st.st_atim, st.st_mtim});
	return r;
}

static int leads_to_folder(const struct treewrite *w, const char *name)
{
	struct stat st;

	return intree_stat(w->root, name, &st) == 0 && S_ISDIR(st.st_mode);
}

/* A folder's entry describes it whole: what it had before and the entry does not name goes. */
static int drop_xattrs(const struct treewrite *w, const char *base)
{
	_cleanup_close_ int fd = openat(w->parent.fd, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_free_ char *names = NULL;
	ssize_t len = fd < 0 ? -1 : flistxattr(fd, NULL, 0);

	if (len <= 0)
		return len < 0 ? -errno : 0;
	names = malloc((size_t)len);
	if (!names)
		return -ENOMEM;
	len = flistxattr(fd, names, (size_t)len);
	for (const char *name = names; len > 0 && name < names + len; name += strlen(name) + 1)
		if (strcmp(name, "security.selinux") != 0 && fremovexattr(fd, name) < 0)
			return -errno;
	return len < 0 ? -errno : 0;
}

/* 0: the way is free; 1: the entry is there already, behind a link; -errno. */
static int make_way(
	struct treewrite *w, const char *name, const char *base, int wants_folder, struct err *err)
{
	struct stat st;
	int r;

	if (fstatat(w->parent.fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_path(err, errno, name);
	if (S_ISDIR(st.st_mode) && wants_folder) {
		r = w->target->replace ? drop_xattrs(w, base) : 0;
		return r < 0 ? err_path(err, -r, name) : 0;
	}
	if (S_ISDIR(st.st_mode) && !w->target->replace)
		return err_set(err, EISDIR, "%s: '%s' is a folder in the tree already", w->from, name);
	if (S_ISDIR(st.st_mode)) {
		r = remove_at(w, base, err);
		return r < 0 ? r : enter_parent(w, name, &base);
	}
	if (S_ISLNK(st.st_mode) && wants_folder && !w->target->replace && leads_to_folder(w, name))
		return 1;
	return unlinkat(w->parent.fd, base, 0) < 0 ? err_path(err, errno, name) : 0;
}

/* ---- entries ---- */

static int copy_data(struct treewrite *w, struct archive *in, const char *name, struct err *err)
{
	const void *block;
	size_t len;
	la_int64_t offset;
	int r;

	while ((r = archive_read_data_block(in, &block, &len, &offset)) == ARCHIVE_OK)
		if (archive_write_data_block(w->disk, block, len, offset) < ARCHIVE_OK)
			return archive_fault(w->disk, name, err);
	return r == ARCHIVE_EOF ? 0 : archive_fault(in, name, err);
}

/* Where a hard link's target really is. */
static int set_link(struct treewrite *w, struct archive_entry *entry, const char *link, struct err *err)
{
	_cleanup_free_ char *name = NULL, *path = NULL;
	const char *base;
	int r = full_name(w, link, &name, err);

	if (r < 0)
		return r;
	r = enter_parent(w, name, &base);
	if (r < 0)
		return way_fault(w, r, name, err);
	path = path_join(w->parent.path, base);
	if (!path)
		return err_oom(err, name);
	archive_entry_copy_hardlink(entry, path);
	return 0;
}

static int set_path(struct treewrite *w, struct archive_entry *entry, const char *name, struct err *err)
{
	int wants_folder = archive_entry_filetype(entry) == AE_IFDIR && !archive_entry_hardlink(entry);
	_cleanup_free_ char *full = NULL, *path = NULL;
	const char *base;
	int r = full_name(w, name, &full, err);

	if (r < 0)
		return r;
	if (!*full && !wants_folder)
		return err_set(err, EINVAL, "%s: the root '%s' is no folder", w->from, name);
	r = enter_parent(w, full, &base);
	if (r < 0)
		return way_fault(w, r, full, err);
	r = make_way(w, full, base, wants_folder, err);
	if (r != 0)
		return r;
	path = path_join(w->parent.path, strcmp(base, ".") != 0 ? base : "");
	if (!path)
		return err_oom(err, full);
	archive_entry_copy_pathname(entry, path);
	return 0;
}

/* Numbers rule: this machine's names for owners mean nothing in the image. */
static void set_owner(const struct treewrite *w, struct archive_entry *entry)
{
	if (w->target->owner) {
		archive_entry_set_uid(entry, w->target->owner->uid);
		archive_entry_set_gid(entry, w->target->owner->gid);
	}
	archive_entry_set_uname(entry, NULL);
	archive_entry_set_gname(entry, NULL);
}

/* A time that no image can carry is no limit for the others. */
static void note_time(struct treewrite *w, struct archive_entry *entry)
{
	time_t time = archive_entry_mtime(entry);

	if (time > 0 && time <= UINT32_MAX && (uint64_t)time > w->newest)
		w->newest = (uint64_t)time;
}

/* No image has anything below /dev (scrub.c), and in an ordinary user's build there could be no nodes. */
static int is_left_out(const struct treewrite *w, struct archive_entry *entry, const char *name)
{
	mode_t type = archive_entry_filetype(entry);

	return type == AE_IFSOCK ||
	       ((type == AE_IFCHR || type == AE_IFBLK) && !*w->target->prefix && !strncmp(name, "dev/", 4));
}

/* What root alone can do is said in place of libarchive's words. */
static int put_fault(
	const struct treewrite *w, struct archive_entry *entry, const char *name, struct err *err)
{
	if (name && userns_check_possible(name, archive_entry_stat(entry), err) < 0)
		return err_prefix(err, "%s", w->from);
	return archive_fault(w->disk, archive_entry_pathname(entry), err);
}

int treewrite_put(struct treewrite *w, struct archive *in, struct archive_entry *entry,
	const struct treewrite_names *names, struct err *err)
{
	_cleanup_free_ char *name = strdup(names->name); /* which may be the entry's, and goes with it */
	int r;

	if (is_left_out(w, entry, names->name))
		return 0;
	if (archive_entry_size(entry) > SIZE_LIMIT)
		return err_set(err, EFBIG, "%s: '%s' says it has more than 1 TiB", w->from, names->name);
	r = names->link ? set_link(w, entry, names->link, err) : 0;
	if (r == 0)
		r = set_path(w, entry, names->name, err);
	if (r != 0)
		return r < 0 ? r : 0;
	note_time(w, entry);
	set_owner(w, entry);
	if (archive_write_header(w->disk, entry) < ARCHIVE_OK)
		return put_fault(w, entry, name, err);
	if (archive_entry_size(entry) > 0 && !names->link) {
		r = copy_data(w, in, archive_entry_pathname(entry), err);
		if (r < 0)
			return r;
	}
	if (archive_write_finish_entry(w->disk) < ARCHIVE_OK)
		return put_fault(w, entry, name, err);
	return 0;
}

/* ---- what goes ---- */

int treewrite_remove(struct treewrite *w, const char *name, struct err *err)
{
	_cleanup_free_ char *full = NULL;
	const char *base;
	struct stat st;
	int r = full_name(w, name, &full, err);

	if (r < 0)
		return r;
	if (!*full)
		return err_set(err, EINVAL, "%s: the root itself cannot be removed", w->from);
	base = strrchr(full, '/');
	if (base) {
		_cleanup_free_ char *folder = strndup(full, (size_t)(base - full));

		if (!folder)
			return err_oom(err, full);
		if (!leads_to_folder(w, folder))
			return 0;
	}
	r = enter_parent(w, full, &base);
	if (r < 0)
		return way_fault(w, r, full, err);
	if (fstatat(w->parent.fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_path(err, errno, full);
	return remove_at(w, base, err);
}

int treewrite_empty(struct treewrite *w, const char *name, struct err *err)
{
	_cleanup_free_ char *full = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	int fd, r = full_name(w, name, &full, err);

	if (r < 0)
		return r;
	fd = intree_open(w->root, *full ? full : "/", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR ? 0 : err_path(err, -fd, full);
	dir = fdopendir(fd);
	if (!dir)
		return err_path(err, errno, full);
	for (struct dirent *e; r >= 0 && (e = readdir(dir));) {
		_cleanup_free_ char *child = *full ? path_join(name, e->d_name) : strdup(e->d_name);

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		r = child ? treewrite_remove(w, child, err) : err_oom(err, full);
	}
	return r;
}
