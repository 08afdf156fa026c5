/* The key under which a tree of from: rpm is kept (imager/source/basecache.h). */
#ifndef IMAGER_SOURCE_RPMBASE_H
#define IMAGER_SOURCE_RPMBASE_H

#include "imager/source/rpmconf.h"

/*
 * Of the profile's words on repositories and packages, and of the repositories' metadata as dnf has them in
 * the cache: these name every package with its digest. 1; 0: there are no metadata; -errno.
 */
int rpmbase_key(
	const struct source_job *job, const struct rpmconf *conf, struct digest *ret, struct err *err);

#endif
