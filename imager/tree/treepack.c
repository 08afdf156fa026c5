/*
 * Owns the packing of a tree for a cache: pax by libarchive, zstd at its fastest level, which writes less
 * than half of the bytes and costs less than writing the rest would.
 */
#include "imager/tree/treepack.h"

#include <errno.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/tree/archiveutil.h"

/* Reading and compressing go on side by side. */
#define THREADS "2"

DEFINE_CLEANUP(struct archive_entry *, archive_entry_free)
DEFINE_CLEANUP(struct archive_entry_linkresolver *, archive_entry_linkresolver_free)

struct pack {
	struct archive *in, *out;
	struct archive_entry_linkresolver *links;
	const char *folder;
	size_t strip; /* bytes of every name that are the folder's own path */
};

static void pack_release(struct pack *p)
{
	if (p->in)
		(void)archive_read_free(p->in);
	if (p->out)
		(void)archive_write_free(p->out);
	archive_entry_linkresolver_free(p->links);
}
#define _cleanup_pack_ _cleanup_(pack_release)

static int put_data(struct pack *p, struct err *err)
{
	const void *block;
	size_t len;
	la_int64_t offset, done = 0;
	int r;

	while ((r = archive_read_data_block(p->in, &block, &len, &offset)) == ARCHIVE_OK) {
		/* a hole */
		static const char zeros[65536];

		while (done < offset) {
			la_int64_t n = offset - done > (la_int64_t)sizeof(zeros) ? (la_int64_t)sizeof(zeros)
										 : offset - done;

			if (archive_write_data(p->out, zeros, (size_t)n) < 0)
				return archive_fault(p->out, p->folder, err);
			done += n;
		}
		if (len && archive_write_data(p->out, block, len) < 0)
			return archive_fault(p->out, p->folder, err);
		done += (la_int64_t)len;
	}
	return r == ARCHIVE_EOF ? 0 : archive_fault(p->in, p->folder, err);
}

static int put_entry(struct pack *p, struct archive_entry *entry, struct err *err)
{
	_cleanup_free_ char *name = NULL;
	const char *path = archive_entry_pathname(entry);

	if (asprintf(&name, ".%s", path + p->strip) < 0)
		return err_oom(err, path);
	archive_entry_copy_pathname(entry, name);
	if (archive_entry_hardlink(entry)) {
		_cleanup_free_ char *link = NULL;

		if (asprintf(&link, ".%s", archive_entry_hardlink(entry) + p->strip) < 0)
			return err_oom(err, path);
		archive_entry_copy_hardlink(entry, link);
	}
	if (archive_write_header(p->out, entry) < ARCHIVE_WARN)
		return archive_fault(p->out, name, err);
	return archive_entry_size(entry) > 0 && !archive_entry_hardlink(entry) ? put_data(p, err) : 0;
}

static int put_next(struct pack *p, struct err *err)
{
	_cleanup_(archive_entry_free_p) struct archive_entry *entry = archive_entry_new();
	struct archive_entry *first = entry, *later = NULL;
	int r = entry ? archive_read_next_header2(p->in, entry) : ARCHIVE_FATAL;

	if (r == ARCHIVE_EOF)
		return 0;
	if (r != ARCHIVE_OK)
		return archive_fault(p->in, p->folder, err);
	(void)archive_read_disk_descend(p->in);
	if (archive_entry_filetype(entry) == AE_IFSOCK)
		return 1;
	/* The first name of an inode is the file, further ones are links to it. */
	if (archive_entry_filetype(entry) != AE_IFDIR)
		archive_entry_linkify(p->links, &first, &later);
	r = first ? put_entry(p, first, err) : 0;
	return r < 0 ? r : 1;
}

static int pack_open(struct pack *p, const char *output, struct err *err)
{
	p->in = archive_read_disk_new();
	p->out = archive_write_new();
	p->links = archive_entry_linkresolver_new();
	if (!p->in || !p->out || !p->links)
		return err_oom(err, output);
	archive_entry_linkresolver_set_strategy(p->links, ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE);
	(void)archive_read_disk_set_symlink_physical(p->in);
	(void)archive_read_disk_set_behavior(p->in, ARCHIVE_READDISK_NO_TRAVERSE_MOUNTS |
							    ARCHIVE_READDISK_NO_FFLAGS |
							    ARCHIVE_READDISK_NO_SPARSE);
	if (archive_write_set_format_pax(p->out) < ARCHIVE_OK ||
		archive_write_add_filter_zstd(p->out) < ARCHIVE_OK ||
		archive_write_set_filter_option(p->out, "zstd", "compression-level", "1") < ARCHIVE_OK ||
		archive_write_set_filter_option(p->out, "zstd", "threads", THREADS) < ARCHIVE_WARN ||
		archive_write_open_filename(p->out, output) < ARCHIVE_OK)
		return archive_fault(p->out, output, err);
	return archive_read_disk_open(p->in, p->folder) < ARCHIVE_OK ? archive_fault(p->in, p->folder, err)
								     : 0;
}

static int pack_all(struct pack *p, const char *output, struct err *err)
{
	int r = pack_open(p, output, err);

	if (r < 0)
		return r;
	do {
		r = put_next(p, err);
	} while (r > 0);
	if (r == 0 && archive_write_close(p->out) < ARCHIVE_OK)
		r = archive_fault(p->out, output, err);
	return r;
}

int treepack(const char *folder, const char *output, struct err *err)
{
	_cleanup_pack_ struct pack p = {.folder = folder, .strip = strlen(folder)};
	_cleanup_utf8_ struct archive_locale locale;
	int r = archive_utf8(&locale, err);

	return r < 0 ? r : pack_all(&p, output, err);
}
