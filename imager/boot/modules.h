/* The kernel modules of an initramfs, taken from the image's own tree. */
#ifndef IMAGER_BOOT_MODULES_H
#define IMAGER_BOOT_MODULES_H

#include "imager/base/err.h"
#include "imager/format/yaml.h"

struct modules_request {
	const char *root;    /* the image's tree */
	const char *release; /* of its kernel (uname -r) */
	/* Each may be NULL: none. All that they name must be there. */
	const struct yaml_strings *modules;  /* names, aliases, or folders below kernel/
						("drivers/net/ethernet/intel") */
	const struct yaml_strings *nics;     /* the only network drivers; none: the usual servers' */
	const struct yaml_strings *firmware; /* patterns below /usr/lib/firmware (firmware.h) */
	const struct yaml_node *place;       /* of the profile that named them, for faults; may be NULL */
};

/*
 * Copies to usr/lib/modules/RELEASE below `stage` what mounting the image and reaching the network needs:
 * loop, squashfs and overlay (-ENOENT when the kernel has one of them neither as a module nor built in),
 * dm-verity, virtio, the network cards' drivers as far as this kernel has them, what the request adds
 * (-EINVAL with the profile's place when something it names is not there), all that these depend on, and
 * their firmware as far as the tree has it; then makes the indexes that libkmod reads with depmod. Compressed
 * modules are unpacked: any kernel loads them then, and the archive around them is compressed better.
 *
 * The stage must have /lib -> usr/lib. A tree without module indexes gets them too. No link in the tree leads
 * to a file outside it: -EXDEV where the folder of modules itself does.
 */
int modules_stage(const struct modules_request *request, const char *stage, struct err *err);

#endif
