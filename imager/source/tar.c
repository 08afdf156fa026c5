/* Owns from: tar, a whole root tree in a tar archive, compressed or not. */
#include "imager/source/source.h"

#include "imager/tree/treecopy.h"

static int unpack(const struct source_job *job, uint64_t *ret_time, struct err *err)
{
	const struct treecopy_target target = {.root = job->root, .prefix = ""};

	return treecopy_archive(job->profile->from.tar, &target, ret_time, err);
}

const struct source source_tar = {"tar", unpack};
