/* Owns the protocol of announce and scrape: queries and bencoded answers. Decides nothing itself. */
#include "seeder/tracker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "imager/base/parse.h"
#include "seeder/policy.h"

#define WANT_DEFAULT 50 /* BEP 3 */
#define VALUE_MAX    64 /* bytes, unescaped; the values in use have 20 digits at most */

struct tracker {
	pthread_mutex_t lock;
	struct policy *policy;
	struct topology topology;
};

struct tracker *tracker_new(struct topology topology)
{
	_cleanup_free_ struct tracker *t = calloc(1, sizeof(*t));
	_cleanup_policy_ struct policy *policy = policy_new(topology.chains);

	if (!t || !policy || pthread_mutex_init(&t->lock, NULL) != 0)
		return NULL;
	t->policy = TAKE(policy);
	t->topology = topology;
	return TAKE(t);
}

void tracker_free(struct tracker *t)
{
	if (!t)
		return;
	policy_free(t->policy);
	(void)pthread_mutex_destroy(&t->lock);
	free(t);
}

int tracker_add_seeder(struct tracker *t, const uint8_t infohash[20], struct in_addr address, uint16_t port)
{
	struct policy_peer seeder = {.address = address, .port = port};
	int r;

	(void)pthread_mutex_lock(&t->lock);
	r = policy_add_seeder(t->policy, infohash, seeder);
	(void)pthread_mutex_unlock(&t->lock);
	return r;
}

void tracker_drop(struct tracker *t, const uint8_t infohash[20])
{
	(void)pthread_mutex_lock(&t->lock);
	policy_drop(t->policy, infohash);
	(void)pthread_mutex_unlock(&t->lock);
}

void tracker_pause(struct tracker *t, struct in_addr address, int paused)
{
	(void)pthread_mutex_lock(&t->lock);
	policy_pause(t->policy, address, paused);
	(void)pthread_mutex_unlock(&t->lock);
}

/* ---- the query ---- */

struct value {
	char bytes[VALUE_MAX + 1]; /* NUL-terminated, may hold NULs itself */
	size_t len;
};

/* One character of the query, RFC 3986 section 2.1; a plus is a plus. -EINVAL for a broken escape. */
static int unescape(const char **at, const char *end)
{
	char digits[3] = {0};
	uint8_t byte;

	if (**at != '%')
		return (unsigned char)*(*at)++;
	if (end - *at < 3)
		return -EINVAL;
	memcpy(digits, *at + 1, 2);
	if (parse_hex(digits, &byte, 1) < 0)
		return -EINVAL;
	*at += 3;
	return byte;
}

static int parse_value(const char *text, size_t len, struct value *ret)
{
	const char *end = text + len;
	struct value v = {0};

	while (text < end) {
		int c = unescape(&text, end);

		if (c < 0 || v.len == VALUE_MAX)
			return -EINVAL;
		v.bytes[v.len++] = (char)c;
	}
	*ret = v;
	return 0;
}

static int take_infohash(const struct value *v, struct policy_announce *a)
{
	if (v->len != sizeof(a->infohash))
		return -EINVAL;
	memcpy(a->infohash, v->bytes, sizeof(a->infohash));
	return 0;
}

static int take_port(const struct value *v, struct policy_announce *a)
{
	int r = parse_u16(v->bytes, &a->port);

	return r == 0 && a->port == 0 ? -EINVAL : r;
}

static int take_left(const struct value *v, struct policy_announce *a)
{
	return parse_u64(v->bytes, &a->left);
}

static int take_downloaded(const struct value *v, struct policy_announce *a)
{
	return parse_u64(v->bytes, &a->downloaded);
}

/* -1 is transmission's "as many as you like". */
static int take_want(const struct value *v, struct policy_announce *a)
{
	if (!strcmp(v->bytes, "-1"))
		return 0;
	return parse_u32(v->bytes, &a->want);
}

/* The others (started, completed, BEP 21's paused) say nothing that "left" does not. */
static int take_event(const struct value *v, struct policy_announce *a)
{
	a->stopped = !strcmp(v->bytes, "stopped");
	return 0;
}

/* Keys not here (peer_id, uploaded, compact, key ...) change nothing. */
static const struct key {
	const char *name;
	int (*take)(const struct value *v, struct policy_announce *a);
	int required, binary;
} keys[] = {
	{"info_hash", take_infohash, 1, 1},
	{"port", take_port, 1, 0},
	{"left", take_left, 1, 0},
	{"downloaded", take_downloaded, 0, 0},
	{"numwant", take_want, 0, 0},
	{"event", take_event, 0, 0},
};

static size_t find_key(const char *name, size_t len)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(keys) && (strlen(keys[i].name) != len || memcmp(keys[i].name, name, len) != 0))
		i++;
	return i;
}

/* One "name=value"; sets the key's bit in seen. The key at fault, or NULL. */
static const char *take_pair(const char *pair, size_t len, struct policy_announce *a, unsigned *seen)
{
	const char *equals = memchr(pair, '=', len);
	size_t name_len = equals ? (size_t)(equals - pair) : len;
	size_t key = find_key(pair, name_len);
	struct value value = {0};

	if (key == ARRAY_SIZE(keys))
		return NULL;
	if (!equals || *seen & 1U << key || parse_value(equals + 1, len - name_len - 1, &value) < 0)
		return keys[key].name;
	if ((!keys[key].binary && strlen(value.bytes) != value.len) || keys[key].take(&value, a) < 0)
		return keys[key].name;
	*seen |= 1U << key;
	return NULL;
}

/* The key that is wrong, missing or there twice, or NULL. */
static const char *parse_query(const char *query, struct policy_announce *a)
{
	unsigned seen = 0;

	while (*query) {
		size_t len = strcspn(query, "&");
		const char *wrong = take_pair(query, len, a, &seen);

		if (wrong)
			return wrong;
		query += len + (query[len] == '&');
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].required && !(seen & 1U << i))
			return keys[i].name;
	return NULL;
}

/* ---- the answer ---- */

static int add_failure(struct buf *ret, const char *reason)
{
	return buf_printf(ret, "d14:failure reason%zu:%se", strlen(reason), reason);
}

/* Keys in order, as bencoding asks. */
static int add_answer(struct buf *ret, const struct policy_answer *answer)
{
	uint8_t peers[POLICY_PEERS_MAX * 6];
	size_t len = 0;

	for (size_t i = 0; i < answer->count; i++) {
		uint16_t port = htons(answer->peers[i].port);

		memcpy(peers + len, &answer->peers[i].address, 4);
		memcpy(peers + len + 4, &port, 2);
		len += 6;
	}
	if (buf_reserve(ret, 128 + len) < 0)
		return -ENOMEM;
	(void)buf_printf(ret, "d8:completei%ue10:incompletei%ue8:intervali%ue12:min intervali1e5:peers%zu:",
		answer->complete, answer->incomplete, answer->interval, len);
	(void)buf_add(ret, peers, len);
	return buf_puts(ret, "e");
}

int tracker_announce(
	struct tracker *t, const char *query, struct in_addr from, uint64_t now_ms, struct buf *ret)
{
	struct policy_announce a = {.address = from, .want = WANT_DEFAULT};
	struct policy_answer answer;
	const char *wrong = parse_query(query ? query : "", &a);
	char reason[64];
	int r;

	if (wrong) {
		(void)snprintf(reason, sizeof(reason), "%s is missing, wrong or there twice", wrong);
		return add_failure(ret, reason);
	}
	(void)pthread_mutex_lock(&t->lock);
	a.rack = t->topology.rack_of(from, t->topology.arg);
	a.paused = t->topology.is_paused && t->topology.is_paused(from, t->topology.arg);
	r = policy_announce(t->policy, &a, now_ms, &answer);
	(void)pthread_mutex_unlock(&t->lock);
	if (r == -ENOENT)
		return add_failure(ret, "no such torrent here");
	return r < 0 ? r : add_answer(ret, &answer);
}

/* ---- scrape ---- */

struct wanted {
	uint8_t infohash[TRACKER_SCRAPE_MAX][20];
	size_t count;
};

/* Keys other than info_hash mean nothing. -EINVAL: one is wrong, or there are too many. */
static int parse_scrape(const char *query, struct wanted *ret)
{
	static const char key[] = "info_hash=";

	while (*query) {
		size_t len = strcspn(query, "&");
		struct value value;

		if (!strncmp(query, key, sizeof(key) - 1)) {
			const char *text = query + sizeof(key) - 1;

			if (ret->count == TRACKER_SCRAPE_MAX ||
				parse_value(text, len - (sizeof(key) - 1), &value) < 0 ||
				value.len != sizeof(ret->infohash[0]))
				return -EINVAL;
			memcpy(ret->infohash[ret->count++], value.bytes, value.len);
		}
		query += len + (query[len] == '&');
	}
	return 0;
}

static int is_wanted(const struct wanted *w, const struct policy_count *c)
{
	for (size_t i = 0; i < w->count; i++)
		if (!memcmp(w->infohash[i], c->infohash, sizeof(c->infohash)))
			return 1;
	return w->count == 0;
}

static int add_count(struct buf *ret, const struct policy_count *c)
{
	if (buf_puts(ret, "20:") < 0 || buf_add(ret, c->infohash, sizeof(c->infohash)) < 0)
		return -ENOMEM;
	return buf_printf(ret, "d8:completei%ue10:downloadedi%ue10:incompletei%uee", c->complete,
		c->downloaded, c->incomplete);
}

int tracker_scrape(struct tracker *t, const char *query, uint64_t now_ms, struct buf *ret)
{
	struct policy_count counts[POLICY_TORRENTS_LIMIT];
	struct wanted wanted = {0};
	size_t count;
	int r;

	if (parse_scrape(query ? query : "", &wanted) < 0)
		return add_failure(ret, "info_hash is wrong or there too often");
	(void)pthread_mutex_lock(&t->lock);
	count = policy_scrape(t->policy, now_ms, counts);
	(void)pthread_mutex_unlock(&t->lock);
	r = buf_puts(ret, "d5:filesd");
	for (size_t i = 0; r == 0 && i < count; i++)
		if (is_wanted(&wanted, &counts[i]))
			r = add_count(ret, &counts[i]);
	return r == 0 ? buf_puts(ret, "ee") : r;
}
