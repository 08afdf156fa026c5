/* What the running system is given: units that seed on and report, from files of the agent alone. */
#ifndef INITRAMFS_HANDOVER_H
#define INITRAMFS_HANDOVER_H

#include "imager/base/err.h"
#include "initramfs/role.h"

struct handover {
	const char *units;       /* "/run/systemd/system" */
	const char *bundle;      /* folder of the bundle */
	const char *loader;      /* file name of the loader in it */
	const char *mount;       /* the agent's tmpfs, which travels: "/run/swarmboot" */
	const char *node, *mac;  /* who asks how it may seed */
	const char *address;     /* the node's own */
	const struct role *seed; /* what the seed role is started with */
};

/*
 * Writes swarmboot-seed.service, swarmboot-policy.service and swarmboot-up.service, wanted by
 * multi-user.target, and the unit of the tmpfs, which a shutdown is not to unmount (the root's loop device is
 * on a file in it). -EINVAL for a seeder's URL that a unit cannot carry.
 */
int handover_write(const struct handover *h, struct err *err);

#endif
