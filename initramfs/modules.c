/* Owns module loading. Which modules are in the initramfs is the imager's choice. */
#include "initramfs/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <libkmod.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/base/log.h"

#define TURNS_MAX    8
#define UEVENT_LIMIT 16384

DEFINE_CLEANUP(struct kmod_ctx *, kmod_unref)
DEFINE_CLEANUP(FTS *, fts_close)
#define _cleanup_kmod_ _cleanup_(kmod_unref_p)
#define _cleanup_fts_  _cleanup_(fts_close_p)

static const char *const by_name[] = {"loop", "squashfs", "overlay"};

/* Returns 1 when the module was put into the kernel, 0 when it was there, cannot be had or is built in. */
static int insert(struct kmod_module *module)
{
	int r;

	if (kmod_module_get_initstate(module) >= 0)
		return 0;
	r = kmod_module_probe_insert_module(module, KMOD_PROBE_APPLY_BLACKLIST, NULL, NULL, NULL, NULL);
	if (r == KMOD_PROBE_APPLY_BLACKLIST || r == -ENOENT)
		return 0;
	if (r < 0) {
		log_warn("module %s does not load: %s", kmod_module_get_name(module), strerror(-r));
		return 0;
	}
	log_debug("module %s", kmod_module_get_name(module));
	return 1;
}

/* alias: a modalias or a module's name. The number of modules that are new. */
static int load(struct kmod_ctx *kmod, const char *alias)
{
	struct kmod_list *found = NULL, *item;
	int count = 0;

	if (kmod_module_new_from_lookup(kmod, alias, &found) < 0)
		return 0;
	kmod_list_foreach(item, found)
	{
		struct kmod_module *module = kmod_module_get_module(item);

		count += insert(module);
		kmod_module_unref(module);
	}
	kmod_module_unref_list(found);
	return count;
}

/* The modalias of one device, from its uevent file. */
static int load_device(struct kmod_ctx *kmod, const char *uevent)
{
	_cleanup_free_ char *text = NULL;
	char *save = NULL;
	int count = 0;

	if (read_file_at(AT_FDCWD, uevent, UEVENT_LIMIT, &text, NULL) < 0)
		return 0;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!strncmp(line, "MODALIAS=", 9))
			count += load(kmod, line + 9);
	return count;
}

static int walk_devices(struct kmod_ctx *kmod)
{
	char *const roots[] = {(char[]){"/sys/devices"}, NULL};
	_cleanup_fts_ FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
	int count = 0;

	for (FTSENT *e; walk && (e = fts_read(walk));)
		if (e->fts_info != FTS_D && !strcmp(e->fts_name, "uevent"))
			count += load_device(kmod, e->fts_accpath);
	return count;
}

/* NULL: out of memory. */
static struct kmod_ctx *start(void)
{
	struct kmod_ctx *kmod = kmod_new(NULL, NULL);

	if (kmod && kmod_load_resources(kmod) < 0)
		log_debug("no index of kernel modules");
	return kmod;
}

int modules_request(const char *alias, struct err *err)
{
	_cleanup_kmod_ struct kmod_ctx *kmod = start();

	if (!kmod)
		return err_oom(err, "kernel modules");
	(void)load(kmod, alias);
	return 0;
}

int modules_load(struct err *err)
{
	_cleanup_kmod_ struct kmod_ctx *kmod = start();
	int total = 0;

	if (!kmod)
		return err_oom(err, "kernel modules");
	for (int turn = 0; turn < TURNS_MAX; turn++) {
		int count = walk_devices(kmod);

		total += count;
		if (count == 0)
			break;
	}
	for (size_t i = 0; i < ARRAY_SIZE(by_name); i++)
		total += load(kmod, by_name[i]);
	if (total)
		log_info("%d kernel modules loaded", total);
	return 0;
}
