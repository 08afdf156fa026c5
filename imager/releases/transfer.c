/* Owns the ways of a release out of the store and into it. skopeo.c speaks to skopeo; what a release is, and
 * whether it is whole, imager/format knows. */
#include "imager/releases/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "imager/base/log.h"
#include "imager/releases/skopeo.h"

#define BROUGHT "release" /* the name that a pulled release has in its own layout */
#define ARCHIVE "archive"

/* ---- names ---- */

int transfer_reference(const char *name, const char *tag, char **ret, struct err *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:[]";
	const char *text = strncmp(name, "docker://", 9) ? name : name + 9, *slash = strchr(text, '/');
	const char *last = strrchr(text, '/');
	int has_tag = last && strchr(last, ':') != NULL;

	if (!slash || slash == text || !last[1] || text[strspn(text, allowed)])
		return err_set(err, EINVAL,
			"'%.200s' is not the name of an image in a registry; allowed: "
			"REGISTRY[:PORT]/NAME[:TAG]",
			name);
	if (!has_tag && !tag)
		return err_set(
			err, EINVAL, "'%.200s': which release? a tag is missing, as in %.200s:7", name, text);
	if (asprintf(ret, "docker://%s%s%s", text, has_tag ? "" : ":", has_tag ? "" : tag) < 0) {
		*ret = NULL;
		return err_oom(err, name);
	}
	return 0;
}

/* ---- what all four share ---- */

static struct skopeo skopeo_of(const struct transfer *t, const char *folder)
{
	return (struct skopeo){
		.folder = folder,
		.tmpdir = folder == store_path(t->store) ? NULL : ".",
		.insecure = t->insecure,
		.authfile = t->authfile,
		.stop = t->stop,
		.line = t->line,
		.arg = t->arg,
	};
}

/* What the other side names must be the manifest that is here. */
static int check_manifest(
	const struct skopeo *k, const char *reference, const struct store_release *rel, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};
	struct digest digest;
	int r = skopeo_manifest(k, reference, &text, err);

	if (r < 0)
		return r;
	if (text.len != rel->manifest.size || digest_bytes(text.data, text.len, &digest) < 0 ||
		!digest_equal(&digest, &rel->manifest.digest))
		return err_set(
			err, EBADMSG, "%s: has another manifest than %s afterwards", reference, rel->name);
	return 0;
}

/* A path below the store as skopeo is given it, which runs in there: a colon in the store's own would end it.
 */
static const char *inside(const struct transfer *t, const char *path)
{
	path += strlen(store_path(t->store));
	return path + strspn(path, "/");
}

static char *source_of(const struct store_release *rel)
{
	char *text;

	return asprintf(&text, "oci:.:%s", rel->name) < 0 ? NULL : text;
}

/* ---- push ---- */

int transfer_push(
	const struct transfer *t, const struct store_release *rel, const char *reference, struct err *err)
{
	const struct skopeo k = skopeo_of(t, store_path(t->store));
	_cleanup_free_ char *source = source_of(rel);
	int r = source ? store_check_blobs(t->store, rel, err) : err_oom(err, reference);

	if (r == 0)
		r = skopeo_copy(&k, source, reference, err);
	return r < 0 ? r : check_manifest(&k, reference, rel, err);
}

/* ---- pull ---- */

/* A blob that is here need not come again. It is hashed first: damage of ours is not to be taken for the
 * other side's. */
static int link_part(struct store *s, const struct release_part *part, const char *blobs, struct err *err)
{
	_cleanup_free_ char *here = store_blob_path(s, &part->digest), *there = NULL;
	_cleanup_close_ int fd = here ? open(here, O_RDONLY | O_CLOEXEC) : -1;
	struct digest digest;
	uint64_t size;
	char hex[65];

	if (fd < 0)
		return here ? 0 : err_oom(err, blobs);
	if (digest_fd(fd, &digest, &size, NULL) < 0 || size != part->size ||
		!digest_equal(&digest, &part->digest))
		return err_set(
			err, EBADMSG, "%s: damaged in this store; remove the file and pull again", here);
	digest_hex(&part->digest, hex);
	there = path_join(blobs, hex);
	if (!there)
		return err_oom(err, blobs);
	if (link(here, there) < 0)
		log_debug("%s: cannot be linked to: %s", here, strerror(errno)); /* so it comes again */
	return 0;
}

static int link_known(
	const struct transfer *t, const struct buf *manifest, const char *folder, struct err *err)
{
	_cleanup_free_ char *blobs = path_join(folder, "blobs/sha256");
	_cleanup_free_ struct release_part *parts = NULL;
	size_t count = 0;
	int r = store_manifest_parts(manifest, &parts, &count, err);

	if (r == 0)
		r = blobs ? mkdir_p(blobs, err) : err_oom(err, folder);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = link_part(t->store, &parts[i], blobs, err);
	return r;
}

int transfer_pull(const struct transfer *t, const char *reference, struct store_adopted *ret, struct err *err)
{
	_cleanup_free_ char *folder = NULL;
	_cleanup_buf_ struct buf manifest = {0};
	int r = store_temp_dir(t->store, &folder, err);
	const struct skopeo k = skopeo_of(t, folder);

	if (r == 0)
		r = skopeo_manifest(&k, reference, &manifest, err);
	if (r < 0)
		return r;
	r = link_known(t, &manifest, folder, err);
	if (r == 0)
		r = skopeo_copy(&k, reference, "oci:.:" BROUGHT, err);
	if (r == 0)
		r = store_adopt(t->store, folder, ret, err);
	return r < 0 ? err_prefix(err, "%s", reference) : 0;
}

/* ---- export ---- */

static int name_file(const char *from, const char *to, struct err *err)
{
	_cleanup_close_ int fd = open(from, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? err_path(err, errno, from) : place_file(fd, from, to, err);
}

/* Onto another file system: the bytes appear under the name all at once. */
static int copy_into_place(const char *from, const char *to, struct err *err)
{
	_cleanup_free_ char *temp = NULL;
	int r;

	if (asprintf(&temp, "%s.tmp.%d", to, (int)getpid()) < 0) {
		temp = NULL;
		return err_oom(err, to);
	}
	r = copy_file(from, temp, 0644, err);
	if (r == 0)
		r = name_file(temp, to, err);
	if (r < 0)
		(void)unlink(temp);
	return r;
}

static int move_into_place(const char *from, const char *to, struct err *err)
{
	struct err why = {0};
	int r = name_file(from, to, &why);

	if (r == -EXDEV)
		return copy_into_place(from, to, err);
	return r < 0 ? err_set(err, why.code, "%s", why.text) : 0;
}

int transfer_export(
	const struct transfer *t, const struct store_release *rel, const char *file, struct err *err)
{
	_cleanup_free_ char *folder = NULL, *made = NULL, *source = NULL, *target = NULL;
	int r = store_check_blobs(t->store, rel, err);
	struct skopeo k;

	if (r == 0)
		r = store_temp_dir(t->store, &folder, err);
	if (r < 0)
		return r;
	k = skopeo_of(t, store_path(t->store));
	k.tmpdir = inside(t, folder);
	made = path_join(folder, ARCHIVE);
	source = source_of(rel);
	if (!made || !source || asprintf(&target, "oci-archive:%s:%s", inside(t, made), rel->name) < 0)
		return err_oom(err, file);
	r = skopeo_copy(&k, source, target, err);
	if (r == 0)
		r = check_manifest(&k, target, rel, err);
	return r < 0 ? r : move_into_place(made, file, err);
}

/* ---- import ---- */

/* Under a name without a colon. */
static int link_archive(const char *file, const char *folder, struct err *err)
{
	_cleanup_free_ char *real = realpath(file, NULL), *name = path_join(folder, ARCHIVE);
	struct stat st;

	if (!real || stat(real, &st) < 0)
		return err_path(err, errno, file);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "%s: not a plain file", file);
	if (!name)
		return err_oom(err, file);
	return symlink(real, name) < 0 ? err_path(err, errno, name) : 0;
}

int transfer_import(const struct transfer *t, const char *file, struct store_adopted *ret, struct err *err)
{
	_cleanup_free_ char *folder = NULL, *layout = NULL;
	int r = store_temp_dir(t->store, &folder, err);
	const struct skopeo k = skopeo_of(t, folder);

	if (r == 0)
		r = link_archive(file, folder, err);
	if (r < 0)
		return r;
	layout = path_join(folder, BROUGHT);
	if (!layout)
		return err_oom(err, file);
	r = skopeo_copy(&k, "oci-archive:" ARCHIVE, "oci:" BROUGHT ":" BROUGHT, err);
	if (r == 0)
		r = store_adopt(t->store, layout, ret, err);
	return r < 0 ? err_prefix(err, "%s", file) : 0;
}
