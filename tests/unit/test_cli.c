/* The command line by table: what is understood, what is refused with which status, what help says. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/cli.h"
#include "imager/base/io.h"

struct options {
	int flag;
	const char *text;
	uint64_t number;
	struct cli_list list;
};

static const struct cli_option options[] = {
	{"flag", 'f', CLI_FLAG, offsetof(struct options, flag), NULL, "a flag"},
	{"text", 't', CLI_STRING, offsetof(struct options, text), "WORD", "a word"},
	{"number", 0, CLI_U64, offsetof(struct options, number), "N", "a number"},
	{"list", 'l', CLI_LIST, offsetof(struct options, list), "ITEM", "a list"},
	{0},
};

/* Prints all it was given, so that a row of a table can tell what to expect. */
static int run_all(const void *given, char **args, struct err *err)
{
	const struct options *o = given;

	(void)err;
	(void)printf("%d %s %llu", o->flag, o->text ? o->text : "-", (unsigned long long)o->number);
	for (size_t i = 0; i < o->list.count; i++)
		(void)printf(" +%s", o->list.items[i]);
	for (; *args; args++)
		(void)printf(" [%s]", *args);
	return 0;
}

static int run_fail(const void *given, char **args, struct err *err)
{
	static const struct {
		const char *word;
		int r;
	} rows[] = {{"errno", -EIO}, {"usage", CLI_USAGE}, {"quiet", CLI_QUIET}, {"fault", CLI_FAULT},
		{"positive", 5}};

	(void)given;
	(void)err_set(err, EIO, "the sentence");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(args[0], rows[i].word))
			return rows[i].r;
	return 0;
}

static const struct cli_command command_all = {
	.name = "all",
	.arguments = "A [B]",
	.summary = "take everything",
	.text = "First paragraph.\n\n.Second -- paragraph with a back\\slash.",
	.options = options,
	.options_size = sizeof(struct options),
	.min_args = 1,
	.max_args = 2,
	.run = run_all,
};

static const struct cli_command command_fail = {
	.name = "fail",
	.arguments = "HOW",
	.summary = "fail",
	.min_args = 1,
	.max_args = 1,
	.run = run_fail,
};

static const struct cli_command *const commands[] = {&command_all, &command_fail, NULL};

/* ---- running with both outputs kept ---- */

struct outcome {
	int status;
	char out[8192], err[8192];
};

static int divert(int fd, int *ret_saved)
{
	int file = memfd_create("output", MFD_CLOEXEC);

	(void)fflush(NULL);
	*ret_saved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	assert_int_equal(dup2(file, fd), fd);
	return file;
}

static void restore(int fd, int saved, int file, char ret[8192])
{
	ssize_t n;

	(void)fflush(NULL);
	assert_int_equal(dup2(saved, fd), fd);
	(void)close(saved);
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	n = read_full(file, ret, 8191);
	ret[n > 0 ? n : 0] = '\0';
	(void)close(file);
}

/* line: words divided by one space */
static struct outcome run(const char *line)
{
	_cleanup_free_ char *copy = strdup(line);
	char *argv[64] = {(char *)"prog"}, *rest = copy;
	int argc = 1, out, err, saved_out, saved_err;
	struct outcome o = {0};

	while (*line && rest && argc < 63)
		argv[argc++] = strsep(&rest, " ");
	out = divert(STDOUT_FILENO, &saved_out);
	err = divert(STDERR_FILENO, &saved_err);
	o.status = cli_main("prog", commands, argc, argv);
	restore(STDERR_FILENO, saved_err, err, o.err);
	restore(STDOUT_FILENO, saved_out, out, o.out);
	return o;
}

static void test_understood(void **state)
{
	static const struct {
		const char *line, *out;
	} rows[] = {
		{"all x", "0 - 0 [x]"},
		{"all x y", "0 - 0 [x] [y]"},
		{"all x --flag y", "1 - 0 [x] [y]"},
		{"all -f -t word x", "1 word 0 [x]"},
		{"all --text word x", "0 word 0 [x]"},
		{"all --text=word x", "0 word 0 [x]"},
		{"all --text=a=b x", "0 a=b 0 [x]"},
		{"all --text= x", "0  0 [x]"},
		{"all --text --flag x", "0 --flag 0 [x]"},
		{"all --text a --text b x", "0 b 0 [x]"},
		{"all --number 18446744073709551615 x", "0 - 18446744073709551615 [x]"},
		{"all -l a --list b --list=c x", "0 - 0 +a +b +c [x]"},
		{"all -", "0 - 0 [-]"},
		{"all -- --flag", "0 - 0 [--flag]"},
		{"all -- -- x", "0 - 0 [--] [x]"},
		{"all -- --help", "0 - 0 [--help]"},
		{"all ", "0 - 0 []"},
		{"fail positive", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct outcome o = run(rows[i].line);

		assert_string_equal(o.err, "");
		assert_string_equal(o.out, rows[i].out);
		assert_int_equal(o.status, 0);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *line, *err;
	} rows[] = {
		{"all", "prog all: missing argument: A [B]; see 'prog all --help'\n"},
		{"all x y z", "prog all: unexpected argument 'z'; see 'prog all --help'\n"},
		{"all -- x y --flag", "prog all: unexpected argument '--flag'; see 'prog all --help'\n"},
		{"all --flags x", "prog all: unknown option '--flags'; see 'prog all --help'\n"},
		{"all --fla x", "prog all: unknown option '--fla'; see 'prog all --help'\n"},
		{"all -x", "prog all: unknown option '-x'; see 'prog all --help'\n"},
		{"all -ft x", "prog all: unknown option '-ft'; see 'prog all --help'\n"},
		{"all --flag=1 x", "prog all: --flag takes no value; see 'prog all --help'\n"},
		{"all x --text", "prog all: --text needs a value: WORD; see 'prog all --help'\n"},
		{"all --number -1 x",
			"prog all: --number: '-1' is not a whole number; see 'prog all --help'\n"},
		{"all --number= x", "prog all: --number: '' is not a whole number; see 'prog all --help'\n"},
		{"fail usage", "prog fail: the sentence; see 'prog fail --help'\n"},
		{"nothing", "prog: unknown command 'nothing'; see 'prog --help'\n"},
		{"help nothing", "prog: unknown command 'nothing'; see 'prog --help'\n"},
		{"--unknown", "prog: unknown command '--unknown'; see 'prog --help'\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct outcome o = run(rows[i].line);

		assert_string_equal(o.err, rows[i].err);
		assert_string_equal(o.out, "");
		assert_int_equal(o.status, 2);
	}
}

static void test_failures(void **state)
{
	struct outcome o;

	(void)state;
	o = run("fail errno");
	assert_int_equal(o.status, 1);
	assert_string_equal(o.err, "prog fail: the sentence\n");
	o = run("fail fault");
	assert_int_equal(o.status, 2);
	assert_string_equal(o.err, "prog fail: the sentence\n");
	o = run("fail quiet");
	assert_int_equal(o.status, 1);
	assert_string_equal(o.err, "");
}

static void test_list_is_full(void **state)
{
	char line[512] = "all x";
	struct outcome o;

	(void)state;
	for (int i = 0; i < CLI_LIST_MAX - 2; i++)
		(void)strncat(line, " --list=i", sizeof(line) - strlen(line) - 1);
	o = run(line);
	assert_int_equal(o.status, 0);
	(void)strncat(line, " -l i -l i", sizeof(line) - strlen(line) - 1);
	o = run(line);
	assert_int_equal(o.status, 0);
	(void)strncat(line, " -l i", sizeof(line) - strlen(line) - 1);
	o = run(line);
	assert_int_equal(o.status, 2);
	assert_non_null(strstr(o.err, "--list: given more than 32 times"));
}

/* ---- help ---- */

static void test_help(void **state)
{
	static const char *const overviews[] = {"--help", "-h", "help"};
	static const char *const details[] = {"all --help", "help all", "all x --unknown --help"};
	static const char *const words[] = {"usage: prog all [OPTIONS] A [B]\n", "take everything", "Second",
		"-f, --flag", "    --number N", "--list ITEM"};
	struct outcome o;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(overviews); i++) {
		o = run(overviews[i]);
		assert_int_equal(o.status, 0);
		assert_non_null(strstr(o.out, "all        take everything\n"));
		assert_string_equal(o.err, "");
	}
	for (size_t i = 0; i < ARRAY_SIZE(details); i++) {
		o = run(details[i]);
		assert_int_equal(o.status, 0);
		for (size_t k = 0; k < ARRAY_SIZE(words); k++)
			assert_non_null(strstr(o.out, words[k]));
	}
	o = run("");
	assert_int_equal(o.status, 2);
	assert_string_equal(o.out, "");
	assert_non_null(strstr(o.err, "usage: prog COMMAND"));
	o = run("--version");
	assert_string_equal(o.out, "prog " SWARMBOOT_VERSION "\n");
}

/* A dot at the begin of a line, dashes and backslashes mean something to troff. */
static void test_man(void **state)
{
	struct outcome o = run("all --man");

	(void)state;
	assert_int_equal(o.status, 0);
	assert_int_equal(strncmp(o.out, ".TH prog\\-all 1", 15), 0);
	assert_non_null(strstr(o.out, "\n.PP\n\\&.Second \\-\\- paragraph with a back\\eslash.\n"));
	assert_non_null(strstr(o.out, ".B \\-l, \\-\\-list ITEM\na list\n"));
}

/* Exit status 0 must mean that the results arrived. */
static void test_full_output(void **state)
{
	char *argv[] = {(char *)"prog", (char *)"all", (char *)"x", NULL};
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), saved, err, saved_err, status;
	char text[8192];

	(void)state;
	err = divert(STDERR_FILENO, &saved_err);
	saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_int_equal(dup2(full, STDOUT_FILENO), STDOUT_FILENO);
	status = cli_main("prog", commands, 3, argv);
	assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
	clearerr(stdout);
	restore(STDERR_FILENO, saved_err, err, text);
	(void)close(saved);
	(void)close(full);
	assert_int_equal(status, 1);
	assert_string_equal(text, "prog all: cannot write to standard output\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_understood),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_list_is_full),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_man),
		cmocka_unit_test(test_full_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
