/*
 * Owns the walk of the tree to pack: names, inodes, hard links, inode numbers. Reads neither contents nor
 * extended attributes and knows nothing of the image.
 */
#include "imager/squash/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/cleanup.h"

/* A file with more than one name, found again by its device and inode number. */
struct link {
	dev_t dev;
	ino_t ino;
	struct squash_node *node;
};

struct scan {
	struct squash_tree *tree;
	size_t size;
	uint64_t mtime;
	dev_t dev;
	void *links; /* tsearch(3) tree of struct link */
};

static int node_fault(const struct squash_node *parent, const char *name, int code, struct err *err)
{
	_cleanup_buf_ struct buf path = {0};

	if (parent && squash_node_path(parent, &path) == 0 && path.len)
		(void)buf_puts(&path, "/");
	(void)buf_puts(&path, name);
	if (code == EXDEV)
		return err_set(err, EXDEV, "%s: another file system is mounted here", path.data);
	return err_path(err, code, path.data ? path.data : name);
}

int squash_node_path(const struct squash_node *node, struct buf *ret)
{
	int r;

	if (!node->parent)
		return buf_puts(ret, "");
	r = squash_node_path(node->parent, ret);
	if (r == 0 && node->parent->parent)
		r = buf_puts(ret, "/");
	return r < 0 ? r : buf_puts(ret, node->name);
}

static int compare_links(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return (x->ino > y->ino) - (x->ino < y->ino);
}

static uint32_t cut_time(time_t time, uint64_t newest)
{
	if (time < 0)
		return 0;
	return (uint32_t)((uint64_t)time < newest ? (uint64_t)time : newest);
}

static struct squash_node *add_node(struct scan *s, const struct stat *st)
{
	struct squash_tree *t = s->tree;
	struct squash_node *node;

	if (t->count == s->size) {
		size_t size = s->size ? s->size * 2 : 1024;
		struct squash_node **grown = reallocarray(t->all, size, sizeof(*grown));

		if (!grown)
			return NULL;
		t->all = grown;
		s->size = size;
	}
	node = calloc(1, sizeof(*node));
	if (!node)
		return NULL;
	node->mode = st->st_mode;
	node->uid = st->st_uid;
	node->gid = st->st_gid;
	node->mtime = cut_time(st->st_mtim.tv_sec, s->mtime);
	node->device = st->st_rdev;
	node->xattr = SQUASH_NO_XATTR;
	node->links = S_ISDIR(st->st_mode) ? 2 : 0;
	if (S_ISREG(st->st_mode)) {
		node->size = (uint64_t)st->st_size;
		t->files++;
		t->bytes += node->size;
	}
	t->all[t->count++] = node;
	return node;
}

/* The node of a file with several names: the one known from an earlier name, or a new one to remember. */
static struct squash_node *add_linked(struct scan *s, const struct stat *st)
{
	struct link key = {.dev = st->st_dev, .ino = st->st_ino}, **found, *link;

	found = tfind(&key, &s->links, compare_links);
	if (found)
		return (*found)->node;
	link = malloc(sizeof(*link));
	if (!link)
		return NULL;
	*link = key;
	if (!tsearch(link, &s->links, compare_links)) {
		free(link);
		return NULL;
	}
	link->node = add_node(s, st);
	return link->node;
}

static int read_target(int dirfd, const char *name, struct squash_node *node)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(dirfd, name, target, sizeof(target));

	if (len < 0)
		return -errno;
	if ((size_t)len == sizeof(target))
		return -ENAMETOOLONG;
	node->target = strndup(target, (size_t)len);
	return node->target ? 0 : -ENOMEM;
}

static int scan_dir(struct scan *s, int fd, struct squash_node *dir, struct err *err);

static int scan_subdir(
	struct scan *s, int dirfd, const struct stat *st, struct squash_node *node, struct err *err)
{
	int fd;

	if (st->st_dev != s->dev)
		return node_fault(node->parent, node->name, EXDEV, err);
	fd = openat(dirfd, node->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return node_fault(node->parent, node->name, errno, err);
	node->parent->links++;
	return scan_dir(s, fd, node, err);
}

/* Fills the node of one name; entry->node stays NULL for what is left out. */
static int scan_entry(
	struct scan *s, int dirfd, struct squash_node *dir, struct squash_entry *entry, struct err *err)
{
	struct squash_node *node;
	struct stat st;

	if (fstatat(dirfd, entry->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return node_fault(dir, entry->name, errno, err);
	if (S_ISSOCK(st.st_mode))
		return 0;
	node = st.st_nlink > 1 && !S_ISDIR(st.st_mode) ? add_linked(s, &st) : add_node(s, &st);
	if (!node)
		return err_oom(err, "the tree to pack");
	entry->node = node;
	if (!S_ISDIR(st.st_mode))
		node->links++;
	if (node->parent)
		return 0;
	node->parent = dir;
	node->name = entry->name;
	if (S_ISDIR(st.st_mode))
		return scan_subdir(s, dirfd, &st, node, err);
	if (S_ISLNK(st.st_mode)) {
		int r = read_target(dirfd, entry->name, node);

		if (r < 0)
			return node_fault(dir, entry->name, -r, err);
	}
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	const struct squash_entry *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int add_entry(struct squash_node *dir, size_t *size, const char *name)
{
	if (dir->count == *size) {
		size_t more = *size ? *size * 2 : 16;
		struct squash_entry *grown = reallocarray(dir->entries, more, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		dir->entries = grown;
		*size = more;
	}
	dir->entries[dir->count] = (struct squash_entry){.name = strdup(name)};
	return dir->entries[dir->count++].name ? 0 : -ENOMEM;
}

static int read_names(DIR *stream, struct squash_node *dir)
{
	size_t size = 0;

	for (;;) {
		struct dirent *e;
		int r;

		errno = 0;
		e = readdir(stream);
		if (!e)
			break;
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		r = add_entry(dir, &size, e->d_name);
		if (r < 0)
			return r;
	}
	if (errno)
		return -errno;
	if (dir->count)
		qsort(dir->entries, dir->count, sizeof(dir->entries[0]), compare_entries);
	return 0;
}

static void drop_left_out(struct squash_node *dir)
{
	size_t kept = 0;

	for (size_t i = 0; i < dir->count; i++) {
		if (dir->entries[i].node)
			dir->entries[kept++] = dir->entries[i];
		else
			free(dir->entries[i].name);
	}
	dir->count = kept;
}

/* Takes fd. */
static int scan_dir(struct scan *s, int fd, struct squash_node *dir, struct err *err)
{
	_cleanup_closedir_ DIR *stream = fdopendir(fd);
	int r = stream ? read_names(stream, dir) : -errno;

	if (!stream)
		(void)close(fd);
	if (r < 0)
		return node_fault(dir->parent, dir->name ? dir->name : ".", -r, err);
	for (size_t i = 0; i < dir->count; i++) {
		r = scan_entry(s, fd, dir, &dir->entries[i], err);
		if (r < 0)
			return r;
	}
	drop_left_out(dir);
	return 0;
}

/* The children of one directory are numbered in a row, after everything below them: close in the table. */
static void number_below(const struct squash_node *dir, uint32_t *last)
{
	for (size_t i = 0; i < dir->count; i++)
		number_below(dir->entries[i].node, last);
	for (size_t i = 0; i < dir->count; i++)
		if (!dir->entries[i].node->number)
			dir->entries[i].node->number = ++*last;
}

static int number_nodes(struct squash_tree *t, struct err *err)
{
	uint32_t last = 0;

	if (t->count >= UINT32_MAX)
		return err_set(err, EFBIG, "%s: more inodes than an image can hold", t->path);
	t->rows = calloc(t->count, sizeof(*t->rows));
	if (!t->rows)
		return err_oom(err, "the tree to pack");
	number_below(t->all[0], &last);
	t->all[0]->number = ++last;
	for (size_t i = 0; i < t->count; i++)
		t->rows[t->all[i]->number - 1] = t->all[i];
	return 0;
}

static int scan(struct squash_tree *t, uint64_t mtime, struct err *err)
{
	struct scan s = {.tree = t, .mtime = mtime};
	_cleanup_close_ int fd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_path(err, errno, t->path);
	s.dev = st.st_dev;
	if (!add_node(&s, &st))
		return err_oom(err, "the tree to pack");
	r = scan_dir(&s, TAKE_FD(fd), t->all[0], err);
	tdestroy(s.links, free);
	return r < 0 ? r : number_nodes(t, err);
}

int squash_tree_scan(const char *root, uint64_t mtime, struct squash_tree *ret, struct err *err)
{
	struct squash_tree t = {.path = strdup(root)};
	int r = t.path ? scan(&t, mtime, err) : err_oom(err, root);

	if (r < 0)
		squash_tree_release(&t);
	else
		*ret = t;
	return r;
}

static void free_node(struct squash_node *node)
{
	for (size_t i = 0; i < node->count; i++)
		free(node->entries[i].name);
	free(node->entries);
	free(node->target);
	sqfs_free(node->layout);
	free(node);
}

void squash_tree_release(struct squash_tree *t)
{
	for (size_t i = 0; i < t->count; i++)
		free_node(t->all[i]);
	free(t->all);
	free(t->rows);
	free(t->path);
	*t = (struct squash_tree){0};
}
