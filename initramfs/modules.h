/* Kernel modules for the devices that are there, by libkmod: modalias of every device, again and again. */
#ifndef INITRAMFS_MODULES_H
#define INITRAMFS_MODULES_H

#include "imager/base/err.h"

/*
 * Loads what the modaliases below /sys/devices name, until nothing new appears (a bus driver brings new
 * devices), then the file systems of the boot by name. A module that is missing is taken to be built in; one
 * that does not load is logged. Cheap to call again when a device is awaited. -errno only when libkmod itself
 * cannot start.
 */
int modules_load(struct err *err);

/*
 * Loads one module by its name or an alias: the kernel's own request (request_module; mlx4_core asks for
 * mlx4_en so). One that is not there is no failure. -errno only when libkmod itself cannot start.
 */
int modules_request(const char *alias, struct err *err);

#endif
