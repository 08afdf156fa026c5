/* The indexes of kernel modules, by depmod(8). */
#ifndef IMAGER_BOOT_MODULEINDEX_H
#define IMAGER_BOOT_MODULEINDEX_H

#include "imager/base/err.h"

/*
 * Makes the indexes of kernel `release` in the tree `root` when `folder`, its folder of modules, has none: a
 * package that was only unpacked has none yet, its scripts make them.
 */
int moduleindex_tree(const char *root, const char *release, const char *folder, struct err *err);

/*
 * Makes the indexes of the modules in `stage`, which has /lib -> usr/lib, with the help of the lists beside
 * the tree's modules (`folder` below the open `root`), and leaves only what libkmod reads: the binary ones
 * and modules.softdep.
 */
int moduleindex_stage(int root, const char *folder, const char *stage, const char *release, struct err *err);

#endif
