/*
 * Owns the output file of an image: positioned reads and writes behind libsquashfs' file interface. The
 * library's own file object would leak its descriptor to children and lose the reason of a failure.
 */
#include "imager/squash/image.h"

#include <errno.h>
#include <fcntl.h>
#include <sqfs/error.h>
#include <unistd.h>

#include "imager/base/io.h"

/* The longest padding: one page, a block device's unit. */
#define PAD_LIMIT 4096

static int fail(struct squash_image *image, int code)
{
	if (!image->code)
		image->code = code;
	return SQFS_ERROR_IO;
}

static int read_at(sqfs_file_t *file, sqfs_u64 offset, void *data, size_t size)
{
	struct squash_image *image = (struct squash_image *)file;

	ssize_t n = pread_full(image->fd, data, size, offset);

	if (n < 0)
		return fail(image, (int)-n);
	return n == (ssize_t)size ? 0 : SQFS_ERROR_OUT_OF_BOUNDS;
}

static int write_at(sqfs_file_t *file, sqfs_u64 offset, const void *data, size_t size)
{
	struct squash_image *image = (struct squash_image *)file;

	int r = pwrite_full(image->fd, data, size, offset);

	if (r < 0)
		return fail(image, -r);
	if (offset + size > image->size)
		image->size = offset + size;
	return 0;
}

static sqfs_u64 get_size(const sqfs_file_t *file)
{
	return ((const struct squash_image *)file)->size;
}

static int truncate_to(sqfs_file_t *file, sqfs_u64 size)
{
	struct squash_image *image = (struct squash_image *)file;

	if (ftruncate(image->fd, (off_t)size) < 0)
		return fail(image, errno);
	image->size = size;
	return 0;
}

int squash_image_open(struct squash_image *image, const char *path, struct err *err)
{
	*image = (struct squash_image){
		.file = {.read_at = read_at,
			.write_at = write_at,
			.get_size = get_size,
			.truncate = truncate_to},
		.fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644),
	};
	return image->fd < 0 ? err_path(err, errno, path) : 0;
}

void squash_image_close(struct squash_image *image)
{
	if (image->fd >= 0)
		(void)close(image->fd);
	image->fd = -1;
}

int squash_image_pad(struct squash_image *image, uint64_t unit)
{
	static const char zeros[PAD_LIMIT];
	uint64_t over = image->size % unit;

	return over ? write_at(&image->file, image->size, zeros, (size_t)(unit - over)) : 0;
}
