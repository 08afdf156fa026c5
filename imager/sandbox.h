/*
 * Programs that work on a tree run here: in mount, PID, IPC and UTS namespaces of their own, so that nothing
 * they start or mount outlives them, however they or we end. With a root they have that tree alone as "/",
 * with /proc, /dev, /run and /tmp of their own and a clean environment, no network, and of root's
 * capabilities those that installing software takes.
 */
#ifndef IMAGER_SANDBOX_H
#define IMAGER_SANDBOX_H

#include "imager/base/err.h"
#include "imager/base/proc.h"

/* root: the tree, NULL to keep this machine's "/", network and environment. opts->enter is ours; else as
 * proc_run. */
int sandbox_run(const char *root, const char *const argv[], const struct proc_opts *opts, struct err *err);

/* The calling process gets a mount namespace whose mounts are its own from here on. Before any thread. */
int sandbox_private_mounts(struct err *err);

#endif
