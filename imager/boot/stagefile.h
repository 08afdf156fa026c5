/* Single files of an image's tree -> the staged initramfs, whatever links lead to them inside the tree. */
#ifndef IMAGER_BOOT_STAGEFILE_H
#define IMAGER_BOOT_STAGEFILE_H

#include "imager/base/err.h"

/*
 * Copies `path` of the tree that is open as `root` (intree.h) to the file `target`, mode 0644; its folders
 * are made. -ENOENT without a sentence: the tree has no such file; else 0 or -errno.
 */
int stagefile_copy(int root, const char *path, const char *target, struct err *err);

/* The same, unpacked: for a file compressed by xz, zstd or gzip. */
int stagefile_unpack(int root, const char *path, const char *target, struct err *err);

#endif
