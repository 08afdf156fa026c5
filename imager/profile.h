/*
 * describe: the profile, a YAML file that says what a node image is made of. The tables in profile.c are the
 * format; docs/profile.md is its description for people.
 */
#ifndef IMAGER_PROFILE_H
#define IMAGER_PROFILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "imager/base/cleanup.h"
#include "imager/base/err.h"
#include "imager/format/digest.h"
#include "imager/format/yaml.h"

/* Debian and its derivatives, by mmdebstrap. */
struct profile_debian {
	char *suite;
	struct yaml_strings mirror;     /* URIs or "deb ..." lines; none: what this machine's apt uses */
	struct yaml_strings components; /* none: main */
	char *keyring;                  /* path; NULL: the keys this machine's apt trusts */
	char *variant;                  /* of mmdebstrap; NULL: "essential" */
};

/* Where the tree comes from: exactly one of the fields is given, and kind is its key. */
struct profile_from {
	const char *kind;
	struct profile_debian debian;
	char *tar, *dir; /* paths */
};

struct profile_package {
	char *name;
	struct yaml_node *node; /* for faults found later; borrowed from the profile's document */
};

/* One thing to lay into the tree: a file with content, a copy of source (file or folder), or a symlink. */
struct profile_file {
	char *path; /* absolute in the image, checked to stay inside */
	char *content, *source, *link;
	mode_t mode; /* (mode_t)-1: 0644, or what the source has */
	char *owner, *group;
	struct yaml_node *node;
};

struct profile_group {
	char *name;
	uint64_t gid; /* UINT64_MAX: any free one */
	int system;
};

struct profile_user {
	char *name, *group, *home, *shell;
	struct yaml_strings groups;
	uint64_t uid; /* UINT64_MAX: any free one */
	int system;
};

struct profile_script {
	char *name, *run;
};

struct profile_units {
	struct yaml_strings enable, disable, mask;
	char *target; /* what default.target is; NULL: as the packages have it */
};

struct profile_kernel {
	char *package, *cmdline;
	struct yaml_strings modules; /* further ones for the initramfs */
};

struct profile {
	char *name, *version;
	struct profile_from from;
	struct profile_package *packages;
	size_t package_count;
	struct yaml_strings exclude, keep; /* patterns as of dpkg's path-exclude: '*' matches '/' too */
	struct profile_file *files;
	size_t file_count;
	struct profile_group *groups;
	size_t group_count;
	struct profile_user *users;
	size_t user_count;
	struct profile_script *scripts;
	size_t script_count;
	struct profile_units units;
	struct profile_kernel kernel;
	struct {
		uint64_t limit; /* bytes; 0: the agent's default */
	} overlay;
	struct {
		uint64_t level, block;
	} squashfs;
	struct yaml_doc *doc;
	char *folder;         /* of the profile file; relative paths start here */
	struct digest source; /* of the profile's text and the files it names */
};

/*
 * Reads, checks and completes the profile. -EINVAL with "file:line: key: what is wrong, what is allowed" for
 * a fault in the file, including a file it names that cannot be read; else -errno.
 */
int profile_load(const char *path, struct profile **ret, struct err *err);
void profile_free(struct profile *p);
DEFINE_CLEANUP(struct profile *, profile_free)
#define _cleanup_profile_ _cleanup_(profile_free_p)

/* Whether the exclude and keep patterns take `path` ("/usr/share/doc/x") out of the image. */
int profile_excludes(const struct profile *p, const char *path);

#endif
