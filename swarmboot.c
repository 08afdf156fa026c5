/* The command table of swarmboot and nothing more: each command lives at the bottom of the file it belongs
 * to. */
#include "imager/base/cli.h"
#include "imager/commands.h"
#include "seeder/commands.h"

#include <stddef.h>

static const struct cli_command *const commands[] = {
	&command_build,
	&command_profile,
	&command_keygen,
	&command_sign,
	&command_verify,
	&command_diff,
	&command_images,
	&command_show,
	&command_tag,
	&command_push,
	&command_pull,
	&command_export,
	&command_import,
	&command_gc,
	&command_serve,
	&command_status,
	&command_seed,
	NULL,
};

int main(int argc, char **argv)
{
	return cli_main("swarmboot", commands, argc, argv);
}
