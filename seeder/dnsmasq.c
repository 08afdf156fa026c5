/*
 * Owns dnsmasq's process: its files, its start, its end, and its restart with back-off. The text of its
 * configuration is dnsmasqconf.c's.
 */
#include "seeder/dnsmasq.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "imager/base/io.h"
#include "imager/base/log.h"
#include "imager/base/proc.h"

#define LOADERS        "/usr/lib/ipxe"
#define BACKOFF_MIN_MS 500
#define BACKOFF_MAX_MS 30000
#define STEADY_MS      60000 /* after this long the next end counts as the first */
#define STOP_MS        3000
#define SETTLE_MS      300 /* a port in use ends it within this time */
#define CMDLINE_LIMIT  65536
#define PID_LIMIT      32

struct dnsmasq {
	struct loop *loop;
	char *config_path, *config;
	char *option; /* --conf-file=, by which a process is known as ours */
	pid_t pid;    /* 0: not running */
	int pidfd;
	int timer; /* -1 until it is needed */
	uint64_t started_ms, backoff_ms;
};

static int start_again(void *arg);

/* ---- files ---- */

static int put_loader(const char *folder, const char *name, struct err *err)
{
	_cleanup_free_ char *from = path_join(LOADERS, name), *to = path_join(folder, name);

	if (!from || !to)
		return err_oom(err, name);
	return copy_file(from, to, 0644, err);
}

static int put_loaders(const char *state, struct err *err)
{
	static const char *const names[] = {"undionly.kpxe", "snponly.efi"};
	_cleanup_free_ char *folder = path_join(state, "tftp");
	int r = folder ? mkdir_p(folder, err) : err_oom(err, "the TFTP folder");

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++)
		r = put_loader(folder, names[i], err);
	return r;
}

/* Whether every folder on the way lets others through: dnsmasq gives up root before it reads. */
static int is_reachable(const char *path)
{
	_cleanup_free_ char *real = realpath(path, NULL);
	struct stat st;

	if (!real)
		return 0;
	for (;;) {
		char *slash = strrchr(real, '/');

		if (stat(*real ? real : "/", &st) < 0 || !(st.st_mode & S_IXOTH))
			return 0;
		if (!slash)
			return 1;
		*slash = '\0';
	}
}

static int check_interfaces(const struct cluster *c, struct err *err)
{
	for (size_t i = 0; i < c->network_count; i++)
		if (!if_nametoindex(c->networks[i].interface))
			return err_set(err, ENODEV, "network %s: there is no interface %s on this host",
				c->networks[i].name, c->networks[i].interface);
	return 0;
}

static int make_config(const struct cluster *c, char **ret, struct err *err)
{
	_cleanup_free_ char *tftp = path_join(c->state, "tftp");
	_cleanup_buf_ struct buf text = {0};
	struct dnsmasq_options options = {.state = c->state};

	options.as_root = !tftp || !is_reachable(tftp);
	if (dnsmasq_config(c, &options, &text) < 0 || !(*ret = buf_steal(&text)))
		return err_oom(err, "dnsmasq's configuration");
	if (options.as_root)
		log_warn("dnsmasq stays root: %s is not open to its own user", tftp);
	return 0;
}

/* Writes it and lets dnsmasq judge; what was running goes on with what it has read. */
static int put_config(struct dnsmasq *d, const char *text, struct err *err)
{
	int r = write_file_atomic(d->config_path, &(struct file_content){text, strlen(text), 0644}, err);

	return r < 0 ? r : proc_run((const char *const[]){"dnsmasq", "--test", d->option, NULL}, NULL, err);
}

/* ---- process ---- */

static int restart_later(struct dnsmasq *d)
{
	int r = 0;

	if (monotonic_ms() - d->started_ms > STEADY_MS)
		d->backoff_ms = BACKOFF_MIN_MS;
	if (d->timer < 0)
		r = d->timer = loop_add_timer(d->loop, d->backoff_ms, 0, start_again, d);
	else
		r = loop_set_timer(d->loop, d->timer, d->backoff_ms, 0);
	d->backoff_ms = d->backoff_ms * 2 < BACKOFF_MAX_MS ? d->backoff_ms * 2 : BACKOFF_MAX_MS;
	return r < 0 ? r : 0;
}

static int reap(struct dnsmasq *d)
{
	int status = 0;

	loop_remove_fd(d->loop, d->pidfd);
	(void)close(TAKE_FD(d->pidfd));
	while (waitpid(d->pid, &status, 0) < 0 && errno == EINTR)
		;
	d->pid = 0;
	return status;
}

/* Waits for it at most so long. */
static int has_ended(const struct dnsmasq *d, int ms)
{
	struct pollfd p = {.fd = d->pidfd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

static void end_child(struct dnsmasq *d)
{
	if (!d->pid)
		return;
	(void)kill(d->pid, SIGTERM);
	if (!has_ended(d, STOP_MS))
		(void)kill(d->pid, SIGKILL);
	(void)reap(d);
}

static int on_child(void *arg)
{
	struct dnsmasq *d = arg;
	char how[64];

	proc_status_text(reap(d), how, sizeof(how));
	log_warn("dnsmasq %s; it is started again in %llu ms", how, (unsigned long long)d->backoff_ms);
	return restart_later(d);
}

static int run_child(struct dnsmasq *d, struct err *err)
{
	pid_t pid;

	d->started_ms = monotonic_ms();
	pid = proc_spawn((const char *const[]){"dnsmasq", "--keep-in-foreground", d->option, NULL}, -1, err);
	if (pid < 0)
		return pid;
	d->pid = pid;
	d->pidfd = pidfd_open(pid, 0);
	if (d->pidfd >= 0 && loop_add_fd(d->loop, d->pidfd, on_child, d) >= 0)
		return 0;
	(void)err_set(err, errno, "dnsmasq cannot be watched: %s", strerror(errno));
	end_child(d);
	return err ? -err->code : -EIO;
}

/* On the timer, until it is there. */
static int start_again(void *arg)
{
	struct dnsmasq *d = arg;
	struct err err = {0};

	if (d->pid || run_child(d, &err) >= 0)
		return 0;
	log_error("dnsmasq cannot be started again: %s", err.text);
	return restart_later(d);
}

static int is_ours(pid_t pid, const void *option)
{
	_cleanup_free_ char *words = NULL;
	char path[64];
	size_t len = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	if (read_file(path, CMDLINE_LIMIT, &words, &len, NULL) < 0)
		return 0;
	return memmem(words, len, option, strlen(option) + 1) != NULL;
}

/* One that a killed seeder left behind, as it has given up root and thereby the signal of its parent's death.
 * It would go on answering DHCP beside ours. */
static void end_former(const struct dnsmasq *d, const char *state)
{
	_cleanup_free_ char *path = path_join(state, "dnsmasq.pid"), *text = NULL;
	uint32_t pid;

	if (!path || read_file(path, PID_LIMIT, &text, NULL, NULL) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	if (parse_u32(text, &pid) == 0 && pid > 1)
		proc_end((pid_t)pid, STOP_MS, is_ours, d->option);
}

/* ---- the whole ---- */

static int explain_end(struct dnsmasq *d, struct err *err)
{
	char how[64];

	proc_status_text(reap(d), how, sizeof(how));
	return err_set(err, EIO, "dnsmasq %s at once; its own words are above", how);
}

static int prepare(struct dnsmasq *d, const struct cluster *c, struct err *err)
{
	int r;

	d->pidfd = d->timer = -1;
	d->backoff_ms = BACKOFF_MIN_MS;
	d->config_path = path_join(c->state, "dnsmasq.conf");
	if (!d->config_path || asprintf(&d->option, "--conf-file=%s", d->config_path) < 0)
		return err_oom(err, "dnsmasq");
	r = check_interfaces(c, err);
	if (r == 0)
		r = put_loaders(c->state, err);
	if (r == 0)
		r = make_config(c, &d->config, err);
	if (r == 0)
		r = put_config(d, d->config, err);
	if (r == 0)
		end_former(d, c->state);
	return r;
}

int dnsmasq_start(struct loop *loop, const struct cluster *c, struct dnsmasq **ret, struct err *err)
{
	struct dnsmasq *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_oom(err, "dnsmasq");
	d->loop = loop;
	r = prepare(d, c, err);
	if (r == 0)
		r = run_child(d, err);
	if (r == 0 && has_ended(d, SETTLE_MS))
		r = explain_end(d, err);
	if (r < 0) {
		dnsmasq_stop(d);
		return r;
	}
	*ret = d;
	return 0;
}

int dnsmasq_reload(struct dnsmasq *d, const struct cluster *c, struct err *err)
{
	_cleanup_free_ char *config = NULL;
	int r = check_interfaces(c, err);

	if (r == 0)
		r = make_config(c, &config, err);
	if (r < 0 || !strcmp(config, d->config))
		return r;
	r = put_config(d, config, err);
	if (r < 0) {
		(void)put_config(d, d->config, NULL);
		return r;
	}
	free(d->config);
	d->config = TAKE(config);
	end_child(d);
	return start_again(d);
}

void dnsmasq_stop(struct dnsmasq *d)
{
	if (!d)
		return;
	end_child(d);
	if (d->timer >= 0) {
		loop_remove_fd(d->loop, d->timer);
		(void)close(d->timer);
	}
	free(d->config_path);
	free(d->option);
	free(d->config);
	free(d);
}
