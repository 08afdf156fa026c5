/* Owns the indexes beside kernel modules: which lists depmod needs, its run, and which of its files stay. */
#include "imager/boot/moduleindex.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/base/proc.h"
#include "imager/boot/stagefile.h"

/* What depmod wants to find beside the modules; the newest kernels' list may lack some. */
static const char *const lists[] = {"modules.order", "modules.builtin", "modules.builtin.modinfo"};

/* What depmod leaves for people and for tools that nothing here is. */
static const char *const texts[] = {"modules.order", "modules.builtin", "modules.builtin.modinfo",
	"modules.alias", "modules.dep", "modules.devname", "modules.symbols"};

static int run_depmod(const char *base, const char *release, struct err *err)
{
	const char *const argv[] = {"depmod", "-b", base, release, NULL};

	return proc_run(argv, NULL, err);
}

int moduleindex_tree(const char *root, const char *release, const char *folder, struct err *err)
{
	_cleanup_free_ char *index = path_join(folder, "modules.dep.bin");

	if (!index)
		return err_oom(err, folder);
	return access(index, F_OK) == 0 ? 0 : run_depmod(root, release, err);
}

static int copy_lists(int root, const char *folder, const char *target, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		_cleanup_free_ char *from = path_join(folder, lists[i]), *to = path_join(target, lists[i]);
		int r = from && to ? stagefile_copy(root, from, to, err) : err_oom(err, lists[i]);

		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

static int remove_texts(const char *target, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_free_ char *path = path_join(target, texts[i]);

		if (!path)
			return err_oom(err, texts[i]);
		if (unlink(path) < 0 && errno != ENOENT)
			return err_path(err, errno, path);
	}
	return 0;
}

int moduleindex_stage(int root, const char *folder, const char *stage, const char *release, struct err *err)
{
	_cleanup_free_ char *target = NULL;
	int r;

	if (asprintf(&target, "%s/usr/lib/modules/%s", stage, release) < 0)
		return err_oom(err, stage);
	r = copy_lists(root, folder, target, err);
	if (r == 0)
		r = run_depmod(stage, release, err);
	return r < 0 ? r : remove_texts(target, err);
}
