/* Owns the set of paused nodes. How it is in the file is statusdb.c's. */
#include "seeder/pauses.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pauses_release(struct pauses *p)
{
	free(p->names);
	*p = (struct pauses){0};
}

/* Where it is or belongs. */
static size_t place_of(const struct pauses *p, const char *name)
{
	size_t low = 0, high = p->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(p->names[middle], name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int is_at(const struct pauses *p, size_t place, const char *name)
{
	return place < p->count && !strcmp(p->names[place], name);
}

int pauses_has(const struct pauses *p, const char *name)
{
	return is_at(p, place_of(p, name), name);
}

/* Room for so many more. */
static int reserve(struct pauses *p, size_t more)
{
	char(*names)[CLUSTER_NAME_SIZE];

	if (more <= p->size - p->count)
		return 0;
	names = realloc(p->names, (p->count + more) * sizeof(*names));
	if (!names)
		return -ENOMEM;
	p->names = names;
	p->size = p->count + more;
	return 0;
}

static int add(struct pauses *p, const char *name)
{
	size_t place = place_of(p, name);

	if (is_at(p, place, name))
		return 0;
	if (p->count == p->size && reserve(p, p->size + 16) < 0)
		return -ENOMEM;
	memmove(p->names + place + 1, p->names + place, (p->count - place) * sizeof(*p->names));
	(void)snprintf(p->names[place], sizeof(*p->names), "%s", name);
	p->count++;
	return 0;
}

static void take_out(struct pauses *p, const char *name)
{
	size_t place = place_of(p, name);

	if (!is_at(p, place, name))
		return;
	p->count--;
	memmove(p->names + place, p->names + place + 1, (p->count - place) * sizeof(*p->names));
}

static int each_loaded(void *arg, const char *name)
{
	return add(arg, name);
}

int pauses_load(struct pauses *p, struct statusdb *db, struct err *err)
{
	return statusdb_load_paused(db, each_loaded, p, err);
}

static int write_change(struct statusdb *db, const struct pauses_change *change, struct err *err)
{
	int r = statusdb_begin(db, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < change->count; i++)
		r = statusdb_pause(db, change->names[i], change->paused, err);
	if (r == 0)
		r = statusdb_commit(db, err);
	if (r < 0)
		statusdb_rollback(db);
	return r;
}

int pauses_apply(struct pauses *p, struct statusdb *db, const struct pauses_change *change, struct err *err)
{
	int r = reserve(p, change->count);

	if (r < 0)
		return err_oom(err, "the paused nodes");
	r = write_change(db, change, err);
	for (size_t i = 0; r == 0 && i < change->count; i++) {
		if (change->paused)
			(void)add(p, change->names[i]); /* there is room */
		else
			take_out(p, change->names[i]);
	}
	return r;
}
