/*
 * What a node is told on its kernel command line, made by the seeder and read by the agent. All keys are
 * "swarmboot.KEY=VALUE"; the address is the kernel's own "ip=" (Documentation/admin-guide/nfs/nfsroot.rst):
 *   ip=CLIENT::GATEWAY:NETMASK:HOSTNAME:DEVICE:off:DNS0:DNS1  (SERVER empty; "ip=dhcp" asks DHCP)
 */
#ifndef WIRE_BOOTARGS_H
#define WIRE_BOOTARGS_H

#include <netinet/in.h>
#include <stddef.h>

#include "imager/base/buf.h"
#include "imager/base/err.h"
#include "imager/base/parse.h"
#include "imager/format/digest.h"

#define BOOTARGS_SEEDERS_MAX 4
#define BOOTARGS_URL_SIZE    128
#define BOOTARGS_DNS_MAX     2 /* as many as "ip=" has room for */

struct bootargs {
	char node[64];           /* swarmboot.node */
	char mac[MAC_TEXT_SIZE]; /* swarmboot.mac: the link that booted */
	struct digest release;   /* swarmboot.release: digest of the release manifest */
	char seeders[BOOTARGS_SEEDERS_MAX]
		    [BOOTARGS_URL_SIZE]; /* swarmboot.seeder: base URLs "http://A.B.C.D:PORT" */
	size_t seeder_count;
	int has_address;                          /* else DHCP */
	struct in_addr address, gateway, netmask; /* gateway 0.0.0.0: none */
	struct in_addr dns[BOOTARGS_DNS_MAX];     /* name servers; 0.0.0.0: none */
	int debug;                                /* swarmboot.debug=1: agent logs at debug level */
};

/* Appends the arguments (no newline). 0 or -ENOMEM. */
int bootargs_format(const struct bootargs *a, struct buf *ret);
/* Reads a whole /proc/cmdline; other words are passed over. -EINVAL names the word that is wrong or missing.
 */
int bootargs_parse(const char *cmdline, struct bootargs *ret, struct err *err);

#endif
