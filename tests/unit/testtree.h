/* A small tree of files for tests: made from a table, and looked at afterwards. */
#ifndef TESTS_TESTTREE_H
#define TESTS_TESTTREE_H

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"

/* A file with this text, its folders made; text NULL: a folder; "-> x": a symbolic link to x. */
static inline void tree_put(const char *root, const char *name, const char *text)
{
	_cleanup_free_ char *path = path_join(root, name), *folder = strdup(path);

	*strrchr(folder, '/') = '\0';
	assert_int_equal(mkdir_p(folder, NULL), 0);
	if (!text)
		assert_int_equal(mkdir_p(path, NULL), 0);
	else if (!strncmp(text, "-> ", 3))
		assert_int_equal(symlink(text + 3, path), 0);
	else
		assert_int_equal(write_file(path, &(struct file_content){text, strlen(text), 0644}, NULL), 0);
}

/* -1: nothing of that name; else its size (a folder's: 0). */
static inline long tree_size(const char *root, const char *name)
{
	_cleanup_free_ char *path = path_join(root, name);
	struct stat st;

	if (lstat(path, &st) < 0)
		return -1;
	return S_ISDIR(st.st_mode) ? 0 : (long)st.st_size;
}

static inline void tree_is(const char *root, const char *name, const char *text)
{
	_cleanup_free_ char *path = path_join(root, name), *found = NULL;
	struct err err = {0};

	if (read_file(path, 1 << 20, &found, NULL, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(found, text);
}

#endif
