/*
 * Private to the node table: its rows by the address where each was heard from, which is in the row. At most
 * one row has an address. Rows are borrowed.
 */
#ifndef SEEDER_STATUSPLACE_H
#define SEEDER_STATUSPLACE_H

#include "seeder/status.h"

struct statusplace {
	struct status_row **rows; /* sorted by address */
	size_t count, size;
};

void statusplace_release(struct statusplace *p);

/* NULL when nobody is there. */
struct status_row *statusplace_find(const struct statusplace *p, struct in_addr address);

/* Puts the row there; who was there before is nowhere now. Out of memory the row is nowhere itself. */
void statusplace_put(struct statusplace *p, struct status_row *row, struct in_addr address);
/* Whoever is there is nowhere from now on. */
void statusplace_free_up(struct statusplace *p, struct in_addr address);
/* The row is nowhere from now on. */
void statusplace_take_out(struct statusplace *p, struct status_row *row);

#endif
