/* list: what is installed in a tree, by any package manager. */
#ifndef IMAGER_PACKAGES_PACKAGELIST_H
#define IMAGER_PACKAGES_PACKAGELIST_H

#include "imager/packages/packages.h"

/*
 * The installed packages of the tree, sorted: from dpkg's status file (deb-control(5)), else from rpm's
 * database (rpmdb.h). A tree without either gives none. *ret is zeroed by the caller, who releases it. 0 or
 * -errno.
 */
int packages_list(const char *root, struct packages *ret, struct err *err);

/* The same from the text of a status file, which is changed; rows are added, not sorted. 0 or -ENOMEM. */
int packages_read_dpkg(char *status, struct packages *ret);

#endif
