/*
 * Owns the archive of the initramfs: the sorted walk of the staged folder and what of each entry is kept. The
 * format is libarchive's business, the contents are initrd.c's.
 */
#include "imager/boot/cpio.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/tree/archiveutil.h"

struct cpio {
	struct archive *archive;
	struct archive_entry *entry; /* used again for every file */
	const char *output;
	size_t folder_length;
	uint64_t mtime;
	int64_t inode; /* the last one given */
};

/* A file of such a name becomes that node: making one takes rights that an ordinary user's build lacks. */
static const struct node_row {
	const char *name;
	unsigned major, minor; /* Documentation/admin-guide/devices.txt of Linux */
} node_rows[] = {
	{"dev/console", 5, 1},
};

DEFINE_CLEANUP(FTS *, fts_close)
#define _cleanup_fts_ _cleanup_(fts_close_p)

static int cpio_fault(const struct cpio *c, struct err *err)
{
	return archive_fault(c->archive, c->output, err);
}

/* Of what is to be in the archive, for what is in the folder. */
static void turn_into_node(const char *name, struct stat *st)
{
	for (size_t i = 0; i < ARRAY_SIZE(node_rows); i++)
		if (!strcmp(name, node_rows[i].name) && S_ISREG(st->st_mode)) {
			st->st_mode = S_IFCHR;
			st->st_rdev = makedev(node_rows[i].major, node_rows[i].minor);
		}
}

static mode_t kept_mode(const struct stat *st)
{
	switch (st->st_mode & S_IFMT) {
	case S_IFDIR:
		return S_IFDIR | 0755;
	case S_IFLNK:
		return S_IFLNK | 0777;
	case S_IFREG:
		return S_IFREG | (st->st_mode & 0100 ? 0755 : 0644);
	default:
		return (st->st_mode & S_IFMT) | 0600;
	}
}

static int copy_content(struct cpio *c, const char *path, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char data[65536];
	ssize_t n;

	if (fd < 0)
		return err_path(err, errno, path);
	while ((n = read_full(fd, data, sizeof(data))) > 0)
		if (archive_write_data(c->archive, data, (size_t)n) != n)
			return cpio_fault(c, err);
	return n < 0 ? err_path(err, (int)-n, path) : 0;
}

static int add_entry(struct cpio *c, const FTSENT *e, struct err *err)
{
	const char *name = e->fts_path + c->folder_length + 1;
	struct stat *st = e->fts_statp;
	char target[PATH_MAX] = "";

	turn_into_node(name, st);
	archive_entry_clear(c->entry);
	archive_entry_set_pathname(c->entry, name);
	archive_entry_set_mode(c->entry, kept_mode(st));
	archive_entry_set_ino64(c->entry, ++c->inode);
	archive_entry_set_nlink(c->entry, S_ISDIR(st->st_mode) ? 2 : 1);
	archive_entry_set_mtime(c->entry, (time_t)c->mtime, 0);
	archive_entry_set_size(c->entry, S_ISREG(st->st_mode) ? st->st_size : 0);
	archive_entry_set_rdev(c->entry, st->st_rdev);
	if (S_ISLNK(st->st_mode)) {
		if (readlink(e->fts_accpath, target, sizeof(target) - 1) < 0)
			return err_path(err, errno, e->fts_path);
		archive_entry_set_symlink(c->entry, target);
	}
	if (archive_write_header(c->archive, c->entry) != ARCHIVE_OK)
		return cpio_fault(c, err);
	return S_ISREG(st->st_mode) ? copy_content(c, e->fts_accpath, err) : 0;
}

static int compare_names(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int add_all(struct cpio *c, const char *folder, struct err *err)
{
	char *const roots[] = {(char *)folder, NULL};
	_cleanup_fts_ FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, compare_names);

	if (!walk)
		return err_path(err, errno, folder);
	for (FTSENT *e; (errno = 0, e = fts_read(walk));) {
		int r;

		if (e->fts_info == FTS_ERR || e->fts_info == FTS_DNR || e->fts_info == FTS_NS)
			return err_path(err, e->fts_errno, e->fts_path);
		if (e->fts_level == 0 || e->fts_info == FTS_DP)
			continue;
		r = add_entry(c, e, err);
		if (r < 0)
			return r;
	}
	return errno ? err_path(err, errno, folder) : 0;
}

/* No padding behind the archive: nothing reads it in blocks. */
static int open_archive(struct cpio *c, struct err *err)
{
	if (archive_write_set_format_cpio_newc(c->archive) != ARCHIVE_OK ||
		archive_write_set_bytes_in_last_block(c->archive, 1) != ARCHIVE_OK ||
		archive_write_open_filename(c->archive, c->output) != ARCHIVE_OK)
		return cpio_fault(c, err);
	return 0;
}

int cpio_write(const char *folder, const char *output, uint64_t mtime, struct err *err)
{
	struct cpio c = {
		.archive = archive_write_new(),
		.entry = archive_entry_new(),
		.output = output,
		.folder_length = strlen(folder),
		.mtime = mtime,
	};
	int r = c.archive && c.entry ? open_archive(&c, err) : err_oom(err, output);

	if (r == 0)
		r = add_all(&c, folder, err);
	if (r == 0 && archive_write_close(c.archive) != ARCHIVE_OK)
		r = cpio_fault(&c, err);
	archive_entry_free(c.entry);
	(void)archive_write_free(c.archive);
	if (r < 0)
		(void)unlink(output);
	return r;
}
