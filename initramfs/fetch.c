/* Owns the fetch child's life and its lines. What is fetched is proved by verify.c, whatever the child says.
 */
#include "initramfs/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/log.h"
#include "imager/base/loop.h"
#include "imager/base/parse.h"
#include "imager/base/proc.h"

#define CHECK_MS       500
#define LINE_MAX_BYTES 1024

DEFINE_CLEANUP(struct loop *, loop_free)
#define _cleanup_loop_ _cleanup_(loop_free_p)

static int parse_progress(char *numbers, struct fetch_progress *ret)
{
	struct fetch_progress p = {0};
	uint64_t *const fields[] = {
		&p.done, &p.size, &p.from_seeder, &p.downloaded, &p.wasted, &p.peers, &p.rss};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const char *word = strsep(&numbers, " ");

		if (!word || parse_u64(word, fields[i]) < 0)
			return -EINVAL;
	}
	if (numbers || p.done > p.size)
		return -EINVAL;
	*ret = p;
	return 0;
}

enum fetch_line fetch_parse_line(const char *line, struct fetch_progress *ret)
{
	char copy[LINE_MAX_BYTES];

	if (!strcmp(line, "done"))
		return FETCH_DONE;
	if (!strncmp(line, "failed ", 7))
		return FETCH_FAILED;
	if (strncmp(line, "progress ", 9) != 0 || strlen(line) >= sizeof(copy))
		return FETCH_OTHER;
	memcpy(copy, line, strlen(line) + 1);
	return parse_progress(copy + 9, ret) == 0 ? FETCH_PROGRESS : FETCH_OTHER;
}

int fetch_stalled(struct fetch_stall *s, uint64_t done, uint64_t now_ms, uint64_t limit_ms)
{
	if (done != s->done || s->since_ms == 0) {
		s->done = done;
		s->since_ms = now_ms;
	}
	return now_ms - s->since_ms >= limit_ms;
}

/* The ways to the image, taken in turn, and how far each has got in all its starts. */
struct way {
	const char *word; /* of the role */
	uint64_t done;
};

/* One start of the child. */
struct attempt {
	const struct fetch *fetch;
	const struct way *way;
	const struct fetch_progress *before; /* what earlier children have received */
	struct loop *loop;
	struct err *err;
	pid_t pid;
	int pipe, ended, status, is_done;
	struct fetch_progress progress;
	struct fetch_stall stall;
	int stalled;
	char line[LINE_MAX_BYTES];
	size_t len;
};

static int is_http(const struct way *way)
{
	return !strcmp(way->word, "http");
}

/* What this child and those before it have received. */
static struct fetch_progress add_up(const struct attempt *a)
{
	struct fetch_progress sum = a->progress;

	sum.from_seeder += a->before->from_seeder;
	sum.downloaded += a->before->downloaded;
	sum.wasted += a->before->wasted;
	sum.by_http = a->before->by_http + (is_http(a->way) ? a->progress.downloaded : 0);
	if (sum.rss < a->before->rss)
		sum.rss = a->before->rss;
	return sum;
}

static void take_progress(struct attempt *a)
{
	const struct fetch_progress sum = add_up(a);

	a->fetch->progress(&sum, a->fetch->arg);
}

static void take_line(struct attempt *a)
{
	a->line[a->len] = '\0';
	a->len = 0;
	switch (fetch_parse_line(a->line, &a->progress)) {
	case FETCH_PROGRESS:
		take_progress(a);
		break;
	case FETCH_DONE:
		a->is_done = 1;
		break;
	case FETCH_FAILED:
		(void)err_set(a->err, EIO, "%s", a->line + 7);
		break;
	case FETCH_OTHER:
		log_info("%s", a->line);
		break;
	}
}

/* Takes what the pipe holds. Negative at its end, as when nothing is there now. */
static ssize_t read_lines(struct attempt *a)
{
	char block[4096];
	ssize_t n = read(a->pipe, block, sizeof(block));

	for (ssize_t i = 0; i < n; i++) {
		if (block[i] == '\n')
			take_line(a);
		else if (a->len < sizeof(a->line) - 1)
			a->line[a->len++] = block[i];
	}
	return n;
}

static int on_output(void *arg)
{
	struct attempt *a = arg;

	if (read_lines(a) == 0)
		loop_remove_fd(a->loop, a->pipe);
	return 0;
}

static int on_child(void *arg)
{
	struct attempt *a = arg;
	int status;

	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		if (pid != a->pid)
			continue;
		a->ended = 1;
		a->status = status;
		loop_stop(a->loop, 0);
	}
	return 0;
}

static int on_check(void *arg)
{
	struct attempt *a = arg;

	if (fetch_stalled(&a->stall, a->progress.done, monotonic_ms(), a->fetch->stall_ms)) {
		a->stalled = 1;
		(void)kill(a->pid, SIGKILL);
	}
	return 0;
}

static int start_child(struct attempt *a)
{
	_cleanup_close_ int read_end = -1, write_end = -1;
	struct role role = *a->fetch->role;
	struct role_argv argv;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(a->err, errno, "cannot start the fetch: %s", strerror(errno));
	read_end = ends[0];
	write_end = ends[1];
	if (fcntl(read_end, F_SETFL, O_NONBLOCK) < 0)
		return err_set(a->err, errno, "cannot start the fetch: %s", strerror(errno));
	role.from = is_http(a->way) ? a->way->done : 0;
	role_argv(&role, a->fetch->program, a->way->word, &argv);
	a->pid = proc_spawn(argv.argv, write_end, a->err);
	if (a->pid < 0)
		return a->pid;
	a->pipe = TAKE_FD(read_end);
	return 0;
}

/* Why it is over, once the child has ended and the pipe is read to its end. */
static int judge(struct attempt *a)
{
	char how[64];

	if (a->stalled)
		return err_set(a->err, ETIMEDOUT, "no piece of the image came for %llu s, %u peers known",
			(unsigned long long)a->fetch->stall_ms / 1000, (unsigned)a->progress.peers);
	if (a->is_done && WIFEXITED(a->status) && WEXITSTATUS(a->status) == 0)
		return 0;
	if (a->err->code)
		return -a->err->code;
	proc_status_text(a->status, how, sizeof(how));
	return err_set(a->err, EIO, "the fetcher %s%s", how,
		WIFSIGNALED(a->status) && WTERMSIG(a->status) == SIGSYS ? ": it tried what it may not" : "");
}

static int follow(struct attempt *a)
{
	int r = loop_add_fd(a->loop, a->pipe, on_output, a);

	if (r == 0)
		r = loop_add_timer(a->loop, CHECK_MS, CHECK_MS, on_check, a);
	if (r >= 0)
		r = loop_run(a->loop);
	if (!a->ended) {
		(void)kill(a->pid, SIGKILL);
		(void)waitpid(a->pid, &a->status, 0);
	}
	if (r < 0)
		return err_set(a->err, -r, "cannot follow the fetch: %s", strerror(-r));
	while (read_lines(a) > 0)
		;
	return judge(a);
}

static int run_child(struct attempt *a)
{
	/* Before the start, so that an early death is seen. */
	int r = loop_add_signal(a->loop, SIGCHLD, on_child, a);

	if (r < 0)
		return err_set(a->err, -r, "signals: %s", strerror(-r));
	r = start_child(a);
	if (r < 0)
		return r;
	r = follow(a);
	(void)close(a->pipe);
	return r;
}

/* *ret_further: whether it got further than this way had got before. */
static int try_once(
	const struct fetch *f, struct way *way, struct fetch_progress *sum, int *ret_further, struct err *err)
{
	_cleanup_loop_ struct loop *loop = loop_new();
	const struct fetch_progress before = *sum;
	struct attempt a = {.fetch = f, .way = way, .before = &before, .loop = loop, .err = err, .pipe = -1};
	int r;

	*err = (struct err){0};
	if (!loop)
		return err_oom(err, "the loop");
	r = run_child(&a);
	*sum = add_up(&a);
	*ret_further = a.progress.done > way->done;
	if (*ret_further)
		way->done = a.progress.done;
	return r;
}

static void tell_trouble(const struct fetch *f, const struct way *way, unsigned try, const struct err *err)
{
	char why[ERR_TEXT_MAX];

	(void)snprintf(why, sizeof(why), "%s, try %u: %.*s", is_http(way) ? "HTTP" : "swarm", try,
		ERR_TEXT_MAX - 40, err->text);
	log_warn("%s", why);
	f->trouble(why, f->arg);
}

int fetch_run(const struct fetch *f, struct err *err)
{
	struct way ways[] = {{"fetch", 0}, {"http", 0}};
	struct fetch_progress sum = {0};
	unsigned idle = 0;
	int r = -EINVAL;

	for (unsigned i = 0; idle < f->starts && i < FETCH_TRIES_MAX; i++) {
		struct way *way = &ways[i % ARRAY_SIZE(ways)];
		int further = 0;

		r = try_once(f, way, &sum, &further, err);
		if (r == 0)
			return 0;
		idle = further ? 0 : idle + 1;
		tell_trouble(f, way, i + 1, err);
	}
	return r;
}
