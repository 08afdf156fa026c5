/* Owns child processes: start by argv, read what they print line by line, turn their end into a sentence. */
#include "imager/base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"

#define LINE_LIMIT 4096

void proc_status_text(int status, char *ret, size_t size)
{
	if (WIFEXITED(status))
		(void)snprintf(ret, size, "exited with status %d", WEXITSTATUS(status));
	else
		(void)snprintf(
			ret, size, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
}

/* In the child: the errno of a failed exec goes up the close-on-exec pipe. */
static void fail_child(int report)
{
	int code = errno;

	(void)!write(report, &code, sizeof(code));
	_exit(127);
}

void proc_reset_signals(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* fds: stdin, stdout, stderr, report. Those below 3 (a parent that runs without them) move out of the way. */
static void exec_child(const char *const argv[], const struct proc_opts *opts, int fds[4])
{
	proc_reset_signals();
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	for (int i = 0; i < 4; i++)
		if (fds[i] >= 0 && fds[i] < 3)
			fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0 && dup2(fds[i], i) < 0)
			fail_child(fds[3]);
	if (opts->enter && opts->enter(opts->enter_arg) < 0)
		fail_child(fds[3]);
	if (opts->chroot && (chroot(opts->chroot) < 0 || chdir("/") < 0))
		fail_child(fds[3]);
	for (const char *const *e = opts->env; e && *e; e++)
		if (putenv((char *)*e) != 0)
			fail_child(fds[3]);
	(void)execvp(argv[0], (char *const *)argv);
	fail_child(fds[3]);
}

/* fds: stdin, stdout, stderr of the child (-1 to inherit). Returns the pid once exec has happened. */
static pid_t start(const char *const argv[], const struct proc_opts *opts, const int fds[3], struct err *err)
{
	int report[2], code = 0;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) < 0)
		return err_set(err, errno, "cannot start %s: %s", argv[0], strerror(errno));
	pid = fork();
	if (pid == 0)
		exec_child(argv, opts, (int[4]){fds[0], fds[1], fds[2], report[1]});
	(void)close(report[1]);
	if (pid < 0)
		code = errno;
	else
		(void)read_full(report[0], &code, sizeof(code));
	(void)close(report[0]);
	if (code && pid > 0)
		(void)waitpid(pid, NULL, 0);
	if (code)
		return err_set(err, code, "cannot run %s: %s", argv[0], strerror(code));
	return pid;
}

/* What a running child's output is made of; `last` keeps the last line for the sentence. */
struct output {
	const struct proc_opts *opts;
	struct buf *capture;
	size_t limit;
	int words; /* with capture: where its stderr goes; -1: to ours */
	int is_stopped;
	char line[LINE_LIMIT];
	size_t len;
	char last[ERR_TEXT_MAX - 64];
};

static void end_line(struct output *out)
{
	out->line[out->len] = '\0';
	if (out->len)
		(void)snprintf(out->last, sizeof(out->last), "%.*s", (int)sizeof(out->last) - 1, out->line);
	if (out->opts->line)
		out->opts->line(out->line, out->opts->arg);
	out->len = 0;
}

static int take_output(struct output *out, const char *data, size_t len)
{
	if (out->opts->log_fd > 0)
		(void)write_full(out->opts->log_fd, data, len);
	if (out->capture) {
		if (len > out->limit - out->capture->len)
			return -EFBIG;
		if (buf_add(out->capture, data, len) < 0)
			return -ENOMEM;
	}
	for (size_t i = 0; i < len; i++) {
		if (data[i] == '\n')
			end_line(out);
		else if (out->len < LINE_LIMIT - 1)
			out->line[out->len++] = data[i];
	}
	return 0;
}

/* What is in the pipe; 1 at its end, 0 when there is no more for now. */
static int read_some(int fd, struct output *out)
{
	char block[8192];

	for (;;) {
		ssize_t n = read(fd, block, sizeof(block));
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : 1;
		if (n == 0)
			return 1;
		r = take_output(out, block, (size_t)n);
		if (r < 0)
			return r;
	}
}

/* A signal that is waiting ends the child; it stays pending for the caller. */
static void stop_child(pid_t pid, struct pollfd *signals, struct output *out)
{
	if (signals->fd < 0 || !signals->revents)
		return;
	(void)kill(pid, SIGTERM);
	out->is_stopped = 1;
	signals->fd = -1;
}

/* Until the child has ended: what it started may keep the pipe open for longer (a daemon of a package). */
static int drain(int fd, pid_t pid, struct output *out)
{
	const sigset_t *stop = out->opts->stop;
	_cleanup_close_ int child = (int)syscall(SYS_pidfd_open, pid, 0);
	_cleanup_close_ int signals = stop ? signalfd(-1, stop, SFD_CLOEXEC) : -1;
	struct pollfd polls[] = {{.fd = fd, .events = POLLIN}, {.fd = child, .events = POLLIN},
		{.fd = signals, .events = POLLIN}};
	int r = 0;

	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	while (r == 0) {
		int ended = child >= 0 && polls[1].revents;

		r = read_some(fd, out);
		if (ended)
			break;
		if (r == 0 && poll(polls, 3, -1) < 0 && errno != EINTR)
			r = -errno;
		stop_child(pid, &polls[2], out);
	}
	if (out->len)
		end_line(out);
	return r < 0 ? r : 0;
}

static int finish(const char *const argv[], pid_t pid, const char *last, struct err *err)
{
	char how[64];
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(err, errno, "%s: wait: %s", argv[0], strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	proc_status_text(status, how, sizeof(how));
	return err_set(err, EIO, "%s %s%s%s", argv[0], how, *last ? ": " : "", last);
}

/* The last line of what it said on stderr, for the sentence. */
static void take_words(struct output *out)
{
	off_t size = lseek(out->words, 0, SEEK_END), want = (off_t)sizeof(out->last) - 1;
	ssize_t n = pread(out->words, out->last, (size_t)want, size > want ? size - want : 0);
	char *last;

	out->last[n > 0 ? n : 0] = '\0';
	for (size_t len = strlen(out->last); len && out->last[len - 1] == '\n'; len--)
		out->last[len - 1] = '\0';
	last = strrchr(out->last, '\n');
	if (last)
		memmove(out->last, last + 1, strlen(last));
}

static int open_input(const char *input, struct err *err)
{
	int fd = input ? memfd_create("stdin", MFD_CLOEXEC) : open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (input && (write_full(fd, input, strlen(input)) < 0 || lseek(fd, 0, SEEK_SET) < 0)))
		return err_set(err, errno, "cannot prepare standard input: %s", strerror(errno));
	return fd;
}

/* What opts->enter printed before it failed. */
static int add_last_words(int fd, struct output *out, int code, struct err *err)
{
	struct err before = err ? *err : (struct err){0};

	(void)drain(fd, -1, out);
	return *out->last ? err_set(err, -code, "%s: %s", before.text, out->last) : code;
}

static int run(const char *const argv[], struct output *out, struct err *err)
{
	_cleanup_close_ int in = open_input(out->opts->input, err), read_end = -1, write_end = -1;
	int ends[2], drained, r;
	pid_t pid;

	if (in < 0)
		return in;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(err, errno, "cannot start %s: %s", argv[0], strerror(errno));
	read_end = ends[0];
	write_end = ends[1];
	pid = start(
		argv, out->opts, (const int[3]){in, write_end, out->capture ? out->words : write_end}, err);
	(void)close(TAKE_FD(write_end));
	if (pid < 0)
		return add_last_words(read_end, out, pid, err);
	drained = drain(read_end, pid, out);
	(void)close(TAKE_FD(read_end)); /* who is not read any more is told by SIGPIPE */
	if (out->words >= 0)
		take_words(out);
	r = finish(argv, pid, out->last, err);
	if (out->is_stopped)
		return err_set(err, EINTR, "%s: interrupted", argv[0]);
	if (drained == -EFBIG)
		return err_set(err, EFBIG, "%s printed more than %zu bytes", argv[0], out->limit);
	if (drained < 0)
		return err_set(err, -drained, "%s: reading its output: %s", argv[0], strerror(-drained));
	return r;
}

int proc_run(const char *const argv[], const struct proc_opts *opts, struct err *err)
{
	static const struct proc_opts none = {0};
	struct output out = {.opts = opts ? opts : &none, .words = -1};

	return run(argv, &out, err);
}

static int capture(const char *const argv[], struct output *out, char **ret, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};
	int r;

	out->capture = &text;
	r = run(argv, out, err);
	if (r < 0)
		return r;
	*ret = buf_steal(&text);
	return *ret ? 0 : err_oom(err, argv[0]);
}

int proc_capture(const char *const argv[], size_t limit, char **ret, struct err *err)
{
	static const struct proc_opts none = {0};
	struct output out = {.opts = &none, .limit = limit, .words = -1};

	return capture(argv, &out, ret, err);
}

int proc_capture_quiet(
	const char *const argv[], const struct proc_opts *opts, size_t limit, char **ret, struct err *err)
{
	_cleanup_close_ int words = memfd_create("stderr", MFD_CLOEXEC);
	struct output out = {.opts = opts, .limit = limit, .words = words};

	if (words < 0)
		return err_set(err, errno, "cannot start %s: %s", argv[0], strerror(errno));
	return capture(argv, &out, ret, err);
}

pid_t proc_spawn(const char *const argv[], int log_fd, struct err *err)
{
	static const struct proc_opts none = {0};
	_cleanup_close_ int in = open_input(NULL, err);

	if (in < 0)
		return in;
	return start(argv, &none, (const int[3]){in, log_fd, log_fd}, err);
}

void proc_end(pid_t pid, int grace_ms, int (*is_it)(pid_t pid, const void *arg), const void *arg)
{
	/* Opened before the look: a pid that is given to another process later is not this one. */
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd ended = {.fd = fd, .events = POLLIN};

	if (fd < 0 || !is_it(pid, arg))
		return;
	(void)syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0);
	if (poll(&ended, 1, grace_ms) > 0)
		return;
	(void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	(void)poll(&ended, 1, grace_ms);
}
