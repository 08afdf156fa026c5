/* The database of packages in an rpm tree, read by this machine's rpm. */
#ifndef IMAGER_PACKAGES_RPMDB_H
#define IMAGER_PACKAGES_RPMDB_H

#include <stdint.h>

#include "imager/base/err.h"
#include "imager/packages/packages.h"

/* Where a distribution keeps it: the first is that of all new ones (Fedora, openSUSE, RHEL 10). */
#define RPMDB_NEW "/usr/lib/sysimage/rpm"
#define RPMDB_OLD "/var/lib/rpm"

/* The folder with a database in it, a path in the tree (root is its fd); NULL: there is none. */
const char *rpmdb_find(int root);

/* Adds a row for every package. root: path of the tree; dbpath: rpmdb_find's. 0 or -errno. */
int rpmdb_list(const char *root, const char *dbpath, struct packages *ret, struct err *err);

/* The time the newest of its packages was built, seconds since 1970; 0 if there is none. 0 or -errno. */
int rpmdb_newest(const char *root, const char *dbpath, uint64_t *ret, struct err *err);

#endif
