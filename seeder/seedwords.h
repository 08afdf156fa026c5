/* What `status` says of a node's seeding. Pure. */
#ifndef SEEDER_SEEDWORDS_H
#define SEEDER_SEEDWORDS_H

#include "imager/base/buf.h"

/* A node by what it said of itself and by what this seeder was told of it, as in GET /v1/nodes. */
struct seedwords {
	const char *seeding; /* "unknown", "on", "job", "paused", "over" */
	int paused;          /* here */
	const char
		*by; /* the other seeders that have paused it, as it says; "" none; NULL: it does not say */
};

/* Appends nothing when it seeds and is to. 0 or -ENOMEM. */
int seedwords_add(const struct seedwords *s, struct buf *ret);

#endif
