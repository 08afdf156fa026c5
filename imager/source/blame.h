/* A package manager's word on a package -> the line of the profile that asks for it. */
#ifndef IMAGER_SOURCE_BLAME_H
#define IMAGER_SOURCE_BLAME_H

#include "imager/base/err.h"
#include "imager/profile/profile.h"

/*
 * fault: what it said, "Unable to locate package foo". -EINVAL with "file:line: packages: foo: FAULT in
 * WHERE" if it speaks of a package of the profile, or of its kernel's; else 0, and err is as it was.
 */
int blame_package(const struct profile *p, const char *fault, const char *where, struct err *err);

#endif
