/*
 * Owns from: oci, a container image: how it becomes an OCI layout (skopeo, where it is none yet), and its
 * layers one after the other. What a layer means is imager/treelayer.c's, what an image is of
 * imager/format/ociimage.c's.
 */
#include "imager/source/source.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/io.h"
#include "imager/format/ociimage.h"
#include "imager/machine.h"
#include "imager/sandbox.h"
#include "imager/treecopy.h"
#include "imager/treelayer.h"

#define COPIED     "image" /* the name that skopeo's copy has */
#define READ_BLOCK 65536

/* An image of a layout. */
struct place {
	const struct source_job *job;
	const struct profile_oci *from;
	char *layout;
	const char *ref; /* NULL: the only one */
};

static void place_release(struct place *p)
{
	free(p->layout);
}
#define _cleanup_place_ _cleanup_(place_release)

/* The sentence in err becomes one with the profile's line. */
static int blame(const struct place *p, const char *key, struct err *err)
{
	const struct err told = err ? *err : (struct err){0};

	return yaml_fault(yaml_root(p->job->profile->doc), key, err, "%s", told.text);
}

/* ---- into a layout ---- */

static int run_skopeo(const struct place *p, const char *source, struct err *err)
{
	_cleanup_free_ char *to = NULL;
	const char *argv[8] = {"skopeo", "copy", "--override-os=linux"};
	const struct proc_opts opts = {.line = p->job->line, .arg = p->job->arg};
	size_t n = 3;
	int r;

	if (asprintf(&to, "oci:%s:" COPIED, p->layout) < 0)
		return err_oom(err, "skopeo");
	if (p->from->insecure)
		argv[n++] = "--src-tls-verify=false";
	argv[n++] = source;
	argv[n++] = to;
	r = sandbox_run(NULL, argv, &opts, err);
	if (r == -ENOENT)
		return r;
	return r < 0 ? blame(p, p->from->image ? "from.oci.image" : "from.oci.archive", err) : 0;
}

static int from_registry(struct place *p, struct err *err)
{
	_cleanup_free_ char *source = NULL;

	if (asprintf(&source, "docker://%s", p->from->image) < 0)
		return err_oom(err, "skopeo");
	p->ref = COPIED;
	return run_skopeo(p, source, err);
}

static int from_docker_archive(struct place *p, struct err *err)
{
	const char *ref = p->ref;
	_cleanup_free_ char *source = NULL;

	if (strchr(p->from->archive, ':'))
		return yaml_fault(yaml_root(p->job->profile->doc), "from.oci.archive", err,
			"%s: skopeo cannot read an archive with a colon in its name", p->from->archive);
	if (asprintf(&source, "docker-archive:%s%s%s", p->from->archive, ref ? ":" : "", ref ? ref : "") < 0)
		return err_oom(err, "skopeo");
	p->ref = COPIED;
	return run_skopeo(p, source, err);
}

/* What an archive has in it; docker save writes both since its version 25. */
struct contents {
	int index, manifest;
};

static void see_name(const char *name, struct contents *ret)
{
	while (name[0] == '.' && name[1] == '/')
		name += 2;
	ret->index |= !strcmp(name, "index.json");
	ret->manifest |= !strcmp(name, "manifest.json");
}

static int look_into(const char *path, struct contents *ret, struct err *err)
{
	struct archive *in = archive_read_new();
	struct archive_entry *entry;
	int r;

	if (!in)
		return err_oom(err, path);
	(void)archive_read_support_filter_gzip(in);
	(void)archive_read_support_filter_zstd(in);
	(void)archive_read_support_format_tar(in);
	r = archive_read_open_filename(in, path, READ_BLOCK);
	while (r == ARCHIVE_OK && (r = archive_read_next_header(in, &entry)) == ARCHIVE_OK)
		see_name(archive_entry_pathname(entry), ret);
	r = r == ARCHIVE_EOF
		    ? 0
		    : err_set(err, EBADMSG, "%s: not a tar archive (%s)", path, archive_error_string(in));
	(void)archive_read_free(in);
	return r;
}

static int from_archive(struct place *p, struct err *err)
{
	const struct treecopy_target target = {.root = p->layout, .prefix = ""};
	struct contents contents = {0};
	int r = look_into(p->from->archive, &contents, err);

	if (r >= 0 && !contents.index && !contents.manifest)
		r = err_set(
			err, EBADMSG, "%s: neither an oci-archive nor a docker-archive", p->from->archive);
	if (r >= 0 && !contents.index)
		return from_docker_archive(p, err);
	if (r >= 0)
		r = mkdir_p(p->layout, err);
	if (r >= 0)
		r = treecopy_archive(p->from->archive, &target, NULL, err);
	return r < 0 ? blame(p, "from.oci.archive", err) : 0;
}

static int bring(struct place *p, struct err *err)
{
	const char *layout = p->from->layout;

	p->layout = layout ? strdup(layout) : path_join(p->job->workdir, "oci");
	p->ref = p->from->ref;
	if (!p->layout)
		return err_oom(err, "from: oci");
	if (layout)
		return 0;
	return p->from->image ? from_registry(p, err) : from_archive(p, err);
}

/* ---- onto the tree ---- */

static int apply(
	const struct place *p, const struct ociimage *image, size_t i, uint64_t *newest, struct err *err)
{
	_cleanup_close_ int fd = ociimage_open_layer(p->layout, &image->layers[i], err);
	char name[64];
	uint64_t time = 0;
	int r = fd;

	(void)snprintf(name, sizeof(name), "layer %zu of %zu", i + 1, image->layer_count);
	p->job->line(name, p->job->arg);
	if (r >= 0)
		r = treelayer_apply(fd, name, p->job->root, &time, err);
	if (r == -EINVAL || r == -EBADMSG)
		return blame(p, "from.oci", err);
	if (time > *newest)
		*newest = time;
	return r < 0 ? r : 0;
}

static int unpack(const struct source_job *job, uint64_t *ret_time, struct err *err)
{
	_cleanup_place_ struct place p = {.job = job, .from = &job->profile->from.oci};
	_cleanup_ociimage_ struct ociimage image = {0};
	struct ociimage_query query;
	uint64_t newest = 0;
	int r = bring(&p, err);

	if (r < 0)
		return r;
	query = (struct ociimage_query){.layout = p.layout, .ref = p.ref, .arch = machine_arch()};
	r = ociimage_find(&query, &image, err);
	if (r < 0)
		return blame(&p, "from.oci", err);
	for (size_t i = 0; r >= 0 && i < image.layer_count; i++)
		r = apply(&p, &image, i, &newest, err);
	if (r < 0)
		return r;
	if (job->input)
		*job->input = image.manifest;
	*ret_time = newest ? newest : image.created;
	return 0;
}

const struct source source_oci = {"oci", unpack};
