/*
 * Owns what each stage of a build hands to the module that does the work, and what is said of it afterwards.
 * Their order is build.c's.
 */
#include "imager/buildpriv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "imager/base/log.h"
#include "imager/machine.h"
#include "imager/packages/packagelist.h"
#include "imager/packages/spdx.h"
#include "imager/releases/sign.h"
#include "imager/sandbox.h"
#include "imager/source/source.h"
#include "imager/squash/squash.h"
#include "imager/tree/lint.h"
#include "imager/tree/scrub.h"
#include "imager/tree/tree.h"
#include "imager/userns.h"

static void note_bytes(uint64_t done, uint64_t total, void *arg)
{
	struct progress *p = arg;

	p->total = total;
	progress_update(p, done);
}

/* Folders on the way to files have the same modes whatever the caller's umask. */
static int enter_namespaces(struct err *err)
{
	int r = userns_enter(err);

	(void)umask(022);
	return r < 0 ? r : sandbox_private_mounts(err);
}

/* Nothing of the store is touched before the profile is found good. */
int build_describe(struct build *b, struct err *err)
{
	int r = profile_load_set(b->options->profile, b->options->sets, &b->profile, err);

	if (r < 0)
		return r;
	(void)snprintf(b->detail, sizeof(b->detail), "%s from %s, %zu packages named", b->profile->name,
		b->profile->from.kind, b->profile->package_count);
	r = build_read_lock(b, err);
	if (r >= 0)
		r = enter_namespaces(err);
	if (r >= 0)
		r = profile_take_source(b->profile, err);
	if (r < 0)
		return r;
	r = store_open(b->options->store, 1, &b->store, err);
	return r < 0 ? r : workdir_make(b->store, &b->work, err);
}

/* An image or release that the profile means by name belongs to what the new release is made of. */
static int note_input(struct profile *p, const struct digest *input, struct err *err)
{
	static const struct digest none;
	const struct digest both[] = {p->source, *input};

	if (digest_equal(input, &none))
		return 0;
	return digest_bytes(both, sizeof(both), &p->source) < 0 ? err_set(err, EIO, "SHA-256 failed") : 0;
}

int build_obtain(struct build *b, struct err *err)
{
	struct digest input = {0};
	const struct source_job job = {
		.profile = b->profile,
		.root = b->work.tree,
		.workdir = b->work.files,
		.store = b->store,
		.cache = b->options->cache,
		.offline = b->options->offline,
		.jobs = b->options->jobs,
		.locked = b->locked,
		.lock = &b->lock,
		.input = &input,
		.line = build_note_line,
		.fault = build_note_fault,
		.arg = b,
	};
	int r = source_unpack(&job, &b->time, err);

	if (r >= 0 && b->options->time)
		b->time = b->options->time;
	if (r >= 0)
		r = build_keep_lock(b, &input, err);
	return r < 0 ? r : note_input(b->profile, &input, err);
}

int build_shape(struct build *b, struct err *err)
{
	const struct tree_job job = {
		.profile = b->profile,
		.root = b->work.tree,
		.workdir = b->work.files,
		.stock = {.folder = b->options->artifacts,
			.cache = b->options->cache,
			.offline = b->options->offline},
		.time = b->time,
		.line = build_note_line,
		.arg = b,
	};

	(void)snprintf(b->detail, sizeof(b->detail), "%zu files, %zu artifacts, %zu scripts, %zu units",
		b->profile->file_count, b->profile->artifact_count, b->profile->script_count,
		b->profile->units.enable.count + b->profile->units.disable.count +
			b->profile->units.mask.count);
	return tree_apply(&job, err);
}

/* What the profile lays in by name is judged before scrubbing takes it out. */
static int find_faults(const struct build *b, struct yaml_strings found[2], struct err *err)
{
	int r = lint_profile(b->profile, &found[0], err);

	if (r >= 0)
		r = scrub_tree(b->work.tree, b->time, err);
	return r < 0 ? r : lint_tree(b->work.tree, &found[1], err);
}

int build_clean(struct build *b, struct err *err)
{
	struct yaml_strings found[2] = {0};
	int r = find_faults(b, found, err), count = (int)(found[0].count + found[1].count);

	if (r >= 0 && count)
		progress_abort(&b->progress);
	for (size_t i = 0; i < ARRAY_SIZE(found); i++) {
		for (size_t j = 0; r >= 0 && j < found[i].count; j++)
			log_error("%s", found[i].items[j]);
		yaml_strings_release(&found[i]);
	}
	if (r >= 0 && count)
		return err_set(err, EPERM, "the image is not fit to be served: %d fault%s, named above",
			count, count > 1 ? "s" : "");
	return r;
}

int build_take_boot_files(struct build *b, struct err *err)
{
	const struct profile_kernel *kernel = &b->profile->kernel;
	const struct bootfiles_options options = {
		.agent = b->options->agent,
		.keyring = b->options->keyring,
		.profile = b->profile->name,
		.modules = &kernel->modules,
		.nics = &kernel->nics,
		.firmware = &kernel->firmware,
		.place = yaml_root(b->profile->doc),
		.mtime = b->time,
		.cache = b->options->cache,
		.jobs = b->options->jobs,
	};
	int r = bootfiles_collect(b->work.tree, b->work.files, &options, &b->bootfiles, err);

	if (r >= 0)
		(void)snprintf(b->detail, sizeof(b->detail), "kernel %s", b->bootfiles.kernel_release);
	return r;
}

int build_pack(struct build *b, struct err *err)
{
	const struct squash_options options = {
		.level = (unsigned)b->profile->squashfs.level,
		.block_size = (uint32_t)b->profile->squashfs.block,
		.jobs = b->options->jobs,
		.mtime = b->time,
		.cache = b->options->cache,
		.progress = note_bytes,
		.arg = &b->progress,
	};
	struct squash_result packed;
	char in[16], out[16];
	int r = squash_pack(b->work.tree, b->work.image, &options, &packed, err);

	if (r == 0)
		r = verity_append(b->work.image, &b->release.verity, err);
	if (r < 0)
		return r;
	if (packed.left_out)
		log_warn("%" PRIu64
			 " attributes are not in the image, as squashfs cannot hold them; the first is %s",
			packed.left_out, packed.left_out_first);
	format_bytes(packed.input_bytes, in);
	format_bytes(packed.size, out);
	(void)snprintf(b->detail, sizeof(b->detail), "%" PRIu64 " files, %s -> %s", packed.files, in, out);
	return 0;
}

static void describe_release(struct build *b)
{
	struct release *r = &b->release;
	const struct profile *p = b->profile;

	(void)snprintf(r->profile, sizeof(r->profile), "%s", p->name);
	(void)snprintf(r->version, sizeof(r->version), "%s", p->version ? p->version : "");
	(void)snprintf(r->arch, sizeof(r->arch), "%.15s", machine_arch());
	(void)snprintf(r->cmdline, sizeof(r->cmdline), "%s", p->kernel.cmdline ? p->kernel.cmdline : "");
	memcpy(r->kernel_release, b->bootfiles.kernel_release, sizeof(r->kernel_release));
	r->created = b->time;
	r->source = p->source;
	r->overlay_limit = p->overlay.limit;
	r->memory_reserve = p->memory.reserve;
}

/* An address with a secret in it is not published. */
static const char *public_location(const char *url)
{
	return url && !strpbrk(url, "@?") ? url : NULL;
}

static int list_packages(struct build *b, struct err *err)
{
	const struct profile *p = b->profile;
	_cleanup_free_ struct spdx_artifact *artifacts = calloc(p->artifact_count + 1, sizeof(*artifacts));
	_cleanup_packages_ struct packages packages = {0};
	const struct spdx_document document = {
		.name = p->name,
		.version = p->version,
		.created = b->time,
		.image = b->release.root.digest,
		.packages = &packages,
		.artifacts = artifacts,
		.artifact_count = p->artifact_count,
	};
	_cleanup_buf_ struct buf text = {0};
	int r = artifacts ? packages_list(b->work.tree, &packages, err) : err_oom(err, "artifacts");

	for (size_t i = 0; r >= 0 && i < p->artifact_count; i++)
		artifacts[i] = (struct spdx_artifact){.name = p->artifacts[i].path,
			.location = public_location(p->artifacts[i].url),
			.digest = p->artifacts[i].digest};
	if (r >= 0)
		r = spdx_format(&document, &text, err);
	if (r >= 0)
		r = store_add_bytes(b->store, text.data, text.len, &b->release.packages, err);
	b->release.package_count = packages.count;
	return r;
}

int build_bind(struct build *b, struct err *err)
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

int build_publish(struct build *b, struct err *err)
{
	int r = build_write_lock(b, err);

	if (r >= 0)
		r = store_publish(b->store, &b->release, &b->result.release, &b->result.is_new, err);
	if (r >= 0)
		(void)snprintf(b->detail, sizeof(b->detail), "%s%s", b->result.release.name,
			b->result.is_new ? "" : ", unchanged: nothing new to publish");
	return r;
}

/* A release that is signed by the key already keeps its signature. */
int build_sign(struct build *b, struct err *err)
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
