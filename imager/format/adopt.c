/* Owns taking a release over from another layout, whole and proved by its digests. How it got there is
 * imager/releases/transfer.c's. */
#include "imager/format/storepriv.h"

#include <errno.h>
#include <string.h>

/* ---- what was brought ---- */

static int find_only(struct store *from, struct store_release *ret, struct err *err)
{
	_cleanup_store_list_ struct store_list list = {0};
	int r = store_releases(from, &list, err);

	if (r < 0)
		return r;
	if (list.damage.code)
		return err_set(err, EBADMSG, "%s", list.damage.text);
	if (list.count != 1)
		return err_set(err, EBADMSG,
			list.count ? "holds more than one release" : "not a release of swarmboot");
	*ret = list.items[0];
	return 0;
}

/* The digest is that of what was moved, whatever the file was called. */
static int take_part(struct store *s, struct store *from, const char *what, const struct release_part *part,
	struct err *err)
{
	_cleanup_free_ char *path = store_blob_path(from, &part->digest);
	struct release_part found;
	int r = path ? store_add_file(s, path, &found, err) : err_oom(err, what);

	if (r < 0)
		return err_prefix(err, "%s", what);
	if (found.size != part->size || !digest_equal(&found.digest, &part->digest))
		return err_set(err, EBADMSG, "%s: its bytes are not those of its digest", what);
	return 0;
}

static int take_parts(struct store *s, struct store *from, const struct store_release *rel, struct err *err)
{
	const struct {
		const char *what;
		const struct release_part *part;
	} parts[] = {
		{"release manifest", &rel->config},
		{"kernel", &rel->release.kernel},
		{"initramfs", &rel->release.initramfs},
		{"root image", &rel->release.root},
		{"package list", &rel->release.packages},
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		int is_taken = 0, r;

		for (size_t j = 0; j < i; j++)
			is_taken |= digest_equal(&parts[j].part->digest, &parts[i].part->digest);
		r = is_taken ? 0 : take_part(s, from, parts[i].what, parts[i].part, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_signature(
	struct store *from, const struct ocimanifest *m, size_t i, struct buf *ret, struct err *err)
{
	return store_read_blob(from, &m->signatures[i], MINISIGN_FILE_LIMIT, ret, err);
}

static int read_manifest(
	struct store *from, const struct store_release *rel, struct ocimanifest *ret, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};
	int r = store_read_blob(from, &rel->manifest, STORE_MANIFEST_LIMIT, &text, err);

	return r < 0 ? r : ocimanifest_parse(&text, ret, err);
}

/* ---- here ---- */

static int is_manifest(const json_t *entry, const struct release_part *manifest)
{
	struct release_part part;

	return index_read_descriptor(entry, &part) == 0 && digest_equal(&part.digest, &manifest->digest);
}

/* The release that has its name here. 1, 0 when the name is free or that of this very release, some of whose
 * manifests or signatures cannot be read here and are written again, or -errno. */
static int find_here(
	struct store *s, const struct store_release *rel, struct store_release *ret, struct err *err)
{
	_cleanup_json_ json_t *index = NULL;
	_cleanup_store_list_ struct store_list list = {0};
	json_t *entry;
	size_t i;
	int r = store_releases(s, &list, err);

	for (i = 0; r == 0 && i < list.count; i++) {
		if (strcmp(list.items[i].name, rel->name) != 0)
			continue;
		*ret = list.items[i];
		return 1;
	}
	if (r == 0)
		r = index_load(s, &index, err);
	json_array_foreach(index_entries(index), i, entry)
	{
		const char *name = index_name(entry);

		if (name && !strcmp(name, rel->name) && !is_manifest(entry, &rel->manifest))
			return err_set(err, EEXIST, "%s: here is one that cannot be read", rel->name);
	}
	return r;
}

static int check_same(const struct store_release *rel, const struct store_release *here, struct err *err)
{
	char digest[DIGEST_TEXT_SIZE];

	if (digest_equal(&rel->config.digest, &here->config.digest))
		return 0;
	digest_format(&here->config.digest, digest);
	return err_set(err, EEXIST, "%s is another release here: %s; a sequence number has one meaning",
		rel->name, digest);
}

/* Under the lock. The OCI manifest is written anew, as store_publish would: the same release and signatures
 * give the same bytes everywhere. */
static int add_release(struct store *s, struct store *from, const struct store_release *rel, struct err *err)
{
	_cleanup_json_ json_t *index = NULL;
	_cleanup_buf_ struct buf text = {0};
	struct release_part manifest;
	struct ocimanifest m;
	int r = read_manifest(from, rel, &m, err);

	for (size_t i = 0; r >= 0 && i < m.signature_count; i++) {
		_cleanup_buf_ struct buf signature = {0};

		r = read_signature(from, &m, i, &signature, err);
		if (r >= 0)
			r = store_add_bytes(s, signature.data, signature.len, &m.signatures[i], err);
	}
	if (r >= 0)
		r = ocimanifest_format(&m, &rel->release, &text, err);
	if (r >= 0)
		r = store_add_bytes(s, text.data, text.len, &manifest, err);
	if (r >= 0)
		r = index_load(s, &index, err);
	if (r < 0)
		return r;
	if (index_point(index, rel->name, &manifest) < 0)
		return err_oom(err, "index.json");
	return index_save(s, index, err);
}

static int has_signature(const struct store_release *rel, const uint8_t id[MINISIGN_ID_SIZE])
{
	for (size_t i = 0; i < rel->signature_count; i++)
		if (!memcmp(rel->signatures[i].key_id, id, MINISIGN_ID_SIZE))
			return 1;
	return 0;
}

/* Not under the lock, which store_add_signature takes. */
static int add_signatures(struct store *s, struct store *from, const struct store_release *rel,
	struct store_adopted *here, struct err *err)
{
	struct ocimanifest m;
	int r = read_manifest(from, rel, &m, err);

	for (size_t i = 0; r >= 0 && i < m.signature_count && i < rel->signature_count; i++) {
		_cleanup_buf_ struct buf signature = {0};

		if (has_signature(&here->release, rel->signatures[i].key_id))
			continue;
		r = read_signature(from, &m, i, &signature, err);
		if (r >= 0)
			r = store_add_signature(s, &here->release, &signature, err);
		here->new_signatures += r >= 0;
	}
	return r < 0 ? r : 0;
}

static int publish(struct store *s, struct store *from, const struct store_release *rel,
	struct store_adopted *ret, struct err *err)
{
	_cleanup_close_ int lock = store_lock(s, err);
	int r = lock < 0 ? lock : find_here(s, rel, &ret->release, err);

	if (r == 1)
		return check_same(rel, &ret->release, err);
	if (r < 0)
		return r;
	ret->is_new = 1;
	return add_release(s, from, rel, err);
}

int store_adopt(struct store *s, const char *layout, struct store_adopted *ret, struct err *err)
{
	_cleanup_store_ struct store *from = NULL;
	struct store_adopted adopted = {0};
	struct store_release rel, here;
	char digest[DIGEST_TEXT_SIZE];
	int r = store_open(layout, 0, &from, err);

	if (r == 0)
		r = find_only(from, &rel, err);
	if (r == 0)
		r = find_here(s, &rel, &here, err);
	/* Another of its name is told before all is hashed, and looked for again under the lock. */
	if (r == 1)
		r = check_same(&rel, &here, err);
	if (r == 0)
		r = take_parts(s, from, &rel, err);
	if (r == 0)
		r = store_check_verity(s, &rel, err);
	if (r == 0)
		r = publish(s, from, &rel, &adopted, err);
	if (r == 0 && !adopted.is_new)
		r = add_signatures(s, from, &rel, &adopted, err);
	if (r < 0)
		return r;
	digest_format(&rel.config.digest, digest);
	r = store_resolve(s, digest, &adopted.release, err);
	if (r == 0)
		*ret = adopted;
	return r;
}

/* ---- before it is brought ---- */

int store_manifest_parts(
	const struct buf *manifest, struct release_part **ret, size_t *ret_count, struct err *err)
{
	_cleanup_json_ json_t *root = NULL;
	_cleanup_free_ struct release_part *parts = NULL;
	const json_t *layers, *entry;
	struct ocimanifest m;
	size_t i, count = 1;
	int r = ocimanifest_parse(manifest, &m, err);

	if (r == 0)
		return err_set(err, EBADMSG, "not a release of swarmboot");
	if (r < 0)
		return r;
	root = json_loadb(manifest->data, manifest->len, JSON_REJECT_DUPLICATES, NULL);
	layers = json_object_get(root, "layers");
	parts = calloc(json_array_size(layers) + 1, sizeof(*parts));
	if (!parts)
		return err_oom(err, "the OCI manifest");
	parts[0] = m.config;
	json_array_foreach(layers, i, entry)
	{
		if (index_read_descriptor(entry, &parts[count++]) < 0)
			return err_set(err, EBADMSG, "OCI manifest: a layer's digest or size is wrong");
	}
	*ret = TAKE(parts);
	*ret_count = count;
	return 0;
}
