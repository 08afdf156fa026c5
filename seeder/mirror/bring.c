/* Owns the way of one release from another seeder into the store, in the one order that is safe. Which
 * release it is to be, and what follows, is follow.c's. */
#include "seeder/mirror/bring.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "imager/base/io.h"
#include "imager/base/log.h"
#include "imager/format/trust.h"
#include "seeder/mirror/mirror.h"
#include "seeder/mirror/part.h"
#include "seeder/wire/http.h"

/* ---- the proof ---- */

static int get(const struct bring *b, const char *suffix, size_t limit, struct buf *ret, struct err *err)
{
	char digest[DIGEST_TEXT_SIZE];
	_cleanup_free_ char *url = NULL;

	digest_format(&b->row->release, digest);
	if (asprintf(&url, "%s/v1/releases/%s%s", b->url, digest, suffix) < 0) {
		url = NULL;
		return err_oom(err, "a release");
	}
	return http_get(
		&(struct http_request){
			.url = url, .limit = limit, .timeout_s = MIRROR_QUIET_S, .cut = b->cut},
		ret, err);
}

static int check_digest(const struct bring *b, const struct buf *manifest, struct err *err)
{
	struct digest digest;
	int r = digest_bytes(manifest->data ? manifest->data : "", manifest->len, &digest);

	if (r < 0)
		return err_set(err, -r, "the release manifest cannot be hashed");
	if (!digest_equal(&digest, &b->row->release))
		return err_set(err, EBADMSG, "release manifest: %s sends another one than it names", b->url);
	return 0;
}

/* A list that says of a release what its signature does not is a wrong list, whatever it points to. */
static int check_row(const struct bring *b, const struct release *r, struct err *err)
{
	const char *colon = strchr(b->row->channel, ':');
	size_t len = colon ? (size_t)(colon - b->row->channel) : 0;

	if (!colon)
		return 0;
	if (strlen(r->profile) != len || memcmp(r->profile, b->row->channel, len) != 0)
		return err_set(err, EBADMSG, "%s names a release of profile %s for it", b->url, r->profile);
	if (r->sequence != b->row->sequence)
		return err_set(err, EBADMSG, "%s calls it sequence %" PRIu64 ", its signed manifest %" PRIu64,
			b->url, b->row->sequence, r->sequence);
	return 0;
}

static int get_proof(const struct bring *b, struct store_signed *ret, struct err *err)
{
	int r = get(b, "", RELEASE_LIMIT, &ret->manifest, err);

	if (r == 0)
		r = check_digest(b, &ret->manifest, err);
	if (r == 0)
		r = get(b, ".minisig", MINISIGN_FILE_LIMIT, &ret->signature, err);
	if (r == 0 && (!ret->signature.data || strlen(ret->signature.data) != ret->signature.len))
		return err_set(err, EBADMSG, "signature: %s sends no text", b->url);
	if (r == 0)
		r = release_verify(b->ring, &ret->manifest, ret->signature.data, &ret->release, err);
	return r == 0 ? check_row(b, &ret->release, err) : r;
}

/* ---- the parts ---- */

struct parts {
	const char *what;
	const struct release_part *part;
	int is_here;
};

#define PARTS 4

/* The bytes of a part may be in the store for another release, or one that is here itself: of that a scan
 * tells. What a new one needs is hashed when no scan has. 1, 0 or -ECANCELED. */
static int is_here(const struct bring *b, const struct parts *p, int is_new)
{
	const struct suspect suspect = {b->store, p->part, p->what};
	enum verdict verdict = blobproof_recall(b->proof, &suspect);
	struct proved_blob blob = {0};
	int r;

	if (verdict != VERDICT_NONE || !is_new)
		return verdict != VERDICT_BAD;
	r = blobproof_blob(b->proof, &suspect, &blob, NULL);
	free(blob.path);
	return r == -ECANCELED ? r : r == 0;
}

static int list_parts(const struct bring *b, const struct release *r, int is_new, struct parts ret[PARTS])
{
	const struct parts parts[PARTS] = {{"package list", &r->packages, 0}, {"kernel", &r->kernel, 0},
		{"initramfs", &r->initramfs, 0}, {"root image", &r->root, 0}};

	memcpy(ret, parts, sizeof(parts));
	for (size_t i = 0; i < PARTS; i++) {
		int e = is_here(b, &ret[i], is_new);

		if (e < 0)
			return e;
		ret[i].is_here = e;
	}
	return 0;
}

static int on_progress(const struct part_fetch *f, uint64_t done)
{
	const struct bring *b = f->arg;

	return b->progress(f->what, done, f->part->size, b->arg);
}

static int get_parts(
	const struct bring *b, const struct parts parts[PARTS], const char *folder, struct err *err)
{
	int e = mkdir_p(folder, err);

	for (size_t i = 0; e == 0 && i < PARTS; i++) {
		const struct part_fetch fetch = {.url = b->url,
			.folder = folder,
			.what = parts[i].what,
			.part = parts[i].part,
			.progress = on_progress,
			.arg = (void *)(uintptr_t)b,
			.stop = b->stop,
			.cut = b->cut};

		if (!parts[i].is_here)
			e = part_fetch(&fetch, err);
	}
	return e;
}

/* ---- into the store ---- */

/* As a link, so that what was brought outlives a fault on the way; store_adopt moves it and proves it again.
 */
static int place_part(const struct bring *b, const struct parts *p, const char *folder,
	const struct store *layout, struct err *err)
{
	_cleanup_free_ char *from =
		p->is_here ? store_blob_path(b->store, &p->part->digest) : part_path(folder, p->part);
	_cleanup_free_ char *to = store_blob_path(layout, &p->part->digest);

	if (!from || !to)
		return err_oom(err, "a part");
	return link(from, to) < 0 && errno != EEXIST ? err_path(err, errno, from) : 0;
}

/* What is to become a release of the store. */
struct harvest {
	const struct store_signed *proof;
	const struct parts *parts;
	const char *folder;
};

static int lay(const struct bring *b, const struct harvest *h, const char *path, struct err *err)
{
	_cleanup_store_ struct store *layout = NULL;
	int r = store_open(path, 1, &layout, err);

	for (size_t i = 0; r == 0 && i < PARTS; i++)
		r = place_part(b, &h->parts[i], h->folder, layout, err);
	return r == 0 ? store_lay(layout, h->proof, err) : r;
}

static int adopt(const struct bring *b, const struct harvest *h, struct store_release *ret, struct err *err)
{
	_cleanup_free_ struct store_adopted *adopted = calloc(1, sizeof(*adopted));
	_cleanup_free_ char *work = NULL, *path = NULL;
	int r = adopted ? store_temp_dir(b->store, &work, err) : err_oom(err, "a release");

	if (r < 0)
		return r;
	path = path_join(work, "layout");
	if (!path)
		return err_oom(err, "a release");
	r = lay(b, h, path, err);
	if (r == 0)
		r = store_adopt(b->store, path, adopted, err);
	/* A part that was proved once and has changed since: all are fetched anew. */
	if (r == -EBADMSG)
		bring_clean(b->store);
	if (r < 0)
		return r;
	*ret = adopted->release;
	bring_clean(b->store);
	return 1;
}

static int bring_new(const struct bring *b, const struct store_signed *proof, const char *folder,
	struct store_release *ret, struct err *err)
{
	struct parts parts[PARTS];
	int r = list_parts(b, &proof->release, 1, parts);

	if (r == 0)
		r = get_parts(b, parts, folder, err);
	return r == 0 ? adopt(b, &(struct harvest){proof, parts, folder}, ret, err) : r;
}

/* ---- one that is here ---- */

/* Other releases may have the part, too: it gets its bytes back for all of them. */
static int replace_part(const struct bring *b, const struct parts *p, const char *folder, struct err *err)
{
	_cleanup_free_ char *path = part_path(folder, p->part);
	struct release_part found;
	int r = path ? store_add_file(b->store, path, &found, err) : err_oom(err, p->what);

	if (r == 0 && !digest_equal(&found.digest, &p->part->digest))
		r = err_set(err, EBADMSG, "%s: its bytes have changed since it came", p->what);
	return r;
}

static int mend(const struct bring *b, const struct store_release *rel, const char *folder, struct err *err)
{
	struct parts parts[PARTS];
	int r = list_parts(b, &rel->release, 0, parts), is_whole = 1;

	for (size_t i = 0; r == 0 && i < PARTS; i++)
		is_whole &= parts[i].is_here;
	if (r < 0 || is_whole)
		return r;
	b->begin(b->arg);
	r = get_parts(b, parts, folder, err);
	for (size_t i = 0; r == 0 && i < PARTS; i++) {
		if (parts[i].is_here)
			continue;
		r = replace_part(b, &parts[i], folder, err);
		if (r == 0)
			log_warn("mirror: %s: its %s was missing or damaged here and has come anew from %s",
				rel->name, parts[i].what, b->url);
	}
	return r;
}

static char *folder_of(const struct store *store)
{
	return path_join(store_path(store), BRING_FOLDER);
}

void bring_clean(const struct store *store)
{
	_cleanup_free_ char *folder = folder_of(store);
	struct err err = {0};

	if (folder && remove_tree(folder, &err) < 0)
		log_debug("%s", err.text);
}

/* 1: it is in the store, signed or not. */
static int find_here(const struct bring *b, struct store_release *ret)
{
	char digest[DIGEST_TEXT_SIZE];

	digest_format(&b->row->release, digest);
	return store_resolve(b->store, digest, ret, NULL) == 0;
}

static int is_trusted(const struct bring *b, const struct store_release *rel, struct err *err)
{
	_cleanup_store_signed_ struct store_signed proof = {0};
	int r = store_verify(b->store, rel, b->ring, &proof, NULL);

	return r == 0 ? check_row(b, &proof.release, err) : r;
}

/* The manifest, too, may have other bytes here than those that were signed. */
static int renew(
	const struct bring *b, const struct store_signed *proof, struct store_release *rel, struct err *err)
{
	struct release_part part;
	int r = store_add_bytes(b->store, proof->manifest.data, proof->manifest.len, &part, err);

	if (r == 0)
		r = store_add_signature(b->store, rel, &proof->signature, err);
	return r == 0 && !find_here(b, rel) ? err_set(err, ENOENT, "the release is gone") : r;
}

int bring_release(const struct bring *b, struct store_release *ret, struct err *err)
{
	_cleanup_store_signed_ struct store_signed proof = {0};
	_cleanup_free_ char *folder = folder_of(b->store);
	int is_there = find_here(b, ret), r;

	if (!folder)
		return err_oom(err, "a release");
	if (is_there && is_trusted(b, ret, err) == 0)
		return mend(b, ret, folder, err);
	b->begin(b->arg);
	r = get_proof(b, &proof, err);
	if (r == 0 && is_there)
		r = renew(b, &proof, ret, err);
	if (r < 0)
		return r;
	return is_there ? mend(b, ret, folder, err) : bring_new(b, &proof, folder, ret, err);
}
