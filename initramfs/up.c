/* Owns the up role: waits for the system's verdict on its own boot and tells it to the seeders, however long
 * it takes. */
#include "initramfs/up.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/base/log.h"
#include "imager/base/loop.h"
#include "imager/base/proc.h"
#include "initramfs/agent.h"
#include "initramfs/backoff.h"
#include "initramfs/role.h"

#define CMDLINE_LIMIT 4096
#define LATE_MS       (24ULL * 3600 * 1000) /* so long a seeder may be away and still be told */
#define REPEAT_MS     1000                  /* while the system starts: for seeders that are back */
#define WORD_MAX      256

void up_add_unit(const char *line, char *list, size_t size)
{
	const char *unit = line + strspn(line, " *");
	size_t len = strcspn(unit, " "), used = strlen(list);

	if (len == 0 || used + len + 2 > size)
		return;
	(void)snprintf(list + used, size - used, "%s%.*s", used ? " " : "", (int)len, unit);
}

static void take_state(const char *line, void *arg)
{
	struct report *report = arg;

	if (*line && strlen(line) < sizeof(report->state))
		(void)snprintf(report->state, sizeof(report->state), "%s", line);
}

static void take_unit(const char *line, void *arg)
{
	struct report *report = arg;

	up_add_unit(line, report->failed_units, sizeof(report->failed_units));
}

/* Its words, read to their end; whoever was away when the node said that it starts is told meanwhile. */
static int read_words(int fd, struct reporter *reporter, char ret[WORD_MAX])
{
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		int r = poll(&ready, 1, REPEAT_MS);

		if (r < 0 && errno != EINTR)
			return -errno;
		if (r <= 0) {
			(void)report_repeat(reporter, NULL, NULL);
			continue;
		}
		n = read(fd, ret + len, WORD_MAX - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	ret[len] = '\0';
	return 0;
}

/* "running", "degraded" ... once the system has ended its boot. */
static int await_state(struct reporter *reporter, struct err *err)
{
	static const char *const argv[] = {"systemctl", "is-system-running", "--wait", NULL};
	char words[WORD_MAX], *rest = words, *line;
	int pipes[2], r;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return err_set(err, errno, "a pipe: %s", strerror(errno));
	pid = proc_spawn(argv, pipes[1], err);
	(void)close(pipes[1]);
	r = pid < 0 ? pid : read_words(pipes[0], reporter, words);
	(void)close(pipes[0]);
	if (pid < 0)
		return r;
	(void)waitpid(pid, NULL, 0);
	while (r == 0 && (line = strsep(&rest, "\n")))
		take_state(line, &reporter->report);
	return r < 0 ? err_set(err, -r, "systemctl: %s", strerror(-r)) : 0;
}

/* systemctl's exit status only repeats the word it prints, and "degraded" is no failure of ours. */
static int ask_system(struct reporter *reporter, struct err *err)
{
	static const char *const failed[] = {
		"systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager", NULL};
	struct report *report = &reporter->report;
	int r;

	report->state[0] = '\0';
	report->failed_units[0] = '\0';
	r = await_state(reporter, err);
	if (!report->state[0])
		return r < 0 ? r : err_set(err, EIO, "systemctl says nothing");
	return proc_run(failed, &(struct proc_opts){.line = take_unit, .arg = report}, err);
}

static void sleep_ms(uint64_t ms)
{
	const struct timespec ts = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};

	(void)nanosleep(&ts, NULL);
}

static int is_starting(const char *state)
{
	return !strcmp(state, "initializing") || !strcmp(state, "starting");
}

static void wait_system(struct reporter *reporter)
{
	for (unsigned tries = 1;; tries++) {
		struct err err = {0};
		int r = ask_system(reporter, &err);

		if (r == 0 && !is_starting(reporter->report.state))
			return;
		if (r < 0)
			log_warn("%s", err.text);
		sleep_ms(backoff_ms(tries, backoff_random()));
	}
}

static int load(struct reporter *reporter, struct err *err)
{
	_cleanup_free_ char *cmdline = NULL;
	struct bootargs args;
	int r = read_file("/proc/cmdline", CMDLINE_LIMIT, &cmdline, NULL, err);

	if (r == 0)
		r = bootargs_parse(cmdline, &args, err);
	if (r < 0)
		return r;
	reporter_init(reporter, &args);
	reporter->has_network = 1;
	return report_load(AGENT_REPORT, &reporter->report, err);
}

/* The times are those of this moment, however late somebody is told. Started anew the role has measured
 * before. */
static int measure(struct report *report, struct err *err)
{
	if (report->phase != PHASE_UP)
		report_enter(report, PHASE_UP, monotonic_ms());
	report->percent = 100;
	return report_save(report, AGENT_REPORT, err);
}

/* Each seeder once; a refusal is an answer, but nobody has heard of it then. Until somebody has there is no
 * end to this while any is away; then those have a day. */
static void tell_all(struct reporter *reporter)
{
	struct err err = {0};
	int r = report_tell(reporter, &err);
	int told = r == 0;
	uint64_t until = monotonic_ms() + LATE_MS;

	for (unsigned tries = 1; report_owed(reporter) && (!told || monotonic_ms() < until); tries++) {
		size_t taken;

		log_debug("%s", err.text);
		sleep_ms(backoff_ms(tries, backoff_random()));
		(void)report_repeat(reporter, &taken, &err);
		told |= taken > 0;
	}
	if (report_owed(reporter))
		log_warn("%zu of %zu seeders were not told in a day: %s", report_owed(reporter),
			reporter->seeder_count, err.text);
	else if (!told)
		log_warn("no seeder takes the report: %s", err.text);
	else
		log_info("reported up, %s", reporter->report.state);
}

static int up(const void *options, char **args, struct err *err)
{
	struct reporter reporter = {0};
	int r = load(&reporter, err);

	(void)options;
	(void)args;
	if (r < 0)
		return r;
	/* The last word of the initramfs may have fallen into a restart of the head. */
	if (reporter.report.phase != PHASE_UP)
		(void)report_send(&reporter, NULL);
	wait_system(&reporter);
	r = measure(&reporter.report, err);
	tell_all(&reporter);
	return r;
}

const struct cli_command up_command = {
	.name = "up",
	.arguments = "",
	.summary = "report that the system is up",
	.text = "Run by swarmboot-up.service: waits until systemd has ended its boot and reports its state "
		"and the units "
		"that failed.",
	.run = up,
};
