/* The parent's side of a fetch: starts the unprivileged child, follows it, ends it when it stalls. */
#ifndef INITRAMFS_FETCH_H
#define INITRAMFS_FETCH_H

#include <stdint.h>
#include <sys/types.h>

#include "imager/base/err.h"
#include "initramfs/role.h"

/* One "progress" line of the child. All but peers in bytes; by_http is set by the parent. */
struct fetch_progress {
	uint64_t done, size, from_seeder, downloaded, wasted, peers, rss;
	uint64_t by_http; /* of downloaded and from_seeder: not from the swarm */
};

enum fetch_line { FETCH_OTHER, FETCH_PROGRESS, FETCH_DONE, FETCH_FAILED };
/* Pure. What a line of the child is; a malformed progress line is FETCH_OTHER and *ret untouched. */
enum fetch_line fetch_parse_line(const char *line, struct fetch_progress *ret);

/* Pure. No verified byte for limit_ms: stalled. */
struct fetch_stall {
	uint64_t done, since_ms;
};
int fetch_stalled(struct fetch_stall *s, uint64_t done, uint64_t now_ms, uint64_t limit_ms);

struct fetch {
	const char *program; /* "/proc/self/exe" */
	const struct role *role;
	uint64_t stall_ms;
	unsigned starts; /* how often a child is started in a row that gets no further */
	/* What all children together have received. Called as progress comes, at most a few times a second;
	 * may take a moment (it reports). */
	void (*progress)(const struct fetch_progress *p, void *arg);
	/* Why a try failed, in one sentence, when another one follows; may take a moment as well. */
	void (*trouble)(const char *why, void *arg);
	void *arg;
};

/*
 * Runs a child until the image is there and the child has gone. When it crashed, failed or stalled, another
 * one goes on with the file it left: the roles fetch (the swarm) and http in turn, until `starts` of them in
 * a row have got no further, or FETCH_TRIES_MAX in all. Every other child of the process that ends meanwhile
 * is reaped (PID 1 is the parent of all orphans). -ETIMEDOUT (stalled) or -EIO, with the last try's reason.
 */
#define FETCH_TRIES_MAX 64
int fetch_run(const struct fetch *f, struct err *err);

#endif
