/*
 * A small image tree with a real Debian kernel: a few of its modules, so that tests are quick. The whole
 * package comes from tests/kernel-tree.
 */
#ifndef TESTS_KERNELTREE_H
#define TESTS_KERNELTREE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/base/proc.h"

/* Copied with their folders from lib/modules/RELEASE. */
static const char *const kernel_files[] = {
	"modules.order",
	"modules.builtin",
	"modules.builtin.modinfo",
	"kernel/drivers/block/loop.ko",
	"kernel/fs/squashfs/squashfs.ko",
	"kernel/fs/overlayfs/overlay.ko",
	"kernel/fs/isofs/isofs.ko",
	"kernel/fs/jbd2/jbd2.ko",
	"kernel/crypto/crc32c_generic.ko",
	"kernel/drivers/virtio",
	"kernel/drivers/net/virtio_net.ko",
	"kernel/drivers/net/net_failover.ko",
	"kernel/net/core/failover.ko",
	"kernel/drivers/net/ethernet/realtek",
	"kernel/drivers/net/mii.ko",
	"kernel/drivers/net/phy/libphy.ko",
	"kernel/drivers/net/phy/mdio_devres.ko",
	"kernel/drivers/net/phy/realtek.ko",
};

static inline void run_or_fail(const char *const argv[])
{
	struct err err = {0};

	if (proc_run(argv, NULL, &err) < 0)
		fail_msg("%s", err.text);
}

static inline void put_file(const char *root, const char *name, const char *text)
{
	_cleanup_free_ char *path = path_join(root, name), *folder = strdup(path);
	const struct file_content content = {.data = text, .len = strlen(text), .mode = 0644};

	*strrchr(folder, '/') = '\0';
	assert_int_equal(mkdir_p(folder, NULL), 0);
	assert_int_equal(write_file(path, &content, NULL), 0);
}

/* The unpacked package and its kernel's release. */
static inline void kernel_package(const char **ret_path, const char **ret_release)
{
	const char *const argv[] = {"tests/kernel-tree", NULL};
	static char path[PATH_MAX]; /* the answer does not change */
	_cleanup_free_ char *text = NULL;
	struct err err = {0};

	if (!*path) {
		if (proc_capture(argv, sizeof(path), &text, &err) < 0)
			fail_msg("%s", err.text);
		(void)snprintf(path, sizeof(path), "%.*s", (int)strcspn(text, "\n"), text);
	}
	*ret_path = path;
	*ret_release = strstr(path, "linux-image-") + strlen("linux-image-");
}

/* boot/vmlinuz-RELEASE, its configuration, the modules; /lib is usr/lib. */
static inline void make_kernel_tree(const char *root, const char **ret_release)
{
	const char *package;
	_cleanup_free_ char *modules = NULL, *from = NULL, *boot = NULL, *lib = path_join(root, "lib");
	const char *copy[ARRAY_SIZE(kernel_files) + 8] = {"env", "-C", NULL, "cp", "-a", "--parents"};

	kernel_package(&package, ret_release);
	assert_true(asprintf(&modules, "%s/usr/lib/modules/%s", root, *ret_release) > 0);
	assert_true(asprintf(&from, "%s/lib/modules/%s", package, *ret_release) > 0);
	assert_true(asprintf(&boot, "%s/boot", package) > 0);
	assert_int_equal(mkdir_p(modules, NULL), 0);
	assert_int_equal(symlink("usr/lib", lib), 0);
	copy[2] = from;
	memcpy(copy + 6, kernel_files, sizeof(kernel_files));
	copy[6 + ARRAY_SIZE(kernel_files)] = modules;
	run_or_fail(copy);
	run_or_fail((const char *const[]){"cp", "-a", boot, root, NULL});
}

#endif
