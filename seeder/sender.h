/*
 * Who may speak for a node, and where a node is. Nothing on a boot network proves who a sender is but its
 * address, which only root on a host can choose: so the cluster file's addresses count, and for nodes without
 * one the place where they booted. Pure but for the node table's index of places. Under httpd_lock.
 */
#ifndef SEEDER_SENDER_H
#define SEEDER_SENDER_H

#include <netinet/in.h>

#include "seeder/status.h"

struct sender {
	const struct cluster *cluster;
	struct status *status;
	struct in_addr from;
};

/* Whether it is on this host: a connection that has one of our own addresses at its other end was made here.
 */
int sender_is_here(const struct sender *s);

/* Whether it may report for the node: -EPERM with a sentence from the address that the cluster file gives to
 * another one. */
int sender_check_report(const struct sender *s, const struct cluster_node *node, struct err *err);

/* Whether it may ask how the node is to seed: from the node's own address by the cluster file, else from
 * where it is known to be, else from where nobody is; and from this host. -EPERM with a sentence. */
int sender_check_ask(const struct sender *s, const struct cluster_node *node, struct err *err);

/* The node is where the request came from: it boots there. Nothing changes for one whose address the cluster
 * file gives, nor by a request from this host or from the address of another one. `mac` may be that of no
 * node. */
void sender_boots(const struct sender *s, const char *mac);
/* The same for one that is up or is booting: only when nothing is known of it. */
void sender_found(const struct sender *s, const char *mac);

#endif
