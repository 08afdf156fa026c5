/*
 * Owns what a profile must keep beyond the kinds of its keys: what goes together, which values fit, which
 * files must be there. Completes its paths and takes the digest of its inputs.
 */
#include "imager/profilecheck.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "imager/format/release.h"

#define CMDLINE_MAX 1000 /* bytes; the head and the group add theirs */

/* Relative paths of a profile start at its folder. */
static int resolve(const struct profile *p, char **path)
{
	char *joined;

	if (!*path || **path == '/')
		return 0;
	joined = path_join(p->folder, *path);
	if (!joined)
		return -ENOMEM;
	free(*path);
	*path = joined;
	return 0;
}

/* The tree that is to be copied is there and can be read. */
static int check_input(
	const struct profile *p, const char *key, const char *path, mode_t type, struct err *err)
{
	struct yaml_node *root = yaml_root(p->doc);
	struct stat st;

	if (stat(path, &st) < 0 || access(path, R_OK) < 0)
		return yaml_fault(root, key, err, "%s: %s", path, strerror(errno));
	if ((st.st_mode & S_IFMT) != type)
		return yaml_fault(root, key, err, "%s: not a %s", path, type == S_IFDIR ? "folder" : "file");
	return 0;
}

static int check_from(struct profile *p, struct err *err)
{
	struct yaml_node *root = yaml_root(p->doc);
	struct profile_from *f = &p->from;

	if (!!f->debian.suite + !!f->tar + !!f->dir != 1)
		return yaml_fault(root, "from", err, "exactly one of debian, tar and dir is wanted");
	f->kind = f->debian.suite ? "debian" : f->tar ? "tar" : "dir";
	if ((f->tar && !*f->tar) || (f->dir && !*f->dir))
		return yaml_fault(root, "from", err, "%s: an empty path is not allowed", f->kind);
	if (!f->debian.suite && p->package_count)
		return yaml_fault(p->packages[0].node, "packages", err,
			"packages are installed from: debian only, not from: %s", f->kind);
	if (!f->debian.suite && p->kernel.package)
		return yaml_fault(root, "kernel.package", err,
			"a kernel package is installed from: debian only, not from: %s", f->kind);
	if (resolve(p, &f->debian.keyring) < 0 || resolve(p, &f->tar) < 0 || resolve(p, &f->dir) < 0)
		return err_oom(err, "from");
	if (f->tar)
		return check_input(p, "from.tar", f->tar, S_IFREG, err);
	if (f->debian.keyring)
		return check_input(p, "from.debian.keyring", f->debian.keyring, S_IFREG, err);
	return f->dir ? check_input(p, "from.dir", f->dir, S_IFDIR, err) : 0;
}

/* Kernel arguments stand in boot scripts, where braces would be variables. */
static int is_argument(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~' || strchr("\"{}", *text))
			return 0;
	return 1;
}

/* What the release manifest takes as well, said before a build of minutes. */
static int check_texts(struct profile *p, struct err *err)
{
	struct yaml_node *root = yaml_root(p->doc);
	const char *version = p->version ? p->version : "", *cmdline = p->kernel.cmdline;

	if (strlen(version) >= RELEASE_NAME_SIZE)
		return yaml_fault(
			root, "version", err, "at most %d bytes are allowed", RELEASE_NAME_SIZE - 1);
	for (; *version; version++)
		if (iscntrl((unsigned char)*version))
			return yaml_fault(root, "version", err, "control characters are not allowed");
	if (cmdline && (strlen(cmdline) > CMDLINE_MAX || !is_argument(cmdline)))
		return yaml_fault(root, "kernel.cmdline", err,
			"at most %d bytes of printable ASCII, without double quotes and braces, are allowed",
			CMDLINE_MAX);
	return 0;
}

static int check_numbers(struct profile *p, struct err *err)
{
	struct yaml_node *root = yaml_root(p->doc);
	uint64_t block = p->squashfs.block;

	if (p->squashfs.level < 1 || p->squashfs.level > 22)
		return yaml_fault(root, "squashfs.level", err, "a zstd level from 1 to 22 is wanted");
	if (block < 4096 || block > 1024 * 1024 || block & (block - 1))
		return yaml_fault(root, "squashfs.block", err, "a power of two from 4KiB to 1MiB is wanted");
	if (p->overlay.limit > RELEASE_NUMBER_MAX)
		return yaml_fault(root, "overlay.limit", err, "at most 8192TiB are allowed");
	return 0;
}

static int add_file_digest(struct digest_stream *stream, const char *path, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct digest digest;
	int r = fd < 0 ? -errno : digest_fd(fd, &digest, NULL, NULL, NULL);

	if (r < 0)
		return err_path(err, -r, path);
	return digest_stream_add(stream, digest.bytes, sizeof(digest.bytes));
}

/* A folder's files are not hashed here: the image's own digest tells them. */
static int add_source(
	struct profile *p, struct profile_file *file, struct digest_stream *stream, struct err *err)
{
	struct stat st;
	struct err why = {0};

	if (resolve(p, &file->source) < 0)
		return err_oom(err, file->path);
	if (stat(file->source, &st) < 0)
		return yaml_fault(file->node, "source", err, "%s: %s", file->source, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return 0;
	if (!S_ISREG(st.st_mode))
		return yaml_fault(file->node, "source", err, "%s: neither a file nor a folder", file->source);
	if (add_file_digest(stream, file->source, &why) < 0)
		return yaml_fault(file->node, "source", err, "%s", why.text);
	return 0;
}

static int take_sources(struct profile *p, const char *path, struct err *err)
{
	struct digest_stream *stream = digest_stream_new();
	int r = stream ? add_file_digest(stream, path, err) : err_oom(err, path);

	for (size_t i = 0; r >= 0 && i < p->file_count; i++)
		if (p->files[i].source)
			r = add_source(p, &p->files[i], stream, err);
	if (r >= 0)
		r = digest_stream_end(stream, &p->source);
	digest_stream_free(stream);
	return r;
}

int profile_check(struct profile *p, const char *path, struct err *err)
{
	int r = check_from(p, err);

	if (r == 0)
		r = check_numbers(p, err);
	if (r == 0)
		r = check_texts(p, err);
	return r < 0 ? r : take_sources(p, path, err);
}
