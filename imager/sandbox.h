/*
 * Programs that work on a tree run here: in mount, PID, IPC and UTS namespaces of their own, so that nothing
 * they start or mount outlives them, however they or we end. With a root they have that tree alone as "/",
 * with /proc, /dev, /run and /tmp of their own and a clean environment, no network, and of root's
 * capabilities those that installing software takes. The same for root of a user namespace (userns.h).
 */
#ifndef IMAGER_SANDBOX_H
#define IMAGER_SANDBOX_H

#include "imager/base/err.h"
#include "imager/base/proc.h"

/*
 * root: the tree; NULL to keep this machine's "/", network and, of the environment, what fetching takes:
 * proxies, credentials, certificates. opts->enter is ours; else as proc_run.
 */
int sandbox_run(const char *root, const char *const argv[], const struct proc_opts *opts, struct err *err);

/* In a tree, with this machine's network: over its /etc/resolv.conf, if that is a file, lies this machine's.
 */
int sandbox_run_networked(
	const char *root, const char *const argv[], const struct proc_opts *opts, struct err *err);

/*
 * The calling process gets a mount namespace whose mounts are its own from here on; and it is tried that the
 * namespaces of sandbox_run can be had. Before any thread. 0 or -errno.
 */
int sandbox_private_mounts(struct err *err);

#endif
