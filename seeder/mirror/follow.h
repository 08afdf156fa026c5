/* One round of a mirror: the other seeder's list, what of it is not here yet, and the channels. Blocks; runs
 * in a thread of its own. */
#ifndef MIRROR_FOLLOW_H
#define MIRROR_FOLLOW_H

#include <stdatomic.h>

#include "seeder/blobproof.h"
#include "seeder/catalog.h"
#include "seeder/mirror/state.h"
#include "seeder/wire/tcp.h"

struct follow {
	const char *url, *id;
	const struct catalog_wish *wish;
	struct mirror_state *state;
	const atomic_int *stop;     /* set: end soon */
	struct tcp_cut *cut;        /* cut after that */
	void (*changed)(void *arg); /* the state has news */
	void *arg;
	struct blobproof *proof; /* follow_round's own */
};

/* How it went is in the state, and in the log where that is news. */
void follow_round(const struct follow *options);

#endif
