/* Firmware of an image's tree -> the staged initramfs. */
#ifndef IMAGER_BOOT_FIRMWARE_H
#define IMAGER_BOOT_FIRMWARE_H

#include "imager/base/err.h"

/*
 * Copies the firmware that a module names, plain or compressed as the tree has it; a tree without it is fine,
 * since few need all that their driver knows. A name that leads outside is none. 0 or -errno.
 */
int firmware_stage(int root, const char *name, const char *stage, struct err *err);

/*
 * Copies what `pattern` names below usr/lib/firmware: a shell pattern whose '*' matches '/' too, or a folder.
 * Whether a file is compressed (.zst, .xz) does not matter. The number of files, 0: none; or -errno.
 */
int firmware_match(int root, const char *pattern, const char *stage, struct err *err);

#endif
