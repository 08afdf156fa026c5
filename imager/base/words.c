/* Owns the growing of lists of words. */
#include "imager/base/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void words_release(struct words *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->items[i]);
	free(w->items);
	*w = (struct words){0};
}

int words_take(struct words *w, char *word)
{
	char **grown = word ? reallocarray(w->items, w->count + 2, sizeof(*grown)) : NULL;

	if (!grown) {
		free(word);
		return -ENOMEM;
	}
	w->items = grown;
	grown[w->count++] = word;
	grown[w->count] = NULL;
	return 0;
}

int words_add(struct words *w, const char *word)
{
	return words_take(w, strdup(word));
}
