/* enter: a proved image -> the running system's root. */
#ifndef INITRAMFS_ROOT_H
#define INITRAMFS_ROOT_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "imager/base/err.h"

struct root_plan {
	int image_fd;           /* read-only, proved; stays the caller's */
	uint64_t overlay_bytes; /* cap of the tmpfs above the image */
	const char *work;       /* folder for mount points that are needed for a moment only */
	const char *where;      /* the new root */
};

/*
 * Loop device on that very descriptor (LOOP_CONFIGURE, read-only, goes away with its last user), squashfs,
 * overlay with a capped tmpfs. Only the overlay stays visible, at `where`. On failure nothing stays mounted.
 */
int root_mount(const struct root_plan *plan, struct err *err);

/* The new root has /proc, /sys, /dev, /run and an init. -ENOENT with the list of what is missing. */
int root_check(const char *where, struct err *err);

/* Sets the host's name, and the new root's /etc/hostname with it. */
int root_name_host(const char *where, const char *name, struct err *err);

/*
 * Writes the new root's /etc/resolv.conf: one nameserver line for each up to the first 0.0.0.0. Nothing is
 * done without any, and where the image has a link there, as then a resolver of its own writes that file.
 */
int root_name_servers(const char *where, const struct in_addr servers[], size_t count, struct err *err);

/* Takes a root mounted by root_mount away again. */
void root_drop(const char *where);

/*
 * Moves /proc, /sys, /dev, /run into `where`, removes the initramfs' files (the memory they take), makes
 * `where` the root and runs its /sbin/init. Returns only on failure; past the first move there is no way back
 * but a reboot.
 */
int root_switch(const char *where, struct err *err);

#endif
