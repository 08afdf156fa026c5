/* Owns the seed policy between seeder and node: its JSON, and what follows from it. Pure. */
#include "seeder/wire/seed.h"

#include <errno.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/format/json.h"

static const char *const state_names[SEED_STATE_COUNT] = {
	[SEED_UNKNOWN] = "unknown",
	[SEED_ON] = "on",
	[SEED_JOB] = "job",
	[SEED_PAUSED] = "paused",
	[SEED_OVER] = "over",
};

const char *seed_state_name(enum seed_state s)
{
	return s < SEED_STATE_COUNT ? state_names[s] : "unknown";
}

int seed_state_parse(const char *text, enum seed_state *ret)
{
	for (unsigned i = 0; i < SEED_STATE_COUNT; i++) {
		if (strcmp(text, state_names[i]) != 0)
			continue;
		*ret = (enum seed_state)i;
		return 0;
	}
	return -EINVAL;
}

enum seed_state seed_decide(const struct seed_policy *p, uint64_t uptime_s, size_t jobs)
{
	if (p->until && uptime_s >= p->until)
		return SEED_OVER;
	if (p->paused)
		return SEED_PAUSED;
	return p->pause_for_job && jobs ? SEED_JOB : SEED_ON;
}

/* 0 is no bound. */
static uint64_t lower(uint64_t a, uint64_t b)
{
	if (!a || !b)
		return a ? a : b;
	return a < b ? a : b;
}

struct seed_policy seed_join(const struct seed_policy *a, const struct seed_policy *b)
{
	return (struct seed_policy){.paused = a->paused || b->paused,
		.pause_for_job = a->pause_for_job || b->pause_for_job,
		.until = lower(a->until, b->until),
		.rate = lower(a->rate, b->rate)};
}

/* ---- JSON ---- */

static int format(json_t *object, struct buf *ret)
{
	_cleanup_json_ json_t *root = object;
	_cleanup_free_ char *text = root ? json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	return text ? buf_puts(ret, text) : -ENOMEM;
}

int seed_said_format(const struct seed_said *s, struct buf *ret)
{
	return format(json_pack("{s:s,s:s,s:s,s:s*}", "node", s->node, "mac", s->mac, "state",
			      seed_state_name(s->state), "paused_by", s->has_paused_by ? s->paused_by : NULL),
		ret);
}

int seed_policy_format(const struct seed_policy *p, struct buf *ret)
{
	return format(json_pack("{s:b,s:b,s:I,s:I}", "paused", p->paused, "pause_for_job", p->pause_for_job,
			      "until", (json_int_t)p->until, "rate", (json_int_t)p->rate),
		ret);
}

static int wrong(const char *key, const char *allowed, struct err *err)
{
	return err_set(err, EBADMSG, "seed: %s: wanted is %s", key, allowed);
}

static int load(const char *data, size_t len, json_t **ret, struct err *err)
{
	_cleanup_json_ json_t *root = NULL;
	json_error_t fault;

	if (len > SEED_LIMIT)
		return err_set(err, EBADMSG, "seed: larger than %d bytes", SEED_LIMIT);
	root = json_loadb(data ? data : "", len, JSON_REJECT_DUPLICATES, &fault);
	if (!json_is_object(root))
		return err_set(
			err, EBADMSG, "seed: not a JSON object: %s", root ? "another type" : fault.text);
	*ret = TAKE(root);
	return 0;
}

/* Shown on a terminal: no more than what URLs of ours are made of. */
static int take_paused_by(const json_t *value, struct seed_said *s, struct err *err)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789:/.-[] ";
	const char *text = json_string_value(value);

	if (!value)
		return 0;
	if (!text || strlen(text) >= sizeof(s->paused_by) || strspn(text, plain) != strlen(text))
		return wrong("paused_by", "URLs of seeders, divided by spaces", err);
	s->has_paused_by = 1;
	memcpy(s->paused_by, text, strlen(text) + 1);
	return 0;
}

int seed_said_parse(const char *data, size_t len, struct seed_said *ret, struct err *err)
{
	_cleanup_json_ json_t *root = NULL;
	struct seed_said s = {0};
	const char *node, *mac, *state;
	int r = load(data, len, &root, err);

	if (r < 0)
		return r;
	node = json_string_value(json_object_get(root, "node"));
	mac = json_string_value(json_object_get(root, "mac"));
	state = json_string_value(json_object_get(root, "state"));
	if (!node || parse_name(node) < 0)
		return wrong("node", "a node's name", err);
	if (!mac || parse_mac(mac, s.mac) < 0)
		return wrong("mac", "a MAC address", err);
	if (!state || seed_state_parse(state, &s.state) < 0)
		return wrong("state", "unknown, on, job, paused or over", err);
	r = take_paused_by(json_object_get(root, "paused_by"), &s, err);
	if (r < 0)
		return r;
	memcpy(s.node, node, strlen(node) + 1);
	*ret = s;
	return 0;
}

static int take_flag(const json_t *root, const char *key, int *ret, struct err *err)
{
	const json_t *value = json_object_get(root, key);

	if (!json_is_boolean(value))
		return wrong(key, "true or false", err);
	*ret = json_is_true(value);
	return 0;
}

/* Bounded, as a node counts with it: in milliseconds, and in the int of libtorrent's rates. */
static int take_number(const json_t *root, const char *key, json_int_t max, uint64_t *ret, struct err *err)
{
	const json_t *value = json_object_get(root, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > max)
		return err_set(err, EBADMSG, "seed: %s: wanted is a whole number from 0 to %lld", key,
			(long long)max);
	*ret = (uint64_t)json_integer_value(value);
	return 0;
}

int seed_policy_parse(const char *data, size_t len, struct seed_policy *ret, struct err *err)
{
	_cleanup_json_ json_t *root = NULL;
	struct seed_policy p = {0};
	int r = load(data, len, &root, err);

	if (r == 0)
		r = take_flag(root, "paused", &p.paused, err);
	if (r == 0)
		r = take_flag(root, "pause_for_job", &p.pause_for_job, err);
	if (r == 0)
		r = take_number(root, "until", SEED_UNTIL_MAX, &p.until, err);
	if (r == 0)
		r = take_number(root, "rate", SEED_RATE_MAX, &p.rate, err);
	if (r == 0)
		*ret = p;
	return r;
}
