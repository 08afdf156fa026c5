/* Owns the table of sources and nothing of how any of them works. */
#include "imager/source/source.h"

#include <errno.h>
#include <string.h>

#include "imager/base/cleanup.h"

static const struct source *const sources[] = {
	&source_debian,
	&source_oci,
	&source_release,
	&source_rpm,
	&source_tar,
	&source_dir,
};

int source_unpack(const struct source_job *job, uint64_t *ret_time, struct err *err)
{
	const char *kind = job->profile->from.kind;

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		if (!strcmp(sources[i]->kind, kind))
			return sources[i]->unpack(job, ret_time, err);
	return err_set(err, ENOSYS, "no source is called %s", kind);
}
