/* Owns the words for a node's seeding: what it says of itself, who asked for it, and what is yet to come. */
#include "seeder/seedwords.h"

#include <string.h>

/* Its own word is that it is paused. With one head it is to be resumed when it is not paused here; with
 * several it obeys all, and another one may have paused it. */
static int add_paused(const struct seedwords *s, struct buf *ret)
{
	const char *by = s->by ? s->by : "";

	if (*by)
		return buf_printf(ret, "seeding paused %s%s", s->paused ? "here and by " : "by ", by);
	return buf_puts(ret, s->paused || !s->by ? "seeding paused" : "seeding to be resumed");
}

int seedwords_add(const struct seedwords *s, struct buf *ret)
{
	if (!strcmp(s->seeding, "paused"))
		return add_paused(s, ret);
	if (!strcmp(s->seeding, "over"))
		return buf_puts(ret, "seeding over");
	if (!strcmp(s->seeding, "job"))
		return buf_printf(ret, "seeding paused for a job%s", s->paused ? ", and to be paused" : "");
	return s->paused ? buf_puts(ret, "seeding to be paused") : 0;
}
