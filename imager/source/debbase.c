/*
 * Owns from: debian: the order of its parts and the cache of finished bases. Which packages end up in the
 * tree is apt's decision; what the profile does to the tree afterwards is tree.c's.
 */
#include "imager/source/debian.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "imager/intree.h"
#include "imager/source/basecache.h"

/* Whatever changes in how a base is made changes this. */
#define FORMAT "swarmboot-base-1\n"

static void debian_release(struct debian *d)
{
	free(d->folder);
	free(d->config);
	free(d->arch);
	free(d->pool);
	buf_release(&d->inputs);
	buf_release(&d->kept);
	lock_free(d->own);
}

/* What mmdebstrap and apt leave behind of this machine and of our own options. */
static const char *const leftovers[] = {
	"/etc/apt/sources.list",
	"/etc/apt/apt.conf.d/99mmdebstrap",
	"/etc/dpkg/dpkg.cfg.d/99mmdebstrap",
	"/etc/dpkg/dpkg.cfg.d/swarmboot-exclude",
	"/etc/hostname",
	"/etc/resolv.conf",
};

/* ---- afterwards ---- */

struct newest {
	uint64_t before, time;
};

static int see_time(const struct intree_entry *entry, void *arg, struct err *err)
{
	struct newest *n = arg;
	uint64_t time = entry->st.st_mtime > 0 ? (uint64_t)entry->st.st_mtime : 0;

	(void)err;
	if (time < n->before && time > n->time)
		n->time = time;
	return 0;
}

/* Of the packages' files: whatever the installation itself wrote is younger than its start. */
static int newest_time(int root, time_t started, uint64_t *ret, struct err *err)
{
	struct newest n = {.before = (uint64_t)started};
	int r = intree_walk(root, see_time, &n, err);

	if (r >= 0)
		*ret = n.time;
	return r;
}

static int tidy(int root, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(leftovers); i++) {
		const char *name;
		_cleanup_close_ int parent = intree_parent(root, leftovers[i], &name);

		if (parent < 0 || (unlinkat(parent, name, 0) < 0 && errno != ENOENT))
			return err_path(err, parent < 0 ? -parent : errno, leftovers[i]);
	}
	return 0;
}

/* ---- the base ---- */

/* A digest over all that decides how the tree looks. */
static int base_key(const struct debian *d, struct digest *ret, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};
	int r = buf_puts(&text, FORMAT);

	for (size_t i = 0; r == 0 && i < d->lock->package_count; i++) {
		const struct lock_package *p = &d->lock->packages[i];
		char hex[65];

		digest_hex(&p->digest, hex);
		r = buf_printf(&text, "%s %s %s %s\n", p->name, p->version, p->arch, hex);
	}
	if (r < 0)
		return err_oom(err, "the base");
	r = debian_add_options(d, &text, err);
	if (r == 0)
		r = debian_add_kept(d, &text, err);
	if (r < 0)
		return r;
	return digest_bytes(text.data, text.len, ret) < 0 ? err_set(err, EIO, "SHA-256 failed") : 0;
}

static int make_base(struct debian *d, uint64_t *ret_time, struct err *err)
{
	_cleanup_close_ int root = -1;
	time_t started = time(NULL);
	int r = debian_fill_pool(d, err);

	if (r == 0)
		r = debian_install(d, err);
	if (r < 0)
		return r;
	root = intree_root(d->job->root, err);
	if (root < 0)
		return root;
	r = tidy(root, err);
	if (r == 0)
		r = debian_keep_sources(d, err);
	return r < 0 ? r : newest_time(root, started, ret_time, err);
}

static int get_base(struct debian *d, uint64_t *ret_time, struct err *err)
{
	struct digest key;
	const struct basecache base = {d->job->cache, &key, d->job->root, d->job->workdir};
	int r = base_key(d, &key, err);

	if (r == 0)
		r = basecache_get(&base, ret_time, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = make_base(d, ret_time, err);
	if (r == 0)
		(void)basecache_put(&base, *ret_time, NULL);
	return r;
}

static int run(struct debian *d, uint64_t *ret_time, struct err *err)
{
	int r = debian_prepare(d, err);

	if (r < 0)
		return r;
	d->lock = d->job->locked;
	r = d->lock ? debian_check_lock(d, err) : debian_resolve(d, err);
	if (r == 0)
		r = get_base(d, ret_time, err);
	if (r == 0)
		*d->job->lock = TAKE(d->own);
	return r;
}

static int unpack(const struct source_job *job, uint64_t *ret_time, struct err *err)
{
	struct debian d = {.job = job, .from = &job->profile->from.debian};
	int r = run(&d, ret_time, err);

	debian_release(&d);
	return r;
}

const struct source source_debian = {"debian", unpack};
