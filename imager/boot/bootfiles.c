/*
 * Owns the way from a tree to its boot files: which kernel it is, its copy, its initramfs, and an empty boot
 * folder afterwards. What is in the initramfs is initrd.c's.
 */
#include "imager/boot/bootfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "imager/base/buf.h"
#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/boot/initrd.h"
#include "imager/boot/kconfig.h"
#include "imager/intree.h"

/* A distribution's configuration has 250 to 300 KiB. */
#define CONFIG_LIMIT (4 << 20)
#define MODULES      "lib/modules"

/* Where distributions keep a kernel's files: before and after its release. */
struct place {
	const char *before, *after;
};
static const struct place kernel_places[] = {{"boot/vmlinuz-", ""}, {MODULES "/", "/vmlinuz"}, {0}};
static const struct place config_places[] = {{"boot/config-", ""}, {MODULES "/", "/config"}, {0}};

/* Links of the root folder into boot/, which is emptied. */
static const char *const links[] = {"vmlinuz", "vmlinuz.old", "initrd.img", "initrd.img.old"};

void bootfiles_release(struct bootfiles *b)
{
	free(b->kernel);
	free(b->initramfs);
	*b = (struct bootfiles){0};
}

/* The file in the first place that has it, or -ENOENT. */
static int open_place(int root, const struct place *places, const char *release)
{
	for (; places->before; places++) {
		char path[PATH_MAX];
		int fd;

		(void)snprintf(path, sizeof(path), "%s%s%s", places->before, release, places->after);
		fd = intree_open(root, path, O_RDONLY, 0);
		if (fd >= 0)
			return fd;
	}
	return -ENOENT;
}

/* It becomes paths, JSON and an argument of depmod. */
static int is_release(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+~-";

	return name[0] != '.' && name[0] != '-' && strlen(name) < RELEASE_NAME_SIZE &&
	       !name[strspn(name, allowed)];
}

struct found {
	size_t count;
	char release[RELEASE_NAME_SIZE]; /* the last one */
	struct buf names;                /* all, for the sentence */
};

static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int note_kernel(int root, const char *name, struct found *found)
{
	_cleanup_close_ int fd = is_release(name) ? open_place(root, kernel_places, name) : -1;

	if (fd < 0)
		return 0;
	if (buf_printf(&found->names, "%s%s", found->count ? ", " : "", name) < 0)
		return -ENOMEM;
	(void)snprintf(found->release, sizeof(found->release), "%.*s", RELEASE_NAME_SIZE - 1, name);
	found->count++;
	return 0;
}

/* A kernel is a folder of modules with an image: rescue images and left-over folders have only one of both.
 */
static int list_kernels(int root, struct found *found)
{
	_cleanup_close_ int fd = intree_open(root, MODULES, O_RDONLY | O_DIRECTORY, 0);
	struct dirent **names;
	int count, r = 0;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	count = scandirat(fd, ".", &names, NULL, compare_names);
	if (count < 0)
		return -errno;
	for (int i = 0; i < count; i++) {
		if (r == 0)
			r = note_kernel(root, names[i]->d_name, found);
		free(names[i]);
	}
	free(names);
	return r;
}

static int find_kernel(int root, const char *path, char ret[RELEASE_NAME_SIZE], struct err *err)
{
	struct found found = {0};
	_cleanup_free_ char *names = NULL;
	int r = list_kernels(root, &found);

	names = found.names.data;
	if (r < 0)
		return err_set(err, -r, "%s/%s: %s", path, MODULES, strerror(-r));
	if (found.count == 0)
		return err_set(err, ENOENT,
			"%s: no kernel: one boot/vmlinuz-RELEASE with its lib/modules/RELEASE is wanted",
			path);
	if (found.count > 1)
		return err_set(
			err, EEXIST, "%s: %zu kernels where one is wanted: %s", path, found.count, names);
	memcpy(ret, found.release, RELEASE_NAME_SIZE);
	return 0;
}

/* A tree without its kernel's configuration is taken as it is. */
static int check_config(int root, const char *release, struct err *err)
{
	_cleanup_close_ int fd = open_place(root, config_places, release);
	_cleanup_free_ char *text = NULL;
	char opened[32];
	int r;

	if (fd < 0)
		return 0;
	(void)snprintf(opened, sizeof(opened), "/proc/self/fd/%d", fd);
	r = read_file(opened, CONFIG_LIMIT, &text, NULL, err);
	return r < 0 ? err_prefix(err, "configuration of kernel %s", release)
		     : kconfig_check(text, release, err);
}

static int copy_kernel(int root, const char *release, const char *output, struct err *err)
{
	_cleanup_close_ int fd = open_place(root, kernel_places, release);
	char opened[32];

	if (fd < 0)
		return err_set(err, -fd, "kernel %s: %s", release, strerror(-fd));
	(void)snprintf(opened, sizeof(opened), "/proc/self/fd/%d", fd);
	return copy_file(opened, output, 0644, err);
}

/* boot/ itself stays, as a mount point. Its links are not followed: they may lead to this host's own. */
static int empty_boot(const char *root, struct err *err)
{
	_cleanup_free_ char *boot = path_join(root, "boot");
	_cleanup_closedir_ DIR *dir = NULL;
	struct stat st;

	if (!boot)
		return err_oom(err, root);
	if (lstat(boot, &st) < 0)
		return errno == ENOENT ? 0 : err_path(err, errno, boot);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "%s: not a folder of its own", boot);
	dir = opendir(boot);
	if (!dir)
		return err_path(err, errno, boot);
	for (struct dirent *e; (e = readdir(dir));) {
		_cleanup_free_ char *path = path_join(boot, e->d_name);
		int r = path ? 0 : err_oom(err, boot);

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (r == 0)
			r = remove_tree(path, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int remove_links(int root, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		struct stat st;

		if (fstatat(root, links[i], &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISLNK(st.st_mode))
			continue;
		if (unlinkat(root, links[i], 0) < 0)
			return err_path(err, errno, links[i]);
	}
	return 0;
}

struct job {
	const char *path; /* of the tree */
	int root;         /* the same, open */
	const char *outdir;
	const struct bootfiles_options *options;
};

static int collect(const struct job *job, struct bootfiles *b, struct err *err)
{
	int r = find_kernel(job->root, job->path, b->kernel_release, err);

	if (r == 0)
		r = check_config(job->root, b->kernel_release, err);
	if (r == 0)
		r = copy_kernel(job->root, b->kernel_release, b->kernel, err);
	if (r == 0)
		r = initrd_write(job->path, job->outdir, b->kernel_release, job->options, err);
	if (r == 0)
		r = empty_boot(job->path, err);
	if (r == 0)
		r = remove_links(job->root, err);
	return r;
}

int bootfiles_collect(const char *root, const char *outdir, const struct bootfiles_options *options,
	struct bootfiles *ret, struct err *err)
{
	_cleanup_close_ int fd = intree_root(root, err);
	struct job job = {.path = root, .root = fd, .outdir = outdir, .options = options};
	struct bootfiles b = {
		.kernel = path_join(outdir, "kernel"), .initramfs = path_join(outdir, "initramfs")};
	int r = fd < 0 ? fd : 0;

	if (r == 0 && (!b.kernel || !b.initramfs))
		r = err_oom(err, outdir);
	if (r == 0)
		r = collect(&job, &b, err);
	if (r < 0)
		bootfiles_release(&b);
	else
		*ret = b;
	return r;
}
