/* sign: a secret key and a release -> a signature in the store. */
#ifndef IMAGER_RELEASES_SIGN_H
#define IMAGER_RELEASES_SIGN_H

#include "imager/base/err.h"
#include "imager/format/minisign.h"
#include "imager/format/store.h"

/*
 * Reads a minisign secret key file. Refused: a file that group or others can read or write (-EPERM), an empty
 * one (-EBADMSG). password_file NULL: an encrypted key's password is asked for on the terminal. Further
 * errors as minisign_parse_secret.
 */
int sign_load_key(const char *path, const char *password_file, struct minisign_secret *ret, struct err *err);

/* Signs the bytes of the release manifest under its trusted comment (imager/format/trust.h) and puts the
 * signature into the store. */
int release_sign(
	struct store *s, const struct store_release *rel, const struct minisign_secret *key, struct err *err);

#endif
