/*
 * Owns from: release, another release of the same store: its root image unpacked again, and its kernel, which
 * was taken out of that tree, put back.
 */
#include "imager/source/source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/io.h"
#include "imager/intree.h"
#include "imager/machine.h"
#include "imager/sandbox.h"

static int find(const struct source_job *job, struct store_release *ret, struct err *err)
{
	const char *ref = job->profile->from.release;
	struct yaml_node *root = yaml_root(job->profile->doc);
	struct err why = {0};
	int r = store_resolve(job->store, ref, ret, &why);

	if (r < 0)
		return yaml_fault(root, "from.release", err, "%s", why.text);
	if (strcmp(ret->release.arch, machine_arch()) != 0)
		return yaml_fault(root, "from.release", err, "%s is for %s, not for %s", ret->name,
			ret->release.arch, machine_arch());
	return store_check_blobs(job->store, ret, err);
}

static int unpack_root(const struct source_job *job, const struct store_release *base, struct err *err)
{
	_cleanup_free_ char *image = store_blob_path(job->store, &base->release.root.digest);
	const char *argv[] = {"unsquashfs", "-force", "-strict-errors", "-no-progress", "-quiet", "-dest",
		job->root, image, NULL};
	const struct proc_opts opts = {.line = job->line, .arg = job->arg};

	if (!image)
		return err_oom(err, base->name);
	return sandbox_run(NULL, argv, &opts, err);
}

/* Where bootfiles.c looks for it. Its configuration was judged when the base was built. */
static int put_kernel(const struct source_job *job, const struct store_release *base, struct err *err)
{
	_cleanup_free_ char *blob = store_blob_path(job->store, &base->release.kernel.digest);
	_cleanup_close_ int root = intree_root(job->root, err), parent = -1;
	char name[RELEASE_NAME_SIZE + 16], path[sizeof(name) + 32];
	const char *base_name;

	if (root < 0)
		return root;
	(void)snprintf(name, sizeof(name), "boot/vmlinuz-%s", base->release.kernel_release);
	parent = intree_parent(root, name, &base_name);
	if (!blob || parent < 0)
		return blob ? err_path(err, -parent, name) : err_oom(err, name);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", parent, base_name);
	return copy_file(blob, path, 0644, err);
}

static int unpack(const struct source_job *job, uint64_t *ret_time, struct err *err)
{
	struct store_release base;
	int r = find(job, &base, err);

	if (r >= 0)
		r = unpack_root(job, &base, err);
	if (r >= 0)
		r = put_kernel(job, &base, err);
	if (r < 0)
		return r;
	if (job->input)
		*job->input = base.config.digest;
	*ret_time = base.release.created;
	return 0;
}

const struct source source_release = {"release", unpack};
