/*
 * Owns the choice of kernel modules for the initramfs and their copies. Names, aliases, dependencies and
 * built-in ones are libkmod's answers about the image's kernel; the indexes are depmod's work.
 */
#include "imager/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <libkmod.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/base/proc.h"
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
	{"virtio_net", OPTIONAL},
	{"virtio_rng", OPTIONAL},
	{"iTCO_wdt", OPTIONAL},
	{"i6300esb", OPTIONAL},
	/* network cards of usual servers and clouds */
	{"e1000", OPTIONAL},
	{"e1000e", OPTIONAL},
	{"igb", OPTIONAL},
	{"igc", OPTIONAL},
	{"ixgbe", OPTIONAL},
	{"i40e", OPTIONAL},
	{"ice", OPTIONAL},
	{"iavf", OPTIONAL},
	{"tg3", OPTIONAL},
	{"bnx2x", OPTIONAL},
	{"bnxt_en", OPTIONAL},
	{"mlx4_en", OPTIONAL},
	{"mlx5_core", OPTIONAL},
	{"r8169", OPTIONAL},
	{"ena", OPTIONAL},
	{"vmxnet3", OPTIONAL},
	{"hv_netvsc", OPTIONAL},
};

/* What depmod wants to find beside the modules; the newest kernels' list may lack some. */
static const char *const lists[] = {"modules.order", "modules.builtin", "modules.builtin.modinfo"};

/* Firmware is stored plain or compressed (Documentation/driver-api/firmware of Linux). */
static const char *const firmware_suffixes[] = {"", ".zst", ".xz"};

struct stager {
	struct kmod_ctx *kmod;
	const char *release, *stage;
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

static int copy_into(const char *from, const char *to, struct err *err)
{
	_cleanup_free_ char *folder = strndup(to, (size_t)(strrchr(to, '/') - to));
	int r = folder ? mkdir_p(folder, err) : err_oom(err, to);

	return r < 0 ? r : copy_file(from, to, 0644, err);
}

/* An open file of the tree, whatever links led to it, into the stage. */
static int copy_opened(int fd, const char *to, struct err *err)
{
	char opened[32];

	(void)snprintf(opened, sizeof(opened), "/proc/self/fd/%d", fd);
	return copy_into(opened, to, err);
}

/* from: a path below root_path. -ENOENT without a sentence: there is none. */
static int copy_from_tree(struct stager *s, const char *from, const char *to, struct err *err)
{
	_cleanup_close_ int fd = intree_open(s->root, from + strlen(s->root_path), O_RDONLY, 0);

	if (fd == -ENOENT)
		return fd;
	return fd < 0 ? err_path(err, -fd, from) : copy_opened(fd, to, err);
}

static int copy_firmware(struct stager *s, const char *name, const char *suffix, struct err *err)
{
	_cleanup_free_ char *path = NULL, *target = NULL;
	_cleanup_close_ int fd = -1;

	if (asprintf(&path, "usr/lib/firmware/%s%s", name, suffix) < 0)
		return err_oom(err, name);
	fd = intree_open(s->root, path, O_RDONLY, 0);
	if (fd < 0)
		return 0;
	target = path_join(s->stage, path);
	if (!target)
		return err_oom(err, name);
	return copy_opened(fd, target, err);
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
		const char *name = kmod_module_info_get_value(item);

		if (strcmp(kmod_module_info_get_key(item), "firmware") || !path_is_inside(name))
			continue;
		for (size_t i = 0; r == 0 && i < ARRAY_SIZE(firmware_suffixes); i++)
			r = copy_firmware(s, name, firmware_suffixes[i], err);
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

/* Built-in ones have no path. What is staged already is done, with all that it needs. */
static int add_module(struct stager *s, struct kmod_module *module, struct err *err)
{
	const char *path = kmod_module_get_path(module);
	size_t length = strlen(s->source);
	_cleanup_free_ char *target = NULL;
	int r;

	if (!path)
		return 0;
	if (strncmp(path, s->source, length) != 0 || !path_is_inside(path + length + 1))
		return err_set(err, EINVAL, "module %s: outside the kernel's folder", path);
	target = path_join(s->target, path + length);
	if (!target)
		return err_oom(err, path);
	if (access(target, F_OK) == 0)
		return 0;
	r = copy_from_tree(s, path, target, err);
	if (r == -ENOENT)
		return err_path(err, ENOENT, path);
	if (r == 0)
		r = add_firmware(s, module, err);
	return r < 0 ? r : add_related(s, module, err);
}

static int add_name(struct stager *s, const char *name, enum need need, struct err *err)
{
	struct kmod_list *list = NULL;
	int r = kmod_module_new_from_lookup(s->kmod, name, &list);

	if (r < 0 && r != -ENOENT)
		return err_set(err, -r, "module %s: %s", name, strerror(-r));
	if (!list && need == REQUIRED)
		return err_set(err, ENOENT, "kernel %s has no module %s", s->release, name);
	return add_list(s, list, err);
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

/* modules.dep names every module: "PATH: PATH...". */
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
	if (!found)
		return err_set(err, ENOENT, "kernel %s has no modules below %s", s->release, folder);
	return 0;
}

static int add_all(struct stager *s, const char *const *extra, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(wanted); i++)
		r = add_name(s, wanted[i].name, wanted[i].need, err);
	for (; r == 0 && extra && *extra; extra++)
		r = strchr(*extra, '/') ? add_folder(s, *extra, err) : add_name(s, *extra, REQUIRED, err);
	return r;
}

static int run_depmod(const char *base, const char *release, struct err *err)
{
	const char *const argv[] = {"depmod", "-b", base, release, NULL};

	return proc_run(argv, NULL, err);
}

static int make_indexes(struct stager *s, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		_cleanup_free_ char *from = path_join(s->source, lists[i]),
				    *to = path_join(s->target, lists[i]);
		int r;

		if (!from || !to)
			return err_oom(err, lists[i]);
		r = copy_from_tree(s, from, to, err);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return run_depmod(s->stage, s->release, err);
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

/* A package that was only unpacked has no indexes yet: its scripts make them. */
static int index_tree(const struct modules_request *q, const char *source, struct err *err)
{
	_cleanup_free_ char *index = path_join(source, "modules.dep.bin");

	if (!index)
		return err_oom(err, source);
	return access(index, F_OK) == 0 ? 0 : run_depmod(q->root, q->release, err);
}

static int stage_modules(struct stager *s, const struct modules_request *q, struct err *err)
{
	static const char *const no_config[] = {NULL};
	int r = index_tree(q, s->source, err);

	if (r < 0)
		return r;
	s->kmod = kmod_new(s->source, no_config);
	if (!s->kmod)
		return err_oom(err, "libkmod");
	kmod_set_log_priority(s->kmod, 0);
	(void)kmod_load_resources(s->kmod);
	r = add_all(s, q->extra, err);
	return r < 0 ? r : make_indexes(s, err);
}

int modules_stage(const struct modules_request *q, const char *stage, struct err *err)
{
	struct stager s = {.release = q->release, .stage = stage, .root = intree_root(q->root, err)};
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
