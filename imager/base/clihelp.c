/* Owns the printed side of the command tables. */
#include "imager/base/clihelp.h"

#include <string.h>

void clihelp_overview(FILE *out, const char *program, const struct cli_command *const *commands)
{
	(void)fprintf(out, "usage: %s COMMAND [OPTIONS] [ARGUMENTS]\n\ncommands:\n", program);
	for (; *commands; commands++)
		(void)fprintf(out, "  %-10s %s\n", (*commands)->name, (*commands)->summary);
	(void)fprintf(out, "\n'%s COMMAND --help' tells of one command, '%s --version' of the program.\n",
		program, program);
}

static void print_option(FILE *out, const struct cli_option *o)
{
	char left[64], letter[8] = "    ";

	if (o->letter)
		(void)snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	(void)snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name, o->value ? " " : "",
		o->value ? o->value : "");
	(void)fprintf(out, "  %-28s %s\n", left, o->help);
}

void clihelp_command(FILE *out, const char *program, const struct cli_command *c)
{
	(void)fprintf(out, "usage: %s %s%s%s%s\n\n%s.\n", program, c->name, c->options ? " [OPTIONS]" : "",
		*c->arguments ? " " : "", c->arguments, c->summary);
	if (c->text)
		(void)fprintf(out, "\n%s\n", c->text);
	if (!c->options)
		return;
	(void)fprintf(out, "\noptions:\n");
	for (const struct cli_option *o = c->options; o->name; o++)
		print_option(out, o);
}

/* Dashes are hyphens to troff, and a line that begins with a dot or quote would be a request. */
static void print_troff(FILE *out, const char *text)
{
	int start = 1;

	for (; *text; text++) {
		if (start && (*text == '.' || *text == '\''))
			(void)fputs("\\&", out);
		if (*text == '\n' && text[1] == '\n') {
			(void)fputs("\n.PP", out);
			start = 0;
			continue;
		}
		if (*text == '-' || *text == '\\')
			(void)fputc('\\', out);
		(void)fputc(*text == '\\' ? 'e' : *text, out);
		start = *text == '\n';
	}
	(void)fputc('\n', out);
}

void clihelp_man(FILE *out, const char *program, const struct cli_command *c)
{
	(void)fprintf(out, ".TH %s\\-%s 1 \"\" \"%s %s\"\n.SH NAME\n%s\\-%s \\- ", program, c->name, program,
		SWARMBOOT_VERSION, program, c->name);
	print_troff(out, c->summary);
	(void)fprintf(out, ".SH SYNOPSIS\n.B %s %s\n", program, c->name);
	print_troff(out, c->options ? "[OPTIONS]" : "");
	print_troff(out, c->arguments);
	if (c->text) {
		(void)fprintf(out, ".SH DESCRIPTION\n");
		print_troff(out, c->text);
	}
	if (c->options)
		(void)fprintf(out, ".SH OPTIONS\n");
	for (const struct cli_option *o = c->options; o && o->name; o++) {
		(void)fprintf(out, ".TP\n.B ");
		if (o->letter)
			(void)fprintf(out, "\\-%c, ", o->letter);
		(void)fprintf(out, "\\-\\-%s%s%s\n", o->name, o->value ? " " : "", o->value ? o->value : "");
		print_troff(out, o->help);
	}
	(void)fprintf(out, ".SH EXIT STATUS\n0 on success, 1 on failure, 2 on wrong usage or input.\n");
}
