/* The imager's commands, for the command table. */
#ifndef IMAGER_COMMANDS_H
#define IMAGER_COMMANDS_H

#include "imager/base/cli.h"

extern const struct cli_command command_build;  /* buildcmd.c */
extern const struct cli_command command_keygen; /* sign.c */
extern const struct cli_command command_sign;   /* sign.c */
extern const struct cli_command command_verify; /* sign.c */
extern const struct cli_command command_diff;   /* diffcmd.c */
extern const struct cli_command command_images; /* images.c */
extern const struct cli_command command_show;   /* images.c */
extern const struct cli_command command_tag;    /* images.c */
extern const struct cli_command command_push;   /* transfercmd.c */
extern const struct cli_command command_pull;   /* transfercmd.c */
extern const struct cli_command command_export; /* transfercmd.c */
extern const struct cli_command command_import; /* transfercmd.c */

extern const struct cli_command command_profile; /* profilecmd.c */

#endif
