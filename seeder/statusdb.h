/* Private to the node table: its SQLite file (WAL). */
#ifndef SEEDER_STATUSDB_H
#define SEEDER_STATUSDB_H

#include "imager/base/err.h"
#include "seeder/status.h"

struct statusdb;

int statusdb_open(const char *path, struct statusdb **ret, struct err *err);
void statusdb_close(struct statusdb *db);

/* Calls each for every row; a negative return ends it. */
int statusdb_load(struct statusdb *db, int (*each)(void *arg, const struct status_row *row), void *arg,
	struct err *err);

/* Calls each for every node that is paused. */
int statusdb_load_paused(
	struct statusdb *db, int (*each)(void *arg, const char *node), void *arg, struct err *err);

/*
 * One transaction: put, remove and pause between begin and commit; after a failure of any of them, rollback
 * (after one of begin, nothing). From begin on other threads that want to begin wait: take no lock meanwhile.
 */
int statusdb_begin(struct statusdb *db, struct err *err);
int statusdb_put(struct statusdb *db, const struct status_row *row, struct err *err);
int statusdb_remove(struct statusdb *db, const char *mac, struct err *err);
int statusdb_pause(struct statusdb *db, const char *node, int paused, struct err *err);
int statusdb_commit(struct statusdb *db, struct err *err);
void statusdb_rollback(struct statusdb *db);

#endif
