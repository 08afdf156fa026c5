/* Owns the way from the names of users and groups to numbers, by the tree's own files: this machine's users
 * mean nothing in an image. */
#include "imager/tree/treeowner.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/base/parse.h"
#include "imager/intree.h"

static FILE *open_stream(int root, const char *path)
{
	int fd = intree_open(root, path, O_RDONLY, 0);

	return fd < 0 ? NULL : fdopen(fd, "r");
}

static int user_of(int root, const char *name, uint32_t *ret)
{
	_cleanup_fclose_ FILE *f = open_stream(root, "/etc/passwd");

	if (parse_u32(name, ret) >= 0)
		return 0;
	for (struct passwd *p; f && (p = fgetpwent(f));)
		if (!strcmp(p->pw_name, name)) {
			*ret = p->pw_uid;
			return 0;
		}
	return -ENOENT;
}

static int group_of(int root, const char *name, uint32_t *ret)
{
	_cleanup_fclose_ FILE *f = open_stream(root, "/etc/group");

	if (parse_u32(name, ret) >= 0)
		return 0;
	for (struct group *g; f && (g = fgetgrent(f));)
		if (!strcmp(g->gr_name, name)) {
			*ret = g->gr_gid;
			return 0;
		}
	return -ENOENT;
}

int treeowner_find(int root, const struct treeowner_words *words, struct treeowner *ret, struct err *err)
{
	struct treeowner o = {0};

	if (words->owner && user_of(root, words->owner, &o.uid) < 0)
		return yaml_fault(words->node, "owner", err, "the image has no user '%s'", words->owner);
	if (words->group && group_of(root, words->group, &o.gid) < 0)
		return yaml_fault(words->node, "group", err, "the image has no group '%s'", words->group);
	*ret = o;
	return 0;
}
