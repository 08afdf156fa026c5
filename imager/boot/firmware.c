/*
 * Owns where firmware is in a tree, how it is named, and its copies. Which is wanted is said by modules.c and
 * the profile.
 */
#include "imager/boot/firmware.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/boot/stagefile.h"
#include "imager/intree.h"

#define FOLDER "usr/lib/firmware"

/* Firmware is stored plain or compressed (Documentation/driver-api/firmware of Linux). */
static const char *const suffixes[] = {"", ".zst", ".xz"};

/* -ENOENT: the tree has no such file. */
static int copy(int root, const char *name, const char *suffix, const char *stage, struct err *err)
{
	_cleanup_free_ char *path = NULL, *target = NULL;

	if (asprintf(&path, FOLDER "/%s%s", name, suffix) < 0 || !(target = path_join(stage, path)))
		return err_oom(err, name);
	return stagefile_copy(root, path, target, err);
}

int firmware_stage(int root, const char *name, const char *stage, struct err *err)
{
	if (!path_is_inside(name))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		int r = copy(root, name, suffixes[i], stage, err);

		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

struct matching {
	int root;
	const char *pattern, *stage;
	int count;
};

static int is_match(const char *pattern, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		size_t suffix = strlen(suffixes[i]);
		_cleanup_free_ char *plain = NULL;

		if (length <= suffix || strcmp(name + length - suffix, suffixes[i]) != 0)
			continue;
		plain = strndup(name, length - suffix);
		if (plain && fnmatch(pattern, plain, FNM_LEADING_DIR) == 0)
			return 1;
	}
	return 0;
}

/* A link stands for the file it leads to inside the tree; one to a folder or to nowhere is none. */
static int is_file(int root, const struct intree_entry *entry)
{
	char path[PATH_MAX];
	struct stat st;

	if (!S_ISLNK(entry->st.st_mode))
		return S_ISREG(entry->st.st_mode);
	(void)snprintf(path, sizeof(path), FOLDER "%s", entry->path);
	return intree_stat(root, path, &st) == 0 && S_ISREG(st.st_mode);
}

static int match_entry(const struct intree_entry *entry, void *arg, struct err *err)
{
	struct matching *m = arg;
	const char *name = entry->path + 1;
	int r;

	if (!is_match(m->pattern, name) || !is_file(m->root, entry))
		return 0;
	r = copy(m->root, name, "", m->stage, err);
	m->count += r == 0;
	return r == -ENOENT ? err_path(err, ENOENT, name) : r;
}

int firmware_match(int root, const char *pattern, const char *stage, struct err *err)
{
	struct matching m = {.root = root, .pattern = pattern, .stage = stage};
	_cleanup_close_ int folder = intree_open(root, FOLDER, O_RDONLY | O_DIRECTORY, 0);
	int r;

	if (folder == -ENOENT)
		return 0;
	if (folder < 0)
		return err_path(err, -folder, FOLDER);
	r = intree_walk(folder, match_entry, &m, err);
	return r < 0 ? r : m.count;
}
