/*
 * Owns the way from a profile to a release: the stage table, its running, and what is shown of it. What each
 * stage does is buildstages.c's; the command line is buildcmd.c's.
 */
#include "imager/buildpriv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/log.h"
#include "imager/base/loop.h"

static void build_release(struct build *b)
{
	workdir_release(&b->work);
	bootfiles_release(&b->bootfiles);
	store_close(b->store);
	profile_free(b->profile);
	lock_free(b->lock);
	lock_free(b->locked);
	words_release(&b->faults);
}

void build_note_line(const char *text, void *arg)
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

/* ---- the way of the data ---- */

static const struct stage {
	const char *name;
	int (*run)(struct build *b, struct err *err);
	int judges; /* -EINVAL from it is a fault of the profile's */
} stages[] = {
	{"describe", build_describe, 1},          /* YAML -> profile: profile_load */
	{"obtain", build_obtain, 1},              /* profile -> root tree: source_unpack */
	{"shape", build_shape, 1},                /* tree -> tree: tree_apply */
	{"clean", build_clean, 0},                /* tree -> tree fit to be public: scrub_tree, lint_tree */
	{"boot files", build_take_boot_files, 1}, /* tree + agent -> kernel, initramfs: bootfiles_collect */
	{"pack", build_pack, 0},                  /* tree -> squashfs: squash_pack */
	{"bind", build_bind, 0},       /* files -> digests -> release: packages_list, store_add_file */
	{"publish", build_publish, 0}, /* release -> store, all or nothing: store_publish */
	{"sign", build_sign, 0},       /* release + key -> signature: release_sign */
};

/* A path of the image says nothing of the disk that is full. */
static void name_disk(const struct build *b, int r, struct err *err)
{
	if ((r != -ENOSPC && r != -EDQUOT) || !b->work.path || strstr(err->text, b->options->store))
		return;
	(void)err_prefix(err, "%s%s", b->work.tree, b->work.tree_is_mounted ? " (in memory)" : "");
}

static int run_stage(struct build *b, const struct stage *stage, struct err *err)
{
	int r;

	b->detail[0] = '\0';
	b->tail.count = 0;
	progress_begin(&b->progress, stage->name, 0);
	r = stage->run(b, err);
	if (r < 0) {
		progress_abort(&b->progress);
		name_disk(b, r, err);
		/* A fault of the profile's is said in one line; the tail is for all else. */
		if (r == -EINVAL && stage->judges)
			return r;
		for (size_t i = 0; i < b->faults.count; i++)
			log_error("%s", b->faults.items[i]);
		if (!b->faults.count)
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
