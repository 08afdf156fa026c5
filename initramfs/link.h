/* The node's link: found by its MAC, set up, given its address and route, all by netlink. */
#ifndef INITRAMFS_LINK_H
#define INITRAMFS_LINK_H

#include <netinet/in.h>
#include <stdint.h>

#include "imager/base/err.h"
#include "imager/base/parse.h"

struct link_plan {
	char mac[MAC_TEXT_SIZE];
	struct in_addr address, gateway, netmask; /* gateway 0.0.0.0: no default route */
	uint64_t deadline_ms; /* monotonic; for the link to appear and to have a carrier */
	/* Called about once a second while the link is awaited (it may need a driver); may be NULL. */
	int (*while_waiting)(struct err *err);
};

/*
 * Waits for the link with this MAC (it may be plugged in late), sets it up, waits for its carrier, gives it
 * the address and the route; all of it may be there already. -ENODEV: no such link by the deadline;
 * -ENETDOWN: no carrier by the deadline; else the kernel's answer as a sentence.
 */
int link_configure(const struct link_plan *plan, struct err *err);

/* Prefix length of a netmask: 0..32, or -EINVAL when its bits are not in one piece. */
int netmask_prefix(struct in_addr netmask);

#endif
