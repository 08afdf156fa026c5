/*
 * The initramfs: the agent as /init, its libraries, kernel modules, and what it must know before the network
 * is there. initramfs/ reads it; the layout is described in docs/release.md.
 */
#ifndef IMAGER_INITRD_H
#define IMAGER_INITRD_H

#include "imager/bootfiles.h"

/*
 * Makes OUTDIR/initramfs for kernel `release` of the tree `root`: staged in a folder below outdir that is
 * gone afterwards. The same inputs give the same bytes. On failure there is no OUTDIR/initramfs.
 */
int initrd_write(const char *root, const char *outdir, const char *release,
	const struct bootfiles_options *options, struct err *err);

#endif
