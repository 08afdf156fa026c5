/* Owns the key `seed` of the cluster file: how booted nodes may seed, for all of them and for a group. */
#include <errno.h>
#include <string.h>

#include "seeder/clusterfile.h"

#define RATE_MIN 16384 /* one block of BitTorrent */

struct raw_seed {
	char *until, *rate, *pause_when;
};

static void raw_seed_release(struct raw_seed *r)
{
	free(r->until);
	free(r->rate);
	free(r->pause_when);
}

static const struct yaml_key seed_keys[] = {
	{.name = "until", .kind = YAML_STRING, .offset = offsetof(struct raw_seed, until)},
	{.name = "rate", .kind = YAML_STRING, .offset = offsetof(struct raw_seed, rate)},
	{.name = "pause_when", .kind = YAML_STRING, .offset = offsetof(struct raw_seed, pause_when)},
	{0},
};

static int take_until(const char *text, uint64_t *ret)
{
	uint64_t seconds = 0;

	if (strcmp(text, "always") != 0 &&
		(parse_seconds(text, &seconds) < 0 || seconds < 1 || seconds > SEED_UNTIL_MAX))
		return -EINVAL;
	*ret = seconds;
	return 0;
}

static int take_rate(const char *text, uint64_t *ret)
{
	uint64_t rate = 0;

	if (strcmp(text, "unlimited") != 0 &&
		(parse_rate(text, &rate) < 0 || rate < RATE_MIN || rate > SEED_RATE_MAX))
		return -EINVAL;
	*ret = rate;
	return 0;
}

static int take_pause_when(const char *text, int *ret)
{
	if (strcmp(text, "job") != 0 && strcmp(text, "never") != 0)
		return -EINVAL;
	*ret = !strcmp(text, "job");
	return 0;
}

int cluster_seed_read(struct yaml_node *at, struct seed_policy *p, struct err *err)
{
	_cleanup_(raw_seed_release) struct raw_seed raw = {0};
	int r = yaml_read_map(at, seed_keys, &raw, err);

	if (r < 0)
		return r;
	if (raw.until && take_until(raw.until, &p->until) < 0)
		return yaml_fault(at, "until", err,
			"'%.40s' is not allowed: 'always', or a time after the boot such as 30m or 2h, from "
			"1s to "
			"365d",
			raw.until);
	if (raw.rate && take_rate(raw.rate, &p->rate) < 0)
		return yaml_fault(at, "rate", err,
			"'%.40s' is not allowed: 'unlimited', or a rate such as 100MiB/s or 800Mbit/s, from "
			"16KiB/s to 17Gbit/s",
			raw.rate);
	if (raw.pause_when && take_pause_when(raw.pause_when, &p->pause_for_job) < 0)
		return yaml_fault(
			at, "pause_when", err, "'%.40s' is not allowed: 'job' or 'never'", raw.pause_when);
	return 0;
}
