/* Owns what the tree of an rpm profile depends on, as one digest. Keeping the tree is basecache.c's. */
#include "imager/source/rpmbase.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/io.h"
#include "imager/machine.h"

#define REPOMD_LIMIT ((size_t)4 << 20)
#define SUFFIX       16 /* hex digits that dnf puts after a repository's name, for its URL */

/* Another way of making the tree is another key. */
static const char way[] = "swarmboot-rpm-1\n";

static int add_names(const struct source_job *job, struct buf *text)
{
	const struct profile *p = job->profile;
	const struct yaml_strings *modules = &p->from.rpm.modules;
	int r = buf_printf(text, "%s%s %s\n", way, machine_arch(), p->from.rpm.releasever);

	for (size_t i = 0; r >= 0 && i < modules->count; i++)
		r = buf_printf(text, "module %s\n", modules->items[i]);
	for (size_t i = 0; r >= 0 && job->locked && i < job->locked->package_count; i++) {
		const struct lock_package *l = &job->locked->packages[i];

		r = buf_printf(text, "locked %s-%s.%s\n", l->name, l->version, l->arch);
	}
	for (size_t i = 0; r >= 0 && !job->locked && i < p->package_count; i++)
		r = buf_printf(text, "package %s\n", p->packages[i].name);
	if (r >= 0 && !job->locked && p->kernel.package)
		r = buf_printf(text, "package %s\n", p->kernel.package);
	return r;
}

/* "baseos-0123456789abcdef" of a repository called baseos. */
static int is_ours(const struct source_job *job, const char *name)
{
	size_t len = strlen(name);

	return len > SUFFIX + 1 && name[len - SUFFIX - 1] == '-' &&
	       strspn(name + len - SUFFIX, "0123456789abcdef") == SUFFIX &&
	       rpmconf_has(job, name, len - SUFFIX - 1);
}

static int add_metadata(const char *cache, const char *folder, struct buf *text)
{
	_cleanup_free_ char *path = NULL, *repomd = NULL;

	if (asprintf(&path, "%s/%s/repodata/repomd.xml", cache, folder) < 0)
		return -ENOMEM;
	if (read_file(path, REPOMD_LIMIT, &repomd, NULL, NULL) < 0)
		return 0;
	return buf_printf(text, "metadata %s\n%s", folder, repomd) < 0 ? -ENOMEM : 1;
}

/* How many of the folders there were, in the order of their names. */
static int add_all_metadata(const struct source_job *job, const char *cache, struct buf *text)
{
	struct dirent **names;
	int count = scandir(cache, &names, NULL, alphasort), found = 0, r = 0;

	if (count < 0)
		return 0;
	for (int i = 0; i < count; i++) {
		if (r >= 0 && is_ours(job, names[i]->d_name)) {
			r = add_metadata(cache, names[i]->d_name, text);
			found += r > 0;
		}
		free(names[i]);
	}
	free(names);
	return r < 0 ? r : found;
}

int rpmbase_key(const struct source_job *job, const struct rpmconf *conf, struct digest *ret, struct err *err)
{
	const struct profile *p = job->profile;
	_cleanup_buf_ struct buf text = {0};
	int r, found;

	if (add_names(job, &text) < 0)
		return err_oom(err, "the cache's key");
	r = rpmconf_describe(job, &text, err);
	if (r < 0)
		return r;
	found = add_all_metadata(job, conf->cache, &text);
	if (found < 0)
		return err_oom(err, "the cache's key");
	if ((size_t)found < p->from.rpm.repository_count + p->repository_count)
		return 0;
	return digest_bytes(text.data, text.len, ret) < 0 ? err_set(err, EIO, "SHA-256 failed") : 1;
}
