/* A copy of the running program that needs nothing of the file system around it. */
#ifndef INITRAMFS_BUNDLE_H
#define INITRAMFS_BUNDLE_H

#include "imager/base/err.h"

#define BUNDLE_PROGRAM "swarmboot-init"

struct bundle {
	char loader[64]; /* file name of the dynamic loader in the folder */
};

/*
 * Copies this program (as BUNDLE_PROGRAM), every shared library it has loaded and its loader into dir. To
 * run: DIR/LOADER --library-path DIR DIR/BUNDLE_PROGRAM ... -ENOEXEC when the program is not dynamically
 * linked.
 */
int bundle_make(const char *dir, struct bundle *ret, struct err *err);

#endif
