/* Owns how long to wait after a failure. Who waits, and for what, is the caller's. */
#include "initramfs/backoff.h"

#include <sys/random.h>

#include "imager/base/loop.h"

uint64_t backoff_ms(unsigned failures, uint32_t random)
{
	uint64_t full = BACKOFF_FIRST_MS;

	for (unsigned i = 1; i < failures && full < BACKOFF_MOST_MS; i++)
		full *= 2;
	if (full > BACKOFF_MOST_MS)
		full = BACKOFF_MOST_MS;
	return full / 2 + random % (full / 2 + 1);
}

uint32_t backoff_random(void)
{
	uint32_t random;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		return (uint32_t)monotonic_ms() * 2654435761U;
	return random;
}
