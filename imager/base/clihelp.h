/* What is printed from the command tables: overview, help of a command, its man page (man(7) macros). */
#ifndef BASE_CLIHELP_H
#define BASE_CLIHELP_H

#include <stdio.h>

#include "imager/base/cli.h"

void clihelp_overview(FILE *out, const char *program, const struct cli_command *const *commands);
void clihelp_command(FILE *out, const char *program, const struct cli_command *command);
void clihelp_man(FILE *out, const char *program, const struct cli_command *command);

#endif
