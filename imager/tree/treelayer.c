/*
 * Owns what a container's layer means: its whiteouts, and that it is read twice, since a whiteout speaks of
 * the layers below alone and may stand behind entries of its own layer. Where entries go is treewrite.c's.
 */
#include "imager/tree/treelayer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/intree.h"
#include "imager/tree/archiveutil.h"
#include "imager/tree/treewrite.h"

#define READ_BLOCK 65536
#define WHITEOUT   ".wh."
#define OPAQUE     ".wh..wh..opq"
#define OF_UNIONFS ".wh..wh." /* AUFS' own files, which mean nothing here */

struct layer {
	struct archive *in;
	struct treewrite out;
};

static void layer_release(struct layer *l)
{
	treewrite_release(&l->out);
	if (l->in)
		(void)archive_read_free(l->in);
}
#define _cleanup_layer_ _cleanup_(layer_release)

/* "./usr/bin/" -> "usr/bin/": free() */
static char *bare_name(const char *name)
{
	while (*name == '/' || (name[0] == '.' && (name[1] == '/' || !name[1])))
		name++;
	return strdup(name);
}

/* The part after the last slash; a folder's name may have one at its end. */
static char *base_of(char *name)
{
	char *slash = strrchr(name, '/');

	while (slash && !slash[1]) {
		*slash = '\0';
		slash = strrchr(name, '/');
	}
	return slash ? slash + 1 : name;
}

/* A link of the layers below gives way to a folder before the whiteouts in that folder are looked at. */
static int drop_link(struct layer *l, const char *name, struct err *err)
{
	_cleanup_close_ int fd = *name ? intree_open(l->out.root, name, O_PATH | O_NOFOLLOW, 0) : -1;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISLNK(st.st_mode))
		return 0;
	return treewrite_remove(&l->out, name, err);
}

static int take_away(struct layer *l, struct archive_entry *entry, struct err *err)
{
	_cleanup_free_ char *name = bare_name(archive_entry_pathname(entry));
	char *base = name ? base_of(name) : NULL;

	if (!name)
		return err_oom(err, l->out.from);
	if (strncmp(base, WHITEOUT, strlen(WHITEOUT)) != 0)
		return archive_entry_filetype(entry) == AE_IFDIR ? drop_link(l, name, err) : 0;
	if (!strcmp(base, OPAQUE)) {
		*base = '\0';
		return treewrite_empty(&l->out, name, err);
	}
	if (!strncmp(base, OF_UNIONFS, strlen(OF_UNIONFS)))
		return 0;
	if (!base[strlen(WHITEOUT)])
		return err_set(err, EINVAL, "%s: a whiteout '%s' of nothing", l->out.from, name);
	memmove(base, base + strlen(WHITEOUT), strlen(base + strlen(WHITEOUT)) + 1);
	return treewrite_remove(&l->out, name, err);
}

static int put(struct layer *l, struct archive_entry *entry, struct err *err)
{
	const char *link = archive_entry_hardlink(entry);
	_cleanup_free_ char *name = bare_name(archive_entry_pathname(entry)),
			    *to = link ? bare_name(link) : NULL;

	if (!name || (link && !to))
		return err_oom(err, l->out.from);
	if (!strncmp(base_of(name), WHITEOUT, strlen(WHITEOUT)))
		return 0;
	return treewrite_put(&l->out, l->in, entry, &(struct treewrite_names){name, to}, err);
}

typedef int (*entry_fn)(struct layer *l, struct archive_entry *entry, struct err *err);

static int each_entry(struct layer *l, int fd, entry_fn fn, struct err *err)
{
	struct archive_entry *entry;
	int r;

	l->in = archive_read_new();
	if (!l->in)
		return err_oom(err, l->out.from);
	(void)archive_read_support_filter_gzip(l->in);
	(void)archive_read_support_filter_zstd(l->in);
	(void)archive_read_support_format_tar(l->in);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_path(err, errno, l->out.from);
	if (archive_read_open_fd(l->in, fd, READ_BLOCK) < ARCHIVE_OK)
		return archive_fault(l->in, l->out.from, err);
	while ((r = archive_read_next_header(l->in, &entry)) == ARCHIVE_OK) {
		r = fn(l, entry, err);
		if (r < 0)
			return r;
	}
	if (r != ARCHIVE_EOF)
		return archive_fault(l->in, l->out.from, err);
	(void)archive_read_free(TAKE(l->in));
	return 0;
}

int treelayer_apply(int fd, const char *from, const char *root, uint64_t *ret_time, struct err *err)
{
	const struct treecopy_target target = {.root = root, .prefix = "", .replace = 1};
	_cleanup_utf8_ struct archive_locale locale = {0};
	_cleanup_layer_ struct layer l = {0};
	int r = treewrite_open(&target, from, &l.out, err);

	if (r >= 0)
		r = archive_utf8(&locale, err);
	if (r >= 0)
		r = each_entry(&l, fd, take_away, err);
	if (r >= 0)
		r = each_entry(&l, fd, put, err);
	if (r >= 0)
		r = treewrite_finish(&l.out, err);
	if (r >= 0)
		*ret_time = l.out.newest;
	return r;
}
