/* take boot files: a tree and the agent -> kernel and initramfs. */
#ifndef IMAGER_BOOT_BOOTFILES_H
#define IMAGER_BOOT_BOOTFILES_H

#include <stddef.h>
#include <stdint.h>

#include "imager/base/err.h"
#include "imager/cache/cache.h"
#include "imager/format/release.h"
#include "imager/format/yaml.h"

struct bootfiles_options {
	const char *agent;   /* path of the swarmboot-init program on this host */
	const char *keyring; /* text of the trusted public keys; refused when empty */
	const char *profile; /* its name, for the agent to compare */
	/* As of modules.h; each may be NULL. */
	const struct yaml_strings *modules, *nics, *firmware;
	const struct yaml_node *place;
	uint64_t mtime;      /* SOURCE_DATE_EPOCH */
	struct cache *cache; /* of compressed initramfs; NULL: none */
	unsigned jobs;       /* threads that compress; 0: one per CPU */
};

struct bootfiles {
	char kernel_release[RELEASE_NAME_SIZE];
	char *kernel;    /* path in outdir, "kernel" */
	char *initramfs; /* path in outdir, "initramfs" */
};
void bootfiles_release(struct bootfiles *b);

/*
 * Finds the one kernel of the tree: a folder usr/lib/modules/REL with boot/vmlinuz-REL or
 * usr/lib/modules/REL/vmlinuz (none: -ENOENT, more than one: -EEXIST with their names), refuses it when its
 * configuration lacks what a boot needs (kconfig.h), copies it to outdir, makes the initramfs there
 * (initrd.h; -EINVAL: a fault of the profile's), and empties the tree's boot/ folder with the links of / that
 * lead there. On failure boot/ is as it was; outdir may hold a kernel.
 */
int bootfiles_collect(const char *root, const char *outdir, const struct bootfiles_options *options,
	struct bootfiles *ret, struct err *err);

#endif
