/*
 * Owns the choice of kernel modules for the initramfs and their copies. Names, aliases, dependencies and
 * built-in ones are libkmod's answers about the image's kernel; the indexes are moduleindex.c's, firmware is
 * firmware.c's.
 */
#include "imager/boot/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <libkmod.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/boot/firmware.h"
#include "imager/boot/moduleindex.h"
#include "imager/boot/stagefile.h"
#include "imager/format/release.h"
#include "imager/intree.h"

/* modules.dep of a distribution kernel has under 1 MiB. */
#define DEP_LIMIT (16 << 20)

enum need { OPTIONAL, REQUIRED };

static const struct {
	const char *name;
	enum need need;
} wanted[] = {
	/* the root */
	{"loop", REQUIRED},
	{"squashfs", REQUIRED},
	{"overlay", REQUIRED},
	{"dm-verity", OPTIONAL},
	{"sha256_ssse3", OPTIONAL},
	{"crc32c", OPTIONAL},
	/* the network, and time-outs of the machine itself */
	{"af_packet", OPTIONAL},
	{"virtio_pci", OPTIONAL},
	{"virtio_rng", OPTIONAL},
	{"iTCO_wdt", OPTIONAL},
	{"i6300esb", OPTIONAL},
};

/* Network cards of usual servers and clouds. */
static const char *const usual_nics[] = {"virtio_net", "e1000", "e1000e", "igb", "igc", "ixgbe", "i40e",
	"ice", "iavf", "tg3", "bnx2x", "bnxt_en", "mlx4_en", "mlx5_core", "r8169", "ena", "vmxnet3",
	"hv_netvsc"};

/* As kernels are packed (MODULE_COMPRESS_* of Linux). */
static const char *const packings[] = {".ko.xz", ".ko.zst", ".ko.gz"};

struct stager {
	struct kmod_ctx *kmod;
	const struct modules_request *request;
	const char *stage;
	char *source, *target; /* the folders of modules, by their real paths: in the tree, in the stage */
	int root;
	char *root_path; /* the same, by its real path */
};

static int add_module(struct stager *s, struct kmod_module *module, struct err *err);

/* All of a list that libkmod made; takes the list. */
static int add_list(struct stager *s, struct kmod_list *list, struct err *err)
{
	struct kmod_list *item;
	int r = 0;

	kmod_list_foreach(item, list)
	{
		struct kmod_module *module = kmod_module_get_module(item);

		if (r == 0)
			r = add_module(s, module, err);
		(void)kmod_module_unref(module);
	}
	(void)kmod_module_unref_list(list);
	return r;
}

static int add_firmware(struct stager *s, const struct kmod_module *module, struct err *err)
{
	struct kmod_list *info = NULL, *item;
	int r = kmod_module_get_info(module, &info);

	if (r < 0)
		return err_set(
			err, -r, "module %s: cannot read it: %s", kmod_module_get_name(module), strerror(-r));
	r = 0;
	kmod_list_foreach(item, info)
	{
		if (r == 0 && !strcmp(kmod_module_info_get_key(item), "firmware"))
			r = firmware_stage(s->root, kmod_module_info_get_value(item), s->stage, err);
	}
	kmod_module_info_free_list(info);
	return r;
}

static int add_related(struct stager *s, const struct kmod_module *module, struct err *err)
{
	struct kmod_list *before = NULL, *after = NULL;
	int r = add_list(s, kmod_module_get_dependencies(module), err), a, b;

	if (r < 0)
		return r;
	if (kmod_module_get_softdeps(module, &before, &after) < 0)
		return err_oom(err, kmod_module_get_name(module));
	a = add_list(s, before, err);
	b = add_list(s, after, err);
	return a < 0 ? a : b;
}

/* Where in the stage a module is to be; free(). */
static char *target_of(const struct stager *s, const char *path, int *ret_packed)
{
	char *target = path_join(s->target, path + strlen(s->source));
	size_t length = target ? strlen(target) : 0;

	*ret_packed = 0;
	for (size_t i = 0; target && i < ARRAY_SIZE(packings); i++) {
		size_t suffix = strlen(packings[i]);

		if (length <= suffix || strcmp(target + length - suffix, packings[i]) != 0)
			continue;
		target[length - suffix + strlen(".ko")] = '\0';
		*ret_packed = 1;
		break;
	}
	return target;
}

/* Built-in ones have no path. What is staged already is done, with all that it needs. */
static int add_module(struct stager *s, struct kmod_module *module, struct err *err)
{
	const char *path = kmod_module_get_path(module);
	size_t length = strlen(s->source);
	_cleanup_free_ char *target = NULL;
	int r, packed;

	if (!path)
		return 0;
	if (strncmp(path, s->source, length) != 0 || !path_is_inside(path + length + 1))
		return err_set(err, EXDEV, "module %s: outside the kernel's folder", path);
	target = target_of(s, path, &packed);
	if (!target)
		return err_oom(err, path);
	if (access(target, F_OK) == 0)
		return 0;
	r = (packed ? stagefile_unpack : stagefile_copy)(s->root, path + strlen(s->root_path), target, err);
	if (r == -ENOENT)
		return err_path(err, ENOENT, path);
	if (r == 0)
		r = add_firmware(s, module, err);
	return r < 0 ? r : add_related(s, module, err);
}

/* The number of modules of that name or alias, 0: there is none. Built in counts. */
static int add_name(struct stager *s, const char *name, struct err *err)
{
	struct kmod_list *list = NULL;
	int r = kmod_module_new_from_lookup(s->kmod, name, &list), found = list != NULL;

	if (r < 0 && r != -ENOENT)
		return err_set(err, -r, "module %s: %s", name, strerror(-r));
	r = add_list(s, list, err);
	return r < 0 ? r : found;
}

static int is_below(const char *path, size_t len, const char *folder)
{
	static const char top[] = "kernel/";
	size_t length = strlen(folder);

	if (len > strlen(top) && !memcmp(path, top, strlen(top)) && strncmp(folder, top, strlen(top)) != 0) {
		path += strlen(top);
		len -= strlen(top);
	}
	while (length && folder[length - 1] == '/')
		length--;
	return len > length && !memcmp(path, folder, length) && path[length] == '/';
}

static int add_path(struct stager *s, const char *path, size_t len, struct err *err)
{
	_cleanup_free_ char *full = NULL;
	struct kmod_module *module;
	int r;

	if (asprintf(&full, "%s/%.*s", s->source, (int)len, path) < 0)
		return err_oom(err, "a module's path");
	r = kmod_module_new_from_path(s->kmod, full, &module);
	if (r < 0)
		return err_path(err, -r, full);
	r = add_module(s, module, err);
	(void)kmod_module_unref(module);
	return r;
}

/* modules.dep names every module: "PATH: PATH...". 0: there is none. */
static int add_folder(struct stager *s, const char *folder, struct err *err)
{
	_cleanup_free_ char *dep = path_join(s->source, "modules.dep"), *text = NULL;
	int r = dep ? read_file(dep, DEP_LIMIT, &text, NULL, err) : err_oom(err, folder), found = 0;

	if (r < 0)
		return r;
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n"), name = strcspn(line, ":\n");

		if (name < len && is_below(line, name, folder)) {
			r = add_path(s, line, name, err);
			if (r < 0)
				return r;
			found = 1;
		}
		line += len + (line[len] == '\n');
	}
	return found;
}

/* A fault of the profile's, with its place. */
static int fault(const struct stager *s, const char *key, const char *sentence, struct err *err)
{
	return s->request->place ? yaml_fault(s->request->place, key, err, "%s", sentence)
				 : err_set(err, EINVAL, "%s: %s", key, sentence);
}

static int add_module_or_folder(struct stager *s, const char *name, struct err *err)
{
	return (strchr(name, '/') ? add_folder : add_name)(s, name, err);
}

static int add_firmware_matches(struct stager *s, const char *pattern, struct err *err)
{
	return firmware_match(s->root, pattern, s->stage, err);
}

/* What the profile names, by key: how it is added, and who is said to lack it. */
static int add_named(struct stager *s, struct err *err)
{
	char kernel[RELEASE_NAME_SIZE + 8];
	const struct {
		const char *key;
		const struct yaml_strings *names;
		int (*add)(struct stager *s, const char *name, struct err *err);
		const char *place, *thing;
	} rows[] = {
		{"kernel.modules", s->request->modules, add_module_or_folder, kernel, "module"},
		{"kernel.nics", s->request->nics, add_name, kernel, "network driver"},
		{"kernel.firmware", s->request->firmware, add_firmware_matches, "the image", "firmware"},
	};

	(void)snprintf(kernel, sizeof(kernel), "kernel %s", s->request->release);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (size_t j = 0; rows[i].names && j < rows[i].names->count; j++) {
			const char *name = rows[i].names->items[j];
			char sentence[256];
			int r = rows[i].add(s, name, err);

			if (r < 0)
				return r;
			if (r > 0)
				continue;
			(void)snprintf(sentence, sizeof(sentence), "%s has no %s %s", rows[i].place,
				rows[i].thing, name);
			return fault(s, rows[i].key, sentence, err);
		}
	return 0;
}

static int add_all(struct stager *s, struct err *err)
{
	const struct yaml_strings *nics = s->request->nics;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(wanted); i++) {
		r = add_name(s, wanted[i].name, err);
		if (r == 0 && wanted[i].need == REQUIRED)
			return err_set(err, ENOENT, "kernel %s has no module %s", s->request->release,
				wanted[i].name);
	}
	for (size_t i = 0; r >= 0 && (!nics || !nics->count) && i < ARRAY_SIZE(usual_nics); i++)
		r = add_name(s, usual_nics[i], err);
	return r < 0 ? r : add_named(s, err);
}

/* The real path of what is open; NULL with errno. free() */
static char *path_of(int fd)
{
	char opened[32];

	(void)snprintf(opened, sizeof(opened), "/proc/self/fd/%d", fd);
	return realpath(opened, NULL);
}

/* As the image would find it. depmod(8) finds it by the plain path below root, so that one must be the same.
 */
static int find_folder(struct stager *s, const struct modules_request *q, struct err *err)
{
	_cleanup_free_ char *path = NULL, *plain = NULL, *real = NULL;
	_cleanup_close_ int fd = -1;

	if (asprintf(&path, "lib/modules/%s", q->release) < 0 || !(plain = path_join(q->root, path)))
		return err_oom(err, q->root);
	fd = intree_open(s->root, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd == -ENOENT)
		return err_set(err, ENOENT, "%s: no modules of kernel %s", q->root, q->release);
	if (fd < 0)
		return err_path(err, -fd, plain);
	s->source = path_of(fd);
	s->root_path = path_of(s->root);
	if (!s->source || !s->root_path)
		return err_path(err, errno, plain);
	real = realpath(plain, NULL);
	if (!real || strcmp(real, s->source) != 0)
		return err_set(err, EXDEV, "%s: a link on its way leads out of the tree", plain);
	return 0;
}

static int stage_modules(struct stager *s, const struct modules_request *q, struct err *err)
{
	static const char *const no_config[] = {NULL};
	int r = moduleindex_tree(q->root, q->release, s->source, err);

	if (r < 0)
		return r;
	s->kmod = kmod_new(s->source, no_config);
	if (!s->kmod)
		return err_oom(err, "libkmod");
	kmod_set_log_priority(s->kmod, 0);
	(void)kmod_load_resources(s->kmod);
	r = add_all(s, err);
	return r < 0 ? r
		     : moduleindex_stage(
			       s->root, s->source + strlen(s->root_path), s->stage, q->release, err);
}

int modules_stage(const struct modules_request *q, const char *stage, struct err *err)
{
	struct stager s = {.request = q, .stage = stage, .root = intree_root(q->root, err)};
	int r = s.root < 0 ? s.root : find_folder(&s, q, err);

	if (r == 0 && asprintf(&s.target, "%s/usr/lib/modules/%s", stage, q->release) < 0)
		r = err_oom(err, stage);
	if (r == 0)
		r = stage_modules(&s, q, err);
	(void)kmod_unref(s.kmod);
	cleanup_close(&s.root);
	free(s.source);
	free(s.target);
	free(s.root_path);
	return r;
}
