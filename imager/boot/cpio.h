/*
 * A folder -> an initramfs archive: cpio "newc" (Documentation/driver-api/early-userspace/buffer-format.rst
 * of Linux). The same folder gives the same bytes.
 */
#ifndef IMAGER_BOOT_CPIO_H
#define IMAGER_BOOT_CPIO_H

#include <stdint.h>

#include "imager/base/err.h"

/*
 * Writes everything below `folder`, sorted by name, to the file `output` (replaced). Owners are 0:0, inode
 * numbers 1..n, times `mtime` (seconds since 1970), modes 0755 for folders and executables, 0644 for other
 * files, 0600 for devices; hard links become files of their own. A file "dev/console" becomes the node of
 * that name. On failure output is removed.
 */
int cpio_write(const char *folder, const char *output, uint64_t mtime, struct err *err);

#endif
