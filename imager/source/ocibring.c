/*
 * Owns how an image becomes an OCI layout: it is one, it is unpacked from an archive, or skopeo makes it of a
 * docker-archive or a registry's image. Blobs from a registry stay in the cache, and what its reference led
 * to.
 */
#include "imager/source/oci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/buf.h"
#include "imager/base/io.h"
#include "imager/releases/skopeo.h"
#include "imager/tree/archiveutil.h"
#include "imager/tree/treecopy.h"

#define COPIED      "image" /* the name that skopeo's copy has */
#define LAYOUT      "oci"   /* in the work folder */
#define PULLED      ".pull" /* in the cache, while skopeo works */
#define REFERENCES  "ociref"
#define INDEX_LIMIT ((size_t)1 << 20)
#define READ_BLOCK  65536

void oci_place_release(struct oci_place *p)
{
	free(p->layout);
}

int oci_blame(const struct oci_place *p, const char *key, struct err *err)
{
	const struct err told = err ? *err : (struct err){0};

	return yaml_fault(yaml_root(p->job->profile->doc), key, err, "%s", told.text);
}

/* ---- a registry ---- */

static struct skopeo skopeo_of(const struct oci_place *p, const char *folder)
{
	return (struct skopeo){.folder = folder,
		.insecure = p->from->insecure,
		.may_convert = 1,
		.line = p->job->line,
		.arg = p->job->arg};
}

static int pull(
	const struct oci_place *p, const char *folder, const char *to, const char *blobs, struct err *err)
{
	struct skopeo k = skopeo_of(p, folder);
	_cleanup_free_ char *source = NULL;

	k.blobs = blobs;
	if (asprintf(&source, "docker://%s", p->from->image) < 0)
		return err_oom(err, "skopeo");
	return skopeo_copy(&k, source, to, err) < 0 ? oci_blame(p, "from.oci.image", err) : 0;
}

static int reference_key(const struct oci_place *p, struct digest *ret, struct err *err)
{
	return digest_bytes(p->from->image, strlen(p->from->image), ret) < 0
		       ? err_set(err, EIO, "SHA-256 failed")
		       : 0;
}

/* What the reference leads to now; its blobs are in the cache afterwards. */
static int pull_into_cache(const struct oci_place *p, const char *folder, struct buf *ret, struct err *err)
{
	_cleanup_close_ int lock = source_lock_folder(folder, err);
	_cleanup_free_ char *pulled = path_join(folder, PULLED),
			    *index = pulled ? path_join(pulled, "index.json") : NULL;
	size_t len;
	int r = lock;

	if (r >= 0)
		r = index ? remove_tree(pulled, err) : err_oom(err, folder);
	if (r >= 0)
		r = pull(p, folder, "oci:" PULLED ":" COPIED, ".", err);
	if (r >= 0)
		r = read_file(index, INDEX_LIMIT, &ret->data, &len, err);
	if (r >= 0)
		ret->len = len;
	if (pulled)
		(void)remove_tree(pulled, NULL);
	return r;
}

static int find_index(const struct oci_place *p, const char *folder, struct buf *ret, struct err *err)
{
	struct digest key;
	int r = reference_key(p, &key, err);

	if (r < 0)
		return r;
	if (p->job->offline) {
		if (folder && cache_get_bytes(p->job->cache, REFERENCES, &key, ret) > 0)
			return 0;
		(void)err_set(err, ENOENT, "%s is not in the cache, and nothing may be fetched (--offline)",
			p->from->image);
		return oci_blame(p, "from.oci.image", err);
	}
	r = pull_into_cache(p, folder, ret, err);
	if (r >= 0)
		(void)cache_put_bytes(p->job->cache, REFERENCES, &key, ret, NULL);
	return r;
}

/* A layout whose blobs are the cache's. */
static int make_layout(
	const struct oci_place *p, const char *folder, const struct buf *index, struct err *err)
{
	_cleanup_free_ char *file = path_join(p->layout, "index.json"),
			    *blobs = path_join(p->layout, "blobs");
	int r = file && blobs ? mkdir_p(p->layout, err) : err_oom(err, p->layout);

	if (r < 0)
		return r;
	if (symlink(folder, blobs) < 0)
		return err_path(err, errno, blobs);
	return write_file(file, &(struct file_content){index->data, index->len, 0644}, err);
}

static int from_registry(struct oci_place *p, struct err *err)
{
	_cleanup_free_ char *given = cache_folder(p->job->cache, "oci"),
			    *folder = given ? realpath(given, NULL) : NULL;
	_cleanup_buf_ struct buf index = {0};
	int r;

	p->ref = COPIED;
	if (!folder && !p->job->offline)
		return pull(p, p->job->workdir, "oci:" LAYOUT ":" COPIED, NULL, err);
	r = find_index(p, folder, &index, err);
	return r < 0 ? r : make_layout(p, folder, &index, err);
}

/* ---- an archive ---- */

/* What an archive is; docker save writes both files since its version 25. */
struct contents {
	int index, manifest, is_compressed;
};

/* skopeo takes plain archives alone. */
static int decompress(const char *from, const char *to, struct err *err)
{
	struct archive *in = archive_read_new();
	_cleanup_close_ int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct archive_entry *entry;
	int r = 0;

	if (!in || fd < 0) {
		r = in ? err_path(err, errno, to) : err_oom(err, from);
	} else {
		(void)archive_read_support_filter_gzip(in);
		(void)archive_read_support_filter_zstd(in);
		(void)archive_read_support_format_raw(in);
		if (archive_read_open_filename(in, from, READ_BLOCK) < ARCHIVE_OK ||
			archive_read_next_header(in, &entry) < ARCHIVE_OK ||
			archive_read_data_into_fd(in, fd) < ARCHIVE_OK)
			r = archive_fault(in, from, err);
	}
	if (in)
		(void)archive_read_free(in);
	return r;
}

/* Under a name without the characters that mean something to skopeo. */
static int from_docker_archive(struct oci_place *p, const struct contents *contents, struct err *err)
{
	const struct skopeo k = skopeo_of(p, p->job->workdir);
	const char *ref = p->ref;
	_cleanup_free_ char *real = realpath(p->from->archive, NULL), *source = NULL,
			    *link = path_join(p->job->workdir, "archive");

	if (!real)
		return err_path(err, errno, p->from->archive);
	if (!link || asprintf(&source, "docker-archive:archive%s%s", ref ? ":" : "", ref ? ref : "") < 0)
		return err_oom(err, "skopeo");
	if (contents->is_compressed) {
		int r = decompress(real, link, err);

		if (r < 0)
			return r;
	} else if (symlink(real, link) < 0) {
		return err_path(err, errno, link);
	}
	p->ref = COPIED;
	return skopeo_copy(&k, source, "oci:" LAYOUT ":" COPIED, err);
}

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
	ret->is_compressed = archive_filter_code(in, 0) != ARCHIVE_FILTER_NONE;
	r = r == ARCHIVE_EOF ? 0 : archive_fault(in, path, err);
	(void)archive_read_free(in);
	return r;
}

static int from_archive(struct oci_place *p, struct err *err)
{
	const struct treecopy_target target = {.root = p->layout, .prefix = ""};
	struct contents contents = {0};
	int r = look_into(p->from->archive, &contents, err);

	if (r >= 0 && !contents.index && !contents.manifest)
		r = err_set(
			err, EBADMSG, "%s: neither an oci-archive nor a docker-archive", p->from->archive);
	if (r >= 0 && !contents.index) {
		r = from_docker_archive(p, &contents, err);
		return r < 0 ? oci_blame(p, "from.oci.archive", err) : 0;
	}
	if (r >= 0)
		r = mkdir_p(p->layout, err);
	if (r >= 0)
		r = treecopy_archive(p->from->archive, &target, NULL, err);
	return r < 0 ? oci_blame(p, "from.oci.archive", err) : 0;
}

int oci_bring(struct oci_place *p, struct err *err)
{
	const char *layout = p->from->layout;

	p->layout = layout ? strdup(layout) : path_join(p->job->workdir, LAYOUT);
	p->ref = p->from->ref;
	if (!p->layout)
		return err_oom(err, "from: oci");
	if (layout)
		return 0;
	return p->from->image ? from_registry(p, err) : from_archive(p, err);
}
