/* Owns the pack file format: rows read and proved, new files written. What to look for is blockcache.c's. */
#include "imager/squash/blockpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/cache/cache.h"
#include "imager/format/digest.h"

#define SUFFIX ".pack"
/* Rows held in memory: 9 MiB, for some 40 GiB of images. */
#define ROWS_MAX  (192 * 1024)
#define PACKS_MAX 256

static const char magic[16] = "swarmboot block2";

struct tail {
	char magic[16];
	uint64_t count;
	struct digest digest; /* of the rows */
};

static int compare_rows(const void *a, const void *b)
{
	const struct blockpack_row *x = a, *y = b;

	return memcmp(x->key.bytes, y->key.bytes, sizeof(x->key.bytes));
}

/* ---- reading ---- */

static int read_exact(int fd, void *data, size_t size, uint64_t offset)
{
	ssize_t n = pread_full(fd, data, size, offset);

	return n == (ssize_t)size ? 0 : -EIO;
}

/* The rows are proved here, each block when it is read. */
static int load_rows(struct blockpack *pack, size_t limit)
{
	_cleanup_free_ struct blockpack_row *rows = NULL;
	struct digest digest;
	struct tail tail;
	struct stat st;
	uint64_t at;

	if (fstat(pack->fd, &st) < 0 || st.st_size < (off_t)sizeof(tail))
		return -EBADMSG;
	at = (uint64_t)st.st_size - sizeof(tail);
	if (read_exact(pack->fd, &tail, sizeof(tail), at) < 0 ||
		memcmp(tail.magic, magic, sizeof(magic)) != 0)
		return -EBADMSG;
	if (tail.count > limit || tail.count > at / sizeof(*rows))
		return -E2BIG;
	rows = calloc(tail.count + 1, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	at -= tail.count * sizeof(*rows);
	if (read_exact(pack->fd, rows, tail.count * sizeof(*rows), at) < 0 ||
		digest_bytes(rows, tail.count * sizeof(*rows), &digest) < 0 ||
		!digest_equal(&digest, &tail.digest))
		return -EBADMSG;
	pack->rows = TAKE(rows);
	pack->count = tail.count;
	return 0;
}

struct found {
	char name[NAME_MAX + 1];
	struct timespec time;
};

static int compare_found(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->time.tv_sec != y->time.tv_sec)
		return x->time.tv_sec > y->time.tv_sec ? -1 : 1;
	if (x->time.tv_nsec != y->time.tv_nsec)
		return x->time.tv_nsec > y->time.tv_nsec ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* The folder's pack files, the newest first. */
static size_t list_packs(DIR *dir, struct found **ret)
{
	size_t count = 0, size = 0;
	struct found *all = NULL;

	for (struct dirent *e; (e = readdir(dir));) {
		size_t len = strlen(e->d_name);
		struct stat st;

		if (e->d_name[0] == '.' || len < strlen(SUFFIX) ||
			strcmp(e->d_name + len - strlen(SUFFIX), SUFFIX) != 0 ||
			fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		if (count == size) {
			struct found *grown = reallocarray(all, size = size * 2 + 16, sizeof(*all));

			if (!grown)
				break;
			all = grown;
		}
		all[count].time = st.st_mtim;
		memcpy(all[count++].name, e->d_name, len + 1);
	}
	if (count)
		qsort(all, count, sizeof(*all), compare_found);
	*ret = all;
	return count;
}

void blockpacks_load(struct blockpacks *p, const char *folder, const struct blockhash *hash)
{
	_cleanup_closedir_ DIR *dir = opendir(folder);
	_cleanup_free_ struct found *found = NULL;
	size_t count = dir ? list_packs(dir, &found) : 0, rows = 0;

	*p = (struct blockpacks){.hash = hash, .items = calloc(PACKS_MAX, sizeof(*p->items))};
	for (size_t i = 0; p->items && i < count && p->count < PACKS_MAX; i++) {
		struct blockpack pack = {.fd = openat(dirfd(dir), found[i].name, O_RDONLY | O_CLOEXEC)};
		int r = pack.fd < 0 ? -errno : load_rows(&pack, ROWS_MAX - rows);

		if (r == -EBADMSG)
			(void)unlinkat(dirfd(dir), found[i].name, 0);
		if (r < 0) {
			if (pack.fd >= 0)
				(void)close(pack.fd);
			continue;
		}
		rows += pack.count;
		p->items[p->count++] = pack;
	}
}

void blockpacks_release(struct blockpacks *p)
{
	for (size_t i = 0; i < p->count; i++) {
		(void)close(p->items[i].fd);
		free(p->items[i].rows);
	}
	free(p->items);
	*p = (struct blockpacks){0};
}

int blockpacks_find(const struct blockpacks *p, const struct blockhash_value *key, struct blockpack_hit *ret)
{
	const struct blockpack_row wanted = {.key = *key};

	for (size_t i = 0; i < p->count; i++) {
		struct blockpack *pack = &p->items[i];
		const struct blockpack_row *row =
			bsearch(&wanted, pack->rows, pack->count, sizeof(wanted), compare_rows);

		if (row) {
			*ret = (struct blockpack_hit){pack, row};
			return 1;
		}
	}
	return 0;
}

int blockpack_read(const struct blockpacks *p, const struct blockpack_hit *hit, void *data)
{
	struct blockhash_value check;

	if (read_exact(hit->pack->fd, data, hit->row->size, hit->row->offset) < 0 ||
		blockhash_of(p->hash, data, hit->row->size, &check) < 0 ||
		memcmp(check.bytes, hit->row->check.bytes, sizeof(check.bytes)) != 0)
		return -EIO;
	return 0;
}

/* ---- writing ---- */

static int begin(struct blockpack_writer *w, const char *folder)
{
	if (w->fd >= 0)
		return 0;
	w->temp = path_join(folder, CACHE_TEMP "XXXXXX");
	w->fd = w->temp ? mkostemp(w->temp, O_CLOEXEC) : -1;
	if (w->fd < 0 || write_full(w->fd, magic, sizeof(magic)) < 0)
		return -EIO;
	w->offset = sizeof(magic);
	return 0;
}

static int grow(struct blockpack_writer *w)
{
	size_t size = w->size ? w->size * 2 : 256;
	struct blockpack_row *rows;

	if (w->count < w->size)
		return 0;
	rows = reallocarray(w->rows, size, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	w->rows = rows;
	w->size = size;
	return 0;
}

void blockpack_add(struct blockpack_writer *w, const char *folder, const struct blockhash_value *key,
	const void *data, uint32_t size)
{
	struct blockpack_row row = {.key = *key, .size = size};

	if (w->is_broken || w->count == ROWS_MAX)
		return;
	if (begin(w, folder) < 0 || grow(w) < 0 || blockhash_of(w->hash, data, size, &row.check) < 0 ||
		write_full(w->fd, data, size) < 0) {
		w->is_broken = 1;
		return;
	}
	row.offset = w->offset;
	w->offset += size;
	w->rows[w->count++] = row;
}

/* The digest of the rows makes a name that nothing else has. */
static int seal(struct blockpack_writer *w, const char *folder)
{
	_cleanup_free_ char *path = NULL;
	struct tail tail = {.count = w->count};
	char hex[65];

	memcpy(tail.magic, magic, sizeof(magic));
	qsort(w->rows, w->count, sizeof(*w->rows), compare_rows);
	if (digest_bytes(w->rows, w->count * sizeof(*w->rows), &tail.digest) < 0 ||
		write_full(w->fd, w->rows, w->count * sizeof(*w->rows)) < 0 ||
		write_full(w->fd, &tail, sizeof(tail)) < 0)
		return -EIO;
	digest_hex(&tail.digest, hex);
	if (asprintf(&path, "%s/%s" SUFFIX, folder, hex) < 0)
		return -ENOMEM;
	return rename(w->temp, path) < 0 ? -errno : 0;
}

void blockpack_finish(struct blockpack_writer *w, const char *folder, int keep)
{
	if (w->temp && (!keep || w->is_broken || seal(w, folder) < 0))
		(void)unlink(w->temp);
	if (w->fd >= 0)
		(void)close(w->fd);
	free(w->temp);
	free(w->rows);
	*w = (struct blockpack_writer){.fd = -1};
}
