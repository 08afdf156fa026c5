/* Owns the reading of the store: the list of releases, names, proofs. Writes nothing. */
#include "imager/format/storepriv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/parse.h"
#include "imager/format/trust.h"

#define READ_TRIES 3 /* a manifest may be replaced (signed) between reading index.json and reading it */

void store_list_release(struct store_list *l)
{
	if (!l)
		return;
	free(l->items);
	*l = (struct store_list){0};
}

void store_signed_release(struct store_signed *p)
{
	if (!p)
		return;
	buf_release(&p->manifest);
	buf_release(&p->signature);
}

/* ---- one release ---- */

static int read_signature(struct store *s, const struct release_part *part, struct buf *ret, struct err *err)
{
	int r = store_read_blob(s, part, MINISIGN_FILE_LIMIT, ret, err);

	if (r == 0 && memchr(ret->data, '\0', ret->len))
		return err_set(err, EBADMSG, "not a minisign signature file");
	return r;
}

static int read_signatures(
	struct store *s, const struct ocimanifest *m, struct store_release *ret, struct err *err)
{
	for (size_t i = 0; i < m->signature_count; i++) {
		struct store_signature *sig = &ret->signatures[i];
		_cleanup_buf_ struct buf text = {0};
		int r = read_signature(s, &m->signatures[i], &text, err);

		if (r == 0)
			r = minisign_signature_id(text.data, sig->key_id, err);
		if (r < 0)
			return r;
		sig->digest = m->signatures[i].digest;
	}
	ret->signature_count = m->signature_count;
	return 0;
}

/* 1 and the release, 0 for another image, or -errno. */
static int read_release(
	struct store *s, const struct release_part *manifest, struct store_release *ret, struct err *err)
{
	_cleanup_buf_ struct buf text = {0}, config = {0};
	struct ocimanifest m;
	int r = store_read_blob(s, manifest, STORE_MANIFEST_LIMIT, &text, err);

	if (r == 0)
		r = ocimanifest_parse(&text, &m, err);
	if (r <= 0)
		return r;
	*ret = (struct store_release){.manifest = *manifest, .config = m.config};
	r = store_read_blob(s, &m.config, RELEASE_LIMIT, &config, err);
	if (r == 0)
		r = release_parse(config.data, config.len, &ret->release, err);
	if (r == 0)
		r = read_signatures(s, &m, ret, err);
	if (r < 0)
		return r;
	(void)snprintf(
		ret->name, sizeof(ret->name), "%s:%" PRIu64, ret->release.profile, ret->release.sequence);
	return 1;
}

/* ---- the list ---- */

static struct store_release *find_manifest(struct store_list *list, const struct digest *manifest)
{
	for (size_t i = 0; i < list->count; i++)
		if (digest_equal(&list->items[i].manifest.digest, manifest))
			return &list->items[i];
	return NULL;
}

static int append(struct store_list *list, const struct store_release *rel)
{
	struct store_release *items = reallocarray(list->items, list->count + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	list->items = items;
	list->items[list->count++] = *rel;
	return 0;
}

/* A name is a channel when it is "PROFILE:" and no number; the release's own name is told by its manifest. */
static void add_channel(struct store_release *rel, const char *name)
{
	size_t profile = strlen(rel->release.profile), len = strlen(rel->channels);
	const char *channel = name + profile + 1;

	if (strncmp(name, rel->release.profile, profile) != 0 || name[profile] != ':' ||
		!strcmp(name, rel->name) || parse_name(channel) < 0)
		return;
	if (strlen(channel) + 2 > sizeof(rel->channels) - len)
		return;
	(void)snprintf(rel->channels + len, sizeof(rel->channels) - len, "%s%s", len ? " " : "", channel);
}

/* -ENOENT: the manifest is gone, perhaps only because index.json is newer by now. */
static int add_entry(struct store *s, const json_t *entry, struct store_list *list, struct err *err)
{
	struct release_part manifest;
	struct store_release rel;
	const char *name = index_name(entry);
	struct err why = {0};
	int r;

	if (!name || index_read_descriptor(entry, &manifest) < 0)
		return 0;
	if (!find_manifest(list, &manifest.digest)) {
		r = read_release(s, &manifest, &rel, &why);
		if (r == 1 && append(list, &rel) < 0)
			return err_oom(err, "the list of releases");
		if (r == -ENOENT || r == -ENOMEM)
			(void)err_set(err, -r, "%s: %s: %s", s->path, name, why.text);
		if (r < 0)
			(void)err_set(&list->damage, -r, "%s: %s: %s", s->path, name, why.text);
		if (r <= 0)
			return r == -ENOENT || r == -ENOMEM ? r : 0;
	}
	add_channel(find_manifest(list, &manifest.digest), name);
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct release *x = &((const struct store_release *)a)->release;
	const struct release *y = &((const struct store_release *)b)->release;
	int r = strcmp(x->profile, y->profile);

	return r ? r : (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

/* keep_going: what is missing is damage, no reason to read again. */
static int read_list(struct store *s, int keep_going, struct store_list *ret, struct err *err)
{
	_cleanup_store_list_ struct store_list list = {0};
	_cleanup_json_ json_t *index = NULL;
	json_t *entry;
	int r = index_load(s, &index, err);
	size_t i;

	if (r < 0)
		return r;
	json_array_foreach(index_entries(index), i, entry)
	{
		r = add_entry(s, entry, &list, err);
		if (r < 0 && !(keep_going && r == -ENOENT))
			return r;
	}
	if (list.count)
		qsort(list.items, list.count, sizeof(*list.items), compare);
	*ret = list;
	list = (struct store_list){0};
	return 0;
}

int store_releases(struct store *s, struct store_list *ret, struct err *err)
{
	int r = -ENOENT;

	for (int try = 1; try <= READ_TRIES && r == -ENOENT; try++)
		r = read_list(s, try == READ_TRIES, ret, err);
	return r;
}

/* ---- names ---- */

static int has_channel(const struct store_release *rel, const char *channel)
{
	size_t len = strlen(channel);

	for (const char *p = rel->channels; (p = strstr(p, channel)); p += len)
		if ((p == rel->channels || p[-1] == ' ') && (p[len] == ' ' || !p[len]))
			return 1;
	return 0;
}

static int matches(const struct store_release *rel, const char *ref)
{
	const char *colon = strchr(ref, ':');
	size_t profile = colon ? (size_t)(colon - ref) : strlen(ref);
	struct digest d;

	if (digest_parse(ref, &d) == 0)
		return digest_equal(&d, &rel->config.digest);
	if (strlen(rel->release.profile) != profile || memcmp(rel->release.profile, ref, profile) != 0)
		return 0;
	return !colon || !strcmp(rel->name, ref) || (colon[1] && has_channel(rel, colon + 1));
}

static int not_found(const struct store *s, const struct store_list *list, const char *ref, struct err *err)
{
	_cleanup_buf_ struct buf names = {0};

	for (size_t i = 0; i < list->count; i++)
		(void)buf_printf(&names, "%s%s", i ? ", " : "", list->items[i].name);
	if (list->damage.code)
		return err_set(err, ENOENT, "%.100s: no such release that can be read (%.300s)", ref,
			list->damage.text);
	return err_set(err, ENOENT, "%.100s: no such release in %s; there %s%s", ref, s->path,
		list->count ? "is " : "are none", names.data ? names.data : "");
}

int store_resolve(struct store *s, const char *ref, struct store_release *ret, struct err *err)
{
	_cleanup_store_list_ struct store_list list = {0};
	int r = store_releases(s, &list, err);

	if (r < 0)
		return r;
	for (size_t i = list.count; i > 0; i--) {
		if (!matches(&list.items[i - 1], ref))
			continue;
		*ret = list.items[i - 1];
		return 0;
	}
	return not_found(s, &list, ref, err);
}

/* ---- proofs ---- */

int store_manifest_bytes(struct store *s, const struct store_release *rel, struct buf *ret, struct err *err)
{
	return store_read_blob(s, &rel->config, RELEASE_LIMIT, ret, err);
}

static int signature_of(struct store *s, const struct store_release *rel, const struct minisign_keyring *ring,
	struct release_part *ret, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};
	struct ocimanifest m;
	char id[17];
	int r;

	if (!rel->signature_count)
		return err_set(err, ENOKEY, "%s: not signed", rel->name);
	r = store_read_blob(s, &rel->manifest, STORE_MANIFEST_LIMIT, &text, err);
	if (r == 0)
		r = ocimanifest_parse(&text, &m, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < rel->signature_count && i < m.signature_count; i++)
		for (size_t k = 0; k < ring->count; k++)
			if (!memcmp(rel->signatures[i].key_id, ring->keys[k].id, MINISIGN_ID_SIZE)) {
				*ret = m.signatures[i];
				return 0;
			}
	minisign_id_text(rel->signatures[0].key_id, id);
	return err_set(err, ENOKEY, "%s: signed by the key %s, which is not trusted here", rel->name, id);
}

static int check_config(const struct store_release *rel, const struct buf *manifest, struct err *err)
{
	struct digest d;
	int r = digest_bytes(manifest->data, manifest->len, &d);

	if (r < 0 || !digest_equal(&d, &rel->config.digest))
		return err_set(err, EBADMSG, "release manifest: its bytes are not those of its digest");
	return 0;
}

int store_verify(struct store *s, const struct store_release *rel, const struct minisign_keyring *ring,
	struct store_signed *ret, struct err *err)
{
	_cleanup_store_signed_ struct store_signed proof = {0};
	struct release_part signature;
	int r = signature_of(s, rel, ring, &signature, err);

	if (r < 0)
		return r;
	r = read_signature(s, &signature, &proof.signature, err);
	if (r == 0)
		r = store_manifest_bytes(s, rel, &proof.manifest, err);
	if (r == 0)
		r = check_config(rel, &proof.manifest, err);
	if (r == 0)
		r = release_verify(ring, &proof.manifest, proof.signature.data, &proof.release, err);
	if (r < 0) {
		(void)err_prefix(err, "%s", rel->name);
		return r;
	}
	*ret = proof;
	proof = (struct store_signed){0};
	return 0;
}
