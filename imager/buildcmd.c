/* Owns the command `build`: its options, their defaults, and what it prints. The work is build.c's. */
#include "imager/build.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/log.h"
#include "imager/base/parse.h"
#include "imager/base/progress.h"
#include "imager/commands.h"
#include "imager/format/json.h"
#include "imager/jsonout.h"
#include "imager/profile/profile.h"
#include "imager/releases/sign.h"

#define DEFAULT_AGENT "/usr/lib/swarmboot/swarmboot-init"
#define JOBS_MAX      256

struct build_command {
	const char *store, *agent, *sign, *password_file;
	const char *cache, *cache_size, *artifacts;
	const char *lock, *locked;
	struct cli_list keys, sets;
	uint64_t jobs;
	int json, no_cache, offline;
};

/* All the key files as one keyring text. */
static int read_keys(const struct cli_list *keys, struct buf *ret, struct err *err)
{
	struct minisign_keyring ring;
	int r = minisign_read_keyring(keys->items, keys->count, &ring, err);

	return r < 0 ? r : minisign_format_keyring(&ring, ret, err);
}

/* Beside this very program, else where a package puts it. Whole: the loader would seek a bare name in its
 * folders. */
static int find_agent(const char *given, char ret[PATH_MAX], struct err *err)
{
	static const char name[] = "swarmboot-init";
	char beside[PATH_MAX + sizeof(name)];
	ssize_t len = readlink("/proc/self/exe", beside, PATH_MAX - 1);
	char *slash;

	beside[len > 0 ? len : 0] = '\0';
	slash = strrchr(beside, '/');
	memcpy(slash ? slash + 1 : beside, name, sizeof(name));
	if (!given)
		given = access(beside, R_OK) == 0 ? beside : DEFAULT_AGENT;
	if (!realpath(given, ret) || access(ret, R_OK) < 0)
		return err_set(err, errno, "the agent %s: %s", given, strerror(errno));
	return 0;
}

static int source_date(uint64_t *ret, struct err *err)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");

	if (text && (parse_u64(text, ret) < 0 || *ret == 0 || *ret > UINT32_MAX))
		return err_set(err, EINVAL,
			"SOURCE_DATE_EPOCH='%s': seconds since 1970 are wanted, from 1 to %" PRIu32, text,
			UINT32_MAX);
	return 0;
}

/* A folder that was asked for must be good; without the usual one a build is slower, no more. */
static int open_cache(const struct build_command *o, struct cache **ret, struct err *err)
{
	_cleanup_free_ char *path = o->no_cache ? NULL : cache_choose(o->cache);
	uint64_t limit = CACHE_LIMIT_DEFAULT;
	int r;

	if (o->no_cache && o->cache)
		return err_set(err, EINVAL, "--cache and --no-cache: one of both is allowed");
	if (o->cache_size && parse_size(o->cache_size, &limit) < 0)
		return err_set(err, EINVAL, "--cache-size='%s': bytes, or a number with KiB, MiB, GiB, TiB",
			o->cache_size);
	if (o->no_cache)
		return 0;
	r = path ? cache_open(path, ret, err) : err_oom(err, "the cache");
	if (r < 0 && !o->cache) {
		log_warn("building without a cache: %s", err->text);
		return 0;
	}
	if (r >= 0)
		cache_set_limit(*ret, limit);
	return r;
}

static json_t *part_json(const struct release_part *p)
{
	char digest[DIGEST_TEXT_SIZE];

	digest_format(&p->digest, digest);
	return json_pack("{s:s, s:I}", "digest", digest, "size", (json_int_t)p->size);
}

static json_t *stages_json(const struct build_result *b)
{
	json_t *list = json_array();

	for (size_t i = 0; i < b->stage_count; i++)
		(void)json_array_append_new(list,
			json_pack("{s:s, s:f}", "name", b->stages[i].name, "seconds", b->stages[i].seconds));
	return list;
}

static int print_json(const struct build_result *b, struct err *err)
{
	const struct release *r = &b->release.release;
	char digest[DIGEST_TEXT_SIZE];
	_cleanup_json_ json_t *root = NULL;

	digest_format(&b->release.config.digest, digest);
	root = json_pack("{s:s, s:s, s:b, s:b, s:s, s:o, s:o, s:o, s:o, s:I, s:o}", "ref", b->release.name,
		"digest", digest, "new", b->is_new, "signed", b->is_signed, "kernel_release",
		r->kernel_release, "kernel", part_json(&r->kernel), "initramfs", part_json(&r->initramfs),
		"root", part_json(&r->root), "packages", part_json(&r->packages), "package_count",
		(json_int_t)r->package_count, "stages", stages_json(b));
	return jsonout_print(root, err);
}

static int print_text(const struct build_result *b)
{
	const struct release *r = &b->release.release;
	char digest[DIGEST_TEXT_SIZE], root[16], kernel[16], initramfs[16];

	digest_format(&b->release.config.digest, digest);
	format_bytes(r->root.size, root);
	format_bytes(r->kernel.size, kernel);
	format_bytes(r->initramfs.size, initramfs);
	(void)printf("%s %s root %s, kernel %s %s, initramfs %s, %" PRIu64 " packages%s\n", b->release.name,
		digest, root, r->kernel_release, kernel, initramfs, r->package_count,
		b->is_signed ? "" : ", unsigned");
	return 0;
}

static int check_usage(const struct build_command *o, struct build_options *ret, struct err *err)
{
	if (!o->keys.count)
		return err_set(err, EINVAL,
			"--key is wanted: the public key that the nodes are to trust, as 'swarmboot keygen' "
			"makes it");
	if (o->jobs > JOBS_MAX)
		return err_set(err, EINVAL, "--jobs: at most %d", JOBS_MAX);
	ret->jobs = (unsigned)o->jobs;
	ret->offline = o->offline;
	ret->lock = o->lock;
	ret->locked = o->locked;
	return source_date(&ret->time, err);
}

static int run_build(const void *opts, char **args, struct err *err)
{
	const struct build_command *o = opts;
	_cleanup_secret_ struct minisign_secret key = {0};
	_cleanup_buf_ struct buf keyring = {0};
	char agent[PATH_MAX];
	struct build_options options = {.profile = args[0], .store = store_choose(o->store), .agent = agent};
	struct build_result result = {0};
	_cleanup_cache_ struct cache *cache = NULL;
	int r;

	if (check_usage(o, &options, err) < 0)
		return CLI_USAGE;
	r = open_cache(o, &cache, err);
	if (r < 0)
		return r == -EINVAL ? CLI_USAGE : r;
	options.cache = cache;
	options.artifacts = o->artifacts;
	r = read_keys(&o->keys, &keyring, err);
	if (r == 0)
		r = find_agent(o->agent, agent, err);
	if (r == 0 && o->sign)
		r = sign_load_key(o->sign, o->password_file, &key, err);
	if (r < 0)
		return r;
	options.key = o->sign ? &key : NULL;
	options.keyring = keyring.data;
	options.sets = &o->sets;
	r = build_run(&options, &result, err);
	if (r < 0)
		return r == -EINVAL ? CLI_FAULT : r;
	return o->json ? print_json(&result, err) : print_text(&result);
}

#define OPTION(field) offsetof(struct build_command, field)

static const struct cli_option build_options[] = {
	{"store", 's', CLI_STRING, OPTION(store), "DIR", STORE_OPTION_HELP},
	{"key", 'k', CLI_LIST, OPTION(keys), "FILE.pub", "a public key the nodes trust; may be given again"},
	{"set", 0, CLI_LIST, OPTION(sets), "NAME=VALUE", PROFILE_SET_HELP},
	{"sign", 0, CLI_STRING, OPTION(sign), "FILE.key", "sign the release with this secret key"},
	{"password-file", 0, CLI_STRING, OPTION(password_file), "FILE", "the secret key's password"},
	{"agent", 0, CLI_STRING, OPTION(agent), "FILE",
		"the agent (default: swarmboot-init beside this program, else " DEFAULT_AGENT ")"},
	{"jobs", 'j', CLI_U64, OPTION(jobs), "N", "threads that compress (default: one for each CPU)"},
	{"artifacts", 0, CLI_STRING, OPTION(artifacts), "DIR",
		"the profile's artifacts are looked for here first, by their SHA-256 or the last part of "
		"their url"},
	{"cache", 0, CLI_STRING, OPTION(cache), "DIR", CACHE_OPTION_HELP},
	{"no-cache", 0, CLI_FLAG, OPTION(no_cache), NULL, "use and keep nothing of other builds"},
	{"cache-size", 0, CLI_STRING, OPTION(cache_size), "SIZE",
		"what the cache may hold (default: 20GiB); what was not used for the longest time goes "
		"first"},
	{"offline", 0, CLI_FLAG, OPTION(offline), NULL,
		"do not use the network; what the cache lacks is named"},
	{"lock", 0, CLI_STRING, OPTION(lock), "FILE", "write the exact packages of the release into FILE"},
	{"locked", 0, CLI_STRING, OPTION(locked), "FILE", "build from exactly the packages that FILE tells"},
	{"json", 0, CLI_FLAG, OPTION(json), NULL, "print the result as JSON"},
	{0},
};

const struct cli_command command_build = {
	.name = "build",
	.arguments = "PROFILE",
	.summary = "make a release from a profile",
	.text = "Makes the root tree that the profile describes, cleans it, takes its kernel, makes an "
		"initramfs with the "
		"agent and the trusted keys, packs the tree into a squashfs image and publishes all of it in "
		"the store as "
		"the profile's next release.\n\n"
		"The store is changed at the very end and all at once. The same inputs give the same bytes, "
		"whatever the "
		"day and the number of jobs; if the newest release is just that already, nothing is "
		"added.\n\n"
		"A fault in the profile is told with its file, line and key, and the exit status is 2.\n\n"
		"An ordinary user builds the same bytes as root, in a user namespace: he needs the programs "
		"of the "
		"package uidmap and 65535 subordinate ids in /etc/subuid and /etc/subgid. The profile's "
		"scripts run "
		"in namespaces of their own in either case.",
	.options = build_options,
	.options_size = sizeof(struct build_command),
	.min_args = 1,
	.max_args = 1,
	.run = run_build,
};
