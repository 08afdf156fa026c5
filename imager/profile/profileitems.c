/*
 * Owns the items of the profile's lists: each is read by its table, checked as far as it stands for itself,
 * and freed. What items must be to each other and to the rest is profilecheck.c's.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "imager/base/io.h"
#include "imager/base/parse.h"
#include "imager/profile/profilekeys.h"

#define STRIP_MAX  32
#define XATTR_MAX  65536 /* bytes of a value: XATTR_SIZE_MAX of linux/limits.h */
#define XATTR_NAME 255   /* XATTR_NAME_MAX */

/* One more zeroed item at the end of a list; NULL: out of memory. */
static void *grow(void *items, size_t *count, size_t size)
{
	char *grown = reallocarray(*(void **)items, *count + 1, size);

	if (!grown)
		return NULL;
	*(void **)items = grown;
	return memset(grown + size * (*count)++, 0, size);
}

int profile_add_package(struct yaml_node *node, const char *name, void *base, struct err *err)
{
	struct profile *p = base;
	struct profile_package *package = grow(&p->packages, &p->package_count, sizeof(*package));

	(void)name;
	if (!package)
		return err_oom(err, "packages");
	package->node = node;
	return yaml_text(node, "packages", &package->name, err);
}

/* What becomes a word of a list of repositories or an argument: no spaces, nothing a shell or apt would see.
 */
static int is_url(const char *text)
{
	static const char *const schemes[] = {"http://", "https://", "file:///"};
	size_t scheme = 0;

	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
		if (!strncmp(text, schemes[i], strlen(schemes[i])))
			scheme = strlen(schemes[i]);
	for (const char *c = text; *c; c++)
		if (*c <= ' ' || *c > '~' || strchr("\"'\\<>[]{}|^`", *c))
			return 0;
	return scheme && text[scheme];
}

static int check_url(struct yaml_node *node, const char *url, struct err *err)
{
	if (!url || is_url(url))
		return 0;
	return yaml_fault(node, "url", err,
		"'%.200s' is not allowed: http://, https:// or file:/// and what follows, without spaces, "
		"quotes "
		"and brackets",
		url);
}

static int read_repository(struct yaml_node *node, struct profile_repository *repository, struct err *err)
{
	int r;

	if (!repository)
		return err_oom(err, "repositories");
	repository->node = node;
	r = yaml_read_map(node, profile_repository_keys, repository, err);
	return r < 0 ? r : check_url(node, repository->url, err);
}

int profile_add_repository(struct yaml_node *node, const char *name, void *base, struct err *err)
{
	struct profile *p = base;

	(void)name;
	return read_repository(
		node, grow(&p->repositories, &p->repository_count, sizeof(*p->repositories)), err);
}

int profile_add_rpm_repository(struct yaml_node *node, const char *name, void *base, struct err *err)
{
	struct profile_rpm *rpm = base;

	(void)name;
	return read_repository(
		node, grow(&rpm->repositories, &rpm->repository_count, sizeof(*rpm->repositories)), err);
}

/* The greatest number is no user to the kernel: chown(2) takes it for "leave it". */
static int check_id(struct yaml_node *node, const char *key, uint64_t id, struct err *err)
{
	if (id == UINT64_MAX || id < UINT32_MAX)
		return 0;
	return yaml_fault(node, key, err, "'%" PRIu64 "' is not allowed: 0 to 4294967294", id);
}

static int fault_twice(
	struct yaml_node *node, const struct yaml_node *before, const char *name, struct err *err)
{
	char place[ERR_TEXT_MAX / 2];

	yaml_place(before, place, sizeof(place));
	return yaml_fault(node, "name", err, "'%s' is given twice, before in %s", name, place);
}

int profile_add_group(struct yaml_node *node, const char *name, void *base, struct err *err)
{
	struct profile *p = base;
	struct profile_group *group = grow(&p->groups, &p->group_count, sizeof(*group));
	int r;

	(void)name;
	if (!group)
		return err_oom(err, "groups");
	group->gid = UINT64_MAX;
	group->node = node;
	r = yaml_read_map(node, profile_group_keys, group, err);
	for (const struct profile_group *g = p->groups; r == 0 && g < group; g++)
		if (!strcmp(g->name, group->name))
			r = fault_twice(node, g->node, g->name, err);
	return r < 0 ? r : check_id(node, "gid", group->gid, err);
}

int profile_add_user(struct yaml_node *node, const char *name, void *base, struct err *err)
{
	struct profile *p = base;
	struct profile_user *user = grow(&p->users, &p->user_count, sizeof(*user));
	int r;

	(void)name;
	if (!user)
		return err_oom(err, "users");
	user->uid = UINT64_MAX;
	user->node = node;
	r = yaml_read_map(node, profile_user_keys, user, err);
	for (const struct profile_user *u = p->users; r == 0 && u < user; u++)
		if (!strcmp(u->name, user->name))
			r = fault_twice(node, u->node, u->name, err);
	return r < 0 ? r : check_id(node, "uid", user->uid, err);
}

int profile_add_script(struct yaml_node *node, const char *name, void *base, struct err *err)
{
	struct profile *p = base;
	struct profile_script *script = grow(&p->scripts, &p->script_count, sizeof(*script));

	(void)name;
	if (!script)
		return err_oom(err, "scripts");
	return yaml_read_map(node, profile_script_keys, script, err);
}

static int check_image_path(struct yaml_node *node, const char *path, struct err *err)
{
	if (path[0] == '/' && path_is_inside(path + 1))
		return 0;
	return yaml_fault(node, "path", err, "'%.200s' is not allowed: " PROFILE_PATH_ALLOWED, path);
}

int profile_add_file(struct yaml_node *node, const char *name, void *base, struct err *err)
{
	struct profile *p = base;
	struct profile_file *file = grow(&p->files, &p->file_count, sizeof(*file));
	int r;

	(void)name;
	if (!file)
		return err_oom(err, "files");
	file->mode = (mode_t)-1;
	file->node = node;
	r = yaml_read_map(node, profile_file_keys, file, err);
	if (r == 0)
		r = check_image_path(node, file->path, err);
	if (r < 0)
		return r;
	if (!!file->content + !!file->source + !!file->link != 1)
		return yaml_fault(node, "files", err,
			"%.200s: exactly one of content, source and link is wanted", file->path);
	return 0;
}

static int is_xattr_name(const char *name)
{
	static const char *const spaces[] = {"user.", "security.", "trusted."};

	for (size_t i = 0; i < ARRAY_SIZE(spaces); i++)
		if (!strncmp(name, spaces[i], strlen(spaces[i])) && name[strlen(spaces[i])])
			return strlen(name) <= XATTR_NAME;
	return 0;
}

/* The three forms of setfattr(1)'s --value: 0x and hex digits, 0s and base64, else the text itself. */
static int decode_value(const char *text, struct profile_xattr *ret)
{
	size_t len = strlen(text);
	int r = 0;

	ret->value = malloc(len + 1);
	if (!ret->value)
		return -ENOMEM;
	ret->size = len;
	if (!strncmp(text, "0x", 2)) {
		ret->size = (len - 2) / 2;
		r = len % 2 ? -EINVAL : parse_hex(text + 2, ret->value, ret->size);
	} else if (!strncmp(text, "0s", 2)) {
		r = parse_base64(text + 2, ret->value, &ret->size);
	} else {
		memcpy(ret->value, text, len);
	}
	return r < 0 || ret->size > XATTR_MAX ? -EINVAL : 0;
}

int profile_add_xattr(struct yaml_node *node, const char *name, void *base, struct err *err)
{
	struct profile_file *file = base;
	_cleanup_free_ char *text = NULL;
	struct profile_xattr *xattr;
	int r;

	/* squashfs has no place for others, POSIX ACLs (system.) among them: squashfs_fs.h of Linux,
	 * SQUASHFS_XATTR_. */
	if (!is_xattr_name(name))
		return yaml_fault(node, NULL, err,
			"xattrs: '%.80s' is not allowed: a name that begins with user., security. or "
			"trusted., as "
			"squashfs cannot hold others",
			name);
	r = yaml_text(node, name, &text, err);
	if (r < 0)
		return r;
	xattr = grow(&file->xattrs, &file->xattr_count, sizeof(*xattr));
	if (!xattr || !(xattr->name = strdup(name)))
		return err_oom(err, "xattrs");
	r = decode_value(text, xattr);
	if (r == -ENOMEM)
		return err_oom(err, "xattrs");
	if (r < 0)
		return yaml_fault(node, name, err,
			"'%.80s' is not allowed: 0x and hex digits, 0s and base64, or a text, of at most %d "
			"bytes",
			text, XATTR_MAX);
	return 0;
}

/* Where an artifact came from is told to everybody, in the package list and in what a build prints. */
static int check_public(const struct profile_artifact *a, struct err *err)
{
	const char *host = a->url ? strstr(a->url, "://") : NULL, *at = host ? strchr(host, '@') : NULL;

	if (!at || memchr(host + 3, '/', (size_t)(at - host - 3)))
		return 0;
	return yaml_fault(a->node, "url", err,
		"a name or password in a url becomes public; ~/.netrc of who builds is the place for them");
}

static int check_unpacked(const struct profile_artifact *a, struct err *err)
{
	if (a->strip > STRIP_MAX)
		return yaml_fault(a->node, "strip", err, "at most %d are allowed", STRIP_MAX);
	if (!a->unpack && a->strip)
		return yaml_fault(a->node, "strip", err, "is for an archive: unpack: true is wanted with it");
	if (a->unpack && a->mode != (mode_t)-1)
		return yaml_fault(a->node, "mode", err, "an archive's files have modes of their own");
	return 0;
}

int profile_add_artifact(struct yaml_node *node, const char *name, void *base, struct err *err)
{
	struct profile *p = base;
	struct profile_artifact *a = grow(&p->artifacts, &p->artifact_count, sizeof(*a));
	int r;

	(void)name;
	if (!a)
		return err_oom(err, "artifacts");
	a->mode = (mode_t)-1;
	a->node = node;
	r = yaml_read_map(node, profile_artifact_keys, a, err);
	if (r == 0)
		r = check_url(node, a->url, err);
	if (r == 0 && !(a->unpack && !strcmp(a->path, "/")))
		r = check_image_path(node, a->path, err);
	if (r < 0)
		return r;
	if (!!a->url + !!a->source != 1)
		return yaml_fault(
			node, "artifacts", err, "%.200s: exactly one of url and source is wanted", a->path);
	r = check_public(a, err);
	return r < 0 ? r : check_unpacked(a, err);
}

/* Frees what the table names of each item, and the list. */
static void free_list(void *items, size_t count, size_t size, const struct yaml_key *keys)
{
	for (size_t i = 0; i < count; i++)
		yaml_release_map(keys, (char *)items + i * size);
	free(items);
}

#define FREE_LIST(list, count, keys) free_list(list, count, sizeof(*(list)), keys)

void profile_free_items(struct profile *p)
{
	for (size_t i = 0; i < p->package_count; i++)
		free(p->packages[i].name);
	for (size_t i = 0; i < p->file_count; i++) {
		for (size_t k = 0; k < p->files[i].xattr_count; k++) {
			free(p->files[i].xattrs[k].name);
			free(p->files[i].xattrs[k].value);
		}
		free(p->files[i].xattrs);
	}
	free(p->packages);
	FREE_LIST(p->files, p->file_count, profile_file_keys);
	FREE_LIST(p->artifacts, p->artifact_count, profile_artifact_keys);
	FREE_LIST(p->groups, p->group_count, profile_group_keys);
	FREE_LIST(p->users, p->user_count, profile_user_keys);
	FREE_LIST(p->scripts, p->script_count, profile_script_keys);
	FREE_LIST(p->repositories, p->repository_count, profile_repository_keys);
	FREE_LIST(p->from.rpm.repositories, p->from.rpm.repository_count, profile_repository_keys);
}
