/* Owns the diff command. */
#include "imager/commands.h"

#include <stdint.h>
#include <stdio.h>

#include "imager/format/json.h"
#include "imager/jsonout.h"
#include "imager/releases/diff.h"

struct diff_options {
	const char *store;
	int json, files;
};

static const struct cli_option diff_options[] = {
	{"store", 0, CLI_STRING, offsetof(struct diff_options, store), "DIR", STORE_OPTION_HELP},
	{"files", 0, CLI_FLAG, offsetof(struct diff_options, files), NULL,
		"name every file that differs, not their number alone"},
	{"json", 0, CLI_FLAG, offsetof(struct diff_options, json), NULL, "print JSON for scripts"},
	{0},
};

static int show(const struct diff *d, const struct diff_options *o, struct err *err)
{
	_cleanup_json_ json_t *json = NULL;

	if (!o->json) {
		diff_print(d, o->files ? SIZE_MAX : 0, stdout);
		return 0;
	}
	json = diff_json(d, o->files);
	return jsonout_print(json, err);
}

static int run_diff(const void *options, char **args, struct err *err)
{
	const struct diff_options *o = options;
	_cleanup_store_ struct store *s = NULL;
	_cleanup_diff_ struct diff d = {0};
	struct store_release before, after;
	const struct err *fault;
	int r = store_open(store_choose(o->store), 0, &s, err);

	if (r == 0)
		r = store_resolve(s, args[0], &before, err);
	if (r == 0)
		r = store_resolve(s, args[1], &after, err);
	if (r == 0)
		r = diff_releases(s, &before, &after, &d, err);
	if (r == 0)
		r = show(&d, o, err);
	if (r < 0)
		return r;
	fault = d.package_fault.code ? &d.package_fault : &d.file_fault;
	return fault->code ? err_set(err, fault->code, "%s", fault->text) : 0;
}

const struct cli_command command_diff = {
	.name = "diff",
	.arguments = "A B",
	.summary = "show what changes from one release to another",
	.text = "A and B are references as 'show' takes them. Told are packages added, removed and changed, "
		"files of the root image added, removed and changed (in type, content, mode, owner, extended "
		"attributes; times are not compared), kernel and command line, and what a node fetches. A "
		"boot fetches kernel, initramfs and root image whole.\n"
		"\n"
		"Exit status 1 when a part of a release cannot be read, after all others have been told. A "
		"difference is no failure.",
	.options = diff_options,
	.options_size = sizeof(struct diff_options),
	.min_args = 2,
	.max_args = 2,
	.run = run_diff,
};
