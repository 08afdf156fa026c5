/* Owns the way from the proved image's descriptor to the system's init. Decides nothing about trust. */
#include "initramfs/root.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <linux/loop.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "imager/base/buf.h"
#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/base/proc.h"
#include "initramfs/mounts.h"

#define LOOP_TRIES 16
#define PATH_SIZE  160

DEFINE_CLEANUP(FTS *, fts_close)
#define _cleanup_fts_ _cleanup_(fts_close_p)

struct loop_device {
	int fd;
	char path[32];
};

/* Another process may take the free one first, hence the tries. */
static int attach(int control, int image_fd, struct loop_device *ret)
{
	const struct loop_config config = {
		.fd = (uint32_t)image_fd,
		.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR,
	};
	_cleanup_close_ int fd = -1;
	int number = ioctl(control, LOOP_CTL_GET_FREE);

	if (number < 0)
		return -errno;
	(void)snprintf(ret->path, sizeof(ret->path), "/dev/loop%d", number);
	fd = open(ret->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, LOOP_CONFIGURE, &config) < 0)
		return -errno;
	ret->fd = TAKE_FD(fd);
	return 0;
}

static int attach_loop(int image_fd, struct loop_device *ret, struct err *err)
{
	_cleanup_close_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int r = -EBUSY;

	if (control < 0)
		return err_path(err, errno, "/dev/loop-control");
	for (int i = 0; i < LOOP_TRIES && r == -EBUSY; i++)
		r = attach(control, image_fd, ret);
	return r < 0 ? err_set(err, -r, "cannot make a loop device of the image: %s", strerror(-r)) : 0;
}

/* Where the parts of the overlay are for as long as it is being mounted. */
struct parts {
	char lower[PATH_SIZE], above[PATH_SIZE], upper[PATH_SIZE], work[PATH_SIZE];
};

static void name_parts(const char *work, struct parts *p)
{
	(void)snprintf(p->lower, sizeof(p->lower), "%s/lower", work);
	(void)snprintf(p->above, sizeof(p->above), "%s/above", work);
	(void)snprintf(p->upper, sizeof(p->upper), "%s/above/upper", work);
	(void)snprintf(p->work, sizeof(p->work), "%s/above/work", work);
}

static int mount_lower(int image_fd, const struct parts *p, struct err *err)
{
	struct loop_device loop = {.fd = -1};
	int r = attach_loop(image_fd, &loop, err);

	if (r < 0)
		return r;
	r = mount_one(&(struct mount_plan){loop.path, p->lower, "squashfs", MS_RDONLY, NULL}, err);
	/* From here on the mount alone holds the device. */
	(void)close(loop.fd);
	return r;
}

static int mount_above(uint64_t bytes, const struct parts *p, struct err *err)
{
	char options[64];
	int r;

	(void)snprintf(options, sizeof(options), "mode=0755,size=%llu", (unsigned long long)bytes);
	r = mount_one(&(struct mount_plan){"overlay", p->above, "tmpfs", 0, options}, err);
	if (r == 0)
		r = mkdir_p(p->upper, err);
	if (r == 0)
		r = mkdir_p(p->work, err);
	return r;
}

static int mount_overlay(const char *where, const struct parts *p, struct err *err)
{
	char options[4 * PATH_SIZE];

	(void)snprintf(
		options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", p->lower, p->upper, p->work);
	return mount_one(&(struct mount_plan){"swarmboot", where, "overlay", 0, options}, err);
}

int root_mount(const struct root_plan *plan, struct err *err)
{
	struct parts parts;
	int r;

	name_parts(plan->work, &parts);
	r = mount_lower(plan->image_fd, &parts, err);
	if (r == 0)
		r = mount_above(plan->overlay_bytes, &parts, err);
	if (r == 0)
		r = mount_overlay(plan->where, &parts, err);
	/* The overlay holds both by itself. Out of sight they hinder no shutdown. */
	mount_drop(parts.above);
	mount_drop(parts.lower);
	(void)rmdir(parts.above);
	(void)rmdir(parts.lower);
	return r;
}

void root_drop(const char *where)
{
	mount_drop(where);
}

/* Symbolic links of the new root mean places in the new root. */
static int open_inside(int root, const char *path, uint64_t flags)
{
	struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};

	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

static int is_inside(int root, const char *path, mode_t kind)
{
	_cleanup_close_ int fd = open_inside(root, path, O_PATH);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == kind;
}

int root_check(const char *where, struct err *err)
{
	static const struct {
		const char *path;
		mode_t kind;
	} wanted[] = {{"proc", S_IFDIR}, {"sys", S_IFDIR}, {"dev", S_IFDIR}, {"run", S_IFDIR},
		{"sbin/init", S_IFREG}};
	_cleanup_close_ int root = open(where, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_buf_ struct buf missing = {0};

	if (root < 0)
		return err_path(err, errno, where);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		if (!is_inside(root, wanted[i].path, wanted[i].kind) &&
			buf_printf(&missing, "%s/%s", missing.len ? ", " : "", wanted[i].path) < 0)
			return err_oom(err, "the list of what the image misses");
	return missing.len ? err_set(err, ENOENT, "the image has no %s", missing.data) : 0;
}

/* A file of the new root's /etc, in place of the one there. */
static int replace_etc(int etc, const char *name, const char *text, struct err *err)
{
	_cleanup_close_ int file = -1;

	if (unlinkat(etc, name, 0) < 0 && errno != ENOENT)
		return err_set(err, errno, "/etc/%s: %s", name, strerror(errno));
	file = openat(etc, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (file < 0 || dprintf(file, "%s", text) < 0)
		return err_set(err, errno, "/etc/%s: %s", name, strerror(errno));
	return 0;
}

static int open_etc(const char *where, struct err *err)
{
	_cleanup_close_ int root = open(where, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int etc = root < 0 ? -1 : open_inside(root, "etc", O_PATH | O_DIRECTORY);

	return etc < 0 ? err_set(err, errno, "%s/etc: %s", where, strerror(errno)) : etc;
}

int root_name_host(const char *where, const char *name, struct err *err)
{
	_cleanup_close_ int etc = -1;
	_cleanup_free_ char *line = NULL;

	if (sethostname(name, strlen(name)) < 0)
		return err_set(err, errno, "cannot set the host name: %s", strerror(errno));
	if (asprintf(&line, "%s\n", name) < 0)
		return err_oom(err, name);
	etc = open_etc(where, err);
	return etc < 0 ? etc : replace_etc(etc, "hostname", line, err);
}

int root_name_servers(const char *where, const struct in_addr servers[], size_t count, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};
	_cleanup_close_ int etc = -1;
	char address[INET_ADDRSTRLEN];
	struct stat st;

	for (size_t i = 0; i < count && servers[i].s_addr != INADDR_ANY; i++)
		if (!inet_ntop(AF_INET, &servers[i], address, sizeof(address)) ||
			buf_printf(&text, "nameserver %s\n", address) < 0)
			return err_oom(err, "name servers");
	if (!text.len)
		return 0;
	etc = open_etc(where, err);
	if (etc < 0)
		return etc;
	if (fstatat(etc, "resolv.conf", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
		return 0;
	return replace_etc(etc, "resolv.conf", text.data, err);
}

/* Removes what is on the root file system itself, the running programs' files included; their pages stay
 * until they end. Nothing below another mount is touched. */
static void empty_root(void)
{
	char *const roots[] = {(char[]){"/"}, NULL};
	_cleanup_fts_ FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	struct stat root;

	if (!walk || stat("/", &root) < 0)
		return;
	for (FTSENT *e; (e = fts_read(walk));) {
		if (e->fts_level == 0 || e->fts_info == FTS_D || e->fts_statp->st_dev != root.st_dev)
			continue;
		(void)remove(e->fts_accpath);
	}
}

static int move_mounts(const char *where, struct err *err)
{
	static const char *const moved[] = {"/proc", "/sys", "/dev", "/run"};
	char target[PATH_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(moved); i++) {
		(void)snprintf(target, sizeof(target), "%s%s", where, moved[i]);
		if (mount(moved[i], target, NULL, MS_MOVE, NULL) < 0)
			return err_set(
				err, errno, "cannot move %s to the new root: %s", moved[i], strerror(errno));
	}
	return 0;
}

int root_switch(const char *where, struct err *err)
{
	char *const argv[] = {(char[]){"/sbin/init"}, NULL};
	int r = move_mounts(where, err);

	if (r < 0)
		return r;
	if (chdir(where) < 0)
		return err_path(err, errno, where);
	empty_root();
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return err_set(err, errno, "cannot switch to the new root: %s", strerror(errno));
	/* The system's init starts with nothing blocked or ignored by us. */
	proc_reset_signals();
	(void)alarm(0); /* it would go on through exec */
	(void)execv(argv[0], argv);
	return err_set(err, errno, "cannot run the system's /sbin/init: %s", strerror(errno));
}
