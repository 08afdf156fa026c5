/*
 * Owns the profile's loading. Its format is profilekeys.c's, reading and the faults' places are
 * imager/format/yaml.c's work, what values must be beyond their kind is profilecheck.c's; what they do to a
 * tree is tree.c's and the sources'.
 */
#include "imager/profile.h"

#include <fnmatch.h>
#include <string.h>

#include "imager/profilecheck.h"
#include "imager/profilekeys.h"

#define DEFAULT_LEVEL 9
#define DEFAULT_BLOCK (256 * 1024)

static int load(struct profile *p, const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	int r = yaml_load(path, &p->doc, err);

	if (r < 0)
		return r;
	p->folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("./");
	if (!p->folder)
		return err_oom(err, path);
	p->squashfs.level = DEFAULT_LEVEL;
	p->squashfs.block = DEFAULT_BLOCK;
	r = yaml_read_map(yaml_root(p->doc), profile_keys, p, err);
	if (r < 0)
		return r;
	return profile_check(p, path, err);
}

int profile_load(const char *path, struct profile **ret, struct err *err)
{
	_cleanup_profile_ struct profile *p = calloc(1, sizeof(*p));
	int r = p ? load(p, path, err) : err_oom(err, path);

	if (r < 0)
		return r;
	*ret = TAKE(p);
	return 0;
}

void profile_free(struct profile *p)
{
	if (!p)
		return;
	profile_free_items(p);
	yaml_release_map(profile_keys, p);
	free(p->folder);
	yaml_free(p->doc);
	free(p);
}

static int matches(const struct yaml_strings *patterns, const char *path)
{
	/* On a merged /usr a package's /lib/x is the tree's /usr/lib/x: a pattern may use either name. */
	static const char *const merged[] = {"/usr/bin/", "/usr/sbin/", "/usr/lib"};
	const char *alias = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(merged); i++)
		if (!strncmp(path, merged[i], strlen(merged[i])))
			alias = path + 4;
	for (size_t i = 0; i < patterns->count; i++) {
		if (fnmatch(patterns->items[i], path, 0) == 0)
			return 1;
		if (alias && fnmatch(patterns->items[i], alias, 0) == 0)
			return 1;
	}
	return 0;
}

int profile_excludes(const struct profile *p, const char *path)
{
	return matches(&p->exclude, path) && !matches(&p->keep, path);
}
