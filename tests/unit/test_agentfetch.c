/* The parent of a fetch, with shell scripts in the child's place: crash, stall, failure, orphans. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "imager/base/cleanup.h"
#include "imager/base/log.h"
#include "initramfs/fetch.h"
#include "tests/unit/tempdir.h"

struct seen {
	unsigned calls, troubles;
	char trouble[128];
	struct fetch_progress last;
};

static void on_progress(const struct fetch_progress *p, void *arg)
{
	struct seen *seen = arg;

	seen->calls++;
	seen->last = *p;
}

static void on_trouble(const char *why, void *arg)
{
	struct seen *seen = arg;

	seen->troubles++;
	(void)snprintf(seen->trouble, sizeof(seen->trouble), "%s", why);
}

/* The script counts its starts in the file "starts" and has their number in $n. */
static int run_script(const char *dir, const char *body, struct seen *seen, struct err *err)
{
	_cleanup_free_ char *program = path_join(dir, "child"), *script = NULL;
	const struct role role = {.torrent = "t", .file = "f", .name = "n", .size = 8, .listen = "l"};

	assert_true(asprintf(&script, "#!/bin/sh\ncd %s\necho x >>starts\nn=$(wc -l <starts)\n%s\n", dir,
			    body) > 0);
	assert_int_equal(
		write_file(program,
			&(struct file_content){.data = script, .len = strlen(script), .mode = 0755}, err),
		0);
	return fetch_run(&(struct fetch){.program = program,
				 .role = &role,
				 .stall_ms = 1000,
				 .starts = 3,
				 .progress = on_progress,
				 .trouble = on_trouble,
				 .arg = seen},
		err);
}

static void test_outcomes(void **state)
{
	static const struct {
		const char *body;
		int code;
		const char *says;
		unsigned starts;
	} rows[] = {
		{"echo progress 8 8 5 9 1 2 77; echo done", 0, "", 1},
		/* Two that got somewhere, one on each way, then three that got no further. */
		{"echo progress 8 8 5 9 1 2 77; echo done; exit 3", -EIO, "the fetcher exited with status 3",
			5},
		{"kill -SEGV $$", -EIO, "the fetcher killed by signal 11", 3},
		{"kill -SYS $$", -EIO, "it tried what it may not", 3},
		{"echo failed no room; exit 1", -EIO, "no room", 3},
		{"echo 'progress 1 8 0 0 0 4 0'; exec sleep 60", -ETIMEDOUT,
			"no piece of the image came for 1 s, 4 peers known", 5},
		{"[ $n = 3 ] || kill -KILL $$; echo done", 0, "", 3},
		{"exit 0", -EIO, "the fetcher exited with status 0", 3},
		{"head -c 9000 /dev/zero | tr '\\0' x; echo; echo done", 0, "", 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *starts = path_join(*state, "starts");
		struct err err = {0};
		struct seen seen = {0};
		struct stat st;
		int r = run_script(*state, rows[i].body, &seen, &err);

		assert_int_equal(stat(starts, &st), 0);
		if (r != rows[i].code || (r < 0 && !strstr(err.text, rows[i].says)) ||
			st.st_size / 2 != rows[i].starts)
			fail_msg("row %zu: %d '%s' after %d starts", i, r, err.text, (int)st.st_size / 2);
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left to bury */
		(void)unlink(starts);
	}
}

static void test_progress(void **state)
{
	struct err err = {0};
	struct seen seen = {0};

	assert_int_equal(run_script(*state,
				 "echo progress 1 8 0 0 0 1 0; echo warning: noise; echo progress 8 8 5 9 1 "
				 "2 77; echo done",
				 &seen, &err),
		0);
	assert_int_equal(seen.calls, 2);
	assert_int_equal(seen.last.from_seeder, 5);
	assert_int_equal(seen.last.downloaded, 9);
	assert_int_equal(seen.last.rss, 77);
}

/* The swarm and HTTP in turn; HTTP goes on where it was; what came is added up over all. */
static void test_ways(void **state)
{
	static const char body[] = "echo \"$n $*\" >>words\n"
				   "case $n in\n"
				   "1) echo progress 2 8 1 2 1 1 70;;\n"
				   "2) echo progress 4 8 4 4 0 1 50;;\n"
				   "3) echo progress 3 8 0 3 0 1 60;;\n"
				   "4) echo progress 8 8 4 4 0 1 50; echo done; exit 0;;\n"
				   "esac\nexit 1\n";
	_cleanup_free_ char *words = path_join(*state, "words"), *text = NULL;
	struct err err = {0};
	struct seen seen = {0};

	assert_int_equal(run_script(*state, body, &seen, &err), 0);
	assert_int_equal(read_file(words, 4096, &text, NULL, &err), 0);
	assert_non_null(strstr(text, "1 fetch "));
	assert_non_null(strstr(text, "2 http "));
	assert_non_null(strstr(text, "3 fetch "));
	assert_non_null(strstr(text, "4 http "));
	assert_non_null(strstr(text, " --from 4\n"));
	assert_null(strstr(text, "--from 2"));
	assert_int_equal(seen.last.downloaded, 2 + 4 + 3 + 4);
	assert_int_equal(seen.last.from_seeder, 1 + 4 + 0 + 4);
	assert_int_equal(seen.last.by_http, 4 + 4);
	assert_int_equal(seen.last.wasted, 1);
	assert_int_equal(seen.last.rss, 70);
	assert_int_equal(seen.troubles, 3);
	assert_string_equal(seen.trouble, "swarm, try 3: the fetcher exited with status 1");
}

/* A child that always gets a little further does not go on for ever. */
static void test_bound(void **state)
{
	_cleanup_free_ char *starts = path_join(*state, "starts");
	struct err err = {0};
	struct seen seen = {0};
	struct stat st;

	assert_int_equal(run_script(*state, "echo progress $n 1000 0 0 0 0 0; exit 1", &seen, &err), -EIO);
	assert_int_equal(stat(starts, &st), 0);
	assert_int_equal(st.st_size / 2, FETCH_TRIES_MAX);
}

/* PID 1 is the parent of every orphan: those that end during a fetch are buried and not taken for the
 * fetcher. */
static void test_orphans(void **state)
{
	struct err err = {0};
	struct seen seen = {0};
	pid_t orphan = fork();

	if (orphan == 0)
		_exit(7);
	assert_int_equal(run_script(*state, "sleep 0.2; echo done", &seen, &err), 0);
	assert_int_equal(waitpid(orphan, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_outcomes),
		unit_test_in_dir(test_progress),
		unit_test_in_dir(test_ways),
		unit_test_in_dir(test_bound),
		unit_test_in_dir(test_orphans),
	};

	log_open("", STDERR_FILENO, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
