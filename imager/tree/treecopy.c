/*
 * Owns the copying of whole trees: from a tar archive or a folder into a folder. libarchive does the reading;
 * treewrite.c keeps a hostile archive inside the target.
 */
#include "imager/tree/treecopy.h"

#include <errno.h>
#include <locale.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/tree/archiveutil.h"
#include "imager/tree/treewrite.h"
#include "imager/userns.h"

#define READ_BLOCK 65536

DEFINE_CLEANUP(struct archive_entry *, archive_entry_free)
DEFINE_CLEANUP(struct archive_entry_linkresolver *, archive_entry_linkresolver_free)

struct copy {
	struct archive *in;
	struct treewrite out;
	size_t strip; /* bytes of every name that are the read folder's own path */
};

static void copy_release(struct copy *c)
{
	treewrite_release(&c->out);
	if (c->in)
		(void)archive_read_free(c->in);
}
#define _cleanup_copy_ _cleanup_(copy_release)

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

/* Without its first parts; NULL: it has no more. */
static const char *strip_parts(const char *name, size_t parts)
{
	for (; parts; parts--) {
		name = strchr(name, '/');
		if (!name)
			return NULL;
		name++;
	}
	return *name ? name : NULL;
}

/* An entry that strip leaves nothing of is left out. */
static int copy_entry(struct copy *c, struct archive_entry *entry, struct err *err)
{
	size_t strip = c->out.target->strip;
	const char *link = archive_entry_hardlink(entry);
	struct treewrite_names names = {
		.name = strip_parts(bare_name(archive_entry_pathname(entry), c->strip), strip),
		.link = link ? strip_parts(bare_name(link, c->strip), strip) : NULL,
	};

	/* What the whole tree is copied from says how its root is; a folder on the way stays as it is. */
	if (!names.name && !strip && !*c->out.target->prefix)
		names.name = "";
	if (!names.name)
		return 0;
	if (link && !names.link)
		return err_set(err, EINVAL, "%s: '%s' is a link to '%s', which is left out", c->out.from,
			names.name, link);
	return treewrite_put(&c->out, c->in, entry, &names, err);
}

static int finish(struct copy *c, uint64_t *ret_time, struct err *err)
{
	int r = treewrite_finish(&c->out, err);

	if (r >= 0 && ret_time)
		*ret_time = c->out.newest;
	return r;
}

static int read_archive(
	const char *path, const struct treecopy_target *target, uint64_t *ret_time, struct err *err)
{
	_cleanup_copy_ struct copy c = {.in = archive_read_new()};
	struct archive_entry *entry;
	int r = treewrite_open(target, path, &c.out, err);

	if (r < 0)
		return r;
	if (!c.in)
		return err_oom(err, path);
	(void)archive_read_support_filter_all(c.in);
	(void)archive_read_support_format_tar(c.in);
	(void)archive_read_support_format_cpio(c.in);
	(void)archive_read_support_format_zip(c.in);
	if (archive_read_open_filename(c.in, path, READ_BLOCK) < ARCHIVE_OK)
		return archive_fault(c.in, path, err);
	while ((r = archive_read_next_header(c.in, &entry)) == ARCHIVE_OK) {
		r = copy_entry(&c, entry, err);
		if (r < 0)
			return r;
	}
	return r == ARCHIVE_EOF ? finish(&c, ret_time, err) : archive_fault(c.in, path, err);
}

int treecopy_archive(
	const char *path, const struct treecopy_target *target, uint64_t *ret_time, struct err *err)
{
	_cleanup_utf8_ struct archive_locale locale;
	int r = archive_utf8(&locale, err);

	return r < 0 ? r : read_archive(path, target, ret_time, err);
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
		return archive_fault(c->in, c->out.from, err);
	(void)archive_read_disk_descend(c->in);
	/* Who a user namespace has no id for is nobody in it: such a tree would lose its owners. */
	r = c->out.target->owner
		    ? 0
		    : userns_check_known(archive_entry_sourcepath(entry), archive_entry_stat(entry), err);
	if (r < 0)
		return r;
	r = resolve_links(c, links, entry, err);
	return r < 0 ? r : 1;
}

int treecopy_folder(
	const char *path, const struct treecopy_target *target, uint64_t *ret_time, struct err *err)
{
	_cleanup_(archive_entry_linkresolver_free_p) struct archive_entry_linkresolver *links =
		archive_entry_linkresolver_new();
	_cleanup_copy_ struct copy c = {.in = archive_read_disk_new(), .strip = strlen(path)};
	int r = treewrite_open(target, path, &c.out, err);

	if (r < 0)
		return r;
	if (!c.in || !links)
		return err_oom(err, path);
	archive_entry_linkresolver_set_strategy(links, ARCHIVE_FORMAT_TAR_GNUTAR);
	(void)archive_read_disk_set_symlink_physical(c.in);
	(void)archive_read_disk_set_behavior(c.in, ARCHIVE_READDISK_NO_TRAVERSE_MOUNTS);
	if (archive_read_disk_open(c.in, path) < ARCHIVE_OK)
		return archive_fault(c.in, path, err);
	do {
		r = copy_next(&c, links, err);
	} while (r > 0);
	return r < 0 ? r : finish(&c, ret_time, err);
}
