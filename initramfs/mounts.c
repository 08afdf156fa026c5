/* Owns the early mounts. The root's own mounts (loop, squashfs, overlay) are root.c's. */
#include "initramfs/mounts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "initramfs/agent.h"

/*
 * /run as systemd mounts it, which keeps one that is there; no noexec, as the agent runs from it after the
 * switch. The agent's own tmpfs is small until the image's size is known: a tmpfs of most of the memory can
 * be filled until the kernel has nothing left to run on.
 */
static const struct mount_plan early[] = {
	{"proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
	{"sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL},
	{"devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=0755"},
	{"tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV | MS_STRICTATIME,
		"mode=0755,size=20%,nr_inodes=800k"},
	{"swarmboot", AGENT_RUN, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64m"},
};

int mount_one(const struct mount_plan *plan, struct err *err)
{
	int r = mkdir_p(plan->where, err);

	if (r < 0)
		return r;
	if (mount(plan->what, plan->where, plan->type, plan->flags, plan->options) < 0)
		return err_set(
			err, errno, "cannot mount %s on %s: %s", plan->type, plan->where, strerror(errno));
	return 0;
}

static int is_mounted(const char *path)
{
	_cleanup_free_ char *parent = path_join(path, "..");
	struct stat here, above;

	if (!parent || stat(path, &here) < 0 || stat(parent, &above) < 0)
		return 0;
	return here.st_dev != above.st_dev;
}

int mounts_early(struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(early); i++) {
		int r = is_mounted(early[i].where) ? 0 : mount_one(&early[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

int mount_resize(const char *path, uint64_t bytes, struct err *err)
{
	/* Huge pages where the file is large enough to fill them: an eighth less CPU time to fetch, and the
	 * mounted image is read with fewer TLB misses. A kernel may be built without. */
	static const char *const tail[] = {",huge=within_size", ""};
	char options[64];

	for (size_t i = 0; i < ARRAY_SIZE(tail); i++) {
		(void)snprintf(options, sizeof(options), "size=%" PRIu64 "%s", bytes, tail[i]);
		if (mount("none", path, NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV, options) == 0)
			return 0;
	}
	return err_set(err, errno, "cannot set the size of %s: %s", path, strerror(errno));
}

void mount_drop(const char *where)
{
	(void)umount2(where, MNT_DETACH | UMOUNT_NOFOLLOW);
}
