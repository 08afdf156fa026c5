/* Owns the status command: asks the seeder for the node table and shows it. The table itself is status.c's.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "imager/base/hostlist.h"
#include "imager/base/progress.h"
#include "imager/base/text.h"
#include "imager/format/json.h"
#include "seeder/commands.h"
#include "seeder/seedwords.h"
#include "seeder/server.h"
#include "seeder/wire/http.h"

#define ANSWER_LIMIT (64U << 20)
#define TIMEOUT_S    5
#define BAR_WIDTH    10
#define WATCH_S      1
#define CLEAR_SCREEN "\033[H\033[J"

struct status_options {
	const char *server;
	int watch, json;
};

static const char *text_of(const json_t *node, const char *key)
{
	const char *text = json_string_value(json_object_get(node, key));

	return text ? text : "";
}

static json_int_t number_of(const json_t *node, const char *key)
{
	return json_integer_value(json_object_get(node, key));
}

/* ---- asking ---- */

static int fetch(const char *server, json_t **ret, struct err *err)
{
	_cleanup_free_ char *url = NULL;
	_cleanup_buf_ struct buf answer = {0};
	_cleanup_json_ json_t *root = NULL;
	int r;

	if (asprintf(&url, "%s/v1/nodes", server) < 0)
		return err_oom(err, server);
	r = http_get(&(struct http_request){.url = url, .limit = ANSWER_LIMIT, .timeout_s = TIMEOUT_S},
		&answer, err);
	if (r < 0)
		return r;
	root = json_loadb(answer.data ? answer.data : "", answer.len, 0, NULL);
	if (!json_is_array(json_object_get(root, "nodes")))
		return err_set(err, EBADMSG, "%s: its answer is not a node table", url);
	*ret = TAKE(root);
	return 0;
}

/* Keeps the named nodes; each must be there. */
static int select_nodes(json_t *root, const char *names, struct err *err)
{
	_cleanup_hostlist_ struct hostlist wanted = {0};
	json_t *nodes = json_object_get(root, "nodes");
	size_t found = 0;
	int r;

	if (!names)
		return 0;
	r = hostlist_parse(names, &wanted, err);
	if (r < 0)
		return r;
	for (size_t i = json_array_size(nodes); i-- > 0;) {
		if (hostlist_has(&wanted, text_of(json_array_get(nodes, i), "node")))
			found++;
		else
			(void)json_array_remove(nodes, i);
	}
	if (found < wanted.count)
		return err_set(err, ENOENT, "%zu of %zu nodes of '%s' are in no row of the seeder",
			wanted.count - found, wanted.count, names);
	return 0;
}

/* ---- showing ---- */

static void format_age(json_int_t since, char *ret, size_t size)
{
	json_int_t age = since ? (json_int_t)time(NULL) - since : -1;

	if (age < 0)
		(void)snprintf(ret, size, "-");
	else if (age < 120)
		(void)snprintf(ret, size, "%llds", (long long)age);
	else if (age < 7200)
		(void)snprintf(ret, size, "%lldm", (long long)age / 60);
	else if (age < 172800)
		(void)snprintf(ret, size, "%lldh", (long long)age / 3600);
	else
		(void)snprintf(ret, size, "%lldd", (long long)age / 86400);
}

static void format_release(const json_t *node, char *ret, size_t size)
{
	const char *profile = text_of(node, "profile"), *release = text_of(node, "release");

	if (*profile)
		(void)snprintf(ret, size, "%s:%lld", profile, (long long)number_of(node, "sequence"));
	else
		(void)snprintf(ret, size, "%.19s", *release ? release : "-");
}

/* A bar on a terminal, per cent elsewhere. */
static void format_progress(const json_t *node, int is_tty, char ret[BAR_WIDTH + 3])
{
	json_int_t percent = number_of(node, "percent");

	if (is_tty)
		progress_bar(ret, BAR_WIDTH, (uint64_t)percent, 100);
	else
		(void)snprintf(ret, BAR_WIDTH + 3, "%d%%", (int)(percent > 100 ? 100 : percent));
}

static int add_seeding(const json_t *node, struct buf *line)
{
	return seedwords_add(&(struct seedwords){.seeding = text_of(node, "seeding"),
				     .paused = json_is_true(json_object_get(node, "seed_paused")),
				     .by = json_string_value(json_object_get(node, "seed_paused_by"))},
		line);
}

/* The state of a node that is well, else its fault. */
static int add_state(const json_t *node, struct buf *line)
{
	const char *error = text_of(node, "error"), *units = text_of(node, "failed_units");
	const char *state = text_of(node, "state");
	_cleanup_buf_ struct buf seeding = {0};

	if (*error)
		return buf_puts(line, error);
	if (add_seeding(node, &seeding) < 0)
		return -ENOMEM;
	return buf_printf(line, "%s%s%s%s%s%s", state, *units ? " (failed: " : "", units, *units ? ")" : "",
		*state && seeding.len ? ", " : "", seeding.len ? seeding.data : "");
}

static int format_node(const json_t *node, int is_tty, struct buf *line)
{
	char age[24], release[96], progress[BAR_WIDTH + 3];
	const char *name = text_of(node, "node"), *group = text_of(node, "group");
	int r;

	format_age(number_of(node, "since"), age, sizeof(age));
	format_release(node, release, sizeof(release));
	format_progress(node, is_tty, progress);
	r = buf_printf(line, "%-17s %-12s %-10s %-*s %-24s %5s  ", *name ? name : text_of(node, "mac"),
		*group ? group : "-", text_of(node, "phase"), BAR_WIDTH + 2, progress, release, age);
	return r == 0 ? add_state(node, line) : r;
}

/* A row is one line of a terminal, so that the table keeps its shape. */
static size_t columns(int is_tty)
{
	struct winsize size;

	if (!is_tty || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col)
		return INT_MAX;
	return size.ws_col;
}

static int print_table(const json_t *root, int is_tty, struct err *err)
{
	const json_t *node;
	size_t i, up = 0;

	(void)printf("%-17s %-12s %-10s %-*s %-24s %5s  %s\n", "NODE", "GROUP", "PHASE", BAR_WIDTH + 2,
		"PROGRESS", "RELEASE", "SINCE", "STATE");
	json_array_foreach(json_object_get(root, "nodes"), i, node)
	{
		_cleanup_buf_ struct buf line = {0};

		if (format_node(node, is_tty, &line) < 0)
			return err_oom(err, "the table");
		(void)printf("%.*s\n", (int)text_cut(line.data, columns(is_tty)), line.data);
		up += !strcmp(text_of(node, "phase"), "up");
	}
	if (is_tty)
		(void)printf("%zu of %zu up\n", up, json_array_size(json_object_get(root, "nodes")));
	return 0;
}

static int show(const struct status_options *options, const char *server, const char *names, struct err *err)
{
	_cleanup_json_ json_t *root = NULL;
	int is_tty = isatty(STDOUT_FILENO);
	int r = fetch(server, &root, err);

	if (r == 0)
		r = select_nodes(root, names, err);
	if (r < 0)
		return r;
	if (options->watch && is_tty && !options->json)
		(void)printf(CLEAR_SCREEN);
	if (options->json) {
		(void)json_dumpf(root, stdout, JSON_COMPACT);
		(void)printf("\n");
	} else {
		r = print_table(root, is_tty, err);
	}
	if (r < 0)
		return r;
	return fflush(stdout) == 0 ? 0 : err_set(err, errno, "standard output: %s", strerror(errno));
}

static int run_status(const void *arg, char **args, struct err *err)
{
	const struct status_options *options = arg;
	const char *server = server_choose(options->server);
	int r = show(options, server, args[0], err);

	while (options->watch) {
		(void)sleep(WATCH_S);
		r = show(options, server, args[0], err);
		/* The seeder may be starting again: say so and go on asking. */
		if (r < 0)
			(void)fprintf(stderr, "%s\n", err->text);
	}
	return r;
}

static const struct cli_option options_table[] = {
	{"server", 's', CLI_STRING, offsetof(struct status_options, server), "URL", SERVER_OPTION_HELP},
	{"watch", 'w', CLI_FLAG, offsetof(struct status_options, watch), NULL, "show it again every second"},
	{"json", 0, CLI_FLAG, offsetof(struct status_options, json), NULL,
		"the rows as the seeder gives them (docs/cluster.md)"},
	{0},
};

const struct cli_command command_status = {
	.name = "status",
	.arguments = "[NODES]",
	.summary = "show the node table of a seeder",
	.text = "A row a node: its group, the phase of its boot and how far that is, the release it boots or "
		"runs, "
		"how long it has been in this phase, and its last fault, else its state. A MAC that asked "
		"for a "
		"boot script and is in no cluster file is a row of phase 'discovered'.\n"
		"\n"
		"NODES is a hostlist such as node[001-100],login. Bars are drawn on a terminal only.",
	.options = options_table,
	.options_size = sizeof(struct status_options),
	.max_args = 1,
	.run = run_status,
};
