/*
 * Owns the search for an image's faults: secrets in it, and parts a boot needs that are missing. What secrets
 * look like is linttext.c's. Nothing is changed here; what can simply be deleted is scrub.c's.
 */
#include "imager/tree/lint.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/intree.h"
#include "imager/tree/linttext.h"
#include "imager/tree/scrub.h"

#define WINDOW       (1 << 20)
#define BINARY_LIMIT (4 << 20)
#define TEXT_LIMIT   (256 << 20)
#define SHADOW_LIMIT (4 << 20)

struct lint {
	int root;
	struct yaml_strings findings;
};

static int add_finding(struct lint *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int add_finding(struct lint *l, const char *fmt, ...)
{
	char **items = reallocarray(l->findings.items, l->findings.count + 1, sizeof(*items));
	va_list ap;
	int r;

	if (!items)
		return -ENOMEM;
	l->findings.items = items;
	va_start(ap, fmt);
	r = vasprintf(&items[l->findings.count], fmt, ap);
	va_end(ap);
	if (r < 0)
		return -ENOMEM;
	/* A file's name must not write lines of its own. */
	for (char *c = items[l->findings.count]; *c; c++)
		if ((unsigned char)*c < ' ' || *c == '\177')
			*c = '?';
	l->findings.count++;
	return 0;
}

/* ---- secrets ---- */

static int add_secret(struct lint *l, const char *path, const char *what)
{
	return add_finding(l, "%s: a secret: %s", path, what);
}

/*
 * Whether a text may stand in it: any length of text, less of other bytes, as a database has. What is
 * compiled into a program is its maker's, and public: cryptography's self-tests have keys.
 */
static int is_worth_reading(int fd, off_t size)
{
	char start[4096];
	ssize_t n = pread(fd, start, sizeof(start), 0);

	if (n < 0)
		return -errno;
	if (n >= SELFMAG && !memcmp(start, ELFMAG, SELFMAG))
		return 0;
	return size <= BINARY_LIMIT || !memchr(start, 0, (size_t)n);
}

/* In windows that overlap: 1 when one was found. */
static int scan(struct lint *l, int fd, const char *path)
{
	_cleanup_free_ char *window = malloc(WINDOW);
	const char *what = NULL;
	ssize_t n;

	if (!window)
		return -ENOMEM;
	for (off_t at = 0; !what && at < TEXT_LIMIT; at += WINDOW - LINTTEXT_OVERLAP) {
		n = pread(fd, window, WINDOW, at);
		if (n < 0)
			return -errno;
		what = linttext_text(path, window, (size_t)n);
		if (n < WINDOW)
			break;
	}
	return what ? add_secret(l, path, what) : 0;
}

static int check_text(struct lint *l, const char *path, off_t size)
{
	_cleanup_close_ int fd = intree_open(l->root, path, O_RDONLY | O_NONBLOCK, 0);
	int r = fd < 0 ? fd : is_worth_reading(fd, size);

	return r > 0 ? scan(l, fd, path) : r;
}

/* A link counts as the file it leads to: its name says what that file is for, and in /etc who reads it. */
static int lint_entry(const struct intree_entry *entry, void *arg, struct err *err)
{
	struct lint *l = arg;
	struct stat st = entry->st;
	const char *what;
	int r;

	if (S_ISLNK(st.st_mode) && intree_stat(l->root, entry->path, &st) < 0)
		return 0;
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return 0;
	what = linttext_path(entry->path);
	if (!what && S_ISLNK(entry->st.st_mode) && strncmp(entry->path, "/etc/", 5) != 0)
		return 0;
	r = what ? add_secret(l, entry->path, what) : check_text(l, entry->path, st.st_size);
	return r < 0 ? err_path(err, -r, entry->path) : 0;
}

/* ---- passwords ---- */

/* Files of NAME:PASSWORD:... lines; a group without a password is closed, not open. */
static const struct password_file {
	const char *path;
	int may_be_empty;
} password_files[] = {{"/etc/passwd", 0}, {"/etc/group", 1}, {"/etc/shadow", 0}, {"/etc/gshadow", 1}};

/* "x" says that the shadow file has it; "!", "*" and what they begin lock. */
static const char *password_fault(const struct password_file *file, const char *name, const char *password)
{
	if (*name == '+' || *name == '-') /* NIS: a place for others' accounts */
		return NULL;
	if (*password == '!' || *password == '*' || !strcmp(password, "x"))
		return NULL;
	if (*password)
		return "a password hash";
	return file->may_be_empty ? NULL : "an empty password";
}

static int lint_password_file(struct lint *l, const struct password_file *file, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	char *rest;
	int r = intree_read(l->root, file->path, SHADOW_LIMIT, &text, NULL);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_path(err, -r, file->path);
	rest = text;
	for (char *line; (line = strsep(&rest, "\n"));) {
		char *name = strsep(&line, ":"), *password = strsep(&line, ":");
		const char *what = password ? password_fault(file, name, password) : NULL;

		if (what && add_finding(l, "%s: %s has %s; lock it with '!'", file->path, name, what) < 0)
			return err_oom(err, "findings");
	}
	return 0;
}

static int lint_passwords(struct lint *l, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(password_files); i++)
		r = lint_password_file(l, &password_files[i], err);
	return r;
}

/* ---- what a boot needs ---- */

static const struct needed_row {
	const char *path;
	mode_t type, bits; /* bits: one of them at least */
	const char *what;
} needed_rows[] = {
	{"/sbin/init", S_IFREG, 0111, "the program that the agent hands over to"},
	{"/proc", S_IFDIR, 0, "a folder to mount on"},
	{"/sys", S_IFDIR, 0, "a folder to mount on"},
	{"/dev", S_IFDIR, 0, "a folder to mount on"},
	{"/run", S_IFDIR, 0, "a folder to mount on"},
};

/* What is wrong with it; NULL: nothing. */
static const char *needed_fault(const struct lint *l, const struct needed_row *row)
{
	struct stat st;

	if (intree_stat(l->root, row->path, &st) < 0)
		return "is missing";
	if ((st.st_mode & S_IFMT) != row->type)
		return row->type == S_IFDIR ? "is no folder" : "is no file";
	return row->bits && !(st.st_mode & row->bits) ? "cannot be executed" : NULL;
}

static int lint_needed(struct lint *l, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(needed_rows); i++) {
		const struct needed_row *row = &needed_rows[i];
		const char *fault = needed_fault(l, row);

		if (fault && add_finding(l, "%s: %s: %s", row->path, fault, row->what) < 0)
			return err_oom(err, "findings");
	}
	return 0;
}

/* A folder with something in it. */
static int is_filled(const struct lint *l, const char *path)
{
	int fd = intree_open(l->root, path, O_RDONLY | O_DIRECTORY, 0), count = 0;
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	while (dir && count < 3 && readdir(dir))
		count++;
	return count == 3; /* "." and ".." and that */
}

static int lint_kernel(struct lint *l, const char *release)
{
	_cleanup_free_ char *modules = NULL;

	if (asprintf(&modules, "/lib/modules/%s/kernel", release) < 0)
		return -ENOMEM;
	if (is_filled(l, modules))
		return 0;
	return add_finding(l, "/boot/vmlinuz-%s: has no modules: %s is missing or empty", release, modules);
}

/* boot/vmlinuz-REL wants usr/lib/modules/REL. That there is one kernel at all, bootfiles_collect sees to. */
static int lint_kernels(struct lint *l, struct err *err)
{
	static const char prefix[] = "vmlinuz-",
			  rescue[] = "vmlinuz-0-rescue-"; /* a copy of another, of Fedora's kin */
	int fd = intree_open(l->root, "/boot", O_RDONLY | O_DIRECTORY, 0);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	for (struct dirent *e; dir && (e = readdir(dir));) {
		if (strncmp(e->d_name, prefix, strlen(prefix)) != 0 ||
			!strncmp(e->d_name, rescue, strlen(rescue)))
			continue;
		if (lint_kernel(l, e->d_name + strlen(prefix)) < 0)
			return err_oom(err, "findings");
	}
	return 0;
}

static int lint_files(struct lint *l, struct err *err)
{
	return intree_walk(l->root, lint_entry, l, err);
}

static int (*const checks[])(struct lint *l, struct err *err) = {
	lint_needed,
	lint_kernels,
	lint_passwords,
	lint_files,
};

int lint_tree(const char *root, struct yaml_strings *ret_findings, struct err *err)
{
	_cleanup_close_ int fd = intree_root(root, err);
	struct lint l = {.root = fd};

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		int r = checks[i](&l, err);

		if (r < 0) {
			yaml_strings_release(&l.findings);
			return r;
		}
	}
	*ret_findings = l.findings;
	return (int)l.findings.count;
}

static int lint_named(struct lint *l, const char *path)
{
	const char *what = scrub_takes(path) ? linttext_path(path) : NULL;

	return what ? add_secret(l, path, what) : 0;
}

int lint_profile(const struct profile *p, struct yaml_strings *ret_findings, struct err *err)
{
	struct lint l = {.root = -1};
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->file_count; i++)
		r = lint_named(&l, p->files[i].path);
	for (size_t i = 0; r == 0 && i < p->artifact_count; i++)
		r = lint_named(&l, p->artifacts[i].path);
	if (r < 0) {
		yaml_strings_release(&l.findings);
		return err_oom(err, "findings");
	}
	*ret_findings = l.findings;
	return (int)l.findings.count;
}
