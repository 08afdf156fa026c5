/* Owns the seed role: serves the proved image to the neighbours, before the switch and after it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/base/log.h"
#include "imager/base/loop.h"
#include "imager/base/parse.h"
#include "initramfs/role.h"

#define SEED_NAME    "swarmboot-seed" /* of the process, at most 15 characters */
#define GOODBYE_MS   3000
#define PID_TEXT_MAX 32

struct seeding {
	struct swarm *swarm;
	struct loop *loop;
	struct err *err;
};

static int is_seeder(pid_t pid)
{
	_cleanup_free_ char *name = NULL;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	if (read_file(path, 64, &name, NULL, NULL) < 0)
		return 0;
	return !strcmp(name, SEED_NAME "\n");
}

/* The pidfd is opened before the look at the name, so the process looked at is the one that is signalled. */
static void end_process(pid_t pid)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd ended = {.fd = fd, .events = POLLIN};

	if (fd < 0 || !is_seeder(pid))
		return;
	(void)syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0);
	if (poll(&ended, 1, GOODBYE_MS) > 0)
		return;
	(void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	(void)poll(&ended, 1, GOODBYE_MS);
}

/* The port is one: whoever has it gives it up first. */
static int take_over(const char *pid_file, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	char own[PID_TEXT_MAX];
	uint32_t pid;
	int len;

	if (read_file(pid_file, PID_TEXT_MAX, &text, NULL, NULL) == 0) {
		text[strcspn(text, "\n")] = '\0';
		if (parse_u32(text, &pid) == 0 && pid > 1 && (pid_t)pid != getpid())
			end_process((pid_t)pid);
	}
	len = snprintf(own, sizeof(own), "%d\n", getpid());
	return write_file_atomic(
		pid_file, &(struct file_content){.data = own, .len = (size_t)len, .mode = 0644}, err);
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

static int seed(const void *options, char **args, struct err *err)
{
	const struct role *role = options;
	struct seeding s = {.loop = loop_new(), .err = err};
	int r;

	(void)args;
	if (!s.loop)
		return err_oom(err, "the loop");
	(void)prctl(PR_SET_NAME, SEED_NAME);
	/* Signals are blocked before the session makes its threads. */
	r = loop_add_signal(s.loop, SIGTERM, on_stop, &s);
	if (r == 0)
		r = loop_add_signal(s.loop, SIGINT, on_stop, &s);
	if (r < 0)
		return err_set(err, -r, "signals: %s", strerror(-r));
	r = role->pid_file ? take_over(role->pid_file, err) : 0;
	if (r == 0)
		r = role_start(role, 1, &s.swarm, err);
	if (r < 0)
		return r;
	log_info("seeding on port %u", swarm_port(s.swarm));
	r = loop_add_fd(s.loop, swarm_fd(s.swarm), on_events, &s);
	if (r == 0)
		r = loop_run(s.loop);
	swarm_free(s.swarm);
	loop_free(s.loop);
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
