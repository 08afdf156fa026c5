/* Owns the SQLite file of the node table: its schema and its statements. Knows nothing of what rows mean. */
#include "seeder/statusdb.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imager/base/buf.h"

#define SCHEMA_VERSION "1"

struct statusdb {
	char *path;
	sqlite3 *db;
	sqlite3_stmt *put, *remove, *pause, *resume;
	pthread_mutex_t transaction; /* held by the thread that has one */
};

static const char schema[] = "PRAGMA journal_mode=WAL;"
			     "PRAGMA synchronous=NORMAL;"
			     "PRAGMA user_version=" SCHEMA_VERSION ";"
			     "CREATE TABLE IF NOT EXISTS nodes(mac TEXT PRIMARY KEY, node TEXT NOT NULL,"
			     " since INTEGER NOT NULL, seen INTEGER NOT NULL, error TEXT NOT NULL,"
			     " error_phase TEXT NOT NULL, report TEXT NOT NULL);"
			     "CREATE TABLE IF NOT EXISTS paused(node TEXT PRIMARY KEY);";

static int fault(const struct statusdb *db, struct err *err)
{
	return err_set(err, EIO, "%s: %s", db->path, sqlite3_errmsg(db->db));
}

/* What files of before lack. */
static const char address_column[] = "ALTER TABLE nodes ADD COLUMN address TEXT NOT NULL DEFAULT ''";

static int run(struct statusdb *db, const char *sql, struct err *err)
{
	return sqlite3_exec(db->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fault(db, err);
}

void statusdb_close(struct statusdb *db)
{
	if (!db)
		return;
	(void)sqlite3_finalize(db->put);
	(void)sqlite3_finalize(db->remove);
	(void)sqlite3_finalize(db->pause);
	(void)sqlite3_finalize(db->resume);
	(void)sqlite3_close(db->db);
	(void)pthread_mutex_destroy(&db->transaction);
	free(db->path);
	free(db);
}
DEFINE_CLEANUP(struct statusdb *, statusdb_close)

static int prepare(struct statusdb *db, const char *sql, sqlite3_stmt **ret, struct err *err)
{
	return sqlite3_prepare_v2(db->db, sql, -1, ret, NULL) == SQLITE_OK ? 0 : fault(db, err);
}

static int add_columns(struct statusdb *db, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int has = sqlite3_prepare_v2(db->db, "SELECT address FROM nodes", -1, &s, NULL) == SQLITE_OK;

	(void)sqlite3_finalize(s);
	return has ? 0 : run(db, address_column, err);
}

int statusdb_open(const char *path, struct statusdb **ret, struct err *err)
{
	_cleanup_(statusdb_close_p) struct statusdb *db = calloc(1, sizeof(*db));
	int r;

	if (!db || !(db->path = strdup(path)))
		return err_oom(err, path);
	(void)pthread_mutex_init(&db->transaction, NULL);
	if (sqlite3_open(path, &db->db) != SQLITE_OK)
		return fault(db, err);
	(void)sqlite3_busy_timeout(db->db, 2000);
	r = run(db, schema, err);
	if (r == 0)
		r = add_columns(db, err);
	if (r == 0)
		r = prepare(db,
			"INSERT OR REPLACE INTO nodes(mac,node,since,seen,error,error_phase,report,address)"
			" VALUES(?,?,?,?,?,?,?,?)",
			&db->put, err);
	if (r == 0)
		r = prepare(db, "DELETE FROM nodes WHERE mac=?", &db->remove, err);
	if (r == 0)
		r = prepare(db, "INSERT OR IGNORE INTO paused VALUES(?)", &db->pause, err);
	if (r == 0)
		r = prepare(db, "DELETE FROM paused WHERE node=?", &db->resume, err);
	if (r < 0)
		return r;
	*ret = TAKE(db);
	return 0;
}

static void column_text(sqlite3_stmt *s, int column, char *ret, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(s, column);

	(void)snprintf(ret, size, "%s", text ? text : "");
}

/* 0 when the row is none of ours. */
static int row_of(sqlite3_stmt *s, struct status_row *ret)
{
	char phase[32], address[INET_ADDRSTRLEN];
	const char *report;

	column_text(s, 0, ret->mac, sizeof(ret->mac));
	column_text(s, 1, ret->node, sizeof(ret->node));
	ret->since = (uint64_t)sqlite3_column_int64(s, 2);
	ret->seen = (uint64_t)sqlite3_column_int64(s, 3);
	column_text(s, 4, ret->error, sizeof(ret->error));
	column_text(s, 5, phase, sizeof(phase));
	if (parse_mac(ret->mac, ret->mac) < 0 || phase_parse(phase, &ret->error_phase) < 0)
		return 0;
	column_text(s, 7, address, sizeof(address));
	if (inet_pton(AF_INET, address, &ret->address) != 1)
		ret->address.s_addr = INADDR_ANY;
	report = (const char *)sqlite3_column_text(s, 6);
	if (report && *report && report_parse(report, strlen(report), &ret->last, NULL) < 0)
		return 0;
	if (!report || !*report)
		ret->last.phase = PHASE_DISCOVERED;
	return 1;
}

int statusdb_load(
	struct statusdb *db, int (*each)(void *arg, const struct status_row *row), void *arg, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int r = prepare(
		db, "SELECT mac,node,since,seen,error,error_phase,report,address FROM nodes", &s, err);
	int step = SQLITE_DONE;

	while (r == 0 && (step = sqlite3_step(s)) == SQLITE_ROW) {
		struct status_row row = {0};

		if (row_of(s, &row))
			r = each(arg, &row);
	}
	if (r == 0 && step != SQLITE_DONE)
		r = fault(db, err);
	(void)sqlite3_finalize(s);
	return r;
}

int statusdb_load_paused(
	struct statusdb *db, int (*each)(void *arg, const char *node), void *arg, struct err *err)
{
	sqlite3_stmt *s = NULL;
	int r = prepare(db, "SELECT node FROM paused", &s, err);
	int step = SQLITE_DONE;

	while (r == 0 && (step = sqlite3_step(s)) == SQLITE_ROW) {
		char node[CLUSTER_NAME_SIZE];

		column_text(s, 0, node, sizeof(node));
		r = each(arg, node);
	}
	if (r == 0 && step != SQLITE_DONE)
		r = fault(db, err);
	(void)sqlite3_finalize(s);
	return r;
}

int statusdb_begin(struct statusdb *db, struct err *err)
{
	int r;

	(void)pthread_mutex_lock(&db->transaction);
	r = run(db, "BEGIN", err);
	if (r < 0)
		(void)pthread_mutex_unlock(&db->transaction);
	return r;
}

int statusdb_commit(struct statusdb *db, struct err *err)
{
	int r = run(db, "COMMIT", err);

	if (r == 0)
		(void)pthread_mutex_unlock(&db->transaction);
	return r;
}

void statusdb_rollback(struct statusdb *db)
{
	(void)run(db, "ROLLBACK", NULL);
	(void)pthread_mutex_unlock(&db->transaction);
}

/* Runs a bound statement once. */
static int step_once(struct statusdb *db, sqlite3_stmt *s, struct err *err)
{
	int r = sqlite3_step(s) == SQLITE_DONE ? 0 : fault(db, err);

	(void)sqlite3_reset(s);
	(void)sqlite3_clear_bindings(s);
	return r;
}

int statusdb_put(struct statusdb *db, const struct status_row *row, struct err *err)
{
	_cleanup_buf_ struct buf report = {0};
	sqlite3_stmt *s = db->put;
	char address[INET_ADDRSTRLEN] = "";

	if (row->address.s_addr != INADDR_ANY)
		(void)inet_ntop(AF_INET, &row->address, address, sizeof(address));
	if (*row->node && report_format(&row->last, &report) < 0)
		return err_oom(err, db->path);
	(void)sqlite3_bind_text(s, 1, row->mac, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(s, 2, row->node, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(s, 3, (sqlite3_int64)row->since);
	(void)sqlite3_bind_int64(s, 4, (sqlite3_int64)row->seen);
	(void)sqlite3_bind_text(s, 5, row->error, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(s, 6, phase_name(row->error_phase), -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(s, 7, report.data ? report.data : "", -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(s, 8, address, -1, SQLITE_STATIC);
	return step_once(db, s, err);
}

int statusdb_remove(struct statusdb *db, const char *mac, struct err *err)
{
	(void)sqlite3_bind_text(db->remove, 1, mac, -1, SQLITE_STATIC);
	return step_once(db, db->remove, err);
}

int statusdb_pause(struct statusdb *db, const char *node, int paused, struct err *err)
{
	sqlite3_stmt *s = paused ? db->pause : db->resume;

	(void)sqlite3_bind_text(s, 1, node, -1, SQLITE_STATIC);
	return step_once(db, s, err);
}
