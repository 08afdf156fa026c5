/* Owns the reading of what seeders tell of their nodes and offers, for gc. What follows from it is
 * imager/format/gc.c's. */
#include "seeder/gcneeds.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "imager/format/json.h"
#include "seeder/wire/http.h"

#define ANSWER_LIMIT (64U << 20)
#define TIMEOUT_S    10

static int parse(const struct buf *json, const char *list, json_t **ret, struct err *err)
{
	_cleanup_json_ json_t *root =
		json_loadb(json->data ? json->data : "", json->len, JSON_REJECT_DUPLICATES, NULL);

	if (!json_is_array(json_object_get(root, list)))
		return err_set(err, EBADMSG, "not JSON with a list '%s'", list);
	*ret = TAKE(root);
	return 0;
}

/* 1: a digest, added; 0: "" or null; -EBADMSG: anything else. */
static int add_digest(const json_t *object, const char *key, struct gc_needs *needs)
{
	const json_t *value = json_object_get(object, key);
	const char *text = json_string_value(value);
	struct digest d;

	if (json_is_null(value) || (text && !*text))
		return 0;
	if (!text || digest_parse(text, &d) < 0)
		return -EBADMSG;
	return gc_needs_digest(needs, &d) < 0 ? -ENOMEM : 1;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static int add_node(const json_t *node, struct gc_needs *needs, struct err *err)
{
	const char *name = *text_of(node, "node") ? text_of(node, "node") : text_of(node, "mac");
	int release = add_digest(node, "release", needs), image = add_digest(node, "image", needs);

	if (release == -ENOMEM || image == -ENOMEM)
		return err_oom(err, "the node table");
	if (release < 0 || image < 0)
		return err_set(err, EBADMSG, "node '%.64s': what it runs is not told by digests", name);
	if (!release && !image && !strcmp(text_of(node, "phase"), "up"))
		return err_set(err, EBADMSG, "node '%.64s' is up and does not say what it runs", name);
	return 0;
}

int gcneeds_nodes(const struct buf *json, struct gc_needs *needs, struct err *err)
{
	_cleanup_json_ json_t *root = NULL;
	const json_t *node;
	size_t i;
	int r = parse(json, "nodes", &root, err);

	json_array_foreach(json_object_get(root, "nodes"), i, node)
	{
		if (r == 0)
			r = add_node(node, needs, err);
	}
	return r;
}

int gcneeds_health(const struct buf *json, struct gc_needs *needs, struct err *err)
{
	_cleanup_json_ json_t *root = NULL;
	const json_t *channel;
	size_t i;
	int r = parse(json, "channels", &root, err);

	if (r == 0 && !json_is_true(json_object_get(root, "ready")))
		return err_set(err, EAGAIN, "has not read its store yet; ask again soon");
	json_array_foreach(json_object_get(root, "channels"), i, channel)
	{
		const char *name = text_of(channel, "channel");
		int d = r == 0 ? add_digest(channel, "release", needs) : 0;

		if (d == -EBADMSG || !*name)
			r = err_set(err, EBADMSG, "channel '%.64s': what it offers is not told by a digest",
				name);
		else if (d < 0 || gc_needs_name(needs, name) < 0)
			r = err_oom(err, "the channels");
		if (r < 0)
			return r;
	}
	return r;
}

static int ask(const char *server, const char *path, struct buf *ret, struct err *err)
{
	_cleanup_free_ char *url = NULL;

	if (asprintf(&url, "%s%s", server, path) < 0) {
		url = NULL;
		return err_oom(err, server);
	}
	return http_get(
		&(struct http_request){.url = url, .limit = ANSWER_LIMIT, .timeout_s = TIMEOUT_S}, ret, err);
}

int gcneeds_ask(const char *server, struct gc_needs *needs, struct err *err)
{
	static const struct {
		const char *path;
		int (*take)(const struct buf *json, struct gc_needs *needs, struct err *err);
	} questions[] = {{"/v1/nodes", gcneeds_nodes}, {"/v1/health", gcneeds_health}};

	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		_cleanup_buf_ struct buf answer = {0};
		int r = ask(server, questions[i].path, &answer, err);

		if (r < 0)
			return r;
		r = questions[i].take(&answer, needs, err);
		if (r < 0)
			return err_prefix(err, "%s%s", server, questions[i].path);
	}
	return 0;
}
