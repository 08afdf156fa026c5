/*
 * Owns the seed role: serves the proved image to the neighbours, before the switch and after it, as far as
 * the seed folder allows. What follows from that is seeder/wire/seed.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/base/log.h"
#include "imager/base/loop.h"
#include "imager/base/parse.h"
#include "imager/base/proc.h"
#include "initramfs/role.h"
#include "initramfs/seedfolder.h"

#define SEED_NAME    "swarmboot-seed" /* of the process, at most 15 characters */
#define GOODBYE_MS   3000
#define PID_TEXT_MAX 32

struct seeding {
	struct swarm *swarm;
	struct loop *loop;
	struct err *err;
	int handle;
	struct seedfolder folder;
	int watch, timer; /* timer: of policy.until */
	struct seed_policy policy;
	enum seed_state state;
};

static int is_seeder(pid_t pid, const void *arg)
{
	_cleanup_free_ char *name = NULL;
	char path[64];

	(void)arg;
	(void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	if (read_file(path, 64, &name, NULL, NULL) < 0)
		return 0;
	return !strcmp(name, SEED_NAME "\n");
}

/* The port is one: whoever has it gives it up first. Returns the open pid file, empty until note_pid. */
static int take_over(const char *pid_file, struct err *err)
{
	_cleanup_close_ int fd = open(pid_file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	char text[PID_TEXT_MAX] = "";
	uint32_t pid;

	if (fd < 0 || read_full(fd, text, sizeof(text) - 1) < 0)
		return err_path(err, errno, pid_file);
	text[strcspn(text, "\n")] = '\0';
	if (parse_u32(text, &pid) == 0 && pid > 1 && (pid_t)pid != getpid())
		proc_end((pid_t)pid, GOODBYE_MS, is_seeder, NULL);
	if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_path(err, errno, pid_file);
	return TAKE_FD(fd);
}

/* Only now, as whoever waits for it (the switch of the root) wants a process that looks for no file any more.
 */
static int note_pid(int fd, struct err *err)
{
	if (dprintf(fd, "%d\n", getpid()) < 0)
		return err_set(err, errno, "the pid file: %s", strerror(errno));
	return 0;
}

static int on_stop(void *arg)
{
	struct seeding *s = arg;

	loop_stop(s->loop, 0);
	return 0;
}

static int on_events(void *arg)
{
	struct seeding *s = arg;
	struct swarm_event event;

	while (swarm_next_event(s->swarm, &event) > 0) {
		if (event.kind == SWARM_EVENT_TRACKER)
			log_warn("%s", event.text);
		else if (event.kind == SWARM_EVENT_FAILED)
			return err_set(s->err, EIO, "the image cannot be read: %s", event.text);
	}
	return 0;
}

/* Signals are blocked before the session makes its threads. */
static int catch_signals(struct seeding *s)
{
	int r = loop_add_signal(s->loop, SIGTERM, on_stop, s);

	if (r == 0)
		r = loop_add_signal(s->loop, SIGINT, on_stop, s);
	return r < 0 ? err_set(s->err, -r, "signals: %s", strerror(-r)) : 0;
}

/* ---- how it may ---- */

static uint64_t uptime_s(void)
{
	struct timespec now;

	return clock_gettime(CLOCK_BOOTTIME, &now) == 0 ? (uint64_t)now.tv_sec : 0;
}

/* What cannot be read leaves the policy as it was. */
static enum seed_state decide(struct seeding *s)
{
	struct err err = {0};

	if (seedfolder_policy(&s->folder, &s->policy, &err) < 0)
		log_warn("keeps its policy: %s", err.text);
	return seed_decide(&s->policy, uptime_s(), seedfolder_jobs(&s->folder));
}

static void note_state(struct seeding *s, enum seed_state state)
{
	static const char *const words[SEED_STATE_COUNT] = {
		[SEED_ON] = "seeds",
		[SEED_JOB] = "paused while a job runs",
		[SEED_PAUSED] = "paused",
		[SEED_OVER] = "seeds no more, its time is over",
	};
	struct err err = {0};

	log_info("%s", words[state] ? words[state] : seed_state_name(state));
	if (seedfolder_put_state(&s->folder, state, &err) < 0)
		log_warn("%s", err.text);
	s->state = state;
}

static void set_timer(const struct seeding *s)
{
	uint64_t up = uptime_s();

	if (s->policy.until > up)
		(void)loop_set_timer(s->loop, s->timer, (s->policy.until - up) * 1000, 0);
}

/* Something has changed: files in the folder, or the time is over. */
static int on_change(void *arg)
{
	struct seeding *s = arg;
	const uint64_t rate = s->policy.rate;
	enum seed_state state;
	int r = 0;

	seedfolder_drain(s->watch);
	state = decide(s);
	if (s->policy.rate != rate)
		r = swarm_limit(s->swarm, s->policy.rate);
	if (r == 0 && (state == SEED_ON) != (s->state == SEED_ON))
		r = swarm_pause(s->swarm, s->handle, state != SEED_ON);
	if (r < 0)
		return err_set(s->err, -r, "cannot obey the seed policy: %s", strerror(-r));
	if (state != s->state)
		note_state(s, state);
	set_timer(s);
	return 0;
}

/* Before the sandbox. */
static int open_control(struct seeding *s, struct role *role)
{
	int r = seedfolder_open(role->control, &s->folder, s->err);

	if (r < 0)
		return r;
	s->watch = seedfolder_watch(role->control, s->err);
	if (s->watch < 0)
		return s->watch;
	s->state = decide(s);
	role->paused = s->state != SEED_ON;
	role->upload_rate = s->policy.rate;
	return 0;
}

static int watch_control(struct seeding *s)
{
	int r = loop_add_fd(s->loop, s->watch, on_change, s);

	if (r == 0)
		r = s->timer = loop_add_timer(s->loop, 0, 0, on_change, s);
	if (r < 0)
		return r;
	note_state(s, s->state);
	set_timer(s);
	return 0;
}

static int run(struct seeding *s)
{
	int r = loop_add_fd(s->loop, swarm_fd(s->swarm), on_events, s);

	if (r == 0 && s->watch >= 0)
		r = watch_control(s);
	return r < 0 ? r : loop_run(s->loop);
}

static int serve(struct seeding *s, struct role *role)
{
	_cleanup_close_ int pid_fd = role->pid_file ? take_over(role->pid_file, s->err) : -1;
	int r = role->pid_file && pid_fd < 0 ? pid_fd : 0;

	if (r == 0 && role->control)
		r = open_control(s, role);
	if (r == 0)
		r = s->handle = role_start(role, 1, &s->swarm, s->err);
	if (r >= 0 && pid_fd >= 0)
		r = note_pid(pid_fd, s->err);
	if (r < 0)
		return r;
	log_info("seeding on port %u", swarm_port(s->swarm));
	return run(s);
}

static int seed(const void *options, char **args, struct err *err)
{
	struct seeding s = {.loop = loop_new(), .err = err, .folder = {-1, -1}, .watch = -1};
	struct role role = *(const struct role *)options;
	int r;

	(void)args;
	if (!s.loop)
		return err_oom(err, "the loop");
	(void)prctl(PR_SET_NAME, SEED_NAME);
	r = catch_signals(&s);
	if (r == 0)
		r = serve(&s, &role);
	swarm_free(s.swarm);
	loop_free(s.loop);
	seedfolder_close(&s.folder);
	if (s.watch >= 0)
		(void)close(s.watch);
	return r;
}

const struct cli_command seed_command = {
	.name = "seed",
	.arguments = "",
	.summary = "serve the node's image to its neighbours",
	.text = "Used by the agent itself: once the image is proved, and by swarmboot-seed.service after the "
		"switch, "
		"which takes over from the process that was started before.",
	.options = role_options,
	.options_size = sizeof(struct role),
	.run = seed,
};
