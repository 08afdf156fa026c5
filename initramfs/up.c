/* Owns the up role: waits for the system's verdict on its own boot and tells it to the seeders, however long
 * it takes. */
#include "initramfs/up.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/base/log.h"
#include "imager/base/loop.h"
#include "imager/base/proc.h"
#include "initramfs/agent.h"
#include "initramfs/backoff.h"
#include "initramfs/role.h"

#define CMDLINE_LIMIT 4096
#define LATE_MS       (24ULL * 3600 * 1000) /* so long a seeder may be down and still be told */

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

/* systemctl's exit status only repeats the word it prints, and "degraded" is no failure of ours. */
static int ask_system(struct report *report, struct err *err)
{
	static const char *const state[] = {"systemctl", "is-system-running", "--wait", NULL};
	static const char *const failed[] = {
		"systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager", NULL};
	int r;

	report->state[0] = '\0';
	report->failed_units[0] = '\0';
	r = proc_run(state, &(struct proc_opts){.line = take_state, .arg = report}, err);
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

static void wait_system(struct report *report)
{
	for (unsigned tries = 1;; tries++) {
		struct err err = {0};
		int r = ask_system(report, &err);

		if (r == 0 && !is_starting(report->state))
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

/* Whoever was down is told when it is back: its table would show the boot as it last heard of it. */
static void tell_late(struct reporter *reporter)
{
	uint64_t until = monotonic_ms() + LATE_MS;

	for (unsigned tries = 1; reporter->missed && monotonic_ms() < until; tries++) {
		sleep_ms(backoff_ms(tries, backoff_random()));
		(void)report_send(reporter, NULL);
	}
}

static int up(const void *options, char **args, struct err *err)
{
	struct reporter reporter = {0};
	int r = load(&reporter, err);

	(void)options;
	(void)args;
	if (r < 0)
		return r;
	wait_system(&reporter.report);
	report_enter(&reporter.report, PHASE_UP, monotonic_ms());
	reporter.report.percent = 100;
	for (unsigned tries = 1; report_send(&reporter, err) < 0; tries++)
		sleep_ms(backoff_ms(tries, backoff_random()));
	log_info("reported up, %s", reporter.report.state);
	r = report_save(&reporter.report, AGENT_REPORT, err);
	tell_late(&reporter);
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
