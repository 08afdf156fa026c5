/* Owns the transfer of one part: where it goes on, room, bytes, proof. Which parts there are is bring.c's. */
#include "seeder/mirror/part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/base/loop.h"
#include "seeder/mirror/mirror.h"
#include "seeder/wire/httprange.h"

/* Less than this in so long a time is a seeder that drips, and nothing to wait for. */
#define SLOW_MS    30000
#define SLOW_BYTES (UINT64_C(256) << 10)

struct transfer {
	const struct part_fetch *fetch;
	int fd;
	uint64_t done;            /* bytes in the file */
	uint64_t marked_ms, mark; /* `done` as it was then */
};

char *part_path(const char *folder, const struct release_part *part)
{
	char hex[65], *path;

	digest_hex(&part->digest, hex);
	return asprintf(&path, "%s/%s", folder, hex) < 0 ? NULL : path;
}

static int is_slow(struct transfer *t)
{
	uint64_t now = monotonic_ms();
	int slow = 0;

	if (now - t->marked_ms >= SLOW_MS) {
		slow = t->marked_ms && t->done - t->mark < SLOW_BYTES;
		t->marked_ms = now;
		t->mark = t->done;
	}
	return slow;
}

static int take_bytes(const void *data, size_t len, void *arg)
{
	struct transfer *t = arg;
	int r = write_full(t->fd, data, len);

	if (r < 0)
		return r;
	t->done += len;
	return is_slow(t) ? -ETIMEDOUT : t->fetch->progress(t->fetch, t->done);
}

/* What an interrupted transfer left stays; whatever cannot be its beginning goes. */
static int open_part(struct transfer *t, const char *path, struct err *err)
{
	struct stat st;

	t->fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (t->fd < 0 || fstat(t->fd, &st) < 0)
		return err_path(err, errno, path);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > t->fetch->part->size)
		st.st_size = 0;
	if (ftruncate(t->fd, st.st_size) < 0 || lseek(t->fd, st.st_size, SEEK_SET) < 0)
		return err_path(err, errno, path);
	t->done = (uint64_t)st.st_size;
	return 0;
}

/* Room for all of it, without a change of the file's size, which says how far it is. */
static int reserve(const struct transfer *t, const char *path, struct err *err)
{
	const struct release_part *part = t->fetch->part;

	if (fallocate(t->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)part->size) == 0)
		return 0;
	return errno == ENOSPC || errno == EFBIG ? err_path(err, errno, path) : 0;
}

static int get_rest(struct transfer *t, struct err *err)
{
	const struct part_fetch *f = t->fetch;
	char digest[DIGEST_TEXT_SIZE];
	_cleanup_free_ char *url = NULL;
	int r;

	digest_format(&f->part->digest, digest);
	if (asprintf(&url, "%s/v1/blobs/%s", f->url, digest) < 0) {
		url = NULL;
		return err_oom(err, f->what);
	}
	r = http_get_range(&(struct http_range){.url = url,
				   .offset = t->done,
				   .size = f->part->size,
				   .timeout_s = MIRROR_QUIET_S,
				   .cut = f->cut,
				   .sink = take_bytes,
				   .arg = t},
		err);
	if (r < 0 && err && !err->code)
		return err_set(err, -r, "%s: %s", f->what, strerror(-r));
	return r;
}

static int prove(const struct transfer *t, const char *path, struct err *err)
{
	const struct part_fetch *f = t->fetch;
	struct digest digest;
	int r = digest_fd(t->fd, &digest, NULL, f->stop);

	if (r < 0)
		return err_path(err, -r, path);
	if (digest_equal(&digest, &f->part->digest))
		return 0;
	(void)unlink(path);
	return err_set(
		err, EBADMSG, "%s: %s sends other bytes than those of the signed digest", f->what, f->url);
}

static int fetch_into(const struct part_fetch *f, const char *growing, const char *path, struct err *err)
{
	struct transfer t = {.fetch = f, .fd = -1};
	int r = open_part(&t, growing, err);

	if (r == 0 && t.done < f->part->size)
		r = reserve(&t, growing, err);
	if (r == 0 && t.done < f->part->size)
		r = get_rest(&t, err);
	if (r == 0)
		r = prove(&t, growing, err);
	if (r == 0)
		r = place_file(t.fd, growing, path, err);
	if (t.fd >= 0)
		(void)close(t.fd);
	return r;
}

int part_fetch(const struct part_fetch *f, struct err *err)
{
	_cleanup_free_ char *path = part_path(f->folder, f->part), *growing = NULL;
	struct stat st;

	if (!path || asprintf(&growing, "%s.part", path) < 0) {
		growing = NULL;
		return err_oom(err, f->what);
	}
	/* Proved by an earlier try; store_adopt looks again. */
	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == f->part->size)
		return 0;
	return fetch_into(f, growing, path, err);
}
