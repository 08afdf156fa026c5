/*
 * Owns the tables that are the profile's format on one screen. What reads the items of its lists is
 * profileitems.c's, what values must be beyond their kind is profilecheck.c's and profilefrom.c's.
 */
#include "imager/profile/profilekeys.h"

#include "imager/profile/profilevars.h"

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
	KEY(struct profile_debian, keyring, YAML_PATH, .allowed = "the path of a keyring file"),
	KEY(struct profile_debian, variant, YAML_NAME,
		.allowed = "essential, apt, required, minbase or important"),
	{0},
};

const struct yaml_key profile_repository_keys[] = {
	KEY(struct profile_repository, name, YAML_NAME, .required = 1),
	KEY(struct profile_repository, url, YAML_STRING, .required = 1,
		.allowed = "http://, https:// or file:// and a path"),
	KEY(struct profile_repository, suite, YAML_STRING, .allowed = "a suite, or a path that ends in '/'"),
	KEY(struct profile_repository, components, YAML_STRINGS, .allowed = "names such as main"),
	KEY(struct profile_repository, key, YAML_PATH, .allowed = "the path of a public key"),
	KEY(struct profile_repository, keep, YAML_BOOL),
	{0},
};

static const struct yaml_key rpm_keys[] = {
	KEY(struct profile_rpm, releasever, YAML_STRING, .required = 1, .allowed = "a release such as 9"),
	KEY(struct profile_rpm, repositories, YAML_LIST, .required = 1, .each = profile_add_rpm_repository,
		.keys = profile_repository_keys, .allowed = "a list of {name: NAME, url: URL}"),
	KEY(struct profile_rpm, modules, YAML_STRINGS, .allowed = "module streams such as nodejs:20"),
	{0},
};

static const struct yaml_key oci_keys[] = {
	KEY(struct profile_oci, layout, YAML_PATH, .allowed = "the path of an OCI image layout"),
	KEY(struct profile_oci, archive, YAML_PATH,
		.allowed = "the path of an oci-archive or docker-archive file"),
	KEY(struct profile_oci, image, YAML_STRING,
		.allowed = "REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:HEX"),
	KEY(struct profile_oci, ref, YAML_STRING, .allowed = "the name of an image in the layout or archive"),
	KEY(struct profile_oci, insecure, YAML_BOOL),
	{0},
};

static const struct yaml_key from_keys[] = {
	KEY(struct profile_from, debian, YAML_MAP, .keys = debian_keys),
	KEY(struct profile_from, rpm, YAML_MAP, .keys = rpm_keys),
	KEY(struct profile_from, oci, YAML_MAP, .keys = oci_keys),
	KEY(struct profile_from, tar, YAML_PATH, .allowed = "the path of a tar archive"),
	KEY(struct profile_from, dir, YAML_PATH, .allowed = "the path of a folder"),
	KEY(struct profile_from, release, YAML_STRING, .allowed = "a release of the store such as base:7"),
	{0},
};

const struct yaml_key profile_file_keys[] = {
	KEY(struct profile_file, path, YAML_STRING, .required = 1, .allowed = PROFILE_PATH_ALLOWED),
	KEY(struct profile_file, content, YAML_STRING, .allowed = "the file's text"),
	KEY(struct profile_file, source, YAML_PATH, .allowed = "the path of a file or folder to copy"),
	KEY(struct profile_file, link, YAML_STRING, .allowed = "what the symbolic link points to"),
	KEY(struct profile_file, mode, YAML_MODE),
	KEY(struct profile_file, owner, YAML_STRING, .allowed = "a user of the image or a number"),
	KEY(struct profile_file, group, YAML_STRING, .allowed = "a group of the image or a number"),
	KEY(struct profile_file, xattrs, YAML_TABLE, .each = profile_add_xattr,
		.allowed = "NAME: VALUE such as user.origin: site"),
	{0},
};

const struct yaml_key profile_artifact_keys[] = {
	KEY(struct profile_artifact, url, YAML_STRING, .allowed = "http://, https:// or file:// and a path"),
	KEY(struct profile_artifact, source, YAML_PATH, .allowed = "the path of a file"),
	{.name = "sha256",
		.kind = YAML_SHA256,
		.offset = offsetof(struct profile_artifact, digest),
		.required = 1},
	KEY(struct profile_artifact, path, YAML_STRING, .required = 1, .allowed = PROFILE_PATH_ALLOWED),
	KEY(struct profile_artifact, unpack, YAML_BOOL),
	KEY(struct profile_artifact, strip, YAML_U64, .allowed = "a number of leading parts from 0 to 32"),
	KEY(struct profile_artifact, mode, YAML_MODE),
	KEY(struct profile_artifact, owner, YAML_STRING, .allowed = "a user of the image or a number"),
	KEY(struct profile_artifact, group, YAML_STRING, .allowed = "a group of the image or a number"),
	{0},
};

const struct yaml_key profile_group_keys[] = {
	KEY(struct profile_group, name, YAML_NAME, .required = 1),
	KEY(struct profile_group, gid, YAML_U64),
	KEY(struct profile_group, system, YAML_BOOL),
	{0},
};

const struct yaml_key profile_user_keys[] = {
	KEY(struct profile_user, name, YAML_NAME, .required = 1),
	KEY(struct profile_user, uid, YAML_U64),
	KEY(struct profile_user, group, YAML_NAME, .allowed = "the name of its main group"),
	KEY(struct profile_user, groups, YAML_STRINGS, .allowed = "names of further groups"),
	KEY(struct profile_user, home, YAML_STRING, .allowed = "an absolute path"),
	KEY(struct profile_user, shell, YAML_STRING, .allowed = "an absolute path"),
	KEY(struct profile_user, system, YAML_BOOL),
	{0},
};

const struct yaml_key profile_script_keys[] = {
	KEY(struct profile_script, name, YAML_NAME, .required = 1),
	KEY(struct profile_script, run, YAML_STRING, .required = 1, .allowed = "a script's text"),
	KEY(struct profile_script, network, YAML_BOOL),
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
	KEY(struct profile_kernel, nics, YAML_STRINGS, .allowed = "network drivers such as mlx5_core"),
	KEY(struct profile_kernel, firmware, YAML_STRINGS,
		.allowed = "path patterns below /usr/lib/firmware such as bnx2x/*"),
	{0},
};

static const struct yaml_key overlay_keys[] = {
	{.name = "limit", .kind = YAML_SIZE},
	{0},
};

static const struct yaml_key memory_keys[] = {
	{.name = "reserve", .kind = YAML_SIZE},
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

const struct yaml_key profile_keys[] = {
	KEY(struct profile, name, YAML_NAME, .required = 1),
	{.name = "include", .kind = YAML_INCLUDE},
	{.name = "vars", .kind = YAML_TABLE, .each = profile_vars_check, .may_be_empty = 1},
	KEY(struct profile, version, YAML_STRING, .allowed = "a text of at most 63 bytes"),
	KEY(struct profile, from, YAML_MAP, .required = 1, .keys = from_keys,
		.allowed = "debian, rpm, oci, tar, dir or release"),
	KEY(struct profile, repositories, YAML_LIST, .each = profile_add_repository,
		.keys = profile_repository_keys, .allowed = "a list of {name: NAME, url: URL}"),
	KEY(struct profile, packages, YAML_LIST, .each = profile_add_package,
		.allowed = "a list of package names"),
	KEY(struct profile, exclude, YAML_STRINGS, .allowed = "path patterns such as /usr/share/man/*"),
	KEY(struct profile, keep, YAML_STRINGS,
		.allowed = "path patterns such as /usr/share/doc/*/copyright"),
	KEY(struct profile, groups, YAML_LIST, .each = profile_add_group, .keys = profile_group_keys),
	KEY(struct profile, users, YAML_LIST, .each = profile_add_user, .keys = profile_user_keys),
	KEY(struct profile, files, YAML_LIST, .each = profile_add_file, .keys = profile_file_keys),
	KEY(struct profile, artifacts, YAML_LIST, .each = profile_add_artifact,
		.keys = profile_artifact_keys),
	KEY(struct profile, scripts, YAML_LIST, .each = profile_add_script, .keys = profile_script_keys),
	KEY(struct profile, units, YAML_MAP, .keys = units_keys),
	KEY(struct profile, kernel, YAML_MAP, .keys = kernel_keys),
	KEY(struct profile, overlay, YAML_MAP, .keys = overlay_keys),
	KEY(struct profile, memory, YAML_MAP, .keys = memory_keys),
	KEY(struct profile, squashfs, YAML_MAP, .keys = squashfs_keys),
	{0},
};
