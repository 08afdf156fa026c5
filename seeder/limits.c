/* Owns the sizes that follow from the number of nodes. */
#include "seeder/limits.h"

#include <sys/resource.h>

#include "imager/base/log.h"

#define CONNECTIONS_LEAST 2048
#define CONNECTIONS_POOR  512
#define OTHER_FILES       4608 /* the swarm's connections and the rest */

static unsigned wanted_connections(const struct cluster *c)
{
	size_t wanted = 2 * c->node_count;

	return wanted < CONNECTIONS_LEAST ? CONNECTIONS_LEAST : (unsigned)wanted;
}

/* As many as there are descriptors for: each connection takes one, and another while it sends a file. */
unsigned limits_connections(const struct cluster *c)
{
	unsigned wanted = wanted_connections(c);
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= 2 * (rlim_t)wanted + OTHER_FILES)
		return wanted;
	if (limit.rlim_cur < OTHER_FILES + 2 * CONNECTIONS_POOR)
		return CONNECTIONS_POOR;
	log_warn("at most %u HTTP connections at once: the limit of open files is %llu",
		(unsigned)(limit.rlim_cur - OTHER_FILES) / 2, (unsigned long long)limit.rlim_cur);
	return (unsigned)(limit.rlim_cur - OTHER_FILES) / 2;
}

void limits_raise(const struct cluster *c)
{
	rlim_t wanted = 2 * (rlim_t)wanted_connections(c) + OTHER_FILES;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted;
	if (limit.rlim_max < wanted)
		limit.rlim_max = wanted; /* root may */
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}
