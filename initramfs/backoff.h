/* Waiting between tries: twice as long each time, spread out so that a thousand nodes do not come back as
 * one. */
#ifndef INITRAMFS_BACKOFF_H
#define INITRAMFS_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS 2000
#define BACKOFF_MOST_MS  60000

/* Pure. failures: in a row, from 1. Between half of the full wait and all of it, by `random`. */
uint64_t backoff_ms(unsigned failures, uint32_t random);

/* A number for it; not for secrets. */
uint32_t backoff_random(void);

#endif
