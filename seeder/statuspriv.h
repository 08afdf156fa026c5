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

/* Where the MAC is or belongs. */
size_t status_place_of(const struct status *s, const char *mac);
/* A row for a MAC that has none; NULL: out of memory. */
struct status_row *status_add_row(struct status *s, const char *mac);

#endif
