/*
 * DHCP and TFTP: dnsmasq, configured by us, run as our child, watched, started again when it ends, ended with
 * us. It answers no DNS.
 */
#ifndef SEEDER_DNSMASQ_H
#define SEEDER_DNSMASQ_H

#include "imager/base/buf.h"
#include "imager/base/err.h"
#include "imager/base/loop.h"
#include "seeder/cluster.h"

struct dnsmasq_options {
	const char *state; /* folder for its leases, its pid and the TFTP files */
	int as_root;       /* its own user could not read the TFTP files */
};

/* Appends dnsmasq's configuration (dnsmasq(8)) for the cluster; pure. 0 or -ENOMEM. */
int dnsmasq_config(const struct cluster *c, const struct dnsmasq_options *options, struct buf *ret);

struct dnsmasq;

/*
 * Puts the boot loaders into STATE/tftp and the configuration into STATE/dnsmasq.conf, has dnsmasq check it,
 * and starts it on the loop. Interfaces that are missing, or a wrong configuration, are a sentence.
 */
int dnsmasq_start(struct loop *loop, const struct cluster *c, struct dnsmasq **ret, struct err *err);
/* A new cluster: nothing happens when the configuration stays the same, else dnsmasq is started anew. On
 * failure it goes on with the old one. */
int dnsmasq_reload(struct dnsmasq *d, const struct cluster *c, struct err *err);
/* Ends the child and waits for it. Takes NULL. */
void dnsmasq_stop(struct dnsmasq *d);

#endif
