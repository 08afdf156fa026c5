/*
 * Owns the namespaces and mounts around programs that work on a tree. The programs themselves are run by
 * imager/base/proc.c. All of it works for root of a user namespace too (userns.c), who cannot make device
 * nodes: those are this machine's, bound into place.
 */
#include "imager/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "imager/base/cleanup.h"

#define RESOLV_CONF "/etc/resolv.conf"

/* Done inside the new root, in this order; a tree that lacks the folder goes without. */
static const struct mount_row {
	const char *target, *type, *data;
	unsigned long flags;
} mount_rows[] = {
	{"/proc", "proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC},
	{"/dev", "tmpfs", "mode=0755,size=1m", MS_NOSUID | MS_NOEXEC},
	{"/run", "tmpfs", "mode=0755", MS_NOSUID | MS_NODEV},
	{"/tmp", "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV},
};

/* What of this machine is seen inside, at the same path: picked up before the root changes. */
static const struct bound_row {
	const char *path;
	int is_resolver; /* with the network alone, and put over a file that is there */
} bound_rows[] = {
	{"/dev/null", 0},
	{"/dev/zero", 0},
	{"/dev/full", 0},
	{"/dev/random", 0},
	{"/dev/urandom", 0},
	{RESOLV_CONF, 1},
};

static const char *const dev_links[][2] = {
	{"/proc/self/fd", "/dev/fd"},
	{"fd/0", "/dev/stdin"},
	{"fd/1", "/dev/stdout"},
	{"fd/2", "/dev/stderr"},
};

/* One run's surroundings. */
struct room {
	const char *root; /* NULL: this machine's own */
	int network;      /* with a root: this machine's is there */
	int bound[ARRAY_SIZE(bound_rows)];
};

/* What was being done goes up the pipe of the child's output: proc.c puts it into the sentence. */
static int fault(const char *what)
{
	int code = errno;

	(void)dprintf(STDERR_FILENO, "%s\n", what);
	errno = code;
	return -1;
}

/* Detached copies of single mounts: they outlive the change of root. */
static int pick_up(struct room *room)
{
	for (size_t i = 0; i < ARRAY_SIZE(bound_rows); i++) {
		const struct bound_row *b = &bound_rows[i];

		room->bound[i] = -1;
		if (b->is_resolver && !room->network)
			continue;
		room->bound[i] = open_tree(AT_FDCWD, b->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (room->bound[i] < 0 && errno != ENOENT)
			return fault(b->path);
	}
	return 0;
}

/* The resolver's file is put there by tree.c for the time being. */
static int put_down(const struct room *room)
{
	for (size_t i = 0; i < ARRAY_SIZE(bound_rows); i++) {
		const struct bound_row *b = &bound_rows[i];
		_cleanup_close_ int target = -1;

		if (room->bound[i] < 0)
			continue;
		target = open(b->path, b->is_resolver ? O_PATH | O_NOFOLLOW | O_CLOEXEC : O_CREAT | O_CLOEXEC,
			0666);
		if (target < 0 && errno == ENOENT)
			continue;
		if (target < 0 || move_mount(room->bound[i], "", target, "",
					  MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
			return fault(b->path);
		(void)close(room->bound[i]);
	}
	return 0;
}

/* Nobody can where a container hides parts of /sys; it is done without then. */
static int mount_sys(void)
{
	int r = mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL);

	return r < 0 && errno != ENOENT && errno != EPERM ? -1 : 0;
}

/*
 * sysfs shows the network of who mounts it, who must have made that. So with this machine's network a process
 * of its own does it, and its network is held open for as long as the script runs: what of it is seen would
 * else go in the middle.
 */
static int mount_sys_elsewhere(void)
{
	int status = 0;
	char path[48];
	pid_t pid = fork();

	if (pid == 0) {
		if (unshare(CLONE_NEWNET) < 0 || mount_sys() < 0)
			_exit(errno);
		(void)raise(SIGSTOP);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, WUNTRACED) < 0)
		return -1;
	errno = WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
	if (!WIFSTOPPED(status))
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	(void)open(path, O_RDONLY); /* without /proc in the tree there is none to hold, nor anything to see */
	(void)kill(pid, SIGKILL);
	return waitpid(pid, NULL, 0) < 0 ? -1 : 0;
}

static int furnish(const struct room *room)
{
	for (size_t i = 0; i < ARRAY_SIZE(mount_rows); i++) {
		const struct mount_row *m = &mount_rows[i];

		if (mount(m->type, m->target, m->type, m->flags, m->data) < 0 && errno != ENOENT)
			return fault(m->target);
	}
	if ((room->network ? mount_sys_elsewhere() : mount_sys()) < 0)
		return fault("/sys");
	if (put_down(room) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(dev_links); i++)
		if (symlink(dev_links[i][0], dev_links[i][1]) < 0 && errno != ENOENT)
			return fault(dev_links[i][1]);
	return 0;
}

/* ---- the environment ---- */

/* What this machine's programs that fetch things are left of it: ways through proxies, and where the user has
 * his keys and temporary files. */
static const char *const kept_variables[] = {"http_proxy", "https_proxy", "ftp_proxy", "all_proxy",
	"no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY", "HOME", "TMPDIR",
	"XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "SSL_CERT_FILE",
	"SSL_CERT_DIR", "CURL_CA_BUNDLE"};

#define SYSTEM_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char *const fixed_variables[][2] = {
	{"PATH", SYSTEM_PATH},
	{"HOME", "/root"},
	{"LC_ALL", "C.UTF-8"},
	{"DEBIAN_FRONTEND", "noninteractive"},
	{"SYSTEMD_OFFLINE", "1"},
};

struct variables {
	char *kept[ARRAY_SIZE(kept_variables)];
	char *path;
};

/* Programs are found where the caller finds them; an ordinary user's PATH lacks the sbin folders. */
static int save_variables(struct variables *v)
{
	const char *path = getenv("PATH");

	for (size_t i = 0; i < ARRAY_SIZE(kept_variables); i++) {
		const char *value = getenv(kept_variables[i]);

		v->kept[i] = value ? strdup(value) : NULL;
		if (value && !v->kept[i])
			return -1;
	}
	return asprintf(&v->path, "%s%s%s", path ? path : "", path ? ":" : "", SYSTEM_PATH);
}

/* In the child, before exec: nothing is freed. */
static int clean_environment(int is_inside)
{
	struct variables v = {0};

	if (save_variables(&v) < 0 || clearenv() != 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(fixed_variables); i++)
		if (setenv(fixed_variables[i][0], fixed_variables[i][1], 1) < 0)
			return -1;
	if (is_inside)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(kept_variables); i++)
		if (v.kept[i] && setenv(kept_variables[i], v.kept[i], 1) < 0)
			return -1;
	return setenv("PATH", v.path, 1);
}

/* ---- going in ---- */

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

/*
 * The old root is gone afterwards, where chroot(2) would leave it one chroot away: pivot_root(2), NOTES.
 * Until the end it is there below "." alone: in a user namespace /proc and /sys can only be mounted while the
 * old ones are seen (mount_namespaces(7)).
 */
static int change_root(const struct room *room)
{
	if (mount(room->root, room->root, NULL, MS_BIND | MS_REC, NULL) < 0 || chdir(room->root) < 0 ||
		syscall(SYS_pivot_root, ".", ".") < 0)
		return fault(room->root);
	if (furnish(room) < 0)
		return -1;
	return umount2(".", MNT_DETACH) < 0 || chdir("/") < 0 ? fault("the old root") : 0;
}

static int enter_tree(struct room *room)
{
	if (setgroups(0, NULL) < 0)
		return fault("setgroups");
	if (sethostname("localhost", strlen("localhost")) < 0)
		return fault("sethostname");
	if (pick_up(room) < 0 || change_root(room) < 0)
		return -1;
	return drop_rights() < 0 ? fault("capabilities") : 0;
}

static int enter(void *arg)
{
	struct room *room = arg;
	int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
		    (room->root && !room->network ? CLONE_NEWNET : 0);
	pid_t child;

	if (unshare(flags) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return fault("namespaces");
	child = fork();
	if (child < 0)
		return -1;
	if (child > 0)
		mind(child);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (room->root && enter_tree(room) < 0)
		return -1;
	if (!room->root && mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return fault("/proc");
	return clean_environment(room->root != NULL);
}

static int run(struct room *room, const char *const argv[], const struct proc_opts *opts, struct err *err)
{
	struct proc_opts inside = opts ? *opts : (struct proc_opts){0};

	inside.enter = enter;
	inside.enter_arg = room;
	return proc_run(argv, &inside, err);
}

int sandbox_run(const char *root, const char *const argv[], const struct proc_opts *opts, struct err *err)
{
	return run(&(struct room){.root = root}, argv, opts, err);
}

int sandbox_run_networked(
	const char *root, const char *const argv[], const struct proc_opts *opts, struct err *err)
{
	return run(&(struct room){.root = root, .network = 1}, argv, opts, err);
}

int sandbox_private_mounts(struct err *err)
{
	static const char *const argv[] = {"true", NULL};
	static const char hint[] = "a build needs namespaces of its own, and a container that gives them";

	if (unshare(CLONE_NEWNS) < 0)
		return err_set(err, errno, "%s: a mount namespace: %s", hint, strerror(errno));
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_set(err, errno, "cannot make the mounts private: %s", strerror(errno));
	return sandbox_run(NULL, argv, NULL, err) < 0 ? err_prefix(err, "%s", hint) : 0;
}
