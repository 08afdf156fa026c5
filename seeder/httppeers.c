/* Owns the count of connections by address: open addressing with linear probing, where a place that gets free
 * is filled from behind it (Knuth, volume 3, section 6.4, algorithm R). Whose connection is refused is
 * http.c's. */
#include "seeder/httppeers.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

int httppeers_init(struct httppeers *p, size_t connections, unsigned limit)
{
	size_t size = 2;

	while (size < 2 * connections)
		size *= 2;
	*p = (struct httppeers){.mask = size - 1, .most = connections, .limit = limit};
	p->places = calloc(size, sizeof(*p->places));
	if (!p->places)
		return -ENOMEM;
	(void)pthread_mutex_init(&p->lock, NULL);
	return 0;
}

void httppeers_release(struct httppeers *p)
{
	if (!p->places)
		return;
	free(p->places);
	p->places = NULL;
	(void)pthread_mutex_destroy(&p->lock);
}

/* Neighbours in a network differ in the last bits: multiplied by 2^32 over the golden ratio, the high ones
 * count. */
static size_t home_of(const struct httppeers *p, in_addr_t address)
{
	return (size_t)((uint64_t)(uint32_t)(address * UINT32_C(2654435769)) * (p->mask + 1) >> 32);
}

/* Its place, or the free one where it would be. */
static struct httppeer *find(const struct httppeers *p, in_addr_t address)
{
	size_t i = home_of(p, address);

	while (p->places[i].count && p->places[i].address != address)
		i = (i + 1) & p->mask;
	return &p->places[i];
}

static int take(struct httppeers *p, in_addr_t address)
{
	struct httppeer *peer = find(p, address);

	if (peer->count >= p->limit || (peer->count == 0 && p->used == p->most))
		return 0;
	p->used += peer->count == 0;
	peer->address = address;
	peer->count++;
	return 1;
}

int httppeers_take(struct httppeers *p, struct in_addr address)
{
	int taken;

	(void)pthread_mutex_lock(&p->lock);
	taken = take(p, address.s_addr);
	(void)pthread_mutex_unlock(&p->lock);
	return taken;
}

/* Whoever is further behind and would be found no more with this place free moves here. */
static void close_gap(struct httppeers *p, size_t gap)
{
	for (size_t i = (gap + 1) & p->mask; p->places[i].count; i = (i + 1) & p->mask) {
		size_t way = (i - home_of(p, p->places[i].address)) & p->mask;

		if (way < ((i - gap) & p->mask))
			continue;
		p->places[gap] = p->places[i];
		p->places[i].count = 0;
		gap = i;
	}
}

void httppeers_drop(struct httppeers *p, struct in_addr address)
{
	struct httppeer *peer;

	(void)pthread_mutex_lock(&p->lock);
	peer = find(p, address.s_addr);
	if (peer->count && --peer->count == 0) {
		p->used--;
		close_gap(p, (size_t)(peer - p->places));
	}
	(void)pthread_mutex_unlock(&p->lock);
}
