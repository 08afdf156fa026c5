/* A whole file into one zstd frame, on all cores. */
#ifndef IMAGER_BOOT_ZSTDFILE_H
#define IMAGER_BOOT_ZSTDFILE_H

#include <stdint.h>

#include "imager/base/err.h"

/*
 * Compresses `input` to the new file `output`, for a Linux kernel to unpack: window and frame are within what
 * its decompressor takes (lib/decompress_unzstd.c: at most 128 MiB), and the frame carries a checksum, which
 * it proves. jobs: threads, 0 for one per CPU; their number changes nothing in the bytes. 0 or -errno; then
 * there is no output.
 */
int zstdfile_pack(const char *input, const char *output, unsigned jobs, struct err *err);

/* What, besides the input, decides the bytes: level, job size, library. */
const char *zstdfile_method(void);

#endif
