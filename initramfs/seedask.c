/* Owns the question how the node may seed. What is asked and answered is seeder/wire/seed.c's. */
#include "initramfs/seedask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "seeder/wire/http.h"

#define TRY_S 2

static int ask_one(const char *seeder, const struct buf *question, struct seed_policy *ret, struct err *err)
{
	_cleanup_buf_ struct buf answer = {0};
	char url[BOOTARGS_URL_SIZE + 16];
	int r;

	(void)snprintf(url, sizeof(url), "%.*s/v1/seed", BOOTARGS_URL_SIZE, seeder);
	r = http_ask_json(&(struct http_request){.url = url, .limit = SEED_LIMIT, .timeout_s = TRY_S},
		question, &answer, err);
	if (r == 0)
		r = seed_policy_parse(answer.data, answer.len, ret, err);
	return r < 0 && r != -ENOMEM ? err_prefix(err, "%s", seeder) : r;
}

static int join_all(const struct seedask *a, struct seed_policy *ret)
{
	struct seed_policy all = {0};
	int any = 0;

	for (size_t i = 0; i < a->seeder_count; i++) {
		if (!a->has_said[i])
			continue;
		any = 1;
		all = seed_join(&all, &a->said[i]);
	}
	if (any)
		*ret = all;
	return any;
}

unsigned seedask_pausers(const struct seedask *a)
{
	unsigned mask = 0;

	for (size_t i = 0; i < a->seeder_count; i++)
		mask |= a->has_said[i] && a->said[i].paused ? 1U << i : 0;
	return mask;
}

/* For the one that is asked. */
static int format_question(
	const struct seedask *a, size_t asked, enum seed_state state, struct buf *ret, struct err *err)
{
	struct seed_said said = {.state = state, .has_paused_by = 1};
	_cleanup_buf_ struct buf by = {0};
	unsigned mask = seedask_pausers(a) & ~(1U << asked);
	int r = buf_puts(&by, "");

	for (size_t i = 0; r == 0 && i < a->seeder_count; i++)
		if (mask & 1U << i)
			r = buf_printf(&by, "%s%s", by.len ? " " : "", a->seeders[i]);
	(void)snprintf(said.node, sizeof(said.node), "%s", a->node);
	(void)snprintf(said.mac, sizeof(said.mac), "%s", a->mac);
	(void)snprintf(said.paused_by, sizeof(said.paused_by), "%s", r == 0 ? by.data : "");
	if (r == 0)
		r = seed_said_format(&said, ret);
	return r < 0 ? err_oom(err, "the seed policy") : 0;
}

int seedask(struct seedask *a, enum seed_state state, size_t *ret_answered, struct seed_policy *ret,
	struct err *err)
{
	size_t answered = 0;
	int r = -ENOENT;

	for (size_t i = 0; i < a->seeder_count; i++) {
		_cleanup_buf_ struct buf question = {0};

		r = format_question(a, i, state, &question, err);
		if (r == 0)
			r = ask_one(a->seeders[i], &question, &a->said[i], err);
		if (r < 0)
			continue;
		a->has_said[i] = 1;
		answered++;
	}
	*ret_answered = answered;
	return join_all(a, ret) ? 0 : r;
}

/* ---- the memory: a line for each seeder, its URL and its word ---- */

static int take_line(struct seedask *a, char *line, struct err *err)
{
	char *policy = strchr(line, ' ');

	if (!policy)
		return err_set(err, EBADMSG, "wanted are lines of a URL and a policy");
	*policy++ = '\0';
	for (size_t i = 0; i < a->seeder_count; i++) {
		int r;

		if (strcmp(a->seeders[i], line) != 0)
			continue;
		r = seed_policy_parse(policy, strlen(policy), &a->said[i], err);
		a->has_said[i] = r == 0;
		return r;
	}
	return 0;
}

int seedask_load(struct seedask *a, const struct seedfolder *f, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	char *rest, *line;
	int r = seedfolder_heads(f, &text, err);

	rest = text;
	while (r == 0 && (line = strsep(&rest, "\n")))
		if (*line)
			r = take_line(a, line, err);
	return r < 0 ? err_prefix(err, "what the seeders said") : 0;
}

int seedask_save(const struct seedask *a, const struct seedfolder *f, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};
	int r = buf_puts(&text, "");

	for (size_t i = 0; r == 0 && i < a->seeder_count; i++) {
		if (!a->has_said[i])
			continue;
		r = buf_printf(&text, "%s ", a->seeders[i]);
		if (r == 0)
			r = seed_policy_format(&a->said[i], &text);
		if (r == 0)
			r = buf_puts(&text, "\n");
	}
	return r < 0 ? err_oom(err, "the seed policy") : seedfolder_put_heads(f, &text, err);
}
