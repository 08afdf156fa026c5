/* Owns a mirror's table of goals, its faults and how long it rests after them. Fetches nothing. */
#include "seeder/mirror/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imager/format/json.h"

/* A release with wrong bytes may be large: its next try comes later each time. */
#define REST_MS     5000ULL
#define REST_MAX_MS 300000ULL

static void lock(struct mirror_state *s)
{
	(void)pthread_mutex_lock(&s->lock);
}

static void unlock(struct mirror_state *s)
{
	(void)pthread_mutex_unlock(&s->lock);
}

int mirror_state_init(struct mirror_state *s, const char *url)
{
	*s = (struct mirror_state){.url = url};
	return -pthread_mutex_init(&s->lock, NULL);
}

void mirror_state_release(struct mirror_state *s)
{
	free(s->goals);
	(void)pthread_mutex_destroy(&s->lock);
}

/* ---- the other seeder ---- */

static void retry_all(struct mirror_state *s)
{
	for (size_t i = 0; i < s->goal_count; i++)
		s->goals[i].failures = 0, s->goals[i].again_ms = 0;
}

int mirror_state_heard(struct mirror_state *s, const struct channels *list, uint64_t now_s)
{
	int is_news;

	lock(s);
	is_news = !s->heard || *s->fault;
	if (is_news)
		retry_all(s);
	s->heard = now_s;
	s->fault[0] = '\0';
	memcpy(s->ids, list->ids, sizeof(s->ids));
	s->id_count = list->id_count;
	unlock(s);
	return is_news;
}

int mirror_state_fault(struct mirror_state *s, const char *text)
{
	int is_news;

	lock(s);
	is_news = strcmp(s->fault, text) != 0;
	(void)snprintf(s->fault, sizeof(s->fault), "%s", text);
	unlock(s);
	return is_news;
}

/* ---- goals ---- */

static struct mirror_goal *find(struct mirror_state *s, const char *name)
{
	for (size_t i = 0; i < s->goal_count; i++)
		if (!strcmp(s->goals[i].name, name))
			return &s->goals[i];
	return NULL;
}

static struct mirror_goal *find_or_add(struct mirror_state *s, const char *name)
{
	struct mirror_goal *goal = find(s, name), *grown;

	if (goal)
		return goal;
	grown = realloc(s->goals, (s->goal_count + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	s->goals = grown;
	goal = &grown[s->goal_count++];
	*goal = (struct mirror_goal){0};
	(void)snprintf(goal->name, sizeof(goal->name), "%s", name);
	return goal;
}

void mirror_state_begin(struct mirror_state *s)
{
	lock(s);
	for (size_t i = 0; i < s->goal_count; i++)
		s->goals[i].is_wanted = 0;
	unlock(s);
}

void mirror_state_end(struct mirror_state *s)
{
	size_t kept = 0;

	lock(s);
	for (size_t i = 0; i < s->goal_count; i++)
		if (s->goals[i].is_wanted)
			s->goals[kept++] = s->goals[i];
	s->goal_count = kept;
	unlock(s);
}

int mirror_state_may_try(struct mirror_state *s, const char *name, const struct digest *release, uint64_t now)
{
	static const struct digest none;
	struct mirror_goal *goal;
	int r = -ENOMEM;

	lock(s);
	goal = find_or_add(s, name);
	if (goal) {
		if (!release)
			release = &none;
		if (!digest_equal(&goal->release, release))
			goal->failures = 0, goal->again_ms = 0;
		goal->release = *release;
		goal->is_wanted = 1;
		r = now >= goal->again_ms;
	}
	unlock(s);
	return r;
}

void mirror_state_coming(struct mirror_state *s, const char *name)
{
	struct mirror_goal *goal;

	lock(s);
	goal = find(s, name);
	if (goal)
		goal->is_coming = 1;
	unlock(s);
}

int mirror_state_note(struct mirror_state *s, const char *name, const char *reason, uint64_t now)
{
	struct mirror_goal *goal;
	int is_news = 0;

	lock(s);
	goal = find(s, name);
	if (goal) {
		uint64_t rest = goal->failures < 6 ? REST_MS << goal->failures : REST_MAX_MS;

		is_news = strcmp(goal->reason, reason) != 0;
		(void)snprintf(goal->reason, sizeof(goal->reason), "%s", reason);
		goal->is_coming = 0;
		goal->failures = *reason ? goal->failures + 1 : 0;
		goal->again_ms = *reason ? now + rest : 0;
	}
	unlock(s);
	return is_news;
}

void mirror_state_retry(struct mirror_state *s)
{
	lock(s);
	retry_all(s);
	unlock(s);
}

int mirror_state_in_step(struct mirror_state *s)
{
	int in_step = 1;

	lock(s);
	for (size_t i = 0; i < s->goal_count; i++)
		in_step &= !*s->goals[i].reason;
	unlock(s);
	return in_step;
}

int mirror_state_others(struct mirror_state *s, const char *others)
{
	char now[sizeof(s->others)];
	int is_news;

	(void)snprintf(now, sizeof(now), "%s", others);
	lock(s);
	is_news = *now && strcmp(s->others, now) != 0;
	memcpy(s->others, now, sizeof(now));
	unlock(s);
	return is_news;
}

void mirror_state_progress(struct mirror_state *s, const char *what, uint64_t done, uint64_t size)
{
	lock(s);
	(void)snprintf(s->part, sizeof(s->part), "%s", what);
	s->done = done;
	s->size = size;
	unlock(s);
}

/* ---- for those that ask ---- */

void mirror_state_reason(struct mirror_state *s, const char *name, char ret[ERR_TEXT_MAX])
{
	const struct mirror_goal *goal;

	lock(s);
	goal = find(s, name);
	if (goal && goal->is_coming)
		(void)snprintf(ret, ERR_TEXT_MAX, "it is on its way from %.100s%s%.300s", s->url,
			*goal->reason ? "; before: " : "", goal->reason);
	else if (goal && *goal->reason)
		(void)snprintf(ret, ERR_TEXT_MAX, "%s", goal->reason);
	else if (*s->fault)
		(void)snprintf(ret, ERR_TEXT_MAX, "%s", s->fault);
	else if (!s->heard)
		(void)snprintf(ret, ERR_TEXT_MAX, "%s is being asked", s->url);
	else
		(void)snprintf(ret, ERR_TEXT_MAX, "it is looked at in its turn");
	unlock(s);
}

static json_t *behind_value(const struct mirror_state *s)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < s->goal_count; i++)
		if (*s->goals[i].reason)
			(void)json_array_append_new(list, json_pack("{s:s,s:o}", "channel", s->goals[i].name,
								  "reason", json_clean(s->goals[i].reason)));
	return list;
}

json_t *mirror_state_value(struct mirror_state *s)
{
	json_t *value;

	lock(s);
	value = json_pack("{s:s,s:I,s:o,s:o*,s:o,s:s,s:I,s:I}", "url", s->url, "heard", (json_int_t)s->heard,
		"fault", json_clean(s->fault), "behind", behind_value(s), "others", json_clean(s->others),
		"part", s->part, "done", (json_int_t)s->done, "size", (json_int_t)s->size);
	unlock(s);
	return value;
}

void mirror_state_add_ids(struct mirror_state *s, struct channels *list)
{
	lock(s);
	for (size_t i = 0; i < s->id_count && list->id_count < CHANNELS_IDS_MAX; i++)
		memcpy(list->ids[list->id_count++], s->ids[i], CHANNELS_ID_SIZE);
	unlock(s);
}
