/* What a kernel must be built with to boot an image, by its configuration file. */
#ifndef IMAGER_BOOT_KCONFIG_H
#define IMAGER_BOOT_KCONFIG_H

#include "imager/base/err.h"

/*
 * text: the whole of a config-RELEASE file. 0, or -ENOTSUP with the first option that is missing and why it
 * is needed. Only what no module can bring later is looked at; modules are modules.h's.
 */
int kconfig_check(const char *text, const char *release, struct err *err);

#endif
