/*
 * Owns the question which files a program of ours needs beside itself. The answer is its own loader's, so
 * that it is what will happen at its start; nothing here reads ELF.
 */
#include "imager/closure.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/base/proc.h"

/* The loader's path by the ABI (System V psABI for AMD64). */
#define LOADER "/lib64/ld-linux-x86-64.so.2"
/* No glibc-hwcaps name is called this: the nodes' processors need not be as new as this host's. */
#define BASELINE   "baseline"
#define LIST_LIMIT 65536

static int take(const char *text, size_t len, char *ret)
{
	if (len >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(ret, text, len);
	ret[len] = '\0';
	return 0;
}

/* "NAME => PATH (0xADDRESS)", "PATH (0xADDRESS)", "NAME => not found", "linux-vdso.so.1 (0xADDRESS)". */
int closure_parse_line(const char *line, size_t len, char *ret)
{
	static const char arrow[] = " => ", missing[] = "not found";
	const char *path, *end = line + len;
	int r;

	while (line < end && (*line == '\t' || *line == ' '))
		line++;
	path = memmem(line, (size_t)(end - line), arrow, strlen(arrow));
	if (path && !memcmp(path + strlen(arrow), missing, strlen(missing))) {
		r = take(line, (size_t)(path - line), ret);
		return r < 0 ? r : -ENOENT;
	}
	path = path ? path + strlen(arrow) : line;
	if (path == end || *path != '/')
		return 0;
	len = (size_t)(end - path);
	end = memmem(path, len, " (", 2);
	r = take(path, end ? (size_t)(end - path) : len, ret);
	return r < 0 ? r : 1;
}

/* The folder's links are resolved (/lib is usr/lib), the library's own name is kept. */
static int stage_file(const char *path, const char *stage, struct err *err)
{
	_cleanup_free_ char *folder = strndup(path, (size_t)(strrchr(path, '/') - path)), *real = NULL,
			    *target = NULL, *file = NULL;
	int r;

	if (!folder)
		return err_oom(err, path);
	real = realpath(*folder ? folder : "/", NULL);
	if (!real)
		return err_path(err, errno, folder);
	target = path_join(stage, real);
	file = target ? path_join(target, strrchr(path, '/')) : NULL;
	if (!file)
		return err_oom(err, path);
	r = mkdir_p(target, err);
	return r < 0 ? r : copy_file(path, file, 0755, err);
}

static int stage_line(const char *program, const char *line, size_t len, const char *stage, struct err *err)
{
	char path[PATH_MAX];
	int r = closure_parse_line(line, len, path);

	if (r == -ENOENT)
		return err_set(err, ENOENT, "%s needs %s, which is not installed here", program, path);
	if (r < 0)
		return err_set(err, -r, "%s: the loader printed a line that is too long", program);
	return r ? stage_file(path, stage, err) : 0;
}

int closure_stage(const char *program, const char *stage, struct err *err)
{
	const char *const list[] = {LOADER, "--glibc-hwcaps-mask", BASELINE, "--list", program, NULL};
	_cleanup_free_ char *text = NULL;
	int r = proc_capture(list, LIST_LIMIT, &text, err);

	if (r < 0)
		return err_prefix(err, "%s", program);
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");

		r = stage_line(program, line, len, stage, err);
		if (r < 0)
			return r;
		line += len + (line[len] == '\n');
	}
	return 0;
}
