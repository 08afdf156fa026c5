/*
 * Commands as tables: a command is a `const struct cli_command` at the bottom of its file; help, man page and
 * parsing all come from it.
 */
#ifndef BASE_CLI_H
#define BASE_CLI_H

#include <stddef.h>

#include "imager/base/err.h"

enum cli_kind {
	CLI_FLAG,   /* int, set to 1 */
	CLI_STRING, /* const char *, points into argv */
	CLI_U64,    /* uint64_t */
	CLI_LIST,   /* struct cli_list, may be given again */
};

#define CLI_LIST_MAX 32
struct cli_list {
	const char *items[CLI_LIST_MAX];
	size_t count;
};

struct cli_option {
	const char *name; /* without the dashes */
	char letter;      /* 0 for none */
	enum cli_kind kind;
	size_t offset;     /* of the field in the command's options struct */
	const char *value; /* the word for its value in help ("DIR"); NULL for a flag */
	const char *help;
};

struct cli_command {
	const char *name;
	const char *arguments;            /* usage text of the positional arguments: "PROFILE", "[NODES]" */
	const char *summary;              /* one line, no full stop */
	const char *text;                 /* the man page's DESCRIPTION: paragraphs divided by empty lines */
	const struct cli_option *options; /* ends with a NULL name; NULL for none */
	size_t options_size;              /* sizeof the options struct, zeroed before parsing */
	size_t min_args, max_args;
	/* args: the positional arguments. Returns 0, or -errno with the sentence in err (printed by
	 * cli_main). */
	int (*run)(const void *options, char **args, struct err *err);
};

/* What a command's run returns for a fault of usage (exit 2 instead of 1), with the sentence in err. */
#define CLI_USAGE (-10000)
/* ... and where the answer is a plain "no" that has been printed already: exit 1 without a further word. */
#define CLI_QUIET (-10001)
/* ... and for a fault in a file the user wrote: exit 2 as well, the sentence without the hint at --help. */
#define CLI_FAULT (-10002)

/*
 * The whole of main: NAME --help, NAME help [COMMAND], NAME COMMAND --help, NAME --version, and for packaging
 * NAME COMMAND --man (troff). commands ends with NULL. Exit status: 0, 1 on failure, 2 on wrong usage.
 */
int cli_main(const char *program, const struct cli_command *const *commands, int argc, char **argv);

#endif
