/* Files: whole reads with a limit, atomic writes, whole-tree removal. All fds are O_CLOEXEC. */
#ifndef BASE_IO_H
#define BASE_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "imager/base/err.h"

/*
 * Reads a whole file of at most `limit` bytes. *ret is NUL-terminated (not counted), free() it; ret_len may
 * be NULL. -EFBIG when it is larger, else the errno of open or read.
 */
int read_file(const char *path, size_t limit, char **ret, size_t *ret_len, struct err *err);
int read_file_at(int dirfd, const char *path, size_t limit, char **ret, size_t *ret_len);

/* Reads until len bytes or end of file; the number of bytes read, or -errno. */
ssize_t read_full(int fd, void *data, size_t len);
/* Writes all; 0 or -errno. */
int write_full(int fd, const void *data, size_t len);
/* The same at an offset; where the file stands does not matter and stays. */
ssize_t pread_full(int fd, void *data, size_t len, uint64_t at);
int pwrite_full(int fd, const void *data, size_t len, uint64_t at);
/*
 * Gives the file at least `size` bytes, all of them allocated; 0 or -errno (-ENOSPC), and then its size is
 * what it was. The size is set first: a tmpfs with huge=within_size takes huge pages only below it.
 */
int allocate_full(int fd, uint64_t size);

/* What a file is to hold. */
struct file_content {
	const void *data;
	size_t len;
	mode_t mode;
};

/*
 * Gives a whole file its name: fd is open on `from`, `to` is in the same file system. fsync, rename, fsync of
 * the folder of `to`: after a power loss `to` has all its bytes or is what it was before. Replaces what was
 * there. -EXDEV: another file system, and nothing has changed.
 */
int place_file(int fd, const char *from, const char *to, struct err *err);

/* The file appears complete or not at all: a temporary in the same folder, then place_file. */
int write_file_atomic(const char *path, const struct file_content *content, struct err *err);

/* Plain write of a small file (created or truncated) that needs no crash safety: sysfs, a tree being built.
 */
int write_file(const char *path, const struct file_content *content, struct err *err);

/* From where each stands to the end of `in`, by copy_file_range where it can; 0 or -errno. */
int copy_fd(int in, int out);

/* Copies a file's bytes (copy_file_range, else read/write); the target is created with mode. */
int copy_file(const char *from, const char *to, mode_t mode, struct err *err);

/* fsync of a folder, by path. */
int sync_dir(const char *path, struct err *err);

/* mkdir -p with mode 0755 (subject to umask); an existing folder is fine. */
int mkdir_p(const char *path, struct err *err);

/* rm -rf that does not follow symlinks; a missing path is fine. -EXDEV when it meets a mount point, bind
 * mounts too; what it met before is gone then. */
int remove_tree(const char *path, struct err *err);

/* Joins with one slash; NULL when out of memory. free(). b == "" gives a. */
char *path_join(const char *a, const char *b);

/* A path that stays inside: not empty, no leading slash, no "." or ".." or empty component. */
int path_is_inside(const char *path);

#endif
