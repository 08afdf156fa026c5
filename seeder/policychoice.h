/* Private to the policy: the choice of a peer's upstream. */
#ifndef SEEDER_POLICYCHOICE_H
#define SEEDER_POLICYCHOICE_H

#include "seeder/policytree.h"

/* Gives a leecher of a rack its upstream, keeps the one it has, or leaves it without one for now. */
void policy_settle(struct torrent *t, struct peer *peer, uint64_t now);

#endif
