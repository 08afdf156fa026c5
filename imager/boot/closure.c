/*
 * Owns the question which files a program of ours needs beside itself. The answer is its own loader's, so
 * that it is what will happen at its start; nothing here reads ELF.
 */
#include "imager/boot/closure.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/base/proc.h"

/* The loader's path by the ABI (System V psABI for AMD64). */
#define LOADER "/lib64/ld-linux-x86-64.so.2"
/* No glibc-hwcaps name is called this: the nodes' processors need not be as new as this host's. */
#define BASELINE "baseline"

static int take(const char *text, size_t len, char *ret)
{
	if (len >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(ret, text, len);
	ret[len] = '\0';
	return 0;
}

/* "NAME => PATH (0xADDRESS)", "PATH (0xADDRESS)", "NAME => not found", "linux-vdso.so.1 (0xADDRESS)". */
int closure_parse_line(const char *line, char *ret)
{
	static const char arrow[] = " => ", missing[] = "not found";
	const char *path, *end;
	int r;

	line += strspn(line, "\t ");
	path = strstr(line, arrow);
	if (path && !strncmp(path + strlen(arrow), missing, strlen(missing))) {
		r = take(line, (size_t)(path - line), ret);
		return r < 0 ? r : -ENOENT;
	}
	path = path ? path + strlen(arrow) : line;
	if (*path != '/')
		return 0;
	end = strstr(path, " (");
	r = take(path, end ? (size_t)(end - path) : strlen(path), ret);
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

struct staging {
	const char *program, *stage;
	struct err *err;
	int result; /* of the first line that failed */
};

static void stage_line(const char *line, void *arg)
{
	struct staging *s = arg;
	char path[PATH_MAX];
	int r;

	if (s->result < 0)
		return;
	r = closure_parse_line(line, path);
	if (r == -ENOENT)
		r = err_set(s->err, ENOENT, "%s needs %s, which is not installed here", s->program, path);
	else if (r < 0)
		r = err_set(s->err, -r, "%s: the loader printed a line that is too long", s->program);
	else if (r > 0)
		r = stage_file(path, s->stage, s->err);
	s->result = r;
}

/* In the child: LD_LIBRARY_PATH and its like are this host's, a node has none of them. */
static int clear_environment(void *arg)
{
	(void)arg;
	return clearenv();
}

/* A loader that gives up says why on the same stream, so its failure counts before its lines do. */
int closure_stage(const char *program, const char *stage, struct err *err)
{
	const char *const list[] = {LOADER, "--glibc-hwcaps-mask", BASELINE, "--list", program, NULL};
	struct err failure = {0};
	struct staging s = {.program = program, .stage = stage, .err = &failure};
	const struct proc_opts opts = {.enter = clear_environment, .line = stage_line, .arg = &s};
	int r = proc_run(list, &opts, err);

	if (r < 0)
		return r;
	return s.result < 0 ? err_set(err, -s.result, "%s", failure.text) : 0;
}
