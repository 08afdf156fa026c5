/* A growing list of words with a NULL behind the last, as arguments of a program are. */
#ifndef BASE_WORDS_H
#define BASE_WORDS_H

#include <stddef.h>

#include "imager/base/cleanup.h"

struct words {
	char **items; /* NULL until the first add */
	size_t count;
};

void words_release(struct words *w);
#define _cleanup_words_ _cleanup_(words_release)

/* A copy of the word. 0 or -ENOMEM. */
int words_add(struct words *w, const char *word);
/* Takes the word over, also on failure; NULL is out of memory. 0 or -ENOMEM. */
int words_take(struct words *w, char *word);

#endif
