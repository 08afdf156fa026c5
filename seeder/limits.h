/* How many connections and open files a head of so many nodes needs, and gets. */
#ifndef SEEDER_LIMITS_H
#define SEEDER_LIMITS_H

#include "seeder/cluster.h"

/* Raises the limit of open files as far as it is wanted and allowed. */
void limits_raise(const struct cluster *c);

/* HTTP connections at most: two a node, at least 2048, fewer (with a warning) if there are no descriptors for
 * them. */
unsigned limits_connections(const struct cluster *c);

#endif
