/* Owns index.json: names and the manifests they point to. Entries that are not ours are kept as they are. */
#include "imager/format/storepriv.h"

#include <errno.h>
#include <string.h>

#include "imager/base/io.h"

#define NESTED_MAX 4 /* indexes of indexes, in images that are not ours */
#define NUMBER_MAX (INT64_C(1) << 53)

json_t *index_entries(json_t *index)
{
	return json_object_get(index, "manifests");
}

const char *index_name(const json_t *entry)
{
	return json_string_value(json_object_get(json_object_get(entry, "annotations"), OCI_REF_NAME));
}

int index_load(struct store *s, json_t **ret, struct err *err)
{
	_cleanup_free_ char *path = path_join(s->path, "index.json"), *text = NULL;
	_cleanup_json_ json_t *index = NULL;
	json_error_t error;
	size_t len;
	int r;

	if (!path)
		return err_oom(err, s->path);
	r = read_file(path, STORE_INDEX_LIMIT, &text, &len, err);
	if (r < 0)
		return r;
	index = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!index)
		return err_set(err, EBADMSG, "%s:%d: %s", path, error.line, error.text);
	if (json_integer_value(json_object_get(index, "schemaVersion")) != 2 ||
		!json_is_array(index_entries(index)))
		return err_set(err, EBADMSG, "%s: not an OCI image index", path);
	*ret = TAKE(index);
	return 0;
}

int index_save(struct store *s, json_t *index, struct err *err)
{
	_cleanup_free_ char *path = path_join(s->path, "index.json");
	_cleanup_buf_ struct buf text = {0};

	if (!path || json_add_text(index, JSON_INDENT(2), &text) < 0)
		return err_oom(err, "index.json");
	if (text.len > STORE_INDEX_LIMIT)
		return err_set(err, EFBIG, "%s: would become larger than %d bytes", path, STORE_INDEX_LIMIT);
	return write_file_atomic(path, &(struct file_content){text.data, text.len, 0644}, err);
}

json_t *index_descriptor(const char *type, const struct release_part *part)
{
	char digest[DIGEST_TEXT_SIZE];

	digest_format(&part->digest, digest);
	return json_pack(
		"{s:s,s:s,s:I}", "mediaType", type, "digest", digest, "size", (json_int_t)part->size);
}

int index_read_descriptor(const json_t *entry, struct release_part *ret)
{
	const char *digest = json_string_value(json_object_get(entry, "digest"));
	const json_t *size = json_object_get(entry, "size");
	struct release_part part;

	if (!digest || digest_parse(digest, &part.digest) < 0 || !json_is_integer(size) ||
		json_integer_value(size) < 0 || json_integer_value(size) > NUMBER_MAX)
		return -EBADMSG;
	part.size = (uint64_t)json_integer_value(size);
	*ret = part;
	return 0;
}

int index_point(json_t *index, const char *name, const struct release_part *manifest)
{
	json_t *entries = index_entries(index), *entry = index_descriptor(OCI_MANIFEST_TYPE, manifest), *old;
	size_t i;

	if (!entry || json_object_set_new(entry, "annotations", json_pack("{s:s}", OCI_REF_NAME, name)) < 0) {
		json_decref(entry);
		return -ENOMEM;
	}
	json_array_foreach(entries, i, old)
	{
		const char *old_name = index_name(old);

		if (old_name && !strcmp(old_name, name))
			return json_array_set_new(entries, i, entry) < 0 ? -ENOMEM : 0;
	}
	return json_array_append_new(entries, entry) < 0 ? -ENOMEM : 0;
}

/* ---- what index.json leads to ---- */

static int add_references(struct store *s, const json_t *document, int depth, json_t *set);

static int add_descriptor(struct store *s, const json_t *entry, int depth, json_t *set)
{
	_cleanup_buf_ struct buf text = {0};
	_cleanup_json_ json_t *document = NULL;
	char digest[DIGEST_TEXT_SIZE];
	struct release_part part;
	int r = index_read_descriptor(entry, &part);

	if (r < 0)
		return r;
	digest_format(&part.digest, digest);
	if (json_object_set_new(set, digest, json_true()) < 0)
		return -ENOMEM;
	if (depth < 0)
		return 0;
	r = store_read_blob(s, &part, STORE_MANIFEST_LIMIT, &text, NULL);
	if (r < 0)
		return r;
	document = json_loadb(text.data, text.len, 0, NULL);
	return document ? add_references(s, document, depth, set) : -EBADMSG;
}

/* A manifest's own blobs are named, not read: depth -1. */
static int add_references(struct store *s, const json_t *document, int depth, json_t *set)
{
	const json_t *config = json_object_get(document, "config"), *entry;
	int r = config ? add_descriptor(s, config, -1, set) : 0;
	size_t i;

	json_array_foreach(json_object_get(document, "layers"), i, entry) if (r == 0) r =
		add_descriptor(s, entry, -1, set);
	json_array_foreach(json_object_get(document, "manifests"), i, entry) if (r == 0) r =
		depth > 0 ? add_descriptor(s, entry, depth - 1, set) : -ELOOP;
	return r;
}

int index_reach(struct store *s, json_t *index, json_t **ret, struct err *err)
{
	_cleanup_json_ json_t *set = json_object();
	int r;

	if (!set)
		return err_oom(err, "the store's references");
	r = add_references(s, index, NESTED_MAX, set);
	if (r < 0)
		return err_set(err, -r, "%s: not all that index.json leads to can be read", s->path);
	*ret = TAKE(set);
	return 0;
}

int index_references(struct store *s, json_t **ret, struct err *err)
{
	_cleanup_json_ json_t *index = NULL;
	int r = index_load(s, &index, err);

	return r < 0 ? r : index_reach(s, index, ret, err);
}
