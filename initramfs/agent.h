/*
 * The agent as PID 1: what its steps share. A step is `int f(struct agent *, struct err *)`; main.c holds
 * their table. Everything that travels to the new root lives below AGENT_RUN, a tmpfs of its own.
 */
#ifndef INITRAMFS_AGENT_H
#define INITRAMFS_AGENT_H

#include <stdint.h>
#include <sys/types.h>

#include "imager/base/buf.h"
#include "imager/base/err.h"
#include "imager/format/release.h"
#include "initramfs/memory.h"
#include "initramfs/report.h"
#include "initramfs/verify.h"
#include "seeder/wire/bootargs.h"

#define AGENT_RUN     "/run/swarmboot"
#define AGENT_IMAGES  AGENT_RUN "/image"
#define AGENT_TORRENT AGENT_RUN "/image.torrent"
#define AGENT_BUNDLE  AGENT_RUN "/bundle"
#define AGENT_REPORT  AGENT_RUN "/report.json"
#define AGENT_PID     AGENT_RUN "/seed.pid"
#define AGENT_SEED    AGENT_RUN "/seed" /* seedfolder.h */
#define AGENT_NEWROOT "/newroot"
#define AGENT_PORT    6881 /* BitTorrent, of the fetch and the seed role */

struct agent {
	struct bootargs args;
	struct identity identity; /* what the initramfs was made for, and whom it trusts */
	struct reporter reporter;
	struct release release; /* only ever a verified one */
	struct memory_plan memory;
	char image[128];      /* path of the image file below AGENT_IMAGES */
	char listen[32];      /* "A.B.C.D:PORT" of fetch and seed role: the node's own address */
	int image_fd;         /* the one read-only descriptor that was proved; -1 before */
	pid_t seeder;         /* the seed role started before the switch; 0: none */
	uint64_t deadline_ms; /* when the running step must have ended (monotonic_ms) */
};

#endif
