/*
 * Owns the http role: the unprivileged child that fills the image file from the seeders by plain HTTP when
 * the swarm does not, and prints the fetch role's lines (fetcher.c). It writes in place and in order: what
 * the swarm has already brought stays, and what it writes the swarm can go on with. Proves nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/base/log.h"
#include "imager/base/loop.h"
#include "initramfs/role.h"
#include "initramfs/sandbox.h"
#include "seeder/wire/httprange.h"

#define TELL_MS 250
#define QUIET_S 10
/* Progress is told in whole steps of a piece's size, so that a seeder that drips counts as stalled. */
#define STEP     (UINT64_C(256) << 10)
#define URL_SIZE 256

struct download {
	const struct role *role;
	int fd;
	uint64_t offset; /* of the next byte */
	uint64_t got;    /* bytes received by this process */
	uint64_t told_ms;
};

static void tell(struct download *d, int is_last)
{
	uint64_t done = is_last ? d->offset : d->offset - d->offset % STEP, now = monotonic_ms();

	if (!is_last && now - d->told_ms < TELL_MS)
		return;
	d->told_ms = now;
	(void)printf("progress %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " 0 1 %" PRIu64 "\n", done,
		d->role->size, d->got, d->got, role_peak_rss());
	(void)fflush(stdout);
}

static int write_block(const void *data, size_t len, void *arg)
{
	struct download *d = arg;
	int r = pwrite_full(d->fd, data, len, d->offset);

	if (r < 0)
		return r;
	d->offset += len;
	d->got += len;
	tell(d, 0);
	return 0;
}

static int ask(struct download *d, const char *seeder, struct err *err)
{
	char url[URL_SIZE];
	const struct http_range range = {
		.url = url,
		.offset = d->offset,
		.size = d->role->size,
		.timeout_s = QUIET_S,
		.sink = write_block,
		.arg = d,
	};
	int r;

	if (snprintf(url, sizeof(url), "%s/v1/blobs/sha256:%s", seeder, d->role->name) >= (int)sizeof(url))
		return err_set(err, EINVAL, "%.100s is no seeder's URL", seeder);
	r = http_get_range(&range, err);
	if (r < 0 && !err->code)
		return err_set(err, -r, "%s: %s", d->role->file, strerror(-r));
	return r;
}

/* Seeder after seeder, each going on where the one before it broke off, as long as a round brings any byte.
 */
static int download(struct download *d, struct err *err)
{
	const struct cli_list *seeders = &d->role->seeders;
	uint64_t before;

	do {
		before = d->offset;
		for (size_t i = 0; i < seeders->count; i++) {
			*err = (struct err){0};
			if (d->offset == d->role->size || ask(d, seeders->items[i], err) == 0)
				return 0;
			log_warn("%s", err->text);
		}
	} while (d->offset > before);
	return err->code ? -err->code : err_set(err, EINVAL, "no --seeder is given");
}

/* In full before the first byte: a sparse file would run out of room in the middle. */
static int open_file(struct download *d, const char *path, struct err *err)
{
	int r;

	d->fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (d->fd < 0)
		return err_path(err, errno, path);
	r = allocate_full(d->fd, d->role->size);
	return r < 0 ? err_path(err, -r, path) : 0;
}

static int run(const struct role *role, struct err *err)
{
	struct download d = {.role = role, .fd = -1, .offset = role->from};
	const char *path = role_path(role);
	int r = sandbox_enter(role->root, err);

	if (r == 0)
		r = open_file(&d, path, err);
	if (r == 0)
		r = download(&d, err);
	if (r == 0)
		tell(&d, 1);
	if (d.fd >= 0 && close(d.fd) < 0 && r == 0)
		r = err_path(err, errno, role->file);
	return r;
}

static int http(const void *options, char **args, struct err *err)
{
	int r = role_check(options, err);

	(void)args;
	if (r == 0)
		r = run(options, err);
	if (r == CLI_USAGE)
		return r;
	(void)printf(r < 0 ? "failed %s\n" : "done\n", err->text);
	(void)fflush(stdout);
	return r < 0 ? CLI_QUIET : 0;
}

const struct cli_command http_command = {
	.name = "http",
	.arguments = "",
	.summary = "get the image from the seeders by HTTP",
	.text = "Used by the agent itself when the swarm fails. Prints the same lines as fetch.",
	.options = role_options,
	.options_size = sizeof(struct role),
	.run = http,
};
