/*
 * Packs a tree and nothing else, for measuring: by the clock, the CPU seconds and the memory of this process.
 * Prints nothing but errors.
 */
#include <stdio.h>

#include "imager/base/parse.h"
#include "imager/cache/cache.h"
#include "imager/squash/squash.h"

static int fail(const char *what)
{
	(void)fprintf(stderr, "pack: %s\n", what);
	return 1;
}

int main(int argc, char **argv)
{
	_cleanup_cache_ struct cache *cache = NULL;
	struct squash_options options = {.mtime = UINT32_MAX};
	struct squash_result result;
	struct err err = {0};

	if (argc != 6 && argc != 7)
		return fail("pack ROOT OUTPUT LEVEL BLOCK-BYTES JOBS [CACHE-DIR]; jobs 0: one for each CPU");
	if (parse_u32(argv[3], &options.level) < 0 || parse_u32(argv[4], &options.block_size) < 0 ||
		parse_u32(argv[5], &options.jobs) < 0)
		return fail("LEVEL, BLOCK-BYTES and JOBS are numbers");
	if (argc == 7 && cache_open(argv[6], &cache, &err) < 0)
		return fail(err.text);
	options.cache = cache;
	if (squash_pack(argv[1], argv[2], &options, &result, &err) < 0)
		return fail(err.text);
	return 0;
}
