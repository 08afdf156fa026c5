/* The seeder's commands, for the command table. */
#ifndef SEEDER_COMMANDS_H
#define SEEDER_COMMANDS_H

#include "imager/base/cli.h"

extern const struct cli_command command_gc;     /* gccmd.c */
extern const struct cli_command command_seed;   /* seedcmd.c */
extern const struct cli_command command_serve;  /* serve.c */
extern const struct cli_command command_status; /* statuscmd.c */

#endif
