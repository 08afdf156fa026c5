/* Owns the folder a build works in, from making to removal, and the decision whether its tree is in memory.
 */
#include "imager/workdir.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "imager/base/io.h"
#include "imager/base/parse.h"

#define MEMINFO_LIMIT 65536
#define MEMORY_WANTED ((uint64_t)8 << 30) /* bytes available, to make the tree in memory */

/* Bytes that can be had without swapping; 0 when the kernel does not say. */
static uint64_t memory_available(void)
{
	_cleanup_free_ char *text = NULL;
	char *value, *end;
	uint64_t kib;

	if (read_file("/proc/meminfo", MEMINFO_LIMIT, &text, NULL, NULL) < 0)
		return 0;
	value = strstr(text, "MemAvailable:");
	if (!value)
		return 0;
	value += strlen("MemAvailable:");
	value += strspn(value, " ");
	end = value + strspn(value, "0123456789");
	*end = '\0';
	return parse_u64(value, &kib) < 0 ? 0 : kib * 1024;
}

/* A package manager writes, syncs and removes thousands of small files. */
static int mount_tree(struct workdir *w, struct err *err)
{
	if (memory_available() < MEMORY_WANTED)
		return 0;
	if (mount("swarmboot", w->tree, "tmpfs", 0, "mode=0755,size=50%") < 0)
		return err_path(err, errno, w->tree);
	w->tree_is_mounted = 1;
	return 0;
}

static int fill(struct workdir *w, struct err *err)
{
	w->tree = path_join(w->path, "tree");
	w->files = path_join(w->path, "files");
	w->image = path_join(w->path, "root.squashfs");
	if (!w->tree || !w->files || !w->image)
		return err_oom(err, "the work folder");
	if (mkdir(w->tree, 0755) < 0 || mkdir(w->files, 0700) < 0)
		return err_path(err, errno, w->path);
	return mount_tree(w, err);
}

int workdir_make(struct store *store, struct workdir *ret, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	int r = store_temp_dir(store, &path, err);

	if (r < 0)
		return r;
	ret->path = realpath(path, NULL);
	return ret->path ? fill(ret, err) : err_path(err, errno, path);
}

void workdir_release(struct workdir *w)
{
	if (w->tree_is_mounted)
		(void)umount2(w->tree, MNT_DETACH);
	if (w->path)
		(void)remove_tree(w->path, NULL);
	free(w->path);
	free(w->tree);
	free(w->files);
	free(w->image);
}
