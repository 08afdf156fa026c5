/* The checks of a profile that has been read; a part of profile_load (profile.h). */
#ifndef IMAGER_PROFILE_PROFILECHECK_H
#define IMAGER_PROFILE_PROFILECHECK_H

#include "imager/profile/profile.h"

/* Checks p and completes it. 0 or -errno as of profile_load. */
int profile_check(struct profile *p, struct err *err);

/* A part of profile_check: the source, its packages and repositories; sets p->from.kind. */
int profile_check_from(struct profile *p, struct err *err);

#endif
