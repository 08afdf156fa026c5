/*
 * Owns the copying of whole trees: from a tar archive or a folder into a folder. libarchive does the work;
 * its secure options keep a hostile archive inside the target.
 */
#include "imager/treecopy.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"

#define READ_BLOCK 65536
#define WRITE_FLAGS                                                                                          \
	(ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_XATTR |       \
		ARCHIVE_EXTRACT_ACL | ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_SYMLINKS)

static void free_reader(struct archive *a)
{
	(void)archive_read_free(a);
}
static void free_writer(struct archive *a)
{
	(void)archive_write_free(a);
}
DEFINE_CLEANUP(struct archive *, free_reader)
DEFINE_CLEANUP(struct archive *, free_writer)
DEFINE_CLEANUP(struct archive_entry *, archive_entry_free)
DEFINE_CLEANUP(struct archive_entry_linkresolver *, archive_entry_linkresolver_free)
#define _cleanup_reader_ _cleanup_(free_reader_p)
#define _cleanup_writer_ _cleanup_(free_writer_p)

struct copy {
	struct archive *in, *out;
	const struct treecopy_target *target;
	const char *from; /* what is read, for sentences */
	size_t strip;     /* bytes of every name that are the read folder's own path */
	uint64_t newest;
};

/* libarchive's own text, with what it was about. */
static int fault(struct archive *a, const char *what, struct err *err)
{
	int code = archive_errno(a);
	const char *text = archive_error_string(a);

	return err_set(err, code > 0 ? code : EIO, "%s: %s", what, text ? text : "cannot be copied");
}

static int copy_data(struct copy *c, const char *name, struct err *err)
{
	const void *block;
	size_t len;
	la_int64_t offset;
	int r;

	while ((r = archive_read_data_block(c->in, &block, &len, &offset)) == ARCHIVE_OK)
		if (archive_write_data_block(c->out, block, len, offset) < ARCHIVE_OK)
			return fault(c->out, name, err);
	return r == ARCHIVE_EOF ? 0 : fault(c->in, name, err);
}

/* "./usr/bin" of an archive, "/src/tree/usr/bin" of a folder -> "usr/bin"; "" is the root itself. */
static const char *bare_name(const char *name, size_t strip)
{
	if (strlen(name) < strip)
		return "";
	name += strip;
	while (*name == '/' || (name[0] == '.' && (name[1] == '/' || !name[1])))
		name++;
	return name;
}

/* A hard link's target is a name as well. */
static int rename_entry(const struct copy *c, struct archive_entry *entry, struct err *err)
{
	const char *name = bare_name(archive_entry_pathname(entry), c->strip),
		   *link = archive_entry_hardlink(entry);
	_cleanup_free_ char *path = path_join(c->target->root, c->target->prefix), *to = NULL,
			    *link_to = NULL;

	if (*name && !path_is_inside(name) && name[strlen(name) - 1] != '/')
		return err_set(err, EINVAL, "%s: the name '%s' would leave the tree", c->from, name);
	to = path ? path_join(path, name) : NULL;
	if (!to)
		return err_oom(err, name);
	archive_entry_copy_pathname(entry, to);
	if (!link)
		return 0;
	link_to = path_join(path, bare_name(link, c->strip));
	if (!link_to)
		return err_oom(err, name);
	archive_entry_copy_hardlink(entry, link_to);
	return 0;
}

static int copy_entry(struct copy *c, struct archive_entry *entry, struct err *err)
{
	uint64_t mtime = archive_entry_mtime(entry) > 0 ? (uint64_t)archive_entry_mtime(entry) : 0;
	int r = rename_entry(c, entry, err);

	if (r < 0)
		return r;
	if (archive_entry_filetype(entry) == AE_IFSOCK)
		return 0;
	if (mtime > c->newest)
		c->newest = mtime;
	if (c->target->root_owned) {
		archive_entry_set_uid(entry, 0);
		archive_entry_set_gid(entry, 0);
	}
	/* Numbers rule: this machine's names for them mean nothing in the image. */
	archive_entry_set_uname(entry, NULL);
	archive_entry_set_gname(entry, NULL);
	if (archive_write_header(c->out, entry) < ARCHIVE_OK)
		return fault(c->out, archive_entry_pathname(entry), err);
	if (archive_entry_size(entry) > 0 && !archive_entry_hardlink(entry)) {
		r = copy_data(c, archive_entry_pathname(entry), err);
		if (r < 0)
			return r;
	}
	if (archive_write_finish_entry(c->out) < ARCHIVE_OK)
		return fault(c->out, archive_entry_pathname(entry), err);
	return 0;
}

static struct archive *new_writer(void)
{
	struct archive *out = archive_write_disk_new();

	if (out)
		(void)archive_write_disk_set_options(out, WRITE_FLAGS);
	return out;
}

/* Folders' times and modes are set when the writer is closed. */
static int finish(struct copy *c, uint64_t *ret_time, struct err *err)
{
	if (archive_write_close(c->out) < ARCHIVE_OK)
		return fault(c->out, c->target->root, err);
	if (ret_time)
		*ret_time = c->newest;
	return 0;
}

static int read_archive(
	const char *path, const struct treecopy_target *target, uint64_t *ret_time, struct err *err)
{
	_cleanup_reader_ struct archive *in = archive_read_new();
	_cleanup_writer_ struct archive *out = new_writer();
	struct copy c = {.in = in, .out = out, .target = target, .from = path};
	struct archive_entry *entry;
	int r;

	if (!in || !out)
		return err_oom(err, path);
	(void)archive_read_support_filter_all(in);
	(void)archive_read_support_format_tar(in);
	if (archive_read_open_filename(in, path, READ_BLOCK) < ARCHIVE_OK)
		return fault(in, path, err);
	while ((r = archive_read_next_header(in, &entry)) == ARCHIVE_OK) {
		r = copy_entry(&c, entry, err);
		if (r < 0)
			return r;
	}
	if (r != ARCHIVE_EOF)
		return fault(in, path, err);
	return finish(&c, ret_time, err);
}

/* libarchive turns the UTF-8 of pax headers into the locale's bytes, which for names of files is the same. */
int treecopy_archive(
	const char *path, const struct treecopy_target *target, uint64_t *ret_time, struct err *err)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before;
	int r;

	if (!utf8)
		return err_set(err, errno, "%s: the locale C.UTF-8: %s", path, strerror(errno));
	before = uselocale(utf8);
	r = read_archive(path, target, ret_time, err);
	(void)uselocale(before);
	freelocale(utf8);
	return r;
}

/* The first name of an inode is the file, further ones are links to it. */
static int resolve_links(struct copy *c, struct archive_entry_linkresolver *links,
	struct archive_entry *entry, struct err *err)
{
	struct archive_entry *later = NULL;

	if (archive_entry_filetype(entry) != AE_IFDIR)
		archive_entry_linkify(links, &entry, &later);
	return entry ? copy_entry(c, entry, err) : 0;
}

static int copy_next(struct copy *c, struct archive_entry_linkresolver *links, struct err *err)
{
	_cleanup_(archive_entry_free_p) struct archive_entry *entry = archive_entry_new();
	int r = entry ? archive_read_next_header2(c->in, entry) : ARCHIVE_FATAL;

	if (r == ARCHIVE_EOF)
		return 0;
	if (r != ARCHIVE_OK)
		return fault(c->in, c->from, err);
	(void)archive_read_disk_descend(c->in);
	r = resolve_links(c, links, entry, err);
	return r < 0 ? r : 1;
}

int treecopy_folder(
	const char *path, const struct treecopy_target *target, uint64_t *ret_time, struct err *err)
{
	_cleanup_reader_ struct archive *in = archive_read_disk_new();
	_cleanup_writer_ struct archive *out = new_writer();
	_cleanup_(archive_entry_linkresolver_free_p) struct archive_entry_linkresolver *links =
		archive_entry_linkresolver_new();
	struct copy c = {.in = in, .out = out, .target = target, .from = path, .strip = strlen(path)};
	int r;

	if (!in || !out || !links)
		return err_oom(err, path);
	archive_entry_linkresolver_set_strategy(links, ARCHIVE_FORMAT_TAR_GNUTAR);
	(void)archive_read_disk_set_symlink_physical(in);
	(void)archive_read_disk_set_behavior(in, ARCHIVE_READDISK_NO_TRAVERSE_MOUNTS);
	if (archive_read_disk_open(in, path) < ARCHIVE_OK)
		return fault(in, path, err);
	do {
		r = copy_next(&c, links, err);
	} while (r > 0);
	return r < 0 ? r : finish(&c, ret_time, err);
}
