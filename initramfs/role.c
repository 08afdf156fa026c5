/* Owns the start of a swarm role: options, the torrent's check, the sandbox, the session. */
#include "initramfs/role.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "initramfs/sandbox.h"

#define TORRENT_LIMIT (1 << 20)
#define URL_SIZE      160

const struct cli_option role_options[] = {
	{"torrent", 0, CLI_STRING, offsetof(struct role, torrent), "FILE", "the .torrent"},
	{"file", 0, CLI_STRING, offsetof(struct role, file), "FILE", "the image"},
	{"root", 0, CLI_STRING, offsetof(struct role, root), "DIR",
		"the folder of the image, to be locked into"},
	{"name", 0, CLI_STRING, offsetof(struct role, name), "HEX", "file name the torrent must have"},
	{"size", 0, CLI_U64, offsetof(struct role, size), "BYTES", "length the torrent must have"},
	{"listen", 0, CLI_STRING, offsetof(struct role, listen), "ADDRESS:PORT", "where peers find us"},
	{"seeder", 0, CLI_LIST, offsetof(struct role, seeders), "URL", "a seeder; may be given again"},
	{"pid-file", 0, CLI_STRING, offsetof(struct role, pid_file), "FILE",
		"take over from the process named here, and name this one"},
	{"control", 0, CLI_STRING, offsetof(struct role, control), "DIR", "the folder that says how to seed"},
	{"from", 0, CLI_U64, offsetof(struct role, from), "BYTES", "of the image that are there already"},
	{0},
};

static size_t add_option(struct role_argv *ret, size_t n, const char *option, const char *value)
{
	if (!value)
		return n;
	ret->argv[n++] = option;
	ret->argv[n++] = value;
	return n;
}

void role_argv(const struct role *role, const char *program, const char *word, struct role_argv *ret)
{
	size_t n = 0;

	(void)snprintf(ret->size, sizeof(ret->size), "%" PRIu64, role->size);
	const char *const fixed[] = {program, word, "--torrent", role->torrent, "--file", role->file,
		"--name", role->name, "--size", ret->size, "--listen", role->listen};

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		ret->argv[n++] = fixed[i];
	n = add_option(ret, n, "--root", role->root);
	n = add_option(ret, n, "--pid-file", role->pid_file);
	n = add_option(ret, n, "--control", role->control);
	if (role->from) {
		(void)snprintf(ret->from, sizeof(ret->from), "%" PRIu64, role->from);
		n = add_option(ret, n, "--from", ret->from);
	}
	for (size_t i = 0; i < role->seeders.count; i++)
		n = add_option(ret, n, "--seeder", role->seeders.items[i]);
	ret->argv[n] = NULL;
}

int role_check(const struct role *role, struct err *err)
{
	size_t len = role->root ? strlen(role->root) : 0;

	if (!role->torrent || !role->file || !role->name || !role->size || !role->listen)
		(void)err_set(err, EINVAL, "--torrent, --file, --name, --size and --listen are needed");
	else if (role->root && (strncmp(role->file, role->root, len) != 0 || role->file[len] != '/'))
		(void)err_set(err, EINVAL, "--file must be below --root");
	else if (role->from > role->size)
		(void)err_set(err, EINVAL, "--from is beyond --size");
	else
		return 0;
	return CLI_USAGE;
}

const char *role_path(const struct role *role)
{
	return role->file + (role->root && geteuid() == 0 ? strlen(role->root) : 0);
}

/* ru_maxrss counts in KiB (getrusage(2)). */
uint64_t role_peak_rss(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

/* The torrent is transport only: it has to be for the very file the signed manifest names. */
static int check_torrent(const struct role *role, const char *torrent, size_t len, struct err *err)
{
	struct swarm_info file;
	int r = swarm_inspect(torrent, len, &file, err);

	if (r < 0)
		return r;
	if (strcmp(file.name, role->name) != 0)
		return err_set(
			err, EBADMSG, "the torrent is for the file %.80s, not %s", file.name, role->name);
	if (file.size != role->size)
		return err_set(err, EBADMSG,
			"the torrent's file has %" PRIu64 " bytes, the release says %" PRIu64, file.size,
			role->size);
	return 0;
}

int role_seeder_host(const char *url, char *ret, size_t size)
{
	const char *host = strncmp(url, "http://", 7) == 0 ? url + 7 : NULL;
	size_t len = host ? strcspn(host, ":/") : 0;

	if (len == 0 || len >= size)
		return -EINVAL;
	memcpy(ret, host, len);
	ret[len] = '\0';
	return 0;
}

/* One torrent, ready to be added: what role_start has found out. */
struct start {
	const char *path; /* of the file, as seen from the sandbox */
	struct buf torrent;
	int complete;
};

static int compare_urls(const void *a, const void *b)
{
	return strcmp(a, b);
}

/*
 * The seeders stand in an order of the node's own, the trackers in one that is the same on all nodes: whoever
 * hands out the upstreams must see the whole swarm, or two chains grow and every node feeds two others.
 */
static int add(struct swarm *s, const struct role *role, const struct start *start, struct err *err)
{
	char urls[CLI_LIST_MAX][URL_SIZE], host[64];
	const char *trackers[CLI_LIST_MAX + 1] = {0};

	for (size_t i = 0; i < role->seeders.count; i++) {
		const char *base = role->seeders.items[i];

		if (snprintf(urls[i], URL_SIZE, "%s/announce", base) >= URL_SIZE ||
			role_seeder_host(base, host, sizeof(host)) < 0 || swarm_mark(s, host) < 0)
			return err_set(err, EINVAL, "%.100s is no seeder's URL", base);
		trackers[i] = urls[i];
	}
	qsort(urls, role->seeders.count, sizeof(urls[0]), compare_urls);
	return swarm_add(s,
		&(struct swarm_torrent){.torrent = start->torrent.data,
			.len = start->torrent.len,
			.path = start->path,
			.trackers = trackers,
			.complete = start->complete,
			.paused = role->paused},
		err);
}

/* Reads what is outside the sandbox, enters it, and checks what was read. */
static int enter(const struct role *role, struct start *start, struct err *err)
{
	int r = role_check(role, err);

	if (r == 0)
		r = read_file(role->torrent, TORRENT_LIMIT, &start->torrent.data, &start->torrent.len, err);
	if (r < 0)
		return r;
	start->path = role_path(role);
	r = sandbox_enter(role->root, err);
	if (r == 0)
		r = check_torrent(role, start->torrent.data, start->torrent.len, err);
	return r;
}

static int start_swarm(
	const struct role *role, const struct start *start, struct swarm **ret, struct err *err)
{
	struct swarm *s = swarm_new(
		&(struct swarm_options){
			.role = SWARM_NODE, .listen = role->listen, .upload_rate = role->upload_rate},
		err);
	int r;

	if (!s)
		return -(err->code ? err->code : EIO);
	r = add(s, role, start, err);
	if (r < 0)
		swarm_free(s);
	else
		*ret = s;
	return r;
}

int role_start(const struct role *role, int complete, struct swarm **ret, struct err *err)
{
	struct start start = {.complete = complete};
	int r = enter(role, &start, err);

	if (r == 0)
		r = start_swarm(role, &start, ret, err);
	buf_release(&start.torrent);
	return r;
}
