/* The checks of a profile that has been read; a part of profile_load (profile.h). */
#ifndef IMAGER_PROFILECHECK_H
#define IMAGER_PROFILECHECK_H

#include "imager/profile.h"

/* Checks p, read from path, makes its paths whole and sets p->source. 0 or -errno as of profile_load. */
int profile_check(struct profile *p, const char *path, struct err *err);

#endif
