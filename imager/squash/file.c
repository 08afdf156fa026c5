/*
 * Owns the reading of the tree's regular files: their data, their holes, and whether somebody still writes to
 * them. What becomes of the bytes is data.c's and same.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/squash/data.h"

char *squash_host_path(const struct squash_tree *tree, const struct squash_node *node)
{
	_cleanup_buf_ struct buf path = {0};

	if (squash_node_path(node, &path) < 0)
		return NULL;
	return path_join(tree->path, path.data);
}

static int changed(const char *path, struct err *err)
{
	return err_set(err, EAGAIN, "%s: changed while it was read", path);
}

int squash_file_open(struct squash_file *f, const char *path, struct squash_node *node, struct err *err)
{
	*f = (struct squash_file){
		.path = path, .node = node, .fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
	if (f->fd < 0 || fstat(f->fd, &f->seen) < 0)
		return err_path(err, errno, path);
	if (!S_ISREG(f->seen.st_mode) || (uint64_t)f->seen.st_size != node->size)
		return changed(path, err);
	if ((uint64_t)f->seen.st_blocks * 512 >= node->size)
		f->data_end = UINT64_MAX;
	return 0;
}

void squash_file_close(struct squash_file *f)
{
	if (f->fd >= 0)
		(void)close(f->fd);
	f->fd = -1;
}

int squash_file_is_hole(struct squash_file *f, uint64_t at, uint64_t size)
{
	off_t data;

	if (at < f->data_end)
		return 0;
	if (at + size <= f->hole_end)
		return 1;
	data = lseek(f->fd, (off_t)at, SEEK_DATA);
	if (data < 0) {
		f->hole_end = errno == ENXIO ? UINT64_MAX : f->hole_end;
		f->data_end = errno == ENXIO ? 0 : UINT64_MAX;
		return errno == ENXIO;
	}
	f->hole_end = (uint64_t)data;
	if ((uint64_t)data < at + size) {
		off_t end = lseek(f->fd, data, SEEK_HOLE);

		f->data_end = end < 0 ? UINT64_MAX : (uint64_t)end;
		return 0;
	}
	return 1;
}

int squash_file_read(struct squash_file *f, void *data, uint32_t size, uint64_t at, struct err *err)
{
	ssize_t n = pread_full(f->fd, data, size, at);

	if (n < 0)
		return err_path(err, (int)-n, f->path);
	return n == (ssize_t)size ? 0 : changed(f->path, err);
}

int squash_file_check(const struct squash_file *f, struct err *err)
{
	struct stat after;

	if (fstat(f->fd, &after) < 0)
		return err_path(err, errno, f->path);
	if (after.st_size != f->seen.st_size || after.st_mtim.tv_sec != f->seen.st_mtim.tv_sec ||
		after.st_mtim.tv_nsec != f->seen.st_mtim.tv_nsec)
		return changed(f->path, err);
	return 0;
}
