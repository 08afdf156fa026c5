/*
 * Owns the reading of a .deb and its rewriting without compression. What is in a package is none of its
 * business but for the control stanza; who is to trust the file has proved its digest before.
 */
#include "imager/source/deb.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/tree/archiveutil.h"

#define READ_BLOCK    (1 << 20)
#define CONTROL_LIMIT (64 << 20) /* bytes of control.tar, and of the control file */
#define MEMBER_HEADER 60

static void free_reader(struct archive *a)
{
	(void)archive_read_free(a);
}
DEFINE_CLEANUP(struct archive *, free_reader)
#define _cleanup_reader_ _cleanup_(free_reader_p)

struct unwrap {
	struct archive *in;
	const char *path; /* of the package, for sentences */
	int out;
	struct buf *control;
	int has_control, has_data;
};

/* ---- the ar archive that is written ---- */

/*
 * ar(5). By hand, as the size stands in front of what is decompressed only later, and libarchive's writer
 * wants to know it before.
 */
static int put_header(int fd, off_t at, const char *name, uint64_t size)
{
	char header[MEMBER_HEADER + 1];

	(void)snprintf(header, sizeof(header), "%-16s%-12d%-6d%-6d%-8s%-10llu`\n", name, 0, 0, 0, "100644",
		(unsigned long long)size);
	return pwrite(fd, header, MEMBER_HEADER, at) == MEMBER_HEADER ? 0 : -errno;
}

/* Begins a member; its size is told by end_member. Members begin at even places. */
static off_t begin_member(int fd)
{
	off_t at = lseek(fd, 0, SEEK_END);

	if (at % 2) {
		if (write_full(fd, "\n", 1) < 0)
			return -EIO;
		at++;
	}
	return lseek(fd, at + MEMBER_HEADER, SEEK_SET) < 0 ? -errno : at;
}

static int end_member(int fd, off_t at, const char *name)
{
	off_t end = lseek(fd, 0, SEEK_CUR);

	return end < 0 ? -errno : put_header(fd, at, name, (uint64_t)(end - at - MEMBER_HEADER));
}

static int put_member(struct unwrap *u, const char *name, const struct buf *data, struct err *err)
{
	off_t at = begin_member(u->out);
	int r = at < 0 ? (int)at : write_full(u->out, data->data, data->len);

	if (r == 0)
		r = end_member(u->out, at, name);
	return r < 0 ? err_path(err, -r, u->path) : 0;
}

/* ---- the members ---- */

/* The rest of an entry's bytes. */
static int read_all(struct archive *a, const char *path, struct buf *ret, struct err *err)
{
	const void *block;
	size_t len;
	la_int64_t offset;
	int r;

	while ((r = archive_read_data_block(a, &block, &len, &offset)) == ARCHIVE_OK) {
		if (len > CONTROL_LIMIT - ret->len)
			return err_set(err, EFBIG, "%s: its control part is too large", path);
		if (buf_add(ret, block, len) < 0)
			return err_oom(err, path);
	}
	return r == ARCHIVE_EOF ? 0 : archive_fault(a, path, err);
}

/* The stanza ends in one newline. */
static int take_control(struct unwrap *u, struct archive *tar, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};
	int r = read_all(tar, u->path, &text, err);

	if (r < 0)
		return r;
	while (text.len && text.data[text.len - 1] == '\n')
		text.len--;
	if (!text.len || memchr(text.data, '\0', text.len) || memmem(text.data, text.len, "\n\n", 2))
		return err_set(err, EINVAL, "%s: its control file is not one stanza", u->path);
	u->has_control = 1;
	if (buf_add(u->control, text.data, text.len) < 0 || buf_puts(u->control, "\n") < 0)
		return err_oom(err, u->path);
	return 0;
}

static int read_control(struct unwrap *u, const struct buf *data, struct err *err)
{
	_cleanup_reader_ struct archive *tar = archive_read_new();
	struct archive_entry *entry;
	int r;

	if (!tar)
		return err_oom(err, u->path);
	(void)archive_read_support_filter_all(tar);
	(void)archive_read_support_format_tar(tar);
	if (archive_read_open_memory(tar, data->data, data->len) < ARCHIVE_OK)
		return archive_fault(tar, u->path, err);
	while ((r = archive_read_next_header(tar, &entry)) == ARCHIVE_OK) {
		const char *name = archive_entry_pathname(entry);

		if (name && (!strcmp(name, "./control") || !strcmp(name, "control")))
			return take_control(u, tar, err);
	}
	return r == ARCHIVE_EOF ? 0 : archive_fault(tar, u->path, err);
}

/* The compressed bytes of the outer archive's member, for the reader of what they hold. */
static la_ssize_t give_block(struct archive *a, void *arg, const void **ret)
{
	struct unwrap *u = arg;
	size_t len = 0;
	la_int64_t offset;
	int r = archive_read_data_block(u->in, ret, &len, &offset);

	if (r == ARCHIVE_EOF)
		return 0;
	if (r < ARCHIVE_OK) {
		archive_set_error(a, archive_errno(u->in), "%s", archive_error_string(u->in));
		return -1;
	}
	return (la_ssize_t)len;
}

static int copy_data(struct unwrap *u, struct archive *raw, struct err *err)
{
	const void *block;
	size_t len;
	la_int64_t offset;
	int r;

	while ((r = archive_read_data_block(raw, &block, &len, &offset)) == ARCHIVE_OK) {
		r = write_full(u->out, block, len);
		if (r < 0)
			return err_path(err, -r, u->path);
	}
	return r == ARCHIVE_EOF ? 0 : archive_fault(raw, u->path, err);
}

static int put_data(struct unwrap *u, struct err *err)
{
	_cleanup_reader_ struct archive *raw = archive_read_new();
	struct archive_entry *entry;
	off_t at = begin_member(u->out);
	int r;

	if (!raw)
		return err_oom(err, u->path);
	if (at < 0)
		return err_path(err, (int)-at, u->path);
	(void)archive_read_support_filter_all(raw);
	(void)archive_read_support_format_raw(raw);
	if (archive_read_open(raw, u, NULL, give_block, NULL) < ARCHIVE_OK ||
		archive_read_next_header(raw, &entry) < ARCHIVE_OK)
		return archive_fault(raw, u->path, err);
	r = copy_data(u, raw, err);
	if (r < 0)
		return r;
	u->has_data = 1;
	r = end_member(u->out, at, "data.tar");
	return r < 0 ? err_path(err, -r, u->path) : 0;
}

static int take_member(struct unwrap *u, const char *name, struct err *err)
{
	_cleanup_buf_ struct buf data = {0};
	int is_control = !strncmp(name, "control.tar", 11), r;

	if (!strncmp(name, "data.tar", 8))
		return put_data(u, err);
	/* deb(5): members that begin with '_' mean nothing to those who do not know them. */
	if (!is_control && strcmp(name, "debian-binary") != 0)
		return 0;
	r = read_all(u->in, u->path, &data, err);
	if (r == 0 && is_control)
		r = read_control(u, &data, err);
	return r < 0 ? r : put_member(u, name, &data, err);
}

static int take_members(struct unwrap *u, struct err *err)
{
	struct archive_entry *entry;
	int r;

	while ((r = archive_read_next_header(u->in, &entry)) == ARCHIVE_OK) {
		const char *name = archive_entry_pathname(entry);

		/* a copy: reading on may change the entry */
		_cleanup_free_ char *own = strdup(name ? name : "");

		r = own ? take_member(u, own, err) : err_oom(err, u->path);
		if (r < 0)
			return r;
	}
	if (r != ARCHIVE_EOF)
		return archive_fault(u->in, u->path, err);
	if (!u->has_control || !u->has_data)
		return err_set(err, EINVAL, "%s: no Debian package (deb(5)): its %s is missing", u->path,
			u->has_control ? "data.tar" : "control file");
	return 0;
}

int deb_unwrap(const char *path, const char *output, struct buf *ret_control, struct err *err)
{
	_cleanup_reader_ struct archive *in = archive_read_new();
	_cleanup_close_ int out = open(output, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	struct unwrap u = {.in = in, .path = path, .out = out, .control = ret_control};

	if (!in)
		return err_oom(err, path);
	if (out < 0)
		return err_path(err, errno, output);
	if (write_full(out, "!<arch>\n", 8) < 0)
		return err_path(err, errno, output);
	(void)archive_read_support_format_ar(in);
	if (archive_read_open_filename(in, path, READ_BLOCK) < ARCHIVE_OK)
		return archive_fault(in, path, err);
	return take_members(&u, err);
}

int deb_field_is(const char *control, const char *field, const char *value)
{
	size_t len = strlen(field), value_len = strlen(value);

	for (const char *line = control; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncasecmp(line, field, len) != 0 || line[len] != ':')
			continue;
		line += len + 1;
		line += strspn(line, " \t");
		return !strncmp(line, value, value_len) &&
		       (!line[value_len] || line[value_len + strspn(line + value_len, " \t\r")] == '\n');
	}
	return 0;
}
