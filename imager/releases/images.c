/* Owns the commands about what is in the store: images, show, tag. */
#include "imager/commands.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "imager/base/progress.h"
#include "imager/format/json.h"
#include "imager/format/store.h"
#include "imager/jsonout.h"
#include "imager/packages/spdx.h"

struct images_options {
	const char *store;
	int json;
};

static const struct cli_option images_options[] = {
	{"store", 0, CLI_STRING, offsetof(struct images_options, store), "DIR", STORE_OPTION_HELP},
	{"json", 0, CLI_FLAG, offsetof(struct images_options, json), NULL, "print JSON for scripts"},
	{0},
};

/* ---- JSON ---- */

static json_t *channels_json(const struct store_release *rel)
{
	json_t *list = json_array();

	for (const char *p = rel->channels; *p;) {
		size_t len = strcspn(p, " ");

		(void)json_array_append_new(list, json_stringn(p, len));
		p += len + (p[len] == ' ');
	}
	return list;
}

static json_t *signatures_json(const struct store_release *rel)
{
	json_t *list = json_array();

	for (size_t i = 0; i < rel->signature_count; i++) {
		char id[17];

		minisign_id_text(rel->signatures[i].key_id, id);
		(void)json_array_append_new(list, json_string(id));
	}
	return list;
}

/* The release manifest is given as it is. */
static json_t *release_json(const struct store_release *rel)
{
	_cleanup_buf_ struct buf manifest = {0};
	char digest[DIGEST_TEXT_SIZE];

	if (release_format(&rel->release, &manifest) < 0)
		return NULL;
	digest_format(&rel->config.digest, digest);
	return json_pack("{s:s,s:s,s:o,s:o,s:o}", "name", rel->name, "digest", digest, "channels",
		channels_json(rel), "signatures", signatures_json(rel), "release",
		json_loadb(manifest.data, manifest.len, 0, NULL));
}

static int print_list_json(const struct store_list *list, struct err *err)
{
	json_t *releases = json_array();
	_cleanup_json_ json_t *root = json_pack("{s:o}", "releases", releases);

	for (size_t i = 0; i < list->count; i++)
		if (json_array_append_new(releases, release_json(&list->items[i])) < 0)
			return err_oom(err, "the JSON output");
	return jsonout_print(root, err);
}

/* ---- text ---- */

static const char *or_dash(const char *text)
{
	return *text ? text : "-";
}

static void format_time(uint64_t created, char ret[32])
{
	time_t t = (time_t)created;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(ret, 32, "%Y-%m-%d %H:%M:%S UTC", &tm))
		(void)snprintf(ret, 32, "-");
}

static void print_list(const struct store_list *list)
{
	int width = 7;

	for (size_t i = 0; i < list->count; i++)
		if ((int)strlen(list->items[i].name) > width)
			width = (int)strlen(list->items[i].name);
	(void)printf("%-*s  %-10s  %-20s  %-16s  %s\n", width, "RELEASE", "IMAGE", "KERNEL", "SIGNED BY",
		"CHANNELS");
	for (size_t i = 0; i < list->count; i++) {
		const struct store_release *rel = &list->items[i];
		char size[16], id[17] = "-";

		format_bytes(rel->release.root.size, size);
		if (rel->signature_count)
			minisign_id_text(rel->signatures[0].key_id, id);
		(void)printf("%-*s  %-10s  %-20s  %-16s  %s\n", width, rel->name, size,
			rel->release.kernel_release, id, or_dash(rel->channels));
	}
}

static void print_part(const char *what, const struct release_part *part)
{
	char digest[DIGEST_TEXT_SIZE], size[16];

	digest_format(&part->digest, digest);
	format_bytes(part->size, size);
	(void)printf("%-10s %s  %s\n", what, digest, size);
}

static void print_signatures(const struct store_release *rel)
{
	if (!rel->signature_count)
		(void)printf("%-10s -\n", "signed by");
	for (size_t i = 0; i < rel->signature_count; i++) {
		char id[17];

		minisign_id_text(rel->signatures[i].key_id, id);
		(void)printf("%-10s %s\n", "signed by", id);
	}
}

static void print_release(const struct store_release *rel)
{
	const struct release *r = &rel->release;
	const struct {
		const char *what, *text;
	} rows[] = {{"release", rel->name}, {"channels", rel->channels}, {"version", r->version},
		{"arch", r->arch}, {"kernel is", r->kernel_release}, {"cmdline", r->cmdline}};
	char created[32];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		(void)printf("%-10s %s\n", rows[i].what, or_dash(rows[i].text));
	format_time(r->created, created);
	(void)printf("%-10s %s\n%-10s %" PRIu64 "\n", "created", created, "packages", r->package_count);
	print_signatures(rel);
	print_part("digest", &rel->config);
	print_part("kernel", &r->kernel);
	print_part("initramfs", &r->initramfs);
	print_part("root", &r->root);
	print_part("list", &r->packages);
}

/* ---- images ---- */

static int run_images(const void *options, char **args, struct err *err)
{
	const struct images_options *o = options;
	_cleanup_store_list_ struct store_list list = {0};
	_cleanup_store_ struct store *s = NULL;
	int r = store_open(store_choose(o->store), 0, &s, err);

	(void)args;
	if (r == 0)
		r = store_releases(s, &list, err);
	if (r == 0 && o->json)
		r = print_list_json(&list, err);
	else if (r == 0)
		print_list(&list);
	if (r < 0)
		return r;
	return list.damage.code ? err_set(err, list.damage.code, "%s", list.damage.text) : 0;
}

const struct cli_command command_images = {
	.name = "images",
	.arguments = "",
	.summary = "list the releases in the store",
	.text = "A release that cannot be read is left out of the list and named on standard error; the exit "
		"status\nis 1 then. The keys are those that the signatures say; 'swarmboot verify' proves "
		"them.",
	.options = images_options,
	.options_size = sizeof(struct images_options),
	.run = run_images,
};

/* ---- show ---- */

struct show_options {
	const char *store;
	int json, packages;
};

static const struct cli_option show_options[] = {
	{"store", 0, CLI_STRING, offsetof(struct show_options, store), "DIR", STORE_OPTION_HELP},
	{"packages", 0, CLI_FLAG, offsetof(struct show_options, packages), NULL,
		"list the packages in the image, one a line: name, version, architecture"},
	{"json", 0, CLI_FLAG, offsetof(struct show_options, json), NULL, "print JSON for scripts"},
	{0},
};

static json_t *packages_json(const struct packages *p)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < p->count; i++)
		(void)json_array_append_new(
			list, json_pack("{s:s,s:s,s:s}", "name", p->items[i].name, "version",
				      p->items[i].version, "arch", p->items[i].arch));
	return list;
}

static int show_packages(struct store *s, const struct store_release *rel, int json, struct err *err)
{
	_cleanup_packages_ struct packages list = {0};
	_cleanup_json_ json_t *root = NULL;
	int r = spdx_read(s, rel, &list, err);

	if (r < 0)
		return r;
	if (json) {
		root = json_pack("{s:o}", "packages", packages_json(&list));
		return jsonout_print(root, err);
	}
	for (size_t i = 0; i < list.count; i++)
		(void)printf("%s %s %s\n", list.items[i].name, or_dash(list.items[i].version),
			or_dash(list.items[i].arch));
	return 0;
}

static int run_show(const void *options, char **args, struct err *err)
{
	const struct show_options *o = options;
	_cleanup_store_ struct store *s = NULL;
	_cleanup_json_ json_t *json = NULL;
	struct store_release rel;
	int r = store_open(store_choose(o->store), 0, &s, err);

	if (r == 0)
		r = store_resolve(s, args[0], &rel, err);
	if (r < 0)
		return r;
	if (o->packages)
		return show_packages(s, &rel, o->json, err);
	if (!o->json) {
		print_release(&rel);
		return 0;
	}
	json = release_json(&rel);
	return jsonout_print(json, err);
}

const struct cli_command command_show = {
	.name = "show",
	.arguments = "REF",
	.summary = "show one release in full",
	.text = "REF is PROFILE:SEQUENCE, PROFILE:CHANNEL, PROFILE (its newest release) or the release's "
		"digest.",
	.options = show_options,
	.options_size = sizeof(struct show_options),
	.min_args = 1,
	.max_args = 1,
	.run = run_show,
};

/* ---- tag ---- */

static const struct cli_option tag_options[] = {
	{"store", 0, CLI_STRING, offsetof(struct images_options, store), "DIR", STORE_OPTION_HELP},
	{0},
};

/* "slurm-compute:stable" is understood for releases of slurm-compute. */
static const char *channel_of(const struct store_release *rel, const char *text)
{
	size_t len = strlen(rel->release.profile);

	return !strncmp(text, rel->release.profile, len) && text[len] == ':' ? text + len + 1 : text;
}

static int run_tag(const void *options, char **args, struct err *err)
{
	const struct images_options *o = options;
	_cleanup_store_ struct store *s = NULL;
	struct store_release rel;
	const char *channel;
	int r = store_open(store_choose(o->store), 0, &s, err);

	if (r == 0)
		r = store_resolve(s, args[0], &rel, err);
	if (r < 0)
		return r;
	channel = channel_of(&rel, args[1]);
	r = store_tag(s, &rel, channel, err);
	if (r < 0)
		return r;
	(void)printf("%s:%s -> %s\n", rel.release.profile, channel, rel.name);
	return 0;
}

const struct cli_command command_tag = {
	.name = "tag",
	.arguments = "REF CHANNEL",
	.summary = "point a channel to a release",
	.text = "Nodes of groups that follow the channel boot this release from then on. A channel is 1 to "
		"63 of\n"
		"a-z 0-9 . _ - and not a number, in the namespace of the release's profile.",
	.options = tag_options,
	.options_size = sizeof(struct images_options),
	.min_args = 2,
	.max_args = 2,
	.run = run_tag,
};
