/* Child processes: how they end, what they print, what they get. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "imager/base/parse.h"
#include "imager/base/proc.h"
#include "tests/unit/tempdir.h"

#define SHELL(script) ((const char *const[]){"/bin/sh", "-c", script, NULL})

static void test_ends(void **state)
{
	static const struct {
		const char *script, *sentence; /* NULL: good */
	} rows[] = {
		{"exit 0", NULL},
		{"echo fine", NULL},
		{"exit 3", "/bin/sh exited with status 3"},
		{"echo what; echo why >&2; exit 1", "/bin/sh exited with status 1: why"},
		{"echo why; echo; exit 1", "/bin/sh exited with status 1: why"},
		{"printf why; exit 1", "/bin/sh exited with status 1: why"},
		{"kill -9 $$", "/bin/sh killed by signal 9 (Killed)"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = {0};

		assert_int_equal(proc_run(SHELL(rows[i].script), NULL, &err), rows[i].sentence ? -EIO : 0);
		assert_string_equal(err.text, rows[i].sentence ? rows[i].sentence : "");
	}
}

static void test_cannot_start(void **state)
{
	static const struct {
		const char *program;
		int expected;
	} rows[] = {
		{"/nonexistent/program", -ENOENT}, {"no-such-program-in-path", -ENOENT}, {"/etc", -EACCES}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *const argv[] = {rows[i].program, NULL};
		struct err err = {0};
		char *text = NULL;

		assert_int_equal(proc_run(argv, NULL, &err), rows[i].expected);
		assert_non_null(strstr(err.text, rows[i].program));
		assert_int_equal(proc_capture(argv, 10, &text, NULL), rows[i].expected);
		assert_null(text);
		assert_int_equal(proc_spawn(argv, -1, NULL), rows[i].expected);
	}
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void add_line(const char *text, void *arg)
{
	assert_int_equal(buf_printf(arg, "[%s]", text), 0);
}

static void test_lines(void **state)
{
	_cleanup_buf_ struct buf lines = {0};
	struct proc_opts opts = {.line = add_line, .arg = &lines};
	char expected[4096];

	(void)state;
	assert_int_equal(proc_run(SHELL("echo a; echo b >&2; echo; printf 'c\\nd'"), &opts, NULL), 0);
	assert_string_equal(lines.data, "[a][b][][c][d]");
	buf_release(&lines);
	/* a line beyond the limit is cut, and the next one whole */
	assert_int_equal(proc_run(SHELL("printf '%05000d\\nnext\\n' 7"), &opts, NULL), 0);
	memset(expected, '0', sizeof(expected));
	expected[0] = '[';
	assert_memory_equal(lines.data, expected, 4095);
	assert_string_equal(strchr(lines.data, ']'), "][next]");
}

static void test_input_and_environment(void **state)
{
	static const char *const env[] = {"SWARMBOOT_A=1", "SWARMBOOT_B=two words", NULL};
	_cleanup_buf_ struct buf lines = {0};
	struct proc_opts opts = {.line = add_line, .arg = &lines, .env = env, .input = "first\nsecond"};

	(void)state;
	assert_int_equal(proc_run(SHELL("cat; echo; echo $SWARMBOOT_A $SWARMBOOT_B"), &opts, NULL), 0);
	assert_string_equal(lines.data, "[first][second][1 two words]");
	assert_null(getenv("SWARMBOOT_A"));
	buf_release(&lines);
	opts.input = NULL;
	assert_int_equal(proc_run(SHELL("cat"), &opts, NULL), 0);
	assert_null(lines.data);
}

static void test_capture(void **state)
{
	_cleanup_free_ char *text = NULL, *empty = NULL, *none = NULL, *quiet = NULL;
	struct err err = {0};

	(void)state;
	assert_int_equal(proc_capture(SHELL("echo hello"), 6, &text, NULL), 0);
	assert_string_equal(text, "hello\n");
	assert_int_equal(proc_capture(SHELL("true"), 0, &empty, NULL), 0);
	assert_string_equal(empty, "");
	assert_int_equal(proc_capture(SHELL("echo hello"), 5, &none, &err), -EFBIG);
	assert_non_null(strstr(err.text, "more than 5 bytes"));
	assert_int_equal(proc_capture(SHELL("echo hello; exit 1"), 10, &none, NULL), -EIO);
	/* it would print for ever */
	assert_int_equal(proc_capture(SHELL("yes"), 100000, &none, NULL), -EFBIG);
	assert_int_equal(
		proc_capture_quiet(SHELL("echo a; echo b >&2"), &(struct proc_opts){0}, 10, &quiet, NULL), 0);
	assert_string_equal(quiet, "a\n");
	assert_int_equal(proc_capture_quiet(SHELL("echo out; echo one >&2; echo 'the cause' >&2; exit 3"),
				 &(struct proc_opts){0}, 10, &none, &err),
		-EIO);
	assert_string_equal(err.text, "/bin/sh exited with status 3: the cause");
	assert_int_equal(proc_capture_quiet(SHELL("exit 3"), &(struct proc_opts){0}, 10, &none, &err), -EIO);
	assert_string_equal(err.text, "/bin/sh exited with status 3");
	assert_null(none);
}

/* A package's script that starts a daemon, which keeps the output open: its end is the script's. */
static void test_daemon_holds_output(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "pid"), *text = NULL, *script = NULL;
	_cleanup_buf_ struct buf lines = {0};
	struct proc_opts opts = {.line = add_line, .arg = &lines};
	uint32_t number;
	pid_t daemon;

	assert_true(asprintf(&script, "sleep 30 & echo $! >%s; echo started", path) > 0);
	assert_int_equal(proc_run(SHELL(script), &opts, NULL), 0);
	assert_string_equal(lines.data, "[started]");
	assert_int_equal(read_file(path, 100, &text, NULL, NULL), 0);
	assert_int_equal(parse_u32(strtok(text, "\n"), &number), 0);
	daemon = (pid_t)number;
	assert_true(daemon > 1);
	assert_int_equal(kill(daemon, SIGKILL), 0); /* it was still there */
}

static int refuse(void *arg)
{
	errno = EUCLEAN;
	return arg ? 0 : -1;
}

static void test_enter(void **state)
{
	struct proc_opts opts = {.enter = refuse};

	assert_int_equal(proc_run(SHELL("true"), &opts, NULL), -EUCLEAN);
	opts.enter_arg = &opts;
	assert_int_equal(proc_run(SHELL("true"), &opts, NULL), 0);
	opts.chroot = *state;
	assert_int_equal(proc_run(SHELL("true"), &opts, NULL), -ENOENT); /* no shell in there */
}

/* Signals that we block or ignore are not blocked or ignored in children. */
static void test_signals_are_reset(void **state)
{
	sigset_t set, before;
	_cleanup_free_ char *text = NULL;

	(void)state;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, &before);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN); /* as nohup does */
	assert_int_equal(
		proc_capture(SHELL("grep -E '^Sig(Blk|Ign)' /proc/self/status"), 1000, &text, NULL), 0);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGHUP, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	assert_non_null(strstr(text, "SigBlk:\t0000000000000000"));
	/* 32 and 33 are the C library's own, which signal(7) cannot change; make starts its children so. */
	assert_true(strstr(text, "SigIgn:\t0000000000000000") || strstr(text, "SigIgn:\t0000000180000000"));
}

static void test_spawn_logs(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "log"), *text = NULL;
	_cleanup_close_ int log = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	pid_t pid = proc_spawn(SHELL("echo out; echo err >&2; exec sleep 1000"), log, NULL);
	int status;

	assert_true(pid > 0);
	for (int i = 0; i < 2000 && lseek(log, 0, SEEK_END) < 8; i++)
		(void)usleep(5000);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WTERMSIG(status), SIGTERM);
	assert_int_equal(read_file(path, 100, &text, NULL, NULL), 0);
	assert_string_equal(text, "out\nerr\n");
}

/* PID 1 may be without standard descriptors, so that pipes get the numbers 0, 1, 2. */
static void test_closed_standard_descriptors(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		char *text = NULL;

		(void)close(0);
		(void)close(1);
		(void)close(2);
		_exit(proc_capture(SHELL("cat; echo a; echo b >&2; exec 3>&0"), 100, &text, NULL) < 0 ||
			strcmp(text, "a\n") != 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_cannot_start),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_input_and_environment),
		cmocka_unit_test(test_capture),
		unit_test_in_dir(test_daemon_holds_output),
		unit_test_in_dir(test_enter),
		cmocka_unit_test(test_signals_are_reset),
		unit_test_in_dir(test_spawn_logs),
		cmocka_unit_test(test_closed_standard_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
