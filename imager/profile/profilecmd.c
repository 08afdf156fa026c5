/* Owns the command `profile`: what a profile is made of, before anything is built of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "imager/commands.h"
#include "imager/format/json.h"
#include "imager/format/yamljson.h"
#include "imager/jsonout.h"
#include "imager/profile/profile.h"

struct profile_command {
	struct cli_list sets;
	int json;
};

static int show_json(const struct profile *p, struct err *err)
{
	struct yaml_node *root = yaml_root(p->doc);
	_cleanup_json_ json_t *all = json_pack("{s:o*, s:o*, s:o*}", "files", yaml_json_files(p->doc),
		"profile", yaml_json_values(root), "places", yaml_json_places(root));

	return all && json_object_size(all) == 3 ? jsonout_print(all, err) : err_oom(err, p->name);
}

static int show(struct profile *p, const struct profile_command *o, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};
	int r = profile_whole(p, err);

	if (r < 0)
		return r;
	if (o->json)
		return show_json(p, err);
	if (yaml_print(yaml_root(p->doc), 1, NULL, &text) < 0)
		return err_oom(err, p->name);
	(void)fputs(text.data, stdout);
	return 0;
}

static int check(struct profile *p, const struct profile_command *o, struct err *err)
{
	(void)o;
	(void)err;
	(void)printf("%s from %s: %zu packages, %zu files, %zu artifacts, %zu scripts\n", p->name,
		p->from.kind, p->package_count, p->file_count, p->artifact_count, p->script_count);
	return 0;
}

static const struct {
	const char *word;
	int (*run)(struct profile *p, const struct profile_command *o, struct err *err);
} words[] = {{"show", show}, {"check", check}};

static int run_profile(const void *options, char **args, struct err *err)
{
	const struct profile_command *o = options;
	_cleanup_profile_ struct profile *p = NULL;
	size_t i = 0;
	int r;

	while (i < ARRAY_SIZE(words) && strcmp(args[0], words[i].word) != 0)
		i++;
	if (i == ARRAY_SIZE(words)) {
		(void)err_set(err, EINVAL, "'%.40s' is not allowed: show or check", args[0]);
		return CLI_USAGE;
	}
	if (o->json && words[i].run != show) {
		(void)err_set(err, EINVAL, "--json goes with show");
		return CLI_USAGE;
	}
	r = profile_load_set(args[1], &o->sets, &p, err);
	if (r < 0)
		return r == -EINVAL ? CLI_FAULT : r;
	return words[i].run(p, o, err);
}

#define OPTION(field) offsetof(struct profile_command, field)

static const struct cli_option profile_options[] = {
	{"set", 0, CLI_LIST, OPTION(sets), "NAME=VALUE", PROFILE_SET_HELP},
	{"json", 0, CLI_FLAG, OPTION(json), NULL, "with show: print files, values and their places as JSON"},
	{0},
};

const struct cli_command command_profile = {
	.name = "profile",
	.arguments = "show|check PROFILE",
	.summary = "look at a profile without building it",
	.text = "show prints the profile as it is built: what it includes is merged, its variables have "
		"their "
		"values, and its paths are absolute. Behind each value stand the file and the line that it "
		"comes "
		"from. The output is a profile itself, which builds the same image.\n\n"
		"check reads the profile, finds the faults that can be found without building, and prints "
		"one line "
		"about it.\n\n"
		"A fault is told with its file, line and key, and the exit status is 2.",
	.options = profile_options,
	.options_size = sizeof(struct profile_command),
	.min_args = 2,
	.max_args = 2,
	.run = run_profile,
};
