/* Owns from: dir, a whole root tree in a folder. The folder is copied, never changed. */
#include "imager/source/source.h"

#include "imager/tree/treecopy.h"

static int unpack(const struct source_job *job, uint64_t *ret_time, struct err *err)
{
	const struct treecopy_target target = {.root = job->root, .prefix = ""};

	return treecopy_folder(job->profile->from.dir, &target, ret_time, err);
}

const struct source source_dir = {"dir", unpack};
