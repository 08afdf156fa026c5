/* Owns the table of sources and nothing of how any of them works. */
#include "imager/source/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"

static const struct source *const sources[] = {
	&source_debian,
	&source_oci,
	&source_release,
	&source_rpm,
	&source_tar,
	&source_dir,
};

int source_lock_folder(const char *folder, struct err *err)
{
	_cleanup_free_ char *path = path_join(folder, ".lock");
	_cleanup_close_ int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;

	if (!path)
		return err_oom(err, folder);
	if (fd < 0)
		return err_path(err, errno, path);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_path(err, errno, path);
	return TAKE_FD(fd);
}

int source_unpack(const struct source_job *job, uint64_t *ret_time, struct err *err)
{
	const char *kind = job->profile->from.kind;

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		if (!strcmp(sources[i]->kind, kind))
			return sources[i]->unpack(job, ret_time, err);
	return err_set(err, ENOSYS, "no source is called %s", kind);
}
