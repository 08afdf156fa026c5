/* Owns a torrent's data file on a node. Knows nothing of pieces, peers or libtorrent. */
#include "seeder/swarm/datafile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"

int datafile_prepare(const char *path, uint64_t size, int complete, struct err *err)
{
	_cleanup_close_ int fd =
		open(path, complete ? O_RDONLY | O_CLOEXEC : O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_path(err, errno, path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "%s: not a regular file", path);
	if ((uint64_t)st.st_size > size || (complete && (uint64_t)st.st_size != size))
		return err_set(err, EBADMSG, "%s: has %jd bytes, the torrent says %" PRIu64, path,
			(intmax_t)st.st_size, size);
	if (complete)
		return 0;
	r = allocate_full(fd, size);
	if (r < 0)
		return err_set(err, -r, "%s: %" PRIu64 " bytes: %s", path, size, strerror(-r));
	return st.st_size == 0;
}

static int open_for(struct datafile *f, int writing)
{
	if (f->fd >= 0 && (f->is_writable || !writing))
		return 0;
	datafile_close(f);
	f->fd = open(f->path, (writing ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	f->is_writable = writing;
	return f->fd < 0 ? -errno : 0;
}

int datafile_read(struct datafile *f, void *data, size_t len, uint64_t at)
{
	int r = open_for(f, 0);
	ssize_t n = r < 0 ? r : pread_full(f->fd, data, len, at);

	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -ENODATA;
}

int datafile_write(struct datafile *f, const void *data, size_t len, uint64_t at)
{
	int r = open_for(f, 1);

	return r < 0 ? r : pwrite_full(f->fd, data, len, at);
}

int datafile_is_sized(struct datafile *f)
{
	struct stat st;
	int r = open_for(f, 0);

	if (r < 0)
		return r;
	if (fstat(f->fd, &st) < 0)
		return -errno;
	return (uint64_t)st.st_size == f->size;
}

void datafile_close(struct datafile *f)
{
	if (f->fd >= 0)
		(void)close(f->fd);
	f->fd = -1;
}
