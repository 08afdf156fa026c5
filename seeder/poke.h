/*
 * Pokes: datagrams that make nodes ask how they may seed (seeder/wire/seed.h). Some are lost, so each node is
 * poked again until it has asked, a few times at most: who is down asks when it boots. They are spread over
 * time, so that ten thousand nodes do not ask as one.
 */
#ifndef SEEDER_POKE_H
#define SEEDER_POKE_H

#include <netinet/in.h>
#include <stdint.h>

#include "imager/base/err.h"

#define POKER_RUN_MS   100
#define POKER_AT_ONCE  1000 /* in one run */
#define POKER_AGAIN_MS 500
#define POKER_TRIES    5

struct poker;

int poker_new(struct poker **ret, struct err *err);
/* Takes NULL. */
void poker_free(struct poker *p);

/* A node at the address is to ask. Out of memory it is not poked and asks by itself, a minute later. */
void poker_add(struct poker *p, struct in_addr address);
/* It has asked. */
void poker_asked(struct poker *p, struct in_addr address);
/* Sends what is due; to be called every POKER_RUN_MS. */
void poker_run(struct poker *p, uint64_t now_ms);

#endif
