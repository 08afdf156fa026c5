/* Owns the index of the node table by address: every announce of a node without an address in the cluster
 * file asks it. */
#include "seeder/statusplace.h"

#include <stdlib.h>
#include <string.h>

void statusplace_release(struct statusplace *p)
{
	free(p->rows);
}

/* Where the address is or belongs. */
static size_t place_of(const struct statusplace *p, struct in_addr address)
{
	size_t low = 0, high = p->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (p->rows[middle]->address.s_addr < address.s_addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct status_row *statusplace_find(const struct statusplace *p, struct in_addr address)
{
	size_t place = place_of(p, address);

	if (place == p->count || p->rows[place]->address.s_addr != address.s_addr)
		return NULL;
	return p->rows[place];
}

void statusplace_take_out(struct statusplace *p, struct status_row *row)
{
	size_t place;

	if (row->address.s_addr == INADDR_ANY)
		return;
	place = place_of(p, row->address);
	p->count--;
	memmove(p->rows + place, p->rows + place + 1, (p->count - place) * sizeof(*p->rows));
	row->address.s_addr = INADDR_ANY;
	row->changed = STATUS_CHANGED;
}

void statusplace_free_up(struct statusplace *p, struct in_addr address)
{
	struct status_row *row = statusplace_find(p, address);

	if (row)
		statusplace_take_out(p, row);
}

static int grow(struct statusplace *p)
{
	size_t size = p->size ? 2 * p->size : 64;
	struct status_row **rows = p->count < p->size ? p->rows : realloc(p->rows, size * sizeof(*rows));

	if (!rows)
		return 0;
	p->size = p->count < p->size ? p->size : size;
	p->rows = rows;
	return 1;
}

void statusplace_put(struct statusplace *p, struct status_row *row, struct in_addr address)
{
	size_t place;

	if (row->address.s_addr == address.s_addr)
		return;
	statusplace_take_out(p, row);
	statusplace_free_up(p, address);
	if (address.s_addr == INADDR_ANY || !grow(p))
		return;
	place = place_of(p, address);
	memmove(p->rows + place + 1, p->rows + place, (p->count - place) * sizeof(*p->rows));
	p->rows[place] = row;
	p->count++;
	row->address = address;
	row->changed = STATUS_CHANGED;
}
