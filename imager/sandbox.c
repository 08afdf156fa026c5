/*
 * Owns the namespaces and mounts around programs that work on a tree. The programs themselves are run by
 * imager/base/proc.c.
 */
#include "imager/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "imager/base/cleanup.h"

/* Done inside the new root, in this order; a tree that lacks the folder goes without. */
static const struct mount_row {
	const char *target, *type, *data;
	unsigned long flags;
} mount_rows[] = {
	{"/proc", "proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC},
	{"/sys", "sysfs", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY},
	{"/dev", "tmpfs", "mode=0755,size=1m", MS_NOSUID | MS_NOEXEC},
	{"/run", "tmpfs", "mode=0755", MS_NOSUID | MS_NODEV},
	{"/tmp", "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV},
};

static const struct device_row {
	const char *path;
	unsigned minor;
} device_rows[] = {
	{"/dev/null", 3},
	{"/dev/zero", 5},
	{"/dev/full", 7},
	{"/dev/random", 8},
	{"/dev/urandom", 9},
};

static const char *const dev_links[][2] = {
	{"/proc/self/fd", "/dev/fd"},
	{"fd/0", "/dev/stdin"},
	{"fd/1", "/dev/stdout"},
	{"fd/2", "/dev/stderr"},
};

static int furnish(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(mount_rows); i++) {
		const struct mount_row *m = &mount_rows[i];

		if (mount(m->type, m->target, m->type, m->flags, m->data) < 0 && errno != ENOENT)
			return -1;
	}
	(void)umask(0);
	for (size_t i = 0; i < ARRAY_SIZE(device_rows); i++)
		if (mknod(device_rows[i].path, S_IFCHR | 0666, makedev(1, device_rows[i].minor)) < 0 &&
			errno != ENOENT)
			return -1;
	for (size_t i = 0; i < ARRAY_SIZE(dev_links); i++)
		if (symlink(dev_links[i][0], dev_links[i][1]) < 0 && errno != ENOENT)
			return -1;
	(void)umask(022);
	return 0;
}

static int clean_environment(void)
{
	static const char *const vars[][2] = {
		{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		{"HOME", "/root"},
		{"LC_ALL", "C.UTF-8"},
		{"DEBIAN_FRONTEND", "noninteractive"},
		{"SYSTEMD_OFFLINE", "1"},
	};

	if (clearenv() != 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(vars); i++)
		if (setenv(vars[i][0], vars[i][1], 1) < 0)
			return -1;
	return 0;
}

/* The process between: it waits for the namespace's first process and ends as that one did. */
static void mind(pid_t child)
{
	int status = 0;

	/* The pipe that reports exec's success must not stay open in here. */
	(void)close_range(3, ~0U, 0);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		_exit(128 + WTERMSIG(status));
	_exit(WEXITSTATUS(status));
}

/* What the installation of software takes; nothing that reaches this machine: devices, modules, mounts. */
static const unsigned kept_rights[] = {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_KILL,
	CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT, CAP_AUDIT_WRITE,
	CAP_SETFCAP};

/* EINVAL: past the last one that this kernel has. */
static int drop_rights(void)
{
	for (unsigned right = 0; right < 64; right++) {
		int keep = 0;

		for (size_t i = 0; i < ARRAY_SIZE(kept_rights); i++)
			keep |= kept_rights[i] == right;
		if (!keep && prctl(PR_CAPBSET_DROP, right, 0, 0, 0) < 0)
			return errno == EINVAL ? 0 : -1;
	}
	return 0;
}

/* The old root is gone afterwards, where chroot(2) would leave it one chroot away: pivot_root(2), NOTES. */
static int change_root(const char *root)
{
	if (mount(root, root, NULL, MS_BIND | MS_REC, NULL) < 0 || chdir(root) < 0)
		return -1;
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0)
		return -1;
	return chdir("/");
}

static int enter(void *arg)
{
	const char *root = arg;
	int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | (root ? CLONE_NEWNET : 0);
	pid_t child;

	if (unshare(flags) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	child = fork();
	if (child < 0)
		return -1;
	if (child > 0)
		mind(child);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!root)
		return mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	if (sethostname("localhost", strlen("localhost")) < 0 || change_root(root) < 0 || furnish() < 0)
		return -1;
	return drop_rights() < 0 ? -1 : clean_environment();
}

int sandbox_run(const char *root, const char *const argv[], const struct proc_opts *opts, struct err *err)
{
	struct proc_opts inside = opts ? *opts : (struct proc_opts){0};

	inside.enter = enter;
	inside.enter_arg = (void *)root;
	return proc_run(argv, &inside, err);
}

int sandbox_private_mounts(struct err *err)
{
	if (unshare(CLONE_NEWNS) < 0)
		return err_set(err, errno, "cannot make a mount namespace%s: %s",
			errno == EPERM ? " (building needs root)" : "", strerror(errno));
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_set(err, errno, "cannot make the mounts private: %s", strerror(errno));
	return 0;
}
