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

int seedask(struct seedask *a, enum seed_state state, size_t *ret_answered, struct seed_policy *ret,
	struct err *err)
{
	_cleanup_buf_ struct buf question = {0};
	struct seed_said said = {.state = state};
	size_t answered = 0;
	int r = -ENOENT;

	(void)snprintf(said.node, sizeof(said.node), "%s", a->node);
	(void)snprintf(said.mac, sizeof(said.mac), "%s", a->mac);
	if (seed_said_format(&said, &question) < 0)
		return err_oom(err, "the seed policy");
	for (size_t i = 0; i < a->seeder_count; i++) {
		r = ask_one(a->seeders[i], &question, &a->said[i], err);
		if (r < 0)
			continue;
		a->has_said[i] = 1;
		answered++;
	}
	*ret_answered = answered;
	return join_all(a, ret) ? 0 : r;
}
