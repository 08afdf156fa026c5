/* Owns the gc command: asks who needs what, and shows what goes. The collection is imager/format/storegc.c's.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "imager/base/io.h"
#include "imager/base/parse.h"
#include "imager/base/progress.h"
#include "imager/format/gc.h"
#include "imager/format/json.h"
#include "seeder/commands.h"
#include "seeder/gcneeds.h"
#include "seeder/server.h"

#define KEEP_DEFAULT 3
#define NODES_LIMIT  ((size_t)64 << 20)

struct gc_command {
	struct cli_list servers, nodes;
	const char *store, *keep;
	int without_nodes, dry_run, json;
};

static const struct cli_option options_table[] = {
	{"keep", 0, CLI_STRING, offsetof(struct gc_command, keep), "N",
		"keep the last N releases of each profile in any case; default 3, at least 1"},
	{"dry-run", 'n', CLI_FLAG, offsetof(struct gc_command, dry_run), NULL,
		"show what would go, remove nothing"},
	{"server", 's', CLI_LIST, offsetof(struct gc_command, servers), "URL",
		"a seeder that knows what nodes run; may be given again; default $SWARMBOOT_SERVER, "
		"else " SERVER_DEFAULT},
	{"nodes", 0, CLI_LIST, offsetof(struct gc_command, nodes), "FILE",
		"what nodes run, as 'swarmboot status --json' printed it; may be given again"},
	{"without-nodes", 0, CLI_FLAG, offsetof(struct gc_command, without_nodes), NULL,
		"ask no seeder: no node runs an image of this store, or may lose it"},
	{"json", 0, CLI_FLAG, offsetof(struct gc_command, json), NULL, "print JSON for scripts"},
	{"store", 0, CLI_STRING, offsetof(struct gc_command, store), "DIR", STORE_OPTION_HELP},
	{0},
};

/* ---- needs ---- */

static int read_nodes(const char *path, struct gc_needs *needs, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};
	char *data = NULL;
	size_t len = 0;
	int r = read_file(path, NODES_LIMIT, &data, &len, err);

	if (r < 0)
		return r;
	text = (struct buf){.data = data, .len = len, .size = len + 1};
	r = gcneeds_nodes(&text, needs, err);
	return r < 0 ? err_prefix(err, "%s", path) : 0;
}

static int ask_server(const char *server, struct gc_needs *needs, struct err *err)
{
	struct err why = {0};
	int r = gcneeds_ask(server, needs, &why);

	if (r < 0)
		return err_set(err, -r,
			"%s; what nodes run is not known, so nothing is removed (--without-nodes, if none "
			"run "
			"anything)",
			why.text);
	return 0;
}

static int find_needs(const struct gc_command *o, struct gc_needs *needs, struct err *err)
{
	int r = 0;

	if (o->without_nodes)
		return 0;
	for (size_t i = 0; r == 0 && i < o->nodes.count; i++)
		r = read_nodes(o->nodes.items[i], needs, err);
	for (size_t i = 0; r == 0 && i < o->servers.count; i++)
		r = ask_server(o->servers.items[i], needs, err);
	if (r == 0 && !o->nodes.count && !o->servers.count)
		r = ask_server(server_choose(NULL), needs, err);
	return r;
}

/* ---- showing ---- */

static int print_json(const struct gc_result *g, struct err *err)
{
	json_t *releases = json_array();
	_cleanup_json_ json_t *root = json_pack("{s:o,s:I,s:I,s:I}", "releases", releases, "blobs",
		(json_int_t)g->blobs, "bytes", (json_int_t)g->bytes, "left", (json_int_t)g->left);
	_cleanup_buf_ struct buf text = {0};

	for (size_t i = 0; i < g->count; i++)
		(void)json_array_append_new(releases, json_pack("{s:s,s:s}", "name", g->rows[i].release.name,
							      "reason", gc_reason_name(g->rows[i].reason)));
	if (!root || json_add_text(root, JSON_INDENT(2), &text) < 0)
		return err_oom(err, "the JSON output");
	(void)fputs(text.data, stdout);
	return 0;
}

static void print_text(const struct gc_result *g, int dry_run)
{
	char bytes[16];

	for (size_t i = 0; i < g->count; i++)
		if (g->rows[i].reason == GC_GOES)
			(void)printf(
				"%s %s\n", dry_run ? "would remove" : "removed", g->rows[i].release.name);
	format_bytes(g->bytes, bytes);
	(void)printf(
		"%zu blob%s, %s%s\n", g->blobs, g->blobs == 1 ? "" : "s", bytes, dry_run ? ", would go" : "");
	if (g->left)
		(void)printf("%zu of them go when the writer that is at work ends\n", g->left);
}

static int run_gc(const void *arg, char **args, struct err *err)
{
	const struct gc_command *o = arg;
	_cleanup_gc_needs_ struct gc_needs needs = {0};
	_cleanup_gc_result_ struct gc_result result = {0};
	_cleanup_store_ struct store *s = NULL;
	uint32_t keep = KEEP_DEFAULT;
	int r;

	(void)args;
	if ((o->keep && parse_u32(o->keep, &keep) < 0) || !keep) {
		(void)err_set(err, EINVAL, "--keep: '%s' is not a number from 1 on", o->keep);
		return CLI_USAGE;
	}
	if (o->without_nodes && (o->nodes.count || o->servers.count)) {
		(void)err_set(err, EINVAL, "--without-nodes excludes --server and --nodes");
		return CLI_USAGE;
	}
	r = store_open(store_choose(o->store), 0, &s, err);
	if (r == 0)
		r = find_needs(o, &needs, err);
	if (r == 0)
		r = store_gc(s,
			&(struct gc_options){.keep = keep,
				.needs = &needs,
				.dry_run = o->dry_run,
				.now = (uint64_t)time(NULL)},
			&result, err);
	if (r < 0)
		return r;
	if (o->json)
		return print_json(&result, err);
	print_text(&result, o->dry_run);
	return 0;
}

const struct cli_command command_gc = {
	.name = "gc",
	.arguments = "",
	.summary = "remove releases that nobody needs",
	.text = "A release stays when it is among the last N of its profile, when a channel names it, when a "
		"node boots or runs it, or when a seeder is told to offer it. All others go, and blobs that "
		"nothing names and that are an hour old.\n"
		"\n"
		"What nodes run is asked of the seeder, or read from FILE. When it cannot be known, nothing "
		"is "
		"removed. Builds and other writers at work keep what they added; a seeder goes on serving "
		"what "
		"it has open.",
	.options = options_table,
	.options_size = sizeof(struct gc_command),
	.run = run_gc,
};
