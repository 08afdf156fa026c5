/* Text of others, made fit for JSON, logs and terminals. Pure. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>

#include "imager/base/buf.h"

/* What stands for what cannot be: U+FFFD. */
#define TEXT_BROKEN "\xef\xbf\xbd"

/* The bytes of the character of UTF-8 (RFC 3629) that begins at c, which ends with a NUL; 0: it is none. */
size_t text_character(const char *c);

/*
 * A copy that fits into `size` bytes, cut behind a whole character. A byte that is part of none, and a
 * character that terminals obey (C0, DEL, C1, line ends, direction marks), become U+FFFD each.
 */
void text_clean(const char *text, char *ret, size_t size);

/* Appends the bytes, with U+FFFD for each that is part of no character; a NUL is none. data[len] is NUL. 0 or
 * -ENOMEM. */
int text_mend(const char *data, size_t len, struct buf *ret);

/* How many of the text's bytes to show in so many columns, if each of its characters takes one. */
size_t text_cut(const char *text, size_t columns);

#endif
