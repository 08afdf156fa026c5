/* Owns the list of what the program needs to run: the loader's own list, not a guess from file headers. */
#include "initramfs/bundle.h"

#include <errno.h>
#include <link.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"

struct copying {
	const char *dir;
	struct bundle *bundle;
	struct err *err;
};

static int copy_into(const char *dir, const char *from, const char *name, struct err *err)
{
	_cleanup_free_ char *to = path_join(dir, name);

	if (!to)
		return err_oom(err, from);
	return copy_file(from, to, 0755, err);
}

/* The program's own entry has no name, but its headers name the loader. */
static void note_loader(const struct dl_phdr_info *info, struct bundle *bundle)
{
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		const char *path, *name;

		if (header->p_type != PT_INTERP)
			continue;
		path = (const char *)(info->dlpi_addr + header->p_vaddr);
		name = strrchr(path, '/');
		name = name ? name + 1 : path;
		if (strlen(name) < sizeof(bundle->loader))
			memcpy(bundle->loader, name, strlen(name) + 1);
	}
}

/* The kernel's vdso is in the list too; it has no path. */
static int copy_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	const struct copying *c = arg;
	const char *slash = strrchr(info->dlpi_name, '/');

	(void)size;
	if (!*info->dlpi_name)
		note_loader(info, c->bundle);
	if (!slash)
		return 0;
	return copy_into(c->dir, info->dlpi_name, slash + 1, c->err);
}

int bundle_make(const char *dir, struct bundle *ret, struct err *err)
{
	struct bundle bundle = {0};
	struct copying copying = {.dir = dir, .bundle = &bundle, .err = err};
	int r = mkdir_p(dir, err);

	if (r == 0)
		r = dl_iterate_phdr(copy_object, &copying);
	if (r == 0)
		r = copy_into(dir, "/proc/self/exe", BUNDLE_PROGRAM, err);
	if (r < 0)
		return r;
	if (!bundle.loader[0])
		return err_set(err, ENOEXEC, "the agent names no dynamic loader");
	*ret = bundle;
	return 0;
}
