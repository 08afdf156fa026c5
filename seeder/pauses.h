/* Private to the node table: the nodes whose seeding is paused, a sorted set of names that is in its file
 * too. */
#ifndef SEEDER_PAUSES_H
#define SEEDER_PAUSES_H

#include <stddef.h>

#include "seeder/cluster.h"
#include "seeder/statusdb.h"

struct pauses {
	char (*names)[CLUSTER_NAME_SIZE];
	size_t count, size;
};
void pauses_release(struct pauses *p);

int pauses_has(const struct pauses *p, const char *name);
/* Adds those of the file. */
int pauses_load(struct pauses *p, struct statusdb *db, struct err *err);

struct pauses_change {
	char *const *names;
	size_t count;
	int paused; /* or resumed */
};
/* In file and memory: all of it, or on failure nothing. */
int pauses_apply(struct pauses *p, struct statusdb *db, const struct pauses_change *change, struct err *err);

#endif
