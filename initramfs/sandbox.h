/* What the fetch and the seed role lock themselves into before they speak to a peer. */
#ifndef INITRAMFS_SANDBOX_H
#define INITRAMFS_SANDBOX_H

#include "imager/base/err.h"

/* User and group. Out of the ranges that distributions and systemd give away (systemd.io/UIDS-GIDS): after
 * the switch the seed role runs beside whatever users the image has. */
#define SANDBOX_ID 61000

/*
 * root becomes the file system (NULL, or not being root: stays as it is); no capabilities (bounding set
 * included), own user and group when we are root, no new privileges, no core files, and a system call filter
 * that kills the process for what neither role ever does: mounts, other identities, ptrace, modules, kexec,
 * reboot, bpf, namespaces, keys, new processes, exec. Cannot be undone. -errno.
 */
int sandbox_enter(const char *root, struct err *err);

#endif
