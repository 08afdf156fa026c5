/* From a profile to a published release, stage by stage. */
#ifndef IMAGER_BUILD_H
#define IMAGER_BUILD_H

#include <stddef.h>
#include <stdint.h>

#include "imager/base/cli.h"
#include "imager/base/err.h"
#include "imager/cache/cache.h"
#include "imager/format/store.h"

struct build_options {
	const char *profile, *store;       /* paths */
	const struct cli_list *sets;       /* variables of the profile, as of profile_load_set */
	const char *agent;                 /* path of swarmboot-init */
	const char *keyring;               /* text of the public keys the initramfs trusts, checked */
	const struct minisign_secret *key; /* signs the release; NULL: it stays unsigned */
	const char *artifacts;             /* a folder with files for the profile's artifacts; NULL: none */
	struct cache *cache;               /* what earlier builds made; NULL: none */
	int offline;                       /* the network is not used */
	const char *lock;   /* a path: gets what the release was made from; NULL: not written */
	const char *locked; /* a path: the release is made from what this file says; NULL: it is not */
	unsigned jobs;      /* threads of the pack stage; 0: one per CPU */
	uint64_t time;      /* SOURCE_DATE_EPOCH; 0: the newest time in what the profile's source gave */
};

#define BUILD_STAGES_MAX 12

struct build_result {
	struct store_release release;
	int is_signed;
	int is_new; /* 0: the newest release of the profile is just this one already */
	struct build_stage {
		const char *name;
		double seconds;
	} stages[BUILD_STAGES_MAX];
	size_t stage_count;
};

/*
 * Runs all stages and draws their progress on stderr. Root's, or an ordinary user's (userns.h). The store is
 * changed by the last stage alone, all at once; a build that fails or is killed before leaves it as it was. 0
 * or -errno; -EINVAL: a fault of the profile's, "file:line: key: ...".
 */
int build_run(const struct build_options *options, struct build_result *ret, struct err *err);

#endif
