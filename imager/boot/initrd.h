/*
 * The initramfs: what a node has before its image is there, as a cpio archive compressed by zstd.
 * imager/boot/initrd.c writes it, initramfs/ reads it.
 *
 *   /init                        the agent
 *   /usr/lib*, /usr/lib64        its loader and libraries, at their usual paths
 *   /usr/lib/modules/RELEASE     kernel modules (modules.h) with depmod's indexes; /usr/lib/firmware
 *   /etc/swarmboot/keys          the trusted public keys
 *   /etc/swarmboot/agent.json    {"profile": ..., "arch": "amd64", "kernel": RELEASE}
 *   /dev/console                 and the empty folders dev newroot proc root run sys
 *   /bin /lib /lib64 /sbin       links into /usr
 *   /usr/sbin/modprobe           the agent, for the kernel's own requests
 */
#ifndef IMAGER_BOOT_INITRD_H
#define IMAGER_BOOT_INITRD_H

#include "imager/boot/bootfiles.h"

/*
 * Makes OUTDIR/initramfs for kernel `release` of the tree `root`: staged in a folder below outdir that is
 * gone afterwards. The same inputs give the same bytes, and what the cache holds of them (kind "initramfs")
 * is not compressed again. On failure there is no OUTDIR/initramfs.
 */
int initrd_write(const char *root, const char *outdir, const char *release,
	const struct bootfiles_options *options, struct err *err);

#endif
