/* Passwords of secret keys: from a file, or asked for on the terminal. */
#ifndef IMAGER_RELEASES_PASSWORD_H
#define IMAGER_RELEASES_PASSWORD_H

#include "imager/base/err.h"

#define PASSWORD_LIMIT 1024

/*
 * The first line of the file; file NULL: asks on the controlling terminal with the prompt, without echo. The
 * caller gives *ret to password_free. -ENOKEY when there is neither a file nor a terminal, -EINVAL for an
 * empty password, else the errno of open or read.
 */
int password_read(const char *file, const char *prompt, char **ret, struct err *err);

/* Overwrites and frees; takes NULL. */
void password_free(char *password);

static inline void password_free_p(char **p)
{
	password_free(*p);
}
#define _cleanup_password_ __attribute__((cleanup(password_free_p)))

#endif
