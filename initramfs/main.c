/* swarmboot-init: as PID 1 the boot by the table of steps below, which never ends but in the system's init or
 * a reboot; as /sbin/modprobe the kernel's helper; else the roles fetch, http, policy, seed and up. What a
 * step does is steps.c. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/cli.h"
#include "imager/base/log.h"
#include "imager/base/loop.h"
#include "initramfs/backoff.h"
#include "initramfs/modules.h"
#include "initramfs/role.h"
#include "initramfs/steps.h"

/* What follows a failure, after a report and a pause (backoff.h). */
enum remedy {
	AGAIN,        /* the same step */
	FROM_RELEASE, /* from the step "release", with nothing kept of what was fetched */
	GO_ON,        /* with the next step: the node can do without */
	REBOOT,       /* and ask the head anew */
};

static const struct step {
	const char *name;
	enum phase phase;
	int (*run)(struct agent *a, struct err *err);
	unsigned timeout_s; /* 0: the step has a guard of its own (the stall timer) */
	enum remedy remedy;
} steps[] = {
	{"mounts", PHASE_START, step_mounts, 10, REBOOT},
	{"arguments", PHASE_START, step_arguments, 10, REBOOT},
	{"modules", PHASE_START, step_modules, 60, AGAIN},
	{"network", PHASE_NETWORK, step_network, 45, AGAIN},
	{"release", PHASE_RELEASE, step_release, 150, AGAIN},
	{"fetch", PHASE_FETCH, step_fetch, 0, AGAIN},
	{"verify", PHASE_VERIFY, step_verify, 600, FROM_RELEASE},
	{"seed", PHASE_VERIFY, step_seed, 10, GO_ON},
	{"mount", PHASE_MOUNT, step_mount, 60, FROM_RELEASE},
	{"handover", PHASE_MOUNT, step_handover, 60, FROM_RELEASE},
	{"switch", PHASE_SWITCH, step_switch, 60, REBOOT},
};

#define STEPS          ARRAY_SIZE(steps)
#define OVERTIME_S     60 /* a step that hangs this long past its time-out: reboot */
#define FAILURES_MAX   10 /* in a row: reboot, the head may have another release by now */
#define REBOOT_WAIT_MS 10000

static void on_overtime(int signo)
{
	static const char text[] = "swarmboot: error: a step hangs, rebooting\n";
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	(void)signo;
	(void)!write(fd, text, sizeof(text) - 1);
	(void)reboot(RB_AUTOBOOT);
}

static void restart(struct agent *a)
{
	log_error("rebooting");
	steps_pause(a, REBOOT_WAIT_MS);
	(void)reboot(RB_AUTOBOOT);
	steps_pause(a, UINT64_MAX / 2);
}

static int run_step(struct agent *a, const struct step *step, struct err *err)
{
	int r;

	if (a->reporter.report.phase != step->phase) {
		report_enter(&a->reporter.report, step->phase, monotonic_ms());
		log_info("phase %s", phase_name(step->phase));
		(void)report_send(&a->reporter, NULL);
	}
	a->deadline_ms = monotonic_ms() + step->timeout_s * 1000ULL;
	(void)alarm(step->timeout_s ? step->timeout_s + OVERTIME_S : 0);
	r = step->run(a, err);
	(void)alarm(0);
	return r;
}

static void tell_failure(struct agent *a, const struct step *step, const struct err *err)
{
	struct report *report = &a->reporter.report;

	log_error("%s: %s", step->name, err->text);
	report->failed = 1;
	memcpy(report->error, err->text, sizeof(report->error) - 1);
	(void)report_send(&a->reporter, NULL);
}

static size_t index_of(const char *name)
{
	size_t i = 0;

	while (i < STEPS - 1 && strcmp(steps[i].name, name) != 0)
		i++;
	return i;
}

/* The step to go on with after `failed`. */
static size_t recover(struct agent *a, size_t failed, unsigned failures)
{
	enum remedy remedy = steps[failed].remedy;
	uint64_t ms = backoff_ms(failures, backoff_random());

	if (remedy == GO_ON)
		return failed + 1;
	if (remedy == REBOOT || failures >= FAILURES_MAX)
		restart(a);
	log_info("again in %llu s", (unsigned long long)ms / 1000);
	steps_pause(a, ms);
	return remedy == FROM_RELEASE ? index_of("release") : failed;
}

/* A failure counts as overcome when its step has passed, not when one before it has. */
static void boot(struct agent *a)
{
	unsigned failures = 0;
	size_t failed = 0;

	for (size_t i = 0; i < STEPS;) {
		struct err err = {0};

		if (run_step(a, &steps[i], &err) < 0) {
			tell_failure(a, &steps[i], &err);
			failed = i;
			i = recover(a, failed, ++failures);
			continue;
		}
		if (i >= failed) {
			failures = 0;
			a->reporter.report.error[0] = '\0';
		}
		i++;
	}
}

/* The kernel gives PID 1 a console only where the initramfs has one; all that is opened later must be
 * above 2. */
static void open_standard(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		(void)close(fd);
}

static int pid1(void)
{
	struct agent agent = {.image_fd = -1};
	struct err err = {0};
	int log;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGALRM, on_overtime);
	if (step_mounts(&agent, &err) < 0)
		log_error("%s", err.text);
	open_standard();
	log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	log_open("swarmboot: ", log >= 0 ? log : STDERR_FILENO, LOG_LEVEL_INFO);
	boot(&agent);
	restart(&agent);
	return EXIT_FAILURE;
}

static int is_modprobe(const char *program)
{
	const char *slash = strrchr(program, '/');

	return !strcmp(slash ? slash + 1 : program, "modprobe");
}

/* As the kernel calls it: /sbin/modprobe -q -- ALIAS, with no open files (kernel/kmod.c of Linux). */
static int modprobe(const char *alias)
{
	struct err err = {0};

	open_standard();
	return modules_request(alias, &err) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const struct cli_command *const roles[] = {
		&fetch_command, &http_command, &policy_command, &seed_command, &up_command, NULL};

	/* No configuration file: there is none in an initramfs, and the image's own is none of ours. */
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	if (getpid() == 1)
		return pid1();
	if (argc > 1 && is_modprobe(argv[0]))
		return modprobe(argv[argc - 1]);
	return cli_main("swarmboot-init", roles, argc, argv);
}
