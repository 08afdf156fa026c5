/*
 * What minisign's files are made of: a line "untrusted comment: ...", a line of base64, and once more for
 * signatures. Private to imager/format.
 *
 * Every function takes the text at *text and moves it on. Lines end with one newline; the last one of a file
 * may lack it.
 */
#ifndef FORMAT_MINIFILE_H
#define FORMAT_MINIFILE_H

#include <stddef.h>

#include "imager/base/buf.h"

#define MINIFILE_UNTRUSTED "untrusted comment: "
#define MINIFILE_TRUSTED   "trusted comment: "

/* The rest of a line that begins with prefix: *ret points into the text, *ret_len bytes. 0 or -EBADMSG. */
int minifile_line(const char **text, const char *prefix, const char **ret, size_t *ret_len);

/* A line that is the base64 of exactly len bytes. 0 or -EBADMSG; ret may be written on failure. */
int minifile_base64(const char **text, void *ret, size_t len);

/* Adds the base64 of up to 256 bytes and a newline. 0 or -ENOMEM. */
int minifile_add_base64(struct buf *b, const void *data, size_t len);

#endif
