/* What heads and nodes need of a store, from the JSON that a seeder tells: for gc. */
#ifndef SEEDER_GCNEEDS_H
#define SEEDER_GCNEEDS_H

#include "imager/base/buf.h"
#include "imager/base/err.h"
#include "imager/format/gc.h"

/*
 * The node table (GET /v1/nodes, `status --json`): the releases and images that nodes boot or run. Whatever
 * is not understood is -EBADMSG, as a node that was overlooked could lose its image: another form, a digest
 * that is none, a node that is up and does not say what it runs.
 */
int gcneeds_nodes(const struct buf *json, struct gc_needs *needs, struct err *err);

/* GET /v1/health: the releases a seeder offers and the references it was given. -EAGAIN while it has not read
 * its store. */
int gcneeds_health(const struct buf *json, struct gc_needs *needs, struct err *err);

/* Both of the seeder at this URL. */
int gcneeds_ask(const char *server, struct gc_needs *needs, struct err *err);

#endif
