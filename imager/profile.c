/*
 * Owns the profile: the tables below are its format. Reading and the faults' places are
 * imager/format/yaml.c's work, what values must be beyond their kind is profilecheck.c's; what they do to a
 * tree is tree.c's and the sources'.
 */
#include "imager/profile.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/io.h"
#include "imager/profilecheck.h"

#define DEFAULT_LEVEL 9
#define DEFAULT_BLOCK (256 * 1024)
#define PATH_ALLOWED  "an absolute path in the image without '.' or '..'"

static int each_package(struct yaml_node *node, const char *name, void *base, struct err *err);
static int each_file(struct yaml_node *node, const char *name, void *base, struct err *err);
static int each_group(struct yaml_node *node, const char *name, void *base, struct err *err);
static int each_user(struct yaml_node *node, const char *name, void *base, struct err *err);
static int each_script(struct yaml_node *node, const char *name, void *base, struct err *err);

#define KEY(type, field, what, ...)                                                                          \
	{                                                                                                    \
		.name = #field, .kind = what, .offset = offsetof(type, field), __VA_ARGS__                   \
	}

static const struct yaml_key debian_keys[] = {
	KEY(struct profile_debian, suite, YAML_NAME, .required = 1, .allowed = "a suite such as bookworm"),
	KEY(struct profile_debian, mirror, YAML_STRINGS,
		.allowed = "a URI or a 'deb URI SUITE COMPONENT' line"),
	KEY(struct profile_debian, components, YAML_STRINGS,
		.allowed = "main, contrib, non-free-firmware ..."),
	KEY(struct profile_debian, keyring, YAML_STRING, .allowed = "the path of a keyring file"),
	KEY(struct profile_debian, variant, YAML_NAME,
		.allowed = "essential, apt, required, minbase or important"),
	{0},
};

static const struct yaml_key from_keys[] = {
	KEY(struct profile_from, debian, YAML_MAP, .keys = debian_keys),
	KEY(struct profile_from, tar, YAML_STRING, .allowed = "the path of a tar archive"),
	KEY(struct profile_from, dir, YAML_STRING, .allowed = "the path of a folder"),
	{0},
};

static const struct yaml_key file_keys[] = {
	KEY(struct profile_file, path, YAML_STRING, .required = 1, .allowed = PATH_ALLOWED),
	KEY(struct profile_file, content, YAML_STRING, .allowed = "the file's text"),
	KEY(struct profile_file, source, YAML_STRING, .allowed = "the path of a file or folder to copy"),
	KEY(struct profile_file, link, YAML_STRING, .allowed = "what the symbolic link points to"),
	KEY(struct profile_file, mode, YAML_MODE),
	KEY(struct profile_file, owner, YAML_STRING, .allowed = "a user of the image or a number"),
	KEY(struct profile_file, group, YAML_STRING, .allowed = "a group of the image or a number"),
	{0},
};

static const struct yaml_key group_keys[] = {
	KEY(struct profile_group, name, YAML_NAME, .required = 1),
	KEY(struct profile_group, gid, YAML_U64),
	KEY(struct profile_group, system, YAML_BOOL),
	{0},
};

static const struct yaml_key user_keys[] = {
	KEY(struct profile_user, name, YAML_NAME, .required = 1),
	KEY(struct profile_user, uid, YAML_U64),
	KEY(struct profile_user, group, YAML_NAME, .allowed = "the name of its main group"),
	KEY(struct profile_user, groups, YAML_STRINGS, .allowed = "names of further groups"),
	KEY(struct profile_user, home, YAML_STRING, .allowed = "an absolute path"),
	KEY(struct profile_user, shell, YAML_STRING, .allowed = "an absolute path"),
	KEY(struct profile_user, system, YAML_BOOL),
	{0},
};

static const struct yaml_key script_keys[] = {
	KEY(struct profile_script, name, YAML_NAME, .required = 1),
	KEY(struct profile_script, run, YAML_STRING, .required = 1, .allowed = "a script's text"),
	{0},
};

static const struct yaml_key units_keys[] = {
	KEY(struct profile_units, enable, YAML_STRINGS, .allowed = "unit names"),
	KEY(struct profile_units, disable, YAML_STRINGS, .allowed = "unit names"),
	KEY(struct profile_units, mask, YAML_STRINGS, .allowed = "unit names"),
	KEY(struct profile_units, target, YAML_STRING, .allowed = "a target unit such as multi-user.target"),
	{0},
};

static const struct yaml_key kernel_keys[] = {
	KEY(struct profile_kernel, package, YAML_STRING, .allowed = "a package such as linux-image-amd64"),
	KEY(struct profile_kernel, cmdline, YAML_STRING, .allowed = "kernel arguments"),
	KEY(struct profile_kernel, modules, YAML_STRINGS, .allowed = "kernel module names"),
	{0},
};

static const struct yaml_key overlay_keys[] = {
	{.name = "limit", .kind = YAML_SIZE},
	{0},
};

static const struct yaml_key squashfs_keys[] = {
	{.name = "level", .kind = YAML_U64, .allowed = "1 to 22"},
	{.name = "block",
		.kind = YAML_SIZE,
		.offset = sizeof(uint64_t),
		.allowed = "a power of two from 4KiB to 1MiB"},
	{0},
};

static const struct yaml_key profile_keys[] = {
	KEY(struct profile, name, YAML_NAME, .required = 1),
	KEY(struct profile, version, YAML_STRING, .allowed = "a text of at most 63 bytes"),
	KEY(struct profile, from, YAML_MAP, .required = 1, .keys = from_keys,
		.allowed = "debian, tar or dir"),
	KEY(struct profile, packages, YAML_LIST, .each = each_package, .allowed = "a list of package names"),
	KEY(struct profile, exclude, YAML_STRINGS, .allowed = "path patterns such as /usr/share/man/*"),
	KEY(struct profile, keep, YAML_STRINGS,
		.allowed = "path patterns such as /usr/share/doc/*/copyright"),
	KEY(struct profile, groups, YAML_LIST, .each = each_group),
	KEY(struct profile, users, YAML_LIST, .each = each_user),
	KEY(struct profile, files, YAML_LIST, .each = each_file),
	KEY(struct profile, scripts, YAML_LIST, .each = each_script),
	KEY(struct profile, units, YAML_MAP, .keys = units_keys),
	KEY(struct profile, kernel, YAML_MAP, .keys = kernel_keys),
	KEY(struct profile, overlay, YAML_MAP, .keys = overlay_keys),
	KEY(struct profile, squashfs, YAML_MAP, .keys = squashfs_keys),
	{0},
};

/* One more zeroed item at the end of a list; NULL: out of memory. */
static void *grow(void *items, size_t *count, size_t size)
{
	char *grown = reallocarray(*(void **)items, *count + 1, size);

	if (!grown)
		return NULL;
	*(void **)items = grown;
	return memset(grown + size * (*count)++, 0, size);
}

static int is_package_name(const char *text)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+.-");

	/* name, name:arch, name=version, name/suite: nothing apt would take for an option or a pattern */
	if (len < 2 || text[0] == '-' || text[0] == '+' || text[0] == '.')
		return 0;
	if (!text[len])
		return 1;
	return strchr(":=/", text[len]) && text[len + 1] && !strpbrk(text + len, " \t\n,?()|&!'\"\\");
}

static int each_package(struct yaml_node *node, const char *name, void *base, struct err *err)
{
	struct profile *p = base;
	struct profile_package *package = grow(&p->packages, &p->package_count, sizeof(*package));
	int r;

	(void)name;
	if (!package)
		return err_oom(err, "packages");
	package->node = node;
	r = yaml_text(node, "packages", &package->name, err);
	if (r < 0)
		return r;
	if (!is_package_name(package->name))
		return yaml_fault(node, "packages", err,
			"'%.80s' is not a package name; allowed are name, name=version, name/suite",
			package->name);
	return 0;
}

/* The greatest number is no user to the kernel: chown(2) takes it for "leave it". */
static int check_id(struct yaml_node *node, const char *key, uint64_t id, struct err *err)
{
	if (id == UINT64_MAX || id < UINT32_MAX)
		return 0;
	return yaml_fault(node, key, err, "'%" PRIu64 "' is not allowed: 0 to 4294967294", id);
}

static int each_group(struct yaml_node *node, const char *name, void *base, struct err *err)
{
	struct profile *p = base;
	struct profile_group *group = grow(&p->groups, &p->group_count, sizeof(*group));
	int r;

	(void)name;
	if (!group)
		return err_oom(err, "groups");
	group->gid = UINT64_MAX;
	r = yaml_read_map(node, group_keys, group, err);
	return r < 0 ? r : check_id(node, "gid", group->gid, err);
}

static int each_user(struct yaml_node *node, const char *name, void *base, struct err *err)
{
	struct profile *p = base;
	struct profile_user *user = grow(&p->users, &p->user_count, sizeof(*user));
	int r;

	(void)name;
	if (!user)
		return err_oom(err, "users");
	user->uid = UINT64_MAX;
	r = yaml_read_map(node, user_keys, user, err);
	return r < 0 ? r : check_id(node, "uid", user->uid, err);
}

static int each_script(struct yaml_node *node, const char *name, void *base, struct err *err)
{
	struct profile *p = base;
	struct profile_script *script = grow(&p->scripts, &p->script_count, sizeof(*script));

	(void)name;
	if (!script)
		return err_oom(err, "scripts");
	return yaml_read_map(node, script_keys, script, err);
}

static int each_file(struct yaml_node *node, const char *name, void *base, struct err *err)
{
	struct profile *p = base;
	struct profile_file *file = grow(&p->files, &p->file_count, sizeof(*file));
	int r;

	(void)name;
	if (!file)
		return err_oom(err, "files");
	file->mode = (mode_t)-1;
	file->node = node;
	r = yaml_read_map(node, file_keys, file, err);
	if (r < 0)
		return r;
	if (file->path[0] != '/' || !path_is_inside(file->path + 1))
		return yaml_fault(node, "path", err, "'%.200s' is not allowed: " PATH_ALLOWED, file->path);
	if (!!file->content + !!file->source + !!file->link != 1)
		return yaml_fault(node, "files", err,
			"%.200s: exactly one of content, source and link is wanted", file->path);
	return 0;
}

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

static void free_lists(struct profile *p)
{
	for (size_t i = 0; i < p->package_count; i++)
		free(p->packages[i].name);
	for (size_t i = 0; i < p->group_count; i++)
		free(p->groups[i].name);
	for (size_t i = 0; i < p->user_count; i++) {
		struct profile_user *u = &p->users[i];

		free(u->name);
		free(u->group);
		free(u->home);
		free(u->shell);
		yaml_strings_release(&u->groups);
	}
	for (size_t i = 0; i < p->file_count; i++) {
		struct profile_file *f = &p->files[i];

		free(f->path);
		free(f->content);
		free(f->source);
		free(f->link);
		free(f->owner);
		free(f->group);
	}
	for (size_t i = 0; i < p->script_count; i++) {
		free(p->scripts[i].name);
		free(p->scripts[i].run);
	}
}

void profile_free(struct profile *p)
{
	if (!p)
		return;
	free_lists(p);
	struct yaml_strings *const strings[] = {&p->from.debian.mirror, &p->from.debian.components,
		&p->exclude, &p->keep, &p->units.enable, &p->units.disable, &p->units.mask,
		&p->kernel.modules};
	void *const plain[] = {p->name, p->version, p->from.debian.suite, p->from.debian.keyring,
		p->from.debian.variant, p->from.tar, p->from.dir, p->packages, p->groups, p->users, p->files,
		p->scripts, p->units.target, p->kernel.package, p->kernel.cmdline, p->folder};

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		yaml_strings_release(strings[i]);
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		free(plain[i]);
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
