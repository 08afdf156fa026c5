/* Owns the way of the node table's rows into the file and back. The file itself is statusdb.c's. */
#include "seeder/statuspriv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 256 /* rows copied under the guard at once */

static int take_loaded(void *arg, const struct status_row *loaded)
{
	struct status *s = arg;
	struct status_row *row = status_add_row(s, loaded->mac);

	if (!row)
		return -ENOMEM;
	*row = *loaded;
	row->address.s_addr = INADDR_ANY;
	statusplace_put(&s->places, row, loaded->address);
	row->changed = STATUS_CLEAN;
	memcpy(row->last.mac, row->mac, sizeof(row->last.mac));
	return 0;
}

int status_open(const char *db, struct status **ret, struct err *err)
{
	_cleanup_(status_close_p) struct status *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_oom(err, db);
	r = statusdb_open(db, &s->db, err);
	if (r == 0)
		r = statusdb_load(s->db, take_loaded, s, err);
	if (r == 0)
		r = pauses_load(&s->paused, s->db, err);
	if (r < 0)
		return r;
	*ret = TAKE(s);
	return 0;
}

struct batch {
	struct status_row rows[BATCH];
	size_t count;
	char last[MAC_TEXT_SIZE]; /* of the batch before; "": none */
};

/* The next rows that have changed, sorted by MAC. Between two batches rows may come and go. */
static void take_batch(struct status *s, struct batch *b)
{
	size_t i = *b->last ? status_place_of(s, b->last) : 0;

	b->count = 0;
	if (i < s->count && !strcmp(s->rows[i]->mac, b->last))
		i++;
	for (; i < s->count && b->count < BATCH; i++) {
		if (s->rows[i]->changed != STATUS_CHANGED)
			continue;
		s->rows[i]->changed = STATUS_WRITING;
		b->rows[b->count++] = *s->rows[i];
	}
	if (b->count)
		memcpy(b->last, b->rows[b->count - 1].mac, sizeof(b->last));
}

/* A transaction of what begin has begun. */
static int finish(struct statusdb *db, int r, struct err *err)
{
	if (r == 0)
		r = statusdb_commit(db, err);
	if (r < 0)
		statusdb_rollback(db);
	return r;
}

/* The MACs that have no row. One that has come back stays in the file: its row may have been written since it
 * went, and would not be written again. Takes the number of all. */
static size_t copy_removed(const struct status *s, char (*ret)[MAC_TEXT_SIZE], size_t *ret_all)
{
	size_t count = 0;

	*ret_all = s->removed_count;
	for (size_t i = 0; ret && i < s->removed_count; i++)
		if (!status_row(s, s->removed[i]))
			memcpy(ret[count++], s->removed[i], MAC_TEXT_SIZE);
	return count;
}

static int remove_rows(struct statusdb *db, char (*macs)[MAC_TEXT_SIZE], size_t count, struct err *err)
{
	int r = count ? statusdb_begin(db, err) : 0;

	if (r < 0 || !count)
		return r;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = statusdb_remove(db, macs[i], err);
	return finish(db, r, err);
}

static int write_removed(struct status *s, const struct status_guard *g, struct err *err)
{
	_cleanup_free_ char(*removed)[MAC_TEXT_SIZE] = NULL;
	size_t all, count;
	int r;

	status_hold(g);
	removed = calloc(s->removed_count + 1, sizeof(*removed));
	count = copy_removed(s, removed, &all);
	status_let_go(g);
	r = removed ? remove_rows(s->db, removed, count, err) : err_oom(err, "the node table");
	if (r < 0 || !all)
		return r;
	status_hold(g);
	s->removed_count -= all;
	memmove(s->removed, s->removed + all, s->removed_count * sizeof(*s->removed));
	status_let_go(g);
	return 0;
}

static int write_batch(struct status *s, const struct batch *b, struct err *err)
{
	int r = b->count ? statusdb_begin(s->db, err) : 0;

	if (r < 0 || !b->count)
		return r;
	for (size_t i = 0; r == 0 && i < b->count; i++)
		r = statusdb_put(s->db, &b->rows[i], err);
	return finish(s->db, r, err);
}

/* What was being written is written now, or still to be. */
static void settle_rows(struct status *s, enum status_change now)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->rows[i]->changed == STATUS_WRITING)
			s->rows[i]->changed = now;
}

static int write_rows(struct status *s, const struct status_guard *g, struct err *err)
{
	_cleanup_free_ struct batch *b = calloc(1, sizeof(*b));
	int r = 0;

	if (!b)
		return err_oom(err, "the node table");
	do {
		status_hold(g);
		take_batch(s, b);
		status_let_go(g);
		r = write_batch(s, b, err);
		status_hold(g);
		settle_rows(s, r < 0 ? STATUS_CHANGED : STATUS_CLEAN);
		status_let_go(g);
	} while (r == 0 && b->count == BATCH);
	return r;
}

static int has_changes(const struct status *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->rows[i]->changed)
			return 1;
	return s->removed_count > 0;
}

int status_flush(struct status *s, const struct status_guard *g, struct err *err)
{
	int r;

	status_hold(g);
	r = has_changes(s);
	status_let_go(g);
	if (!r)
		return 0;
	r = write_removed(s, g, err);
	return r < 0 ? r : write_rows(s, g, err);
}

void status_close(struct status *s)
{
	if (!s)
		return;
	if (s->db)
		(void)status_flush(s, NULL, NULL);
	statusdb_close(s->db);
	for (size_t i = 0; i < s->count; i++)
		free(s->rows[i]);
	free(s->rows);
	free(s->removed);
	statusplace_release(&s->places);
	pauses_release(&s->paused);
	free(s);
}
