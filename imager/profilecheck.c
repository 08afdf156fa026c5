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
	if (p->memory.reserve > RELEASE_NUMBER_MAX)
		return yaml_fault(root, "memory.reserve", err, "at most 8192TiB are allowed");
	return 0;
}

static int is_module_name(const char *text)
{
	return *text && !text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-")];
}

/* What the initramfs is to hold besides its own. */
static int check_boot(struct profile *p, struct err *err)
{
	struct yaml_node *root = yaml_root(p->doc);
	const struct yaml_strings *nics = &p->kernel.nics, *firmware = &p->kernel.firmware;

	for (size_t i = 0; i < nics->count; i++)
		if (!is_module_name(nics->items[i]))
			return yaml_fault(root, "kernel.nics", err,
				"'%.80s' is not allowed: names of drivers such as mlx5_core", nics->items[i]);
	for (size_t i = 0; i < firmware->count; i++)
		if (!path_is_inside(firmware->items[i]))
			return yaml_fault(root, "kernel.firmware", err,
				"'%.80s' is not allowed: a path below /usr/lib/firmware without '.' or '..'",
				firmware->items[i]);
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
static int add_source(const struct profile_file *file, struct digest_stream *stream, struct err *err)
{
	struct stat st;
	struct err why = {0};

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

/* The artifact itself is told by its digest, which stands in the profile. */
static int check_artifact(const struct profile_artifact *artifact, struct err *err)
{
	struct stat st;

	if (!artifact->source)
		return 0;
	if (stat(artifact->source, &st) < 0)
		return yaml_fault(artifact->node, "source", err, "%s: %s", artifact->source, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return yaml_fault(artifact->node, "source", err, "%s: not a file", artifact->source);
	return 0;
}

static int check_artifacts(struct profile *p, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->artifact_count; i++)
		r = check_artifact(&p->artifacts[i], err);
	return r;
}

static int take_sources(struct profile *p, const char *path, struct err *err)
{
	struct digest_stream *stream = digest_stream_new();
	int r = stream ? add_file_digest(stream, path, err) : err_oom(err, path);

	for (size_t i = 0; r >= 0 && i < p->file_count; i++)
		if (p->files[i].source)
			r = add_source(&p->files[i], stream, err);
	if (r >= 0)
		r = digest_stream_end(stream, &p->source);
	digest_stream_free(stream);
	return r;
}

int profile_check(struct profile *p, const char *path, struct err *err)
{
	static int (*const checks[])(struct profile * p, struct err * err) = {
		profile_check_from,
		check_numbers,
		check_texts,
		check_boot,
		check_artifacts,
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(checks); i++)
		r = checks[i](p, err);
	return r < 0 ? r : take_sources(p, path, err);
}
