/* Owns the fetch role: the unprivileged child that speaks to the swarm and prints how far it is, a line each
 * time: "progress DONE SIZE FROM_SEEDER DOWNLOADED WASTED PEERS RSS", at last "done" or "failed TEXT". */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>

#include "imager/base/log.h"
#include "imager/base/loop.h"
#include "initramfs/role.h"

#define TELL_MS 250
/* At the end, for those who lack no more than this part. */
#define LINGER_PART    16
#define LINGER_MS      3000
#define LINGER_STEP_MS 20

struct fetcher {
	struct swarm *swarm;
	struct loop *loop;
	struct err *err;
	int handle;
	unsigned peers; /* when it told last */
};

static int tell(void *arg)
{
	struct fetcher *f = arg;
	struct swarm_stats s;

	if (swarm_stats(f->swarm, f->handle, &s) < 0)
		return 0;
	/* Its upstream is gone, or paused: another one now, not at the end of the interval. */
	if (s.peers == 0 && f->peers > 0 && s.done < s.size)
		(void)swarm_announce(f->swarm, f->handle);
	f->peers = s.peers;
	(void)printf("progress %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %u %" PRIu64 "\n",
		s.done, s.size, s.from_marked, s.downloaded, s.wasted, s.peers, role_peak_rss());
	return fflush(stdout) == 0 ? 0 : -EPIPE;
}

static int on_events(void *arg)
{
	struct fetcher *f = arg;
	struct swarm_event event;

	while (swarm_next_event(f->swarm, &event) > 0) {
		if (event.kind == SWARM_EVENT_TRACKER)
			log_warn("%s", event.text);
		else if (event.kind == SWARM_EVENT_FAILED)
			return err_set(f->err, EIO, "%s", event.text);
		else
			loop_stop(f->loop, 0);
	}
	return 0;
}

static int run(struct fetcher *f)
{
	int r = loop_add_fd(f->loop, swarm_fd(f->swarm), on_events, f);

	if (r == 0)
		r = loop_add_timer(f->loop, TELL_MS, TELL_MS, tell, f);
	if (r >= 0)
		r = loop_run(f->loop);
	if (r == 0)
		r = tell(f);
	return r;
}

/*
 * Who is fed by this node is a moment behind it, and so is everybody down the chain. If it went at once, each
 * in turn would lose its connection with the last pieces missing and need a second for another one.
 */
static void linger(struct fetcher *f)
{
	uint64_t end = monotonic_ms() + LINGER_MS;
	struct swarm_stats s;

	if (swarm_stats(f->swarm, f->handle, &s) < 0)
		return;
	while (monotonic_ms() < end && swarm_followers(f->swarm, f->handle, s.size / LINGER_PART) > 0)
		(void)poll(NULL, 0, LINGER_STEP_MS);
}

static int fetch(const void *options, char **args, struct err *err)
{
	struct fetcher f = {.loop = loop_new(), .err = err};
	int r;

	(void)args;
	if (!f.loop)
		return err_oom(err, "the loop");
	r = f.handle = role_start(options, 0, &f.swarm, err);
	if (r >= 0)
		r = run(&f);
	if (r == 0)
		linger(&f);
	if (r < 0 && r != CLI_USAGE) {
		(void)printf("failed %s\n", err->text);
		(void)fflush(stdout);
	}
	if (r < 0)
		return r == CLI_USAGE ? r : CLI_QUIET;
	/* No goodbye to the tracker: the seed role goes on under the same address in a moment. All data was
	 * written by write(2), so nothing is lost. */
	(void)printf("done\n");
	(void)fflush(stdout);
	_exit(0);
}

const struct cli_command fetch_command = {
	.name = "fetch",
	.arguments = "",
	.summary = "get the image from the swarm",
	.text = "Used by the agent itself. Prints a line of progress four times a second and ends with "
		"\"done\" or "
		"\"failed TEXT\".",
	.options = role_options,
	.options_size = sizeof(struct role),
	.run = fetch,
};
