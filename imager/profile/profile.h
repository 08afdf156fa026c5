/*
 * describe: the profile, a YAML file that says what a node image is made of. The tables in profilekeys.c are
 * the format; docs/profile.md is its description for people.
 */
#ifndef IMAGER_PROFILE_PROFILE_H
#define IMAGER_PROFILE_PROFILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "imager/base/cleanup.h"
#include "imager/base/cli.h"
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

/* A package repository besides those of the source: apt's with from: debian, dnf's with from: rpm. */
struct profile_repository {
	char *name, *url;
	char *suite; /* apt: NULL is the source's suite; "/" at its end: a flat repository */
	struct yaml_strings components; /* apt; none: main */
	char *key; /* path of its public key (armoured or binary); NULL: those trusted anyway */
	int keep;  /* whether the image knows it too; else it is used by the build alone */
	struct yaml_node *node;
};

/* Fedora, Rocky, Alma, openSUSE ... by dnf --installroot. */
struct profile_rpm {
	char *releasever;
	struct profile_repository *repositories; /* at least one */
	size_t repository_count;
	struct yaml_strings modules; /* module streams to enable, such as nodejs:20 */
};

/* A container image; exactly one of layout, archive and image is given. */
struct profile_oci {
	char *layout;  /* path of an OCI image layout */
	char *ref;     /* with layout or archive: which image of it; NULL: the only one */
	char *archive; /* path of an oci-archive or docker-archive file */
	char *image;   /* registry reference: registry.example.org/base:12 or ...@sha256:... */
	int insecure;  /* plain HTTP or an unknown certificate is good enough; with @sha256 nothing is lost */
};

/* Where the tree comes from: exactly one of the fields is given, and kind is its key. */
struct profile_from {
	const char *kind;
	struct profile_debian debian;
	struct profile_rpm rpm;
	struct profile_oci oci;
	char *tar, *dir; /* paths */
	char *release;   /* a release of the same store: store_resolve's words */
};

struct profile_package {
	char *name;
	struct yaml_node *node; /* for faults found later; borrowed from the profile's document */
};

/* value: the bytes, already decoded ("0x..." and "0s..." in the file are hex and base64, as of setfattr). */
struct profile_xattr {
	char *name; /* user., security. or trusted. */
	void *value;
	size_t size;
};

/* One thing to lay into the tree: a file with content, a copy of source (file or folder), or a symlink. */
struct profile_file {
	char *path; /* absolute in the image, checked to stay inside */
	char *content, *source, *link;
	mode_t mode; /* (mode_t)-1: 0644, or what the source has */
	char *owner, *group;
	struct profile_xattr *xattrs;
	size_t xattr_count;
	struct yaml_node *node;
};

/* A file from elsewhere, pinned by its digest. */
struct profile_artifact {
	char *url, *source; /* exactly one: http(s)://, or a path */
	struct digest digest;
	char *path;     /* absolute in the image; with unpack the folder it is unpacked into */
	int unpack;     /* it is an archive (any that libarchive reads); else one file */
	uint64_t strip; /* with unpack: leading parts of its names to drop */
	mode_t mode;    /* (mode_t)-1: 0644 */
	char *owner, *group;
	struct yaml_node *node;
};

struct profile_group {
	char *name;
	uint64_t gid; /* UINT64_MAX: any free one */
	int system;
	struct yaml_node *node;
};

struct profile_user {
	char *name, *group, *home, *shell;
	struct yaml_strings groups;
	uint64_t uid; /* UINT64_MAX: any free one */
	int system;
	struct yaml_node *node;
};

struct profile_script {
	char *name, *run;
	int network; /* this machine's network is there while it runs */
};

struct profile_units {
	struct yaml_strings enable, disable, mask;
	char *target; /* what default.target is; NULL: as the packages have it */
};

struct profile_kernel {
	char *package, *cmdline;
	struct yaml_strings modules; /* further ones for the initramfs */
	struct yaml_strings
		nics; /* the only network drivers of the initramfs; none: those of the usual servers */
	struct yaml_strings firmware; /* for the initramfs: patterns below /usr/lib/firmware */
};

struct profile {
	char *name, *version;
	struct profile_from from;
	struct profile_package *packages;
	size_t package_count;
	struct yaml_strings exclude, keep; /* patterns as of dpkg's path-exclude: '*' matches '/' too */
	struct profile_file *files;
	size_t file_count;
	struct profile_repository *repositories;
	size_t repository_count;
	struct profile_artifact *artifacts;
	size_t artifact_count;
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
		uint64_t reserve; /* bytes of RAM a node must have beyond image and overlay; 0: the agent's
				     default */
	} memory;
	struct {
		uint64_t level, block;
	} squashfs;
	struct yaml_doc *doc; /* merged, the variables' values in their places */
	struct digest source; /* profile_take_source's */
};

#define PROFILE_SET_HELP "give a variable of the profile another value; may be given again"

/*
 * Reads, checks and completes the profile: what it includes is merged, variables are replaced, paths are
 * absolute. -EINVAL with "file:line: key: what is wrong, what is allowed" for a fault in a file, including a
 * file it names that cannot be read; else -errno. sets: "NAME=VALUE" each for variables of the profile (NULL:
 * none); a wrong one is -EINVAL as well.
 */
int profile_load_set(const char *path, const struct cli_list *sets, struct profile **ret, struct err *err);
int profile_load(const char *path, struct profile **ret, struct err *err);
void profile_free(struct profile *p);
DEFINE_CLEANUP(struct profile *, profile_free)
#define _cleanup_profile_ _cleanup_(profile_free_p)

/*
 * Changes p->doc to what loads as the same profile from any folder when it is printed (yamljson.h): paths are
 * absolute, "${vars." has its escape. 0 or -errno.
 */
int profile_whole(struct profile *p, struct err *err);

/*
 * Sets p->source: the digest of what decides the image as far as the profile's side goes, that is the merged
 * profile with its variables' values and the contents of all files and folders that it names. The same inputs
 * in another folder have the same digest. Reads all of them. -EINVAL with the place of a file that cannot be
 * read.
 */
int profile_take_source(struct profile *p, struct err *err);

/* Whether the exclude and keep patterns take `path` ("/usr/share/doc/x") out of the image. */
int profile_excludes(const struct profile *p, const char *path);

#endif
