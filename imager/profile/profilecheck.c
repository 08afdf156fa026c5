/*
 * Owns what a profile must keep beyond the kinds of its keys: what goes together, which values fit, which
 * files must be there. What goes for the source of the tree is profilefrom.c's.
 */
#include "imager/profile/profilecheck.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "imager/format/release.h"

#define CMDLINE_MAX 1000                 /* bytes; the head and the group add theirs */
#define RESERVE_MIN (UINT64_C(64) << 20) /* what the agent itself keeps beside the image */

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
	if (p->memory.reserve && (p->memory.reserve < RESERVE_MIN || p->memory.reserve > RELEASE_NUMBER_MAX))
		return yaml_fault(root, "memory.reserve", err, "64MiB to 8192TiB are allowed");
	return 0;
}

static int is_module_name(const char *text)
{
	return *text && !text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-")];
}

/* What the initramfs is to hold besides its own. */
static int check_boot(struct profile *p, struct err *err)
{
	const struct {
		const char *key;
		const struct yaml_strings *texts;
		int (*is_good)(const char *text);
		const char *allowed;
	} rows[] = {{"kernel.nics", &p->kernel.nics, is_module_name, "names of drivers such as mlx5_core"},
		{"kernel.firmware", &p->kernel.firmware, path_is_inside,
			"a path below /usr/lib/firmware without '.' or '..'"}};

	for (size_t row = 0; row < ARRAY_SIZE(rows); row++)
		for (size_t i = 0; i < rows[row].texts->count; i++) {
			const char *text = rows[row].texts->items[i];

			if (!rows[row].is_good(text))
				return yaml_fault(yaml_find_item(yaml_root(p->doc), rows[row].key, i), NULL,
					err, "%s: '%.80s' is not allowed: %s", rows[row].key, text,
					rows[row].allowed);
		}
	return 0;
}

static int check_file(struct yaml_node *node, const char *path, int may_be_folder, struct err *err)
{
	struct stat st;

	if (!path)
		return 0;
	if (stat(path, &st) < 0 || access(path, R_OK) < 0)
		return yaml_fault(node, "source", err, "%s: %s", path, strerror(errno));
	if (S_ISREG(st.st_mode) || (may_be_folder && S_ISDIR(st.st_mode)))
		return 0;
	return yaml_fault(node, "source", err, "%s: %s", path,
		may_be_folder ? "neither a file nor a folder" : "not a file");
}

/* The copied files are there. */
static int check_files(struct profile *p, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->file_count; i++)
		r = check_file(p->files[i].node, p->files[i].source, 1, err);
	for (size_t i = 0; r == 0 && i < p->artifact_count; i++)
		r = check_file(p->artifacts[i].node, p->artifacts[i].source, 0, err);
	return r;
}

int profile_check(struct profile *p, struct err *err)
{
	static int (*const checks[])(struct profile * p, struct err * err) = {
		profile_check_from,
		check_numbers,
		check_texts,
		check_boot,
		check_files,
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(checks); i++)
		r = checks[i](p, err);
	return r;
}
