/*
 * Owns copies of single files from the tree into the stage, plain or unpacked. Which files is the callers'
 * choice; the formats are libarchive's business.
 */
#include "imager/boot/stagefile.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/intree.h"

#define BLOCK 65536

DEFINE_CLEANUP(struct archive *, archive_read_free)
#define _cleanup_archive_ _cleanup_(archive_read_free_p)

/* An fd or -errno; -ENOENT has no sentence. */
static int open_source(int root, const char *path, const char *target, struct err *err)
{
	_cleanup_free_ char *folder = strndup(target, (size_t)(strrchr(target, '/') - target));
	_cleanup_close_ int fd = -1;
	int r;

	if (!folder)
		return err_oom(err, target);
	fd = intree_open(root, path, O_RDONLY, 0);
	if (fd == -ENOENT)
		return fd;
	if (fd < 0)
		return err_path(err, -fd, path);
	r = mkdir_p(folder, err);
	return r < 0 ? r : TAKE_FD(fd);
}

int stagefile_copy(int root, const char *path, const char *target, struct err *err)
{
	_cleanup_close_ int fd = open_source(root, path, target, err);
	char opened[32];

	if (fd < 0)
		return fd;
	(void)snprintf(opened, sizeof(opened), "/proc/self/fd/%d", fd);
	return copy_file(opened, target, 0644, err);
}

static int open_stream(struct archive *a, int fd)
{
	struct archive_entry *entry;

	return archive_read_support_filter_xz(a) == ARCHIVE_OK &&
	       archive_read_support_filter_zstd(a) == ARCHIVE_OK &&
	       archive_read_support_filter_gzip(a) == ARCHIVE_OK &&
	       archive_read_support_format_raw(a) == ARCHIVE_OK &&
	       archive_read_open_fd(a, fd, BLOCK) == ARCHIVE_OK &&
	       archive_read_next_header(a, &entry) == ARCHIVE_OK;
}

static int write_stream(struct archive *a, const char *path, const char *target, struct err *err)
{
	_cleanup_close_ int out = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	char data[BLOCK];
	la_ssize_t n;

	if (out < 0)
		return err_path(err, errno, target);
	while ((n = archive_read_data(a, data, sizeof(data))) > 0) {
		int r = write_full(out, data, (size_t)n);

		if (r < 0)
			return err_path(err, -r, target);
	}
	return n < 0 ? err_set(err, EBADMSG, "%s: cannot unpack it: %s", path, archive_error_string(a)) : 0;
}

int stagefile_unpack(int root, const char *path, const char *target, struct err *err)
{
	_cleanup_close_ int fd = open_source(root, path, target, err);
	_cleanup_archive_ struct archive *a = archive_read_new();

	if (fd < 0)
		return fd;
	if (!a)
		return err_oom(err, path);
	if (!open_stream(a, fd))
		return err_set(err, EBADMSG, "%s: cannot unpack it: %s", path, archive_error_string(a));
	return write_stream(a, path, target, err);
}
