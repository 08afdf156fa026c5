/* Owns the removal of what was not used for the longest time from the cache folder. */
#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/cache/cache.h"

/* A temporary file this old belongs to nobody who still lives. */
#define TEMP_AGE (24 * 60 * 60)

struct old_file {
	char *path;
	uint64_t size;
	struct timespec time;
};

struct old_files {
	struct old_file *items;
	size_t count, size;
	uint64_t bytes;
};

static void old_files_release(struct old_files *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->items[i].path);
	free(f->items);
}

static int note_file(struct old_files *f, const char *path, const struct stat *st)
{
	struct old_file file = {strdup(path), (uint64_t)st->st_blocks * 512, st->st_mtim};

	if (f->count == f->size) {
		size_t size = f->size ? f->size * 2 : 256;
		struct old_file *grown = reallocarray(f->items, size, sizeof(*grown));

		if (!grown) {
			free(file.path);
			return -ENOMEM;
		}
		f->items = grown;
		f->size = size;
	}
	if (!file.path)
		return -ENOMEM;
	f->items[f->count++] = file;
	f->bytes += file.size;
	return 0;
}

static int visit(FTS *fts, FTSENT *e, struct old_files *f)
{
	if (e->fts_level > 0 && e->fts_name[0] == '.') {
		if (e->fts_info == FTS_D)
			(void)fts_set(fts, e, FTS_SKIP);
		else if (e->fts_info == FTS_F && !strncmp(e->fts_name, CACHE_TEMP, strlen(CACHE_TEMP)) &&
			 e->fts_statp->st_mtime < time(NULL) - TEMP_AGE)
			(void)unlink(e->fts_accpath);
		return 0;
	}
	return e->fts_info == FTS_F ? note_file(f, e->fts_path, e->fts_statp) : 0;
}

static int list_files(const char *path, struct old_files *f)
{
	char *const paths[] = {(char *)path, NULL};
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	int r = fts ? 0 : -errno;

	for (FTSENT *e; r == 0 && (e = fts_read(fts));)
		r = visit(fts, e, f);
	if (fts)
		(void)fts_close(fts);
	return r;
}

static int compare_age(const void *a, const void *b)
{
	const struct timespec *x = &((const struct old_file *)a)->time,
			      *y = &((const struct old_file *)b)->time;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? -1 : 1;
	return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

void cache_trim(const char *path, uint64_t limit)
{
	_cleanup_(old_files_release) struct old_files f = {0};

	if (list_files(path, &f) < 0 || f.bytes <= limit)
		return;
	qsort(f.items, f.count, sizeof(f.items[0]), compare_age);
	for (size_t i = 0; i < f.count && f.bytes > limit; i++) {
		(void)unlink(f.items[i].path);
		f.bytes -= f.items[i].size;
	}
}
