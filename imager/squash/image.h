/* The file the image is written to, as libsquashfs wants it; it remembers the errno that the library drops.
 */
#ifndef IMAGER_SQUASH_IMAGE_H
#define IMAGER_SQUASH_IMAGE_H

#include <sqfs/io.h>
#include <stdint.h>

#include "imager/base/err.h"

struct squash_image {
	sqfs_file_t file; /* to hand to the library; first, so that the pointers are the same */
	int fd;
	uint64_t size; /* bytes */
	int code;      /* errno of the first read or write that failed, else 0 */
};

/* Creates the file; -EEXIST when it is there. squash_image_close takes one that was never opened (fd -1). */
int squash_image_open(struct squash_image *image, const char *path, struct err *err);
void squash_image_close(struct squash_image *image);

/* Appends zeros up to a multiple of `unit` bytes. 0 or a negative SQFS_ERROR. */
int squash_image_pad(struct squash_image *image, uint64_t unit);

#endif
