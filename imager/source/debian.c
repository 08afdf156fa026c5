/* Owns what the parts of from: debian share: what the words of apt and mmdebstrap mean, and how keys are told
 * apart. */
#include "imager/source/debian.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "imager/source/blame.h"

#define ARMOUR "-----BEGIN PGP PUBLIC KEY BLOCK-----"

void debian_take_line(const char *text, void *arg)
{
	struct debian *d = arg;

	if (!*d->fault && !strncmp(text, "E: ", 3))
		(void)snprintf(d->fault, sizeof(d->fault), "%.*s", (int)sizeof(d->fault) - 1, text + 3);
	d->job->line(text, d->job->arg);
}

/* "Unable to locate package X": back to the line of the profile that asks for X. */
int debian_blame(const struct debian *d, struct err *err)
{
	_cleanup_free_ char *where = NULL;
	int r;

	if (!*d->fault)
		return err_prefix(err, "from: debian");
	if (asprintf(&where, "suite %s", d->from->suite) < 0)
		return err_oom(err, d->fault);
	r = blame_package(d->job->profile, d->fault, where, err);
	return r < 0 ? r : err_set(err, EIO, "from: debian: %s", d->fault);
}

/* apt goes by the ending. */
const char *debian_key_ending(const char *key)
{
	return !strncmp(key, ARMOUR, strlen(ARMOUR)) ? "asc" : "gpg";
}
