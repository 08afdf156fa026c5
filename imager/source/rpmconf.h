/* What dnf and rpm are told for one build: every file of theirs, so that nothing of this machine's counts. */
#ifndef IMAGER_SOURCE_RPMCONF_H
#define IMAGER_SOURCE_RPMCONF_H

#include "imager/base/buf.h"
#include "imager/source/source.h"

struct rpmconf {
	char *home;   /* folder of .rpmmacros, dnf.conf, empty repos/ and vars/ */
	char *config; /* home/dnf.conf */
	char *cache;  /* what builds share; NULL: there is no cache */
};
void rpmconf_release(struct rpmconf *c);
#define _cleanup_rpmconf_ _cleanup_(rpmconf_release)

/* Writes them below the job's workdir. -EINVAL: a repository whose packages nothing would prove. */
int rpmconf_write(const struct source_job *job, struct rpmconf *ret, struct err *err);

/* Adds all that the profile says of its repositories, their keys whole: part of a key of the cache. */
int rpmconf_describe(const struct source_job *job, struct buf *ret, struct err *err);

/* Whether there is a repository of that name. */
int rpmconf_has(const struct source_job *job, const char *name, size_t len);

/* Whether a repository is anywhere else than on this machine. */
int rpmconf_is_remote(const struct source_job *job);

/* Repositories that the image is to know too: etc/yum.repos.d/NAME.repo and the key. 0 or -errno. */
int rpmconf_keep(const struct source_job *job, int root, struct err *err);

#endif
