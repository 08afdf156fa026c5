/* Owns the command line: the parsing of options by table. What is printed from the tables is in clihelp.c. */
#include "imager/base/cli.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imager/base/clihelp.h"
#include "imager/base/parse.h"

#define USAGE_STATUS 2

struct parse {
	const struct cli_command *command;
	void *options;
	char **argv; /* what is left */
	char **args; /* positional arguments found so far */
	size_t count;
};

static const struct cli_option *find_option(const struct cli_command *c, const char *name, size_t len)
{
	for (const struct cli_option *o = c->options; o && o->name; o++)
		if (strlen(o->name) == len && !memcmp(o->name, name, len))
			return o;
	return NULL;
}

static const struct cli_option *find_letter(const struct cli_command *c, char letter)
{
	for (const struct cli_option *o = c->options; o && o->name; o++)
		if (o->letter && o->letter == letter)
			return o;
	return NULL;
}

static int store_list(struct cli_list *list, const struct cli_option *o, const char *value, struct err *err)
{
	if (list->count == CLI_LIST_MAX)
		return err_set(err, E2BIG, "--%s: given more than %d times", o->name, CLI_LIST_MAX);
	list->items[list->count++] = value;
	return 0;
}

static int store(struct parse *p, const struct cli_option *o, const char *value, struct err *err)
{
	void *field = (char *)p->options + o->offset;

	switch (o->kind) {
	case CLI_FLAG:
		*(int *)field = 1;
		return 0;
	case CLI_STRING:
		*(const char **)field = value;
		return 0;
	case CLI_U64:
		if (parse_u64(value, field) < 0)
			return err_set(err, EINVAL, "--%s: '%s' is not a whole number", o->name, value);
		return 0;
	case CLI_LIST:
		return store_list(field, o, value, err);
	}
	return -EINVAL;
}

static int take_option(struct parse *p, const struct cli_option *o, const char *inline_value, struct err *err)
{
	const char *value = inline_value;

	if (o->kind == CLI_FLAG && value)
		return err_set(err, EINVAL, "--%s takes no value", o->name);
	if (o->kind != CLI_FLAG && !value) {
		value = *p->argv;
		if (!value)
			return err_set(err, EINVAL, "--%s needs a value: %s", o->name, o->value);
		p->argv++;
	}
	return store(p, o, value, err);
}

static int take_argument(struct parse *p, char *word, struct err *err)
{
	if (p->count == p->command->max_args)
		return err_set(err, EINVAL, "unexpected argument '%s'", word);
	p->args[p->count++] = word;
	return 0;
}

static int take_word(struct parse *p, char *word, struct err *err)
{
	const struct cli_option *o;
	const char *equals = strchr(word, '=');

	if (word[0] != '-' || !word[1])
		return take_argument(p, word, err);
	if (word[1] == '-')
		o = find_option(
			p->command, word + 2, equals ? (size_t)(equals - word - 2) : strlen(word + 2));
	else
		o = word[2] ? NULL : find_letter(p->command, word[1]);
	if (!o)
		return err_set(err, EINVAL, "unknown option '%s'", word);
	return take_option(p, o, equals && word[1] == '-' ? equals + 1 : NULL, err);
}

static int parse_words(struct parse *p, struct err *err)
{
	int only_args = 0;

	while (*p->argv) {
		char *word = *p->argv++;
		int r;

		if (!only_args && !strcmp(word, "--")) {
			only_args = 1;
			continue;
		}
		r = only_args ? take_argument(p, word, err) : take_word(p, word, err);
		if (r < 0)
			return r;
	}
	if (p->count < p->command->min_args)
		return err_set(err, EINVAL, "missing argument: %s", p->command->arguments);
	return 0;
}

/* r is what the command returned; gives the exit status. */
static int fail(const char *program, const char *command, const struct err *err, int r)
{
	if (r == CLI_QUIET)
		return 1;
	if (r == CLI_USAGE)
		(void)fprintf(stderr, "%s %s: %s; see '%s %s --help'\n", program, command, err->text, program,
			command);
	else
		(void)fprintf(stderr, "%s %s: %s\n", program, command, err->text);
	return r == CLI_USAGE || r == CLI_FAULT ? USAGE_STATUS : 1;
}

static int run_command(const char *program, const struct cli_command *c, char **argv)
{
	struct err err = {0};
	void *options = calloc(1, c->options_size ? c->options_size : 1);
	char **args = calloc(c->max_args + 1, sizeof(*args));
	struct parse p = {.command = c, .options = options, .argv = argv, .args = args};
	int status = 0, r;

	if (!options || !args)
		r = err_oom(&err, "the command line");
	else if (parse_words(&p, &err) < 0)
		r = CLI_USAGE;
	else
		r = c->run(options, args, &err);
	if (r < 0)
		status = fail(program, c->name, &err, r);
	if (fflush(stdout) != 0 && !status) {
		(void)fprintf(stderr, "%s %s: cannot write to standard output\n", program, c->name);
		status = 1;
	}
	free(options);
	free(args);
	return status;
}

static const struct cli_command *find_command(const struct cli_command *const *commands, const char *name)
{
	for (; *commands; commands++)
		if (!strcmp((*commands)->name, name))
			return *commands;
	return NULL;
}

static int wants(char **argv, const char *flag)
{
	for (; *argv && strcmp(*argv, "--"); argv++)
		if (!strcmp(*argv, flag))
			return 1;
	return 0;
}

int cli_main(const char *program, const struct cli_command *const *commands, int argc, char **argv)
{
	const struct cli_command *c;
	const char *word = argc > 1 ? argv[1] : NULL;
	int help = word && !strcmp(word, "help");

	if (!word || !strcmp(word, "--help") || !strcmp(word, "-h") || (help && argc == 2)) {
		clihelp_overview(word ? stdout : stderr, program, commands);
		return word ? 0 : USAGE_STATUS;
	}
	if (!strcmp(word, "--version")) {
		(void)printf("%s %s\n", program, SWARMBOOT_VERSION);
		return 0;
	}
	c = find_command(commands, help ? argv[2] : word);
	if (!c) {
		(void)fprintf(stderr, "%s: unknown command '%s'; see '%s --help'\n", program,
			help ? argv[2] : word, program);
		return USAGE_STATUS;
	}
	if (help || wants(argv + 2, "--help")) {
		clihelp_command(stdout, program, c);
		return 0;
	}
	if (wants(argv + 2, "--man")) {
		clihelp_man(stdout, program, c);
		return 0;
	}
	return run_command(program, c, argv + 2);
}
