/* Owns what is asked of a tree's rpm database and how rpm's answers are read. */
#include "imager/packages/rpmdb.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/parse.h"
#include "imager/base/proc.h"
#include "imager/intree.h"

#define ANSWER_LIMIT ((size_t)64 << 20)

/* Not packages but the keys that packages were proved by. */
#define KEY_PACKAGE "gpg-pubkey"

/* The formats of rpm's database: SQLite, ndb, Berkeley DB. */
static const char *const files[] = {"rpmdb.sqlite", "Packages.db", "Packages"};
static const char *const folders[] = {RPMDB_NEW, RPMDB_OLD};

#define UNLESS_NONE(tag) "%|" tag "?{%{" tag "}}:{}|"
static const char list_format[] =
	"%{NAME}\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\t%{ARCH}\t" UNLESS_NONE(
		"SOURCERPM") "\t" UNLESS_NONE("VENDOR") "\n";
enum { NAME, VERSION, ARCH, SOURCE, VENDOR, FIELDS };

const char *rpmdb_find(int root)
{
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		for (size_t k = 0; k < ARRAY_SIZE(files); k++) {
			char path[64];
			struct stat st;

			(void)snprintf(path, sizeof(path), "%s/%s", folders[i], files[k]);
			if (intree_stat(root, path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
				return folders[i];
		}
	return NULL;
}

static int query(const char *root, const char *dbpath, const char *format, char **ret, struct err *err)
{
	const char *const argv[] = {
		"rpm", "--root", root, "--dbpath", dbpath, "-qa", "--queryformat", format, NULL};
	int r = proc_capture(argv, ANSWER_LIMIT, ret, err);

	return r < 0 ? err_prefix(err, "the packages of an rpm tree") : 0;
}

/* "bash-5.1.8-6.el9.src.rpm" -> bash, 5.1.8-6.el9; the text is changed. */
static void take_source(struct package *p, char *text)
{
	char *end = strstr(text, ".src.rpm"), *dash;

	if (!end)
		end = strstr(text, ".nosrc.rpm");
	if (!end)
		return;
	*end = '\0';
	dash = strrchr(text, '-');
	if (!dash)
		return;
	while (dash > text && *--dash != '-')
		;
	if (dash == text)
		return;
	*dash = '\0';
	p->source = text;
	p->source_version = dash + 1;
}

static int add_line(char *line, struct packages *ret)
{
	char *fields[FIELDS] = {0};
	struct package p;

	for (size_t i = 0; i < FIELDS && line; i++)
		fields[i] = strsep(&line, "\t");
	if (!fields[VENDOR])
		return -EBADMSG;
	if (!strcmp(fields[NAME], KEY_PACKAGE))
		return 0;
	p = (struct package){.name = fields[NAME],
		.version = fields[VERSION],
		.arch = fields[ARCH],
		.maintainer = fields[VENDOR]};
	take_source(&p, fields[SOURCE]);
	return packages_add(ret, &p);
}

int rpmdb_list(const char *root, const char *dbpath, struct packages *ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	char *rest;
	int r = query(root, dbpath, list_format, &text, err);

	if (r < 0)
		return r;
	rest = text;
	for (char *line; (line = strsep(&rest, "\n"));) {
		r = *line ? add_line(line, ret) : 0;
		if (r < 0)
			return err_set(err, -r, "the packages of an rpm tree: %s: %s", line, strerror(-r));
	}
	return 0;
}

int rpmdb_newest(const char *root, const char *dbpath, uint64_t *ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	char *rest;
	uint64_t newest = 0, time;
	int r = query(root, dbpath, "%{NAME}\t%{BUILDTIME}\n", &text, err);

	if (r < 0)
		return r;
	rest = text;
	for (char *line; (line = strsep(&rest, "\n"));) {
		const char *name = strsep(&line, "\t");

		if (!line || !strcmp(name, KEY_PACKAGE))
			continue;
		if (parse_u64(line, &time) == 0 && time <= UINT32_MAX && time > newest)
			newest = time;
	}
	*ret = newest;
	return 0;
}
