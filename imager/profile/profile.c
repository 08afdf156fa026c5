/*
 * Owns the profile's loading. Its format is profilekeys.c's, reading, merging and the faults' places are
 * imager/format/yaml.h's, variables are profilevars.c's, what values must be beyond their kind is
 * profilecheck.c's; what they do to a tree is tree.c's and the sources'.
 */
#include "imager/profile/profile.h"

#include <fnmatch.h>
#include <string.h>

#include "imager/profile/profilecheck.h"
#include "imager/profile/profilekeys.h"
#include "imager/profile/profilevars.h"

#define DEFAULT_LEVEL 9
#define DEFAULT_BLOCK (256 * 1024)

static int load(struct profile *p, const char *path, const struct cli_list *sets, struct err *err)
{
	int r = yaml_load_merged(path, profile_keys, &p->doc, err);

	if (r < 0)
		return r;
	p->squashfs.level = DEFAULT_LEVEL;
	p->squashfs.block = DEFAULT_BLOCK;
	r = profile_vars_apply(p->doc, sets, err);
	if (r == 0)
		r = yaml_read_map(yaml_root(p->doc), profile_keys, p, err);
	return r < 0 ? r : profile_check(p, err);
}

int profile_load_set(const char *path, const struct cli_list *sets, struct profile **ret, struct err *err)
{
	_cleanup_profile_ struct profile *p = calloc(1, sizeof(*p));
	int r = p ? load(p, path, sets, err) : err_oom(err, path);

	if (r < 0)
		return r;
	*ret = TAKE(p);
	return 0;
}

int profile_load(const char *path, struct profile **ret, struct err *err)
{
	return profile_load_set(path, NULL, ret, err);
}

int profile_whole(struct profile *p, struct err *err)
{
	if (yaml_whole_paths(yaml_root(p->doc), profile_keys) < 0)
		return err_oom(err, p->name);
	return profile_vars_escape(yaml_root(p->doc), err);
}

void profile_free(struct profile *p)
{
	if (!p)
		return;
	profile_free_items(p);
	yaml_release_map(profile_keys, p);
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
