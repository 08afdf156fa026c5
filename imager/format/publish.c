/* Owns the changes of index.json: publishing, signing, tagging; each one under the store's lock, and each one
 * a single rename of index.json. */
#include "imager/format/storepriv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "imager/base/parse.h"

#define SEQUENCE_MAX ((UINT64_C(1) << 53) - 1)

/* ---- publishing ---- */

static int check_parts(struct store *s, const struct release *r, struct err *err)
{
	const struct {
		const char *what;
		const struct release_part *part;
	} parts[] = {{"kernel", &r->kernel}, {"initramfs", &r->initramfs}, {"root image", &r->root},
		{"package list", &r->packages}};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		_cleanup_free_ char *path = store_blob_path(s, &parts[i].part->digest);
		struct stat st;

		if (!path)
			return err_oom(err, parts[i].what);
		if (stat(path, &st) < 0 || (uint64_t)st.st_size != parts[i].part->size)
			return err_set(err, ENOENT, "%s: not in the store: %s", parts[i].what, path);
	}
	return 0;
}

/* By the names in index.json, so that a release that cannot be read keeps its number. */
static uint64_t last_sequence(json_t *index, const char *profile)
{
	size_t len = strlen(profile), i;
	uint64_t last = 0;
	json_t *entry;

	json_array_foreach(index_entries(index), i, entry)
	{
		const char *name = index_name(entry);
		uint64_t sequence;

		if (!name || strncmp(name, profile, len) != 0 || name[len] != ':')
			continue;
		if (parse_u64(name + len + 1, &sequence) == 0 && sequence > last)
			last = sequence;
	}
	return last;
}

static int same_content(const struct release *a, const struct release *b)
{
	_cleanup_buf_ struct buf x = {0}, y = {0};
	struct release c = *a;

	c.sequence = b->sequence;
	return release_format(&c, &x) == 0 && release_format(b, &y) == 0 && x.len == y.len &&
	       !memcmp(x.data, y.data, x.len);
}

/* What nobody could read again must not be published. */
static int format_checked(const struct release *r, struct buf *ret, struct err *err)
{
	struct release again;

	if (release_format(r, ret) < 0)
		return err_oom(err, "the release manifest");
	return release_parse(ret->data, ret->len, &again, err);
}

static int add_manifest(struct store *s, const struct ocimanifest *m, const struct release *r,
	struct release_part *ret, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};
	int e = ocimanifest_format(m, r, &text, err);

	return e < 0 ? e : store_add_bytes(s, text.data, text.len, ret, err);
}

static int write_release(struct store *s, json_t *index, const struct release *r, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};
	char name[sizeof(((struct store_release *)NULL)->name)];
	struct release_part manifest;
	struct ocimanifest m = {0};
	int e = format_checked(r, &text, err);

	if (e == 0)
		e = store_add_bytes(s, text.data, text.len, &m.config, err);
	if (e == 0)
		e = add_manifest(s, &m, r, &manifest, err);
	if (e < 0)
		return e;
	(void)snprintf(name, sizeof(name), "%s:%" PRIu64, r->profile, r->sequence);
	if (index_point(index, name, &manifest) < 0)
		return err_oom(err, "index.json");
	return index_save(s, index, err);
}

static int find_newest(struct store *s, const char *profile, struct store_release *ret, struct err *err)
{
	_cleanup_store_list_ struct store_list list = {0};
	int r = store_releases(s, &list, err);

	for (size_t i = list.count; r == 0 && i > 0; i--) {
		if (strcmp(list.items[i - 1].release.profile, profile) != 0)
			continue;
		*ret = list.items[i - 1];
		return 1;
	}
	return r;
}

int store_publish(
	struct store *s, struct release *r, struct store_release *ret, int *ret_is_new, struct err *err)
{
	_cleanup_json_ json_t *index = NULL;
	_cleanup_close_ int lock = -1;
	struct store_release newest;
	uint64_t last;
	int e = store_begin(s, err);

	if (e < 0)
		return e;
	lock = store_lock(s, err);
	if (lock < 0)
		return lock;
	e = check_parts(s, r, err);
	if (e == 0)
		e = index_load(s, &index, err);
	if (e == 0)
		e = find_newest(s, r->profile, &newest, err);
	if (e < 0)
		return e;
	last = last_sequence(index, r->profile);
	if (e == 1 && newest.release.sequence == last && same_content(r, &newest.release)) {
		*r = newest.release;
		*ret = newest;
		*ret_is_new = 0;
		return 0;
	}
	if (last >= SEQUENCE_MAX)
		return err_set(err, ERANGE, "%s: its sequence numbers are used up", r->profile);
	r->sequence = last + 1;
	e = write_release(s, index, r, err);
	if (e == 0)
		e = find_newest(s, r->profile, ret, err);
	if (e < 0)
		return e;
	*ret_is_new = 1;
	return 0;
}

/* ---- signing and tagging ---- */

/* The release as it is now: since the caller read it, it may have been signed by another process. */
static int read_again(
	struct store *s, const struct store_release *rel, struct store_release *ret, struct err *err)
{
	char digest[DIGEST_TEXT_SIZE];

	digest_format(&rel->config.digest, digest);
	return store_resolve(s, digest, ret, err);
}

/* Makes this process a writer that holds the lock: a descriptor to close, or -errno. */
static int begin_change(
	struct store *s, const struct store_release *rel, struct store_release *ret_now, struct err *err)
{
	_cleanup_close_ int lock = -1;
	int r = store_begin(s, err);

	if (r < 0)
		return r;
	lock = store_lock(s, err);
	if (lock < 0)
		return lock;
	r = read_again(s, rel, ret_now, err);
	return r < 0 ? r : TAKE_FD(lock);
}

/* The signatures that stay: all but the one by the key that signs again, which nobody names from then on. */
static int keep_signatures(struct store *s, const struct store_release *rel,
	const uint8_t key_id[MINISIGN_ID_SIZE], struct ocimanifest *m)
{
	_cleanup_buf_ struct buf text = {0};
	struct ocimanifest old;
	int r = store_read_blob(s, &rel->manifest, STORE_MANIFEST_LIMIT, &text, NULL);

	if (r == 0)
		r = ocimanifest_parse(&text, &old, NULL);
	if (r < 0)
		return r;
	m->former_packages = old.former_packages;
	for (size_t i = 0; r >= 0 && i < rel->signature_count && i < old.signature_count; i++) {
		if (memcmp(rel->signatures[i].key_id, key_id, MINISIGN_ID_SIZE) != 0)
			m->signatures[m->signature_count++] = old.signatures[i];
		else
			r = store_note_blob(s, &old.signatures[i].digest, NULL);
	}
	return r < 0 ? r : 0;
}

/* Every name of the old manifest, channels too, becomes one of the new. */
static int repoint(json_t *index, const struct digest *from, const struct release_part *to)
{
	json_t *entry;
	size_t i;

	json_array_foreach(index_entries(index), i, entry)
	{
		struct release_part part;

		if (!index_name(entry) || index_read_descriptor(entry, &part) < 0 ||
			!digest_equal(&part.digest, from))
			continue;
		if (index_point(index, index_name(entry), to) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* The old manifest is noted as added, so that the end of this writer removes it. */
static int replace_manifest(
	struct store *s, const struct store_release *rel, const struct ocimanifest *m, struct err *err)
{
	_cleanup_json_ json_t *index = NULL;
	struct release_part manifest;
	int r = index_load(s, &index, err);

	if (r == 0)
		r = add_manifest(s, m, &rel->release, &manifest, err);
	if (r == 0)
		r = store_note_blob(s, &rel->manifest.digest, err);
	if (r < 0)
		return r;
	if (repoint(index, &rel->manifest.digest, &manifest) < 0)
		return err_oom(err, "index.json");
	return index_save(s, index, err);
}

int store_add_signature(
	struct store *s, const struct store_release *rel, const struct buf *signature, struct err *err)
{
	uint8_t key_id[MINISIGN_ID_SIZE];
	_cleanup_close_ int lock = -1;
	struct ocimanifest m = {0};
	struct store_release now;
	int r = minisign_signature_id(signature->data, key_id, err);

	if (r < 0)
		return r;
	lock = begin_change(s, rel, &now, err);
	if (lock < 0)
		return lock;
	m.config = now.config;
	r = keep_signatures(s, &now, key_id, &m);
	if (r < 0)
		return err_set(err, -r, "%s: its OCI manifest cannot be read", now.name);
	if (m.signature_count == STORE_SIGNATURES_MAX)
		return err_set(err, E2BIG, "%s: has %d signatures already", now.name, STORE_SIGNATURES_MAX);
	r = store_add_bytes(s, signature->data, signature->len, &m.signatures[m.signature_count++], err);
	return r < 0 ? r : replace_manifest(s, &now, &m, err);
}

int store_tag(struct store *s, const struct store_release *rel, const char *channel, struct err *err)
{
	_cleanup_free_ char *name = NULL;
	_cleanup_json_ json_t *index = NULL;
	_cleanup_close_ int lock = -1;
	struct store_release now;
	uint64_t number;
	int r;

	if (parse_name(channel) < 0 || parse_u64(channel, &number) != -EINVAL)
		return err_set(err, EINVAL,
			"'%.80s' cannot be a channel; allowed: 1 to 63 of a-z 0-9 . _ -, not a number",
			channel);
	lock = begin_change(s, rel, &now, err);
	if (lock < 0)
		return lock;
	r = index_load(s, &index, err);
	if (r < 0)
		return r;
	if (strlen(now.channels) + strlen(channel) + 2 > sizeof(now.channels))
		return err_set(err, E2BIG, "%s: has too many channels already", now.name);
	if (asprintf(&name, "%s:%s", now.release.profile, channel) < 0 ||
		index_point(index, name, &now.manifest) < 0)
		return err_oom(err, "index.json");
	return index_save(s, index, err);
}
