/* Owns the reading of what is installed in a tree: dpkg's status file, else rpm's database by rpmdb.c. */
#include "imager/packages/packagelist.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/base/parse.h"
#include "imager/intree.h"
#include "imager/packages/rpmdb.h"

#define STATUS_PATH   "/var/lib/dpkg/status"
#define STATUS_LIMIT  ((size_t)64 << 20)
#define RELEASE_LIMIT 65536

/* ---- dpkg ---- */

/* "Field: value" of the line, NULL if it is another field. */
static char *field(char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncmp(line, name, len) != 0 || line[len] != ':')
		return NULL;
	return line + len + 1 + strspn(line + len + 1, " \t");
}

/* "glibc (2.36-9)": the version is told only when it is another than the package's. */
static void take_source(struct package *p, char *value)
{
	char *open = strchr(value, '('), *close = open ? strchr(open, ')') : NULL;

	if (close) {
		*close = '\0';
		p->source_version = open + 1;
	}
	value[strcspn(value, " (")] = '\0';
	p->source = value;
}

static void take_line(struct package *p, int *installed, char *line)
{
	const struct {
		const char *name;
		const char **value;
	} fields[] = {{"Package", &p->name}, {"Version", &p->version}, {"Architecture", &p->arch},
		{"Maintainer", &p->maintainer}};
	char *status = field(line, "Status"), *source = field(line, "Source");

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		char *value = field(line, fields[i].name);

		if (value)
			*fields[i].value = value;
	}
	if (source)
		take_source(p, source);
	if (status)
		*installed = !strcmp(status, "install ok installed") || !strcmp(status, "hold ok installed");
}

static int end_stanza(struct packages *all, struct package *p, int *installed)
{
	int r = *installed && p->name && p->version ? packages_add(all, p) : 0;

	*p = (struct package){0};
	*installed = 0;
	return r;
}

int packages_read_dpkg(char *status, struct packages *ret)
{
	struct package current = {0};
	char *rest = status;
	int installed = 0, r = 0;

	for (char *line; r >= 0 && (line = strsep(&rest, "\n"));) {
		if (*line)
			take_line(&current, &installed, line);
		else
			r = end_stanza(ret, &current, &installed);
	}
	return r < 0 ? r : end_stanza(ret, &current, &installed);
}

/* ---- a tree ---- */

/* ID=debian, perhaps in quotes; what is no plain word is no ID. */
static void read_vendor(int root, char ret[PACKAGES_WORD_SIZE])
{
	_cleanup_free_ char *text = NULL;
	char *rest;

	if (intree_read(root, "/etc/os-release", RELEASE_LIMIT, &text, NULL) < 0 &&
		intree_read(root, "/usr/lib/os-release", RELEASE_LIMIT, &text, NULL) < 0)
		return;
	rest = text;
	for (char *line; (line = strsep(&rest, "\n"));) {
		char *value = line + 3;

		if (strncmp(line, "ID=", 3) != 0)
			continue;
		value += strspn(value, "\"'");
		value[strcspn(value, "\"'")] = '\0';
		if (parse_name(value) == 0)
			(void)snprintf(ret, PACKAGES_WORD_SIZE, "%s", value);
	}
}

static int list_dpkg(int root, struct packages *ret, struct err *err)
{
	_cleanup_free_ char *status = NULL;
	int r = intree_read(root, STATUS_PATH, STATUS_LIMIT, &status, NULL);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_path(err, -r, STATUS_PATH);
	(void)snprintf(ret->type, sizeof(ret->type), "deb");
	return packages_read_dpkg(status, ret) < 0 ? err_oom(err, STATUS_PATH) : 0;
}

static int list_rpm(const char *path, int root, struct packages *ret, struct err *err)
{
	const char *dbpath = rpmdb_find(root);

	if (!dbpath)
		return 0;
	(void)snprintf(ret->type, sizeof(ret->type), "rpm");
	return rpmdb_list(path, dbpath, ret, err);
}

int packages_list(const char *root, struct packages *ret, struct err *err)
{
	_cleanup_packages_ struct packages found = {0};
	_cleanup_close_ int fd = intree_root(root, err);
	int r = fd < 0 ? fd : list_dpkg(fd, &found, err);

	if (r >= 0 && !*found.type)
		r = list_rpm(root, fd, &found, err);
	if (r < 0)
		return r;
	read_vendor(fd, found.vendor);
	packages_sort(&found);
	*ret = found;
	found = (struct packages){0};
	return 0;
}
