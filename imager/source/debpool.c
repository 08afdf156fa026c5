/*
 * Owns the pool: every package of the lock as a file that mmdebstrap can install quickly, and the index over
 * them. Packages come from the cache by their digest or are fetched into it; all are proved. Some threads
 * unwrap what is there while the main one waits for the network.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "imager/base/words.h"
#include "imager/cache/cache.h"
#include "imager/source/deb.h"
#include "imager/source/debian.h"

#define CACHE_KIND  "deb"
#define BATCH_BYTES (16 << 20) /* are fetched in one go, or */
#define BATCH_COUNT 40         /* so many */
#define THREADS_MAX 8

enum item_state {
	ITEM_MISSING,
	ITEM_THERE, /* the file is there, a thread may take it */
	ITEM_READY, /* it is in the pool */
	ITEM_DAMAGED,
	ITEM_FAILED,
};

struct item {
	const struct lock_package *package;
	char *path;  /* of the package as it was fetched */
	char *fresh; /* where it is fetched to */
	char *file;  /* its name in the pool */
	struct buf control;
	uint64_t size; /* in the pool */
	enum item_state state;
};

struct pool {
	struct debian *d;
	struct item *items; /* as the lock's packages */
	size_t count;
	pthread_mutex_t mutex; /* guards the states, is_over and failure */
	pthread_cond_t work;
	int is_over; /* no item becomes ITEM_THERE any more */
	struct err failure;
};

static void pool_release(struct pool *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->items[i].path);
		free(p->items[i].fresh);
		free(p->items[i].file);
		buf_release(&p->items[i].control);
	}
	free(p->items);
	(void)pthread_mutex_destroy(&p->mutex);
	(void)pthread_cond_destroy(&p->work);
}

/* ---- names ---- */

/* As apt does: QuoteString(name, "_:") in its source. */
static int quote(struct buf *ret, const char *text, const char *bad)
{
	int r = 0;

	for (; r == 0 && *text; text++)
		r = strchr(bad, *text) ? buf_printf(ret, "%%%02x", (unsigned)(unsigned char)*text)
				       : buf_add(ret, text, 1);
	return r;
}

char *debian_file_name(const struct lock_package *p)
{
	_cleanup_buf_ struct buf name = {0};

	if (quote(&name, p->name, "_:%") < 0 || buf_puts(&name, "_") < 0 ||
		quote(&name, p->version, "_:%") < 0 || buf_puts(&name, "_") < 0 ||
		quote(&name, p->arch, "_:.%") < 0 || buf_puts(&name, ".deb") < 0)
		return NULL;
	return buf_steal(&name);
}

static int name_item(struct item *item, const char *folder)
{
	char hex[65];

	digest_hex(&item->package->digest, hex);
	item->file = debian_file_name(item->package);
	if (!item->file || asprintf(&item->path, "%s/%s", folder, hex) < 0 ||
		asprintf(&item->fresh, "%s/" CACHE_TEMP "%d-%s", folder, getpid(), hex) < 0)
		return -ENOMEM;
	/* The touch also tells whether it is there. */
	item->state = utimensat(AT_FDCWD, item->path, NULL, 0) == 0 ? ITEM_THERE : ITEM_MISSING;
	return 0;
}

/* ---- the threads ---- */

static int prove(const struct item *item)
{
	_cleanup_close_ int fd = open(item->path, O_RDONLY | O_CLOEXEC);
	struct digest digest;

	return fd >= 0 && digest_fd(fd, &digest, NULL, NULL) == 0 &&
	       digest_equal(&digest, &item->package->digest);
}

static int unwrap(const struct pool *p, struct item *item, struct err *err)
{
	_cleanup_free_ char *output = path_join(p->d->pool, item->file);
	const struct lock_package *k = item->package;
	struct stat st;
	int r = output ? deb_unwrap(item->path, output, &item->control, err) : err_oom(err, item->path);

	if (r < 0)
		return r;
	if (stat(output, &st) < 0)
		return err_path(err, errno, output);
	item->size = (uint64_t)st.st_size;
	if (!deb_field_is(item->control.data, "Package", k->name) ||
		!deb_field_is(item->control.data, "Version", k->version))
		return err_set(err, EINVAL, "%s=%s: the package says of itself that it is another", k->name,
			k->version);
	return 0;
}

static struct item *next_item(struct pool *p)
{
	for (;;) {
		for (size_t i = 0; i < p->count; i++)
			if (p->items[i].state == ITEM_THERE)
				return &p->items[i];
		if (p->is_over)
			return NULL;
		(void)pthread_cond_wait(&p->work, &p->mutex);
	}
}

static void *work(void *arg)
{
	struct pool *p = arg;
	struct item *item;

	(void)pthread_mutex_lock(&p->mutex);
	while ((item = next_item(p))) {
		struct err err = {0};
		enum item_state state = ITEM_READY;

		item->state = ITEM_READY; /* nobody else's any more */
		(void)pthread_mutex_unlock(&p->mutex);
		if (!prove(item)) {
			(void)unlink(item->path);
			state = ITEM_DAMAGED;
		} else if (unwrap(p, item, &err) < 0) {
			state = ITEM_FAILED;
		}
		(void)pthread_mutex_lock(&p->mutex);
		item->state = state;
		if (state == ITEM_FAILED && !p->failure.code)
			p->failure = err;
	}
	(void)pthread_mutex_unlock(&p->mutex);
	return NULL;
}

/* ---- fetching ---- */

static int add_item(struct words *w, const struct item *item)
{
	char hex[65];
	int r = words_add(w, item->package->uri);

	if (r == 0)
		r = words_add(w, item->fresh);
	digest_hex(&item->package->digest, hex);
	if (r == 0) {
		char *hash;

		r = asprintf(&hash, "SHA256:%s", hex) < 0 ? -ENOMEM : words_take(w, hash);
	}
	return r;
}

/* Gives a fetched package its name and to the threads. */
static void take_fetched(struct pool *p, struct item *item)
{
	if (rename(item->fresh, item->path) < 0)
		return;
	(void)pthread_mutex_lock(&p->mutex);
	item->state = ITEM_THERE;
	(void)pthread_cond_broadcast(&p->work);
	(void)pthread_mutex_unlock(&p->mutex);
}

/* As many of them as make a batch; how many, or -errno. */
static int fetch_batch(struct pool *p, struct item *const missing[], size_t count, struct err *err)
{
	static const char *const fixed[] = {APT_HELPER, "-q", "download-file"};
	struct debian_lines lines = {.d = p->d};
	_cleanup_words_ struct words w = {0};
	uint64_t bytes = 0;
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(fixed); i++)
		r = words_add(&w, fixed[i]);
	for (; r == 0 && n < count && n < BATCH_COUNT && bytes < BATCH_BYTES; n++) {
		r = add_item(&w, missing[n]);
		bytes += missing[n]->package->size;
	}
	if (r < 0)
		return err_oom(err, "the packages");
	/* Which of them failed is seen by what is there. */
	(void)debian_apt(&lines, (const char *const *)w.items, NULL);
	for (size_t i = 0; i < n; i++)
		take_fetched(p, missing[i]);
	return (int)n;
}

static int fetch(struct pool *p, enum item_state which, struct err *err)
{
	_cleanup_free_ struct item **missing = calloc(p->count + 1, sizeof(*missing));
	size_t count = 0;

	if (!missing)
		return err_oom(err, "the packages");
	(void)pthread_mutex_lock(&p->mutex);
	for (size_t i = 0; i < p->count; i++)
		if (p->items[i].state == which)
			missing[count++] = &p->items[i];
	(void)pthread_mutex_unlock(&p->mutex);
	for (size_t i = 0; i < count;) {
		int n = fetch_batch(p, missing + i, count - i, err);

		if (n < 0)
			return n;
		i += (size_t)n;
	}
	return 0;
}

/* Fetches what is in that state, while threads unwrap what is there. */
static int run_round(struct pool *p, enum item_state which, struct err *err)
{
	long cpus = p->d->job->jobs ? (long)p->d->job->jobs : sysconf(_SC_NPROCESSORS_ONLN);
	unsigned wanted = cpus > 0 ? (unsigned)cpus : 1, count = 0;
	pthread_t threads[THREADS_MAX];
	int r;

	p->is_over = 0;
	while (count < wanted && count < THREADS_MAX && pthread_create(&threads[count], NULL, work, p) == 0)
		count++;
	if (!count)
		return err_set(err, EAGAIN, "cannot start a thread for the packages");
	r = p->d->job->offline ? 0 : fetch(p, which, err);
	(void)pthread_mutex_lock(&p->mutex);
	p->is_over = 1;
	(void)pthread_cond_broadcast(&p->work);
	(void)pthread_mutex_unlock(&p->mutex);
	for (unsigned i = 0; i < count; i++)
		(void)pthread_join(threads[i], NULL);
	if (r == 0 && p->failure.code) {
		if (err)
			*err = p->failure;
		r = -p->failure.code;
	}
	return r;
}

/* ---- the pool ---- */

static int name_items(struct pool *p, struct err *err)
{
	const struct lock *l = p->d->lock;
	_cleanup_free_ char *cached = cache_folder(p->d->job->cache, CACHE_KIND),
			    *own = path_join(p->d->job->workdir, "debs");
	int r = 0;

	p->items = calloc(l->package_count + 1, sizeof(*p->items));
	if (!p->items || !own)
		return err_oom(err, "the packages");
	if (!cached)
		r = mkdir_p(own, err);
	for (; r == 0 && p->count < l->package_count; p->count++) {
		struct item *item = &p->items[p->count];

		item->package = &l->packages[p->count];
		if (!item->package->uri)
			r = err_set(err, EINVAL, "the lock file tells no digest of %s", item->package->name);
		else if (name_item(item, cached ? cached : own) < 0)
			r = err_oom(err, "the packages");
	}
	return r;
}

/* All of them are told before the build ends. */
static int tell_missing(const struct pool *p, struct err *err)
{
	const struct source_job *job = p->d->job;
	size_t count = 0;

	for (size_t i = 0; i < p->count; i++) {
		const struct lock_package *k = p->items[i].package;
		_cleanup_free_ char *text = NULL;

		if (p->items[i].state == ITEM_READY)
			continue;
		count++;
		if (asprintf(&text, "%s=%s (%s): %s", k->name, k->version, k->arch,
			    job->offline ? "not in the cache" : k->uri) >= 0)
			job->fault(text, job->arg);
	}
	if (!count)
		return 0;
	if (job->offline)
		return err_set(err, ENOENT,
			"from: debian: offline, and %zu of %zu packages are not in the cache", count,
			p->count);
	return err_set(err, ENOENT, "from: debian: %zu of %zu packages cannot be had from where they %s%s%s",
		count, p->count, job->locked ? "were when the lock file was made" : "should be",
		*p->d->fault ? ": " : "", p->d->fault);
}

/* What apt wants to know of each: its own words, and where it is. */
static int write_index(const struct pool *p, struct err *err)
{
	_cleanup_free_ char *index = path_join(p->d->pool, "Packages"),
			    *release = path_join(p->d->pool, "Release");
	_cleanup_buf_ struct buf text = {0};
	static const char named[] = "Codename: swarmboot\nSuite: swarmboot\n";
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->count; i++)
		r = buf_printf(&text, "%sFilename: ./%s\nSize: %" PRIu64 "\n\n", p->items[i].control.data,
			p->items[i].file, p->items[i].size);
	if (r < 0 || !index || !release)
		return err_oom(err, "the packages");
	r = write_file(release, &(struct file_content){named, strlen(named), 0644}, err);
	return r < 0 ? r : write_file(index, &(struct file_content){text.data, text.len, 0644}, err);
}

static int fill(struct pool *p, struct err *err)
{
	int r = name_items(p, err);

	if (r == 0)
		r = run_round(p, ITEM_MISSING, err);
	/* What was in the cache but is damaged is as good as missing. */
	if (r == 0 && !p->d->job->offline)
		r = run_round(p, ITEM_DAMAGED, err);
	if (r == 0)
		r = tell_missing(p, err);
	return r < 0 ? r : write_index(p, err);
}

int debian_fill_pool(struct debian *d, struct err *err)
{
	struct pool p = {.d = d, .mutex = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER};
	int r;

	d->pool = path_join(d->job->workdir, "pool");
	r = d->pool ? mkdir_p(d->pool, err) : err_oom(err, "the packages");
	if (r == 0)
		r = fill(&p, err);
	pool_release(&p);
	d->fault[0] = '\0';
	return r;
}
