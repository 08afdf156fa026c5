/*
 * When the catalog is scanned: at the start, first what was read before, then the rest, one release after the
 * other; when the store's index.json changes, when somebody pokes, and again every SCANNER_RETRY_MS while
 * something that is wanted cannot be offered. The scan itself runs in a thread of its own and posts its
 * result to the loop; one at a time.
 */
#ifndef SEEDER_SCANNER_H
#define SEEDER_SCANNER_H

#include "imager/base/err.h"
#include "imager/base/loop.h"
#include "seeder/catalog.h"

#define SCANNER_RETRY_MS 10000

struct scanner_client {
	/* Fills the wish for the scan that starts now. Negative: no scan, its sentence is the result. */
	int (*wish)(void *arg, struct catalog_wish *ret, struct err *err);
	/* The result: a catalog, which the client frees, or NULL and why. Both are called on the loop. */
	void (*done)(void *arg, struct catalog *catalog, const struct err *why);
	void *arg;
};

struct scanner;

/* Watches the store's folder, which must be there, and starts the first scan. Call after loop_add_signal: it
 * starts threads. */
int scanner_start(struct loop *loop, const char *store, const struct scanner_client *client,
	struct scanner **ret, struct err *err);
/* Scans on this thread what needs no reading, and tells the client. Once, before the loop runs. */
void scanner_first(struct scanner *s);
/* Ends a scan that runs (catalog_wish's stop) and waits for that end. Takes NULL. */
void scanner_stop(struct scanner *s);

/* Scans soon. From any thread. */
void scanner_poke(struct scanner *s);

#endif
