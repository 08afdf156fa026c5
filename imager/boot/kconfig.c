/*
 * Owns the table of kernel options that an image cannot boot without. Refusing at build time is cheap; a
 * kernel without one of them fails on every node, some before it can say so.
 */
#include "imager/boot/kconfig.h"

#include <errno.h>
#include <string.h>

#include "imager/base/cleanup.h"

static const struct {
	const char *option, *reason;
} needed[] = {
	{"CONFIG_BLK_DEV_INITRD", "the node starts from an initramfs"},
	{"CONFIG_RD_ZSTD", "the initramfs is compressed by zstd"},
	{"CONFIG_DEVTMPFS", "the agent wants the kernel to make device nodes"},
	{"CONFIG_TMPFS", "image and overlay live in memory"},
	{"CONFIG_SQUASHFS_ZSTD", "the root image is compressed by zstd"},
	{"CONFIG_SQUASHFS_XATTR", "file capabilities in the root image are extended attributes"},
};

static int is_set(const char *text, const char *option)
{
	size_t length = strlen(option);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, option, length) && line[length] == '=' && line[length + 1] == 'y')
			return 1;
	}
	return 0;
}

int kconfig_check(const char *text, const char *release, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!is_set(text, needed[i].option))
			return err_set(err, ENOTSUP, "kernel %s is built without %s: %s", release,
				needed[i].option, needed[i].reason);
	return 0;
}
