/* Owns how the agent's parts are put together, step by step; order, time-outs and remedies are main.c's. */
#include "initramfs/steps.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/base/log.h"
#include "imager/base/loop.h"
#include "imager/base/proc.h"
#include "initramfs/bundle.h"
#include "initramfs/fetch.h"
#include "initramfs/handover.h"
#include "initramfs/link.h"
#include "initramfs/modules.h"
#include "initramfs/mounts.h"
#include "initramfs/obtain.h"
#include "initramfs/root.h"
#include "initramfs/sandbox.h"
#include "initramfs/seedask.h"
#include "initramfs/seedfolder.h"

#define CMDLINE_LIMIT  4096
#define STALL_MS       15000
#define FETCH_STARTS   6 /* the swarm and HTTP in turn */
#define SEED_START_MS  5000
#define SEED_LOOK_MS   20
#define PAUSE_SLICE_MS 200

#define _cleanup_obtained_ _cleanup_(obtained_release)

int step_mounts(struct agent *a, struct err *err)
{
	(void)a;
	return mounts_early(err);
}

/* The kernel drops all but ten lines in five seconds of what is written to /dev/kmsg, unless told not to. */
static void keep_log_lines(void)
{
	(void)write_file("/proc/sys/kernel/printk_devkmsg",
		&(struct file_content){.data = "on\n", .len = 3, .mode = 0644}, NULL);
}

int step_arguments(struct agent *a, struct err *err)
{
	_cleanup_free_ char *cmdline = NULL;
	int fd, r;

	keep_log_lines();
	r = read_file("/proc/cmdline", CMDLINE_LIMIT, &cmdline, NULL, err);
	if (r == 0)
		r = bootargs_parse(cmdline, &a->args, err);
	if (r == 0)
		r = identity_load("/etc/swarmboot", &a->identity, err);
	if (r < 0)
		return r;
	if (a->args.debug && (fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC)) >= 0)
		log_open("swarmboot: ", fd, LOG_LEVEL_DEBUG);
	reporter_init(&a->reporter, &a->args);
	return 0;
}

int step_modules(struct agent *a, struct err *err)
{
	(void)a;
	return modules_load(err);
}

int step_network(struct agent *a, struct err *err)
{
	struct link_plan plan = {.address = a->args.address,
		.gateway = a->args.gateway,
		.netmask = a->args.netmask,
		.deadline_ms = a->deadline_ms,
		.while_waiting = modules_load};
	char address[INET_ADDRSTRLEN] = "";
	int r;

	if (!a->args.has_address)
		return err_set(
			err, EINVAL, "kernel command line: ip= names no address, and DHCP is iPXE's work");
	memcpy(plan.mac, a->args.mac, sizeof(plan.mac));
	/* On all addresses libtorrent would announce once for each, the loopback one included. */
	(void)inet_ntop(AF_INET, &a->args.address, address, sizeof(address));
	(void)snprintf(a->listen, sizeof(a->listen), "%s:%d", address, AGENT_PORT);
	r = link_configure(&plan, err);
	a->reporter.has_network = r == 0;
	return r;
}

static int note_release(struct agent *a, const struct obtained *got, struct err *err)
{
	struct report *report = &a->reporter.report;
	const struct memory_wants wants = {.image = got->release.root.size,
		.overlay = got->release.overlay_limit,
		.reserve = got->release.memory_reserve};
	char hex[65];
	int r;

	a->release = got->release;
	memcpy(report->profile, got->release.profile, sizeof(report->profile));
	report->sequence = got->release.sequence;
	digest_hex(&got->release.root.digest, hex);
	(void)snprintf(a->image, sizeof(a->image), AGENT_IMAGES "/%s.squashfs", hex);
	r = memory_plan(memory_total(), &wants, &a->memory, err);
	if (r == 0)
		r = mount_resize(AGENT_RUN, a->memory.runtime, err);
	if (r == 0)
		r = write_file(AGENT_TORRENT,
			&(struct file_content){
				.data = got->torrent.data, .len = got->torrent.len, .mode = 0644},
			err);
	return r;
}

int step_release(struct agent *a, struct err *err)
{
	_cleanup_obtained_ struct obtained got = {0};
	int r;

	steps_undo(a);
	r = obtain_release(&a->args, a->reporter.current, &a->identity, &got, err);
	if (r < 0)
		return r;
	a->reporter.current = (size_t)r;
	r = note_release(a, &got, err);
	if (r == 0)
		log_info("release %s:%llu, image of %llu bytes", a->release.profile,
			(unsigned long long)a->release.sequence, (unsigned long long)a->release.root.size);
	return r;
}

/* What fetch and seed role are started with. Strings live in `a` and `hex`. */
static struct role role_of(const struct agent *a, char hex[65])
{
	struct role role = {
		.torrent = AGENT_TORRENT,
		.file = a->image,
		.root = AGENT_IMAGES,
		.name = hex,
		.size = a->release.root.size,
		.listen = a->listen,
	};

	digest_hex(&a->release.root.digest, hex);
	for (size_t i = 0; i < a->args.seeder_count; i++)
		role.seeders.items[role.seeders.count++] = a->args.seeders[i];
	return role;
}

struct telling {
	struct agent *agent;
	uint64_t tell_ms; /* no report of progress before */
	unsigned told_tenth;
};

static void on_progress(const struct fetch_progress *p, void *arg)
{
	struct telling *t = arg;
	struct reporter *reporter = &t->agent->reporter;
	uint64_t now = monotonic_ms();

	reporter->report.percent = p->size ? (unsigned)(p->done * 100 / p->size) : 0;
	reporter->report.bytes_from_seeder = p->from_seeder - p->by_http;
	reporter->report.bytes_by_http = p->by_http;
	reporter->report.bytes_from_peers =
		p->downloaded > p->from_seeder ? p->downloaded - p->from_seeder : 0;
	reporter->report.agent_rss = p->rss;
	if (reporter->report.percent / 10 > t->told_tenth) {
		t->told_tenth = reporter->report.percent / 10;
		log_info("fetch %u %% of %llu bytes, %llu peers", reporter->report.percent,
			(unsigned long long)p->size, (unsigned long long)p->peers);
	}
	if (now < t->tell_ms)
		return;
	(void)report_send(reporter, NULL);
	t->tell_ms = monotonic_ms() + report_pause_ms(monotonic_ms() - now);
}

/* The fetch goes on, another way: the head is told why, until it has succeeded. */
static void on_trouble(const char *why, void *arg)
{
	struct reporter *reporter = &((struct telling *)arg)->agent->reporter;

	(void)snprintf(reporter->report.error, sizeof(reporter->report.error), "%s", why);
	(void)report_send(reporter, NULL);
}

int step_fetch(struct agent *a, struct err *err)
{
	struct telling telling = {.agent = a};
	char hex[65];
	const struct role role = role_of(a, hex);
	int r = mkdir_p(AGENT_IMAGES, err);

	if (r < 0)
		return r;
	if (chown(AGENT_IMAGES, SANDBOX_ID, SANDBOX_ID) < 0 || chmod(AGENT_IMAGES, 0700) < 0)
		return err_path(err, errno, AGENT_IMAGES);
	return fetch_run(&(struct fetch){.program = "/proc/self/exe",
				 .role = &role,
				 .stall_ms = STALL_MS,
				 .starts = FETCH_STARTS,
				 .progress = on_progress,
				 .trouble = on_trouble,
				 .arg = &telling},
		err);
}

int step_verify(struct agent *a, struct err *err)
{
	int fd;

	if (chown(AGENT_IMAGES, 0, 0) < 0 || chmod(AGENT_IMAGES, 0755) < 0)
		return err_path(err, errno, AGENT_IMAGES);
	fd = image_prove(a->image, &a->release.root, err);
	if (fd < 0)
		return fd;
	a->image_fd = fd;
	digest_format(&a->release.root.digest, a->reporter.report.image);
	return 0;
}

/* So that a node that is not to seed never begins. Without an answer it seeds: the swarm is to live without
 * the head, and the policy role goes on asking. */
static void ask_policy(struct agent *a)
{
	_cleanup_(seedfolder_close) struct seedfolder folder = {-1, -1};
	struct seedask ask = {.node = a->args.node, .mac = a->args.mac};
	struct seed_policy policy;
	struct err err = {0};
	size_t answered;

	for (size_t i = 0; i < a->args.seeder_count; i++)
		ask.seeders[ask.seeder_count++] = a->args.seeders[i];
	if (seedfolder_open(AGENT_SEED, &folder, &err) < 0 ||
		seedask(&ask, SEED_UNKNOWN, &answered, &policy, &err) < 0 ||
		seedfolder_put_policy(&folder, &policy, &err) < 0)
		log_warn("seeds without a policy: %s", err.text);
	else if (seedask_save(&ask, &folder, &err) < 0)
		log_warn("what each seeder said of seeding is not kept: %s", err.text);
}

/* Before the switch already, so that the neighbours need not wait for this node's whole boot. */
int step_seed(struct agent *a, struct err *err)
{
	_cleanup_close_ int log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	struct role_argv argv;
	char hex[65];
	struct role role = role_of(a, hex);
	pid_t pid;

	ask_policy(a);
	role.pid_file = AGENT_PID;
	role.control = AGENT_SEED;
	role_argv(&role, "/proc/self/exe", "seed", &argv);
	pid = proc_spawn(argv.argv, log, err);
	if (pid < 0)
		return pid;
	a->seeder = pid;
	return 0;
}

int step_mount(struct agent *a, struct err *err)
{
	int r = root_mount(&(struct root_plan){.image_fd = a->image_fd,
				   .overlay_bytes = a->memory.overlay,
				   .work = AGENT_RUN,
				   .where = AGENT_NEWROOT},
		err);

	if (r == 0)
		r = root_check(AGENT_NEWROOT, err);
	if (r == 0)
		r = root_name_host(AGENT_NEWROOT, a->args.node, err);
	if (r == 0)
		r = root_name_servers(AGENT_NEWROOT, a->args.dns, BOOTARGS_DNS_MAX, err);
	return r;
}

int step_handover(struct agent *a, struct err *err)
{
	struct bundle bundle;
	char hex[65];
	struct role role = role_of(a, hex);
	char address[INET_ADDRSTRLEN] = "";
	int r = bundle_make(AGENT_BUNDLE, &bundle, err);

	role.pid_file = AGENT_PID;
	role.control = AGENT_SEED;
	(void)inet_ntop(AF_INET, &a->args.address, address, sizeof(address));
	if (r == 0)
		r = handover_write(&(struct handover){.units = "/run/systemd/system",
					   .bundle = AGENT_BUNDLE,
					   .loader = bundle.loader,
					   .mount = AGENT_RUN,
					   .node = a->args.node,
					   .mac = a->args.mac,
					   .address = address,
					   .seed = &role},
			err);
	return r;
}

/* Once it has its files open it lives on through the switch; before, it would find none. */
static void wait_seeder(struct agent *a)
{
	uint64_t until = monotonic_ms() + SEED_START_MS;
	struct stat st;

	while (a->seeder > 0 && monotonic_ms() < until) {
		if (stat(AGENT_PID, &st) == 0 && st.st_size > 0)
			return;
		steps_pause(a, SEED_LOOK_MS);
	}
	log_warn("nothing is seeded before the system's own start");
}

int step_switch(struct agent *a, struct err *err)
{
	int r;

	wait_seeder(a);
	report_clock(&a->reporter.report, monotonic_ms());
	r = report_save(&a->reporter.report, AGENT_REPORT, err);
	return r < 0 ? r : root_switch(AGENT_NEWROOT, err);
}

void steps_undo(struct agent *a)
{
	root_drop(AGENT_NEWROOT);
	if (a->seeder > 0) {
		(void)kill(a->seeder, SIGKILL);
		(void)waitpid(a->seeder, NULL, 0);
		a->seeder = 0;
	}
	if (a->image_fd >= 0)
		(void)close(TAKE_FD(a->image_fd));
	(void)unlink(AGENT_PID);
	(void)remove_tree(AGENT_IMAGES, NULL);
	a->reporter.report.image[0] = '\0';
}

static void bury(struct agent *a)
{
	for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;)
		if (pid == a->seeder)
			a->seeder = 0;
}

void steps_pause(struct agent *a, uint64_t ms)
{
	uint64_t until = monotonic_ms() + ms;

	bury(a);
	for (uint64_t now; (now = monotonic_ms()) < until; bury(a)) {
		uint64_t left = until - now < PAUSE_SLICE_MS ? until - now : PAUSE_SLICE_MS;
		struct timespec slice = {.tv_nsec = (long)left * 1000000};

		(void)nanosleep(&slice, NULL);
		/* What fell into a restart of the head. It may take 2 s for each that is silent. */
		(void)report_repeat(&a->reporter, NULL, NULL);
	}
}
