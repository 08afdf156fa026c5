/* Owns the seed command: tells the seeder which nodes are to seed. What it does with that is seedapi.c's. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/hostlist.h"
#include "imager/format/json.h"
#include "seeder/commands.h"
#include "seeder/server.h"
#include "seeder/wire/http.h"

#define ANSWER_LIMIT (1U << 20)
#define TIMEOUT_S    10

struct seed_options {
	const char *server;
};

static int format_request(const char *nodes, int paused, struct buf *ret, struct err *err)
{
	_cleanup_json_ json_t *root = json_pack("{s:s,s:b}", "nodes", nodes, "paused", paused);
	_cleanup_free_ char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;

	if (!text || buf_puts(ret, text) < 0)
		return err_oom(err, "the request");
	return ret->len <= PAUSE_LIMIT ? 0 : err_set(err, E2BIG, "that is too long a list of nodes");
}

static int take_answer(const struct buf *answer, const char *server, size_t *ret_count, struct err *err)
{
	_cleanup_json_ json_t *root = json_loadb(answer->data ? answer->data : "", answer->len, 0, NULL);
	const json_t *nodes = json_object_get(root, "nodes");
	const char *unknown = json_string_value(json_object_get(root, "unknown"));

	if (!json_is_integer(nodes) || !unknown)
		return err_set(err, EBADMSG, "%s: its answer is not that of a seeder", server);
	if (*unknown)
		return err_set(
			err, ENOENT, "the cluster file has no node %.200s; nothing was changed", unknown);
	*ret_count = (size_t)json_integer_value(nodes);
	return 0;
}

static int ask(const char *server, const struct buf *request, size_t *ret_count, struct err *err)
{
	_cleanup_free_ char *url = NULL;
	_cleanup_buf_ struct buf answer = {0};
	int r;

	if (asprintf(&url, "%s/v1/pause", server) < 0)
		return err_oom(err, server);
	r = http_ask_json(&(struct http_request){.url = url, .limit = ANSWER_LIMIT, .timeout_s = TIMEOUT_S},
		request, &answer, err);
	if (r == -EPERM)
		return err_set(err, EPERM,
			"%s refuses: nodes are paused on the head itself alone (" SERVER_DEFAULT ")", server);
	return r == 0 ? take_answer(&answer, server, ret_count, err) : r;
}

static int run_seed(const void *arg, char **args, struct err *err)
{
	const struct seed_options *options = arg;
	_cleanup_hostlist_ struct hostlist nodes = {0};
	_cleanup_buf_ struct buf request = {0};
	int paused = !strcmp(args[0], "pause");
	size_t count = 0;
	int r;

	if (!paused && strcmp(args[0], "resume") != 0)
		return err_set(err, EINVAL, "'%.40s' is not allowed: pause or resume", args[0]), CLI_USAGE;
	if (hostlist_parse(args[1], &nodes, err) < 0)
		return CLI_USAGE;
	r = format_request(args[1], paused, &request, err);
	if (r == 0)
		r = ask(server_choose(options->server), &request, &count, err);
	if (r < 0)
		return r;
	(void)printf("%s %zu node%s\n", paused ? "paused" : "resumed", count, count == 1 ? "" : "s");
	return fflush(stdout) == 0 ? 0 : err_set(err, errno, "standard output: %s", strerror(errno));
}

static const struct cli_option options_table[] = {
	{"server", 's', CLI_STRING, offsetof(struct seed_options, server), "URL", SERVER_OPTION_HELP},
	{0},
};

const struct cli_command command_seed = {
	.name = "seed",
	.arguments = "pause|resume NODES",
	.summary = "let nodes seed their image to others, or not",
	.text = "A node that is paused sends nothing to other nodes; it keeps running, and others get the "
		"image "
		"elsewhere. Nodes that are up are told at once, others when they boot. It stays so until "
		"they are "
		"resumed, whatever the cluster file says, and `swarmboot status` shows it.\n"
		"\n"
		"NODES is a hostlist such as node[001-100],login. The seeder takes this from its own host "
		"alone.",
	.options = options_table,
	.options_size = sizeof(struct seed_options),
	.min_args = 2,
	.max_args = 2,
	.run = run_seed,
};
