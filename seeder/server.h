/* Which seeder the commands of an administrator ask. */
#ifndef SEEDER_SERVER_H
#define SEEDER_SERVER_H

#include <stdlib.h>

#define SERVER_DEFAULT     "http://127.0.0.1:8080"
#define SERVER_OPTION_HELP "the seeder; default $SWARMBOOT_SERVER, else " SERVER_DEFAULT

#define PAUSE_LIMIT (256U << 10) /* bytes of a POST to /v1/pause */

/* The one given, else $SWARMBOOT_SERVER, else SERVER_DEFAULT. */
static inline const char *server_choose(const char *given)
{
	const char *env = getenv("SWARMBOOT_SERVER");

	if (given)
		return given;
	return env && *env ? env : SERVER_DEFAULT;
}

#endif
