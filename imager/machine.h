/* This machine, as far as images depend on it. */
#ifndef IMAGER_MACHINE_H
#define IMAGER_MACHINE_H

/* Its architecture in Debian's words, which are also those of container images: "amd64", "arm64". */
const char *machine_arch(void);

#endif
