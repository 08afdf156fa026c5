/*
 * Owns the way from a profile to a release: the stage table at the end of this file, one function for each
 * stage, and the folder they work in. What a stage does is its own module's; the command line is
 * buildcmd.c's.
 */
#include "imager/build.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "imager/base/log.h"
#include "imager/base/loop.h"
#include "imager/base/progress.h"
#include "imager/bootfiles.h"
#include "imager/lint.h"
#include "imager/packages.h"
#include "imager/profile.h"
#include "imager/sandbox.h"
#include "imager/scrub.h"
#include "imager/sign.h"
#include "imager/source/source.h"
#include "imager/spdx.h"
#include "imager/squash.h"
#include "imager/tree.h"
#include "imager/workdir.h"

#define TAIL_LINES 20
#define TAIL_WIDTH 200

/* The last lines of what a child printed, for the one who has to find out why it failed. */
struct tail {
	char lines[TAIL_LINES][TAIL_WIDTH];
	size_t count; /* of all lines ever */
};

struct build {
	const struct build_options *options;
	struct profile *profile;
	struct store *store;
	struct workdir work;
	uint64_t time; /* the newest time of any file in the image, and the release's date */
	struct bootfiles bootfiles;
	struct release release;
	struct build_result result;
	struct progress progress;
	struct tail tail;
	char detail[160]; /* what a stage says of itself when it is done */
};

static void build_release(struct build *b)
{
	workdir_release(&b->work);
	bootfiles_release(&b->bootfiles);
	store_close(b->store);
	profile_free(b->profile);
}

/* ---- the stages ---- */

static void note_line(const char *text, void *arg)
{
	struct build *b = arg;

	(void)snprintf(b->tail.lines[b->tail.count++ % TAIL_LINES], TAIL_WIDTH, "%.*s", TAIL_WIDTH - 1, text);
	progress_note(&b->progress, text);
}

static void show_tail(const struct tail *t)
{
	size_t first = t->count > TAIL_LINES ? t->count - TAIL_LINES : 0;

	for (size_t i = first; i < t->count; i++)
		(void)fprintf(stderr, "  | %s\n", t->lines[i % TAIL_LINES]);
}

static void note_bytes(uint64_t done, uint64_t total, void *arg)
{
	struct progress *p = arg;

	p->total = total;
	progress_update(p, done);
}

/* Nothing of the store is touched before the profile is found good. */
static int describe(struct build *b, struct err *err)
{
	int r = profile_load(b->options->profile, &b->profile, err);

	if (r < 0)
		return r;
	(void)snprintf(b->detail, sizeof(b->detail), "%s from %s, %zu packages named", b->profile->name,
		b->profile->from.kind, b->profile->package_count);
	r = sandbox_private_mounts(err);
	if (r < 0)
		return r;
	r = store_open(b->options->store, 1, &b->store, err);
	return r < 0 ? r : workdir_make(b->store, &b->work, err);
}

static int obtain(struct build *b, struct err *err)
{
	const struct source_job job = {
		.profile = b->profile,
		.root = b->work.tree,
		.workdir = b->work.files,
		.line = note_line,
		.arg = b,
	};
	int r = source_unpack(&job, &b->time, err);

	if (r >= 0 && b->options->time)
		b->time = b->options->time;
	return r;
}

static int shape(struct build *b, struct err *err)
{
	const struct tree_job job = {
		.profile = b->profile,
		.root = b->work.tree,
		.time = b->time,
		.line = note_line,
		.arg = b,
	};

	(void)snprintf(b->detail, sizeof(b->detail), "%zu files, %zu scripts, %zu units",
		b->profile->file_count, b->profile->script_count,
		b->profile->units.enable.count + b->profile->units.disable.count +
			b->profile->units.mask.count);
	return tree_apply(&job, err);
}

static int clean(struct build *b, struct err *err)
{
	struct yaml_strings findings = {0};
	int r = scrub_tree(b->work.tree, b->time, err);

	if (r < 0)
		return r;
	r = lint_tree(b->work.tree, &findings, err);
	if (r > 0)
		progress_abort(&b->progress);
	for (size_t i = 0; i < findings.count; i++)
		log_error("%s", findings.items[i]);
	if (r > 0)
		r = err_set(err, EPERM, "the image is not fit to be served: %d fault%s, named above", r,
			r > 1 ? "s" : "");
	yaml_strings_release(&findings);
	return r;
}

static int take_boot_files(struct build *b, struct err *err)
{
	_cleanup_free_ const char **modules = calloc(b->profile->kernel.modules.count + 1, sizeof(*modules));
	const struct bootfiles_options options = {
		.agent = b->options->agent,
		.keyring = b->options->keyring,
		.profile = b->profile->name,
		.modules = modules,
		.mtime = b->time,
	};
	int r;

	if (!modules)
		return err_oom(err, "modules");
	for (size_t i = 0; i < b->profile->kernel.modules.count; i++)
		modules[i] = b->profile->kernel.modules.items[i];
	r = bootfiles_collect(b->work.tree, b->work.files, &options, &b->bootfiles, err);
	if (r >= 0)
		(void)snprintf(b->detail, sizeof(b->detail), "kernel %s", b->bootfiles.kernel_release);
	return r;
}

static int pack(struct build *b, struct err *err)
{
	const struct squash_options options = {
		.level = (unsigned)b->profile->squashfs.level,
		.block_size = (uint32_t)b->profile->squashfs.block,
		.jobs = b->options->jobs,
		.mtime = b->time,
		.progress = note_bytes,
		.arg = &b->progress,
	};
	struct squash_result packed;
	char in[16], out[16];
	int r = squash_pack(b->work.tree, b->work.image, &options, &packed, err);

	if (r < 0)
		return r;
	format_bytes(packed.input_bytes, in);
	format_bytes(packed.size, out);
	(void)snprintf(b->detail, sizeof(b->detail), "%" PRIu64 " files, %s -> %s", packed.files, in, out);
	return 0;
}

static const char *architecture(void)
{
	static const char *const names[][2] = {{"x86_64", "amd64"}, {"aarch64", "arm64"}};
	static struct utsname u;

	if (uname(&u) < 0)
		return "unknown";
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(u.machine, names[i][0]))
			return names[i][1];
	return u.machine;
}

static void describe_release(struct build *b)
{
	struct release *r = &b->release;
	const struct profile *p = b->profile;

	(void)snprintf(r->profile, sizeof(r->profile), "%s", p->name);
	(void)snprintf(r->version, sizeof(r->version), "%s", p->version ? p->version : "");
	(void)snprintf(r->arch, sizeof(r->arch), "%.15s", architecture());
	(void)snprintf(r->cmdline, sizeof(r->cmdline), "%s", p->kernel.cmdline ? p->kernel.cmdline : "");
	memcpy(r->kernel_release, b->bootfiles.kernel_release, sizeof(r->kernel_release));
	r->created = b->time;
	r->source = p->source;
	r->overlay_limit = p->overlay.limit;
}

static int list_packages(struct build *b, struct err *err)
{
	_cleanup_packages_ struct packages packages = {0};
	const struct spdx_document document = {
		.name = b->profile->name,
		.version = b->profile->version,
		.created = b->time,
		.image = b->release.root.digest,
		.packages = &packages,
	};
	_cleanup_buf_ struct buf text = {0};
	int r = packages_list(b->work.tree, &packages, err);

	if (r >= 0)
		r = spdx_format(&document, &text, err);
	if (r >= 0)
		r = store_add_bytes(b->store, text.data, text.len, &b->release.packages, err);
	b->release.package_count = packages.count;
	return r;
}

static int bind_release(struct build *b, struct err *err)
{
	const struct {
		const char *path;
		struct release_part *part;
	} files[] = {{b->bootfiles.kernel, &b->release.kernel},
		{b->bootfiles.initramfs, &b->release.initramfs}, {b->work.image, &b->release.root}};
	int r = 0;

	describe_release(b);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(files); i++)
		r = store_add_file(b->store, files[i].path, files[i].part, err);
	if (r >= 0)
		r = list_packages(b, err);
	(void)snprintf(b->detail, sizeof(b->detail), "%" PRIu64 " packages", b->release.package_count);
	return r;
}

static int publish(struct build *b, struct err *err)
{
	int r = store_publish(b->store, &b->release, &b->result.release, &b->result.is_new, err);

	if (r >= 0)
		(void)snprintf(b->detail, sizeof(b->detail), "%s%s", b->result.release.name,
			b->result.is_new ? "" : ", unchanged: nothing new to publish");
	return r;
}

/* A release that is signed by the key already keeps its signature. */
static int sign(struct build *b, struct err *err)
{
	const struct minisign_secret *key = b->options->key;
	struct store_release *rel = &b->result.release;
	char id[17];
	int r = 0;

	if (!key) {
		(void)snprintf(b->detail, sizeof(b->detail), "no key given: the release is unsigned");
		return 0;
	}
	for (size_t i = 0; i < rel->signature_count; i++)
		b->result.is_signed |= !memcmp(rel->signatures[i].key_id, key->id, MINISIGN_ID_SIZE);
	if (!b->result.is_signed)
		r = release_sign(b->store, rel, key, err);
	b->result.is_signed = r >= 0;
	minisign_id_text(key->id, id);
	(void)snprintf(b->detail, sizeof(b->detail), "key %s", id);
	return r;
}

/* ---- the way of the data ---- */

static const struct stage {
	const char *name;
	int (*run)(struct build *b, struct err *err);
	int judges; /* -EINVAL from it is a fault of the profile's */
} stages[] = {
	{"describe", describe, 1},          /* YAML -> profile: profile_load */
	{"obtain", obtain, 1},              /* profile -> root tree: source_unpack */
	{"shape", shape, 1},                /* tree -> tree: tree_apply */
	{"clean", clean, 0},                /* tree -> tree fit to be public: scrub_tree, lint_tree */
	{"boot files", take_boot_files, 0}, /* tree + agent -> kernel, initramfs: bootfiles_collect */
	{"pack", pack, 0},                  /* tree -> squashfs: squash_pack */
	{"bind", bind_release, 0},          /* files -> digests -> release: store_add_file, packages_list */
	{"publish", publish, 0},            /* release -> store, all or nothing: store_publish */
	{"sign", sign, 0},                  /* release + key -> signature: release_sign */
};

static int run_stage(struct build *b, const struct stage *stage, struct err *err)
{
	int r;

	b->detail[0] = '\0';
	b->tail.count = 0;
	progress_begin(&b->progress, stage->name, 0);
	r = stage->run(b, err);
	if (r < 0) {
		progress_abort(&b->progress);
		/* A fault of the profile's is said in one line; the tail is for all else. */
		if (r == -EINVAL && stage->judges)
			return r;
		show_tail(&b->tail);
		return r == -EINVAL ? -EIO : r;
	}
	b->result.stages[b->result.stage_count++] =
		(struct build_stage){stage->name, (double)(monotonic_ms() - b->progress.started_ms) / 1000};
	progress_end(&b->progress, b->detail);
	return 0;
}

int build_run(const struct build_options *options, struct build_result *ret, struct err *err)
{
	_cleanup_(build_release) struct build b = {.options = options};

	for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
		int r = run_stage(&b, &stages[i], err);

		if (r < 0)
			return r;
	}
	*ret = b.result;
	return 0;
}
