/* Private to the node table: what its files share. */
#ifndef SEEDER_STATUSPRIV_H
#define SEEDER_STATUSPRIV_H

#include "seeder/pauses.h"
#include "seeder/status.h"
#include "seeder/statusdb.h"
#include "seeder/statusplace.h"

struct status {
	struct statusdb *db;
	struct status_row **rows; /* sorted by MAC */
	size_t count;
	struct statusplace places;      /* rows by where they were heard from */
	char (*removed)[MAC_TEXT_SIZE]; /* rows to take out of the file at the next flush */
	size_t removed_count;
	struct pauses paused;
};

/* Takes the guard and gives it back; NULL: there is none. */
static inline void status_hold(const struct status_guard *g)
{
	if (g)
		g->lock(g->arg);
}

static inline void status_let_go(const struct status_guard *g)
{
	if (g)
		g->unlock(g->arg);
}

/* Where the MAC is or belongs. */
size_t status_place_of(const struct status *s, const char *mac);
/* A row for a MAC that has none; NULL: out of memory. */
struct status_row *status_add_row(struct status *s, const char *mac);

#endif
