/* The kernel modules of an initramfs, taken from the image's own tree. */
#ifndef IMAGER_MODULES_H
#define IMAGER_MODULES_H

#include "imager/base/err.h"

struct modules_request {
	const char *root;         /* the image's tree */
	const char *release;      /* of its kernel (uname -r) */
	const char *const *extra; /* names, aliases, or folders below kernel/ ("drivers/net/ethernet/intel");
				     NULL-terminated, may be NULL. All must be in the kernel. */
};

/*
 * Copies to usr/lib/modules/RELEASE below `stage` what mounting the image and reaching the network needs:
 * loop, squashfs and overlay (-ENOENT when the kernel has one of them neither as a module nor built in),
 * dm-verity, virtio, the usual servers' network cards as far as this kernel has them, what `extra` adds, all
 * that these depend on, and their firmware as far as the tree has it; then makes the indexes with depmod. The
 * stage must have /lib -> usr/lib. A tree without module indexes gets them too. No link in the tree leads to
 * a file outside it: -EXDEV where the folder of modules itself does.
 */
int modules_stage(const struct modules_request *request, const char *stage, struct err *err);

#endif
