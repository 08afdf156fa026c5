/* Owns the OCI manifest of a release: which blob is which layer, by media type. Deterministic: the same
 * release and signatures give the same bytes. */
#include "imager/format/storepriv.h"

#include <errno.h>
#include <string.h>

#define SIGNATURE_TYPE       "application/vnd.swarmboot.signature.v1"
#define FORMER_PACKAGES_TYPE "application/vnd.swarmboot.packages.v1"

struct layer {
	const char *title, *type;
	size_t offset; /* of the part in struct release */
};

static const struct layer layers[] = {
	{"kernel", "application/vnd.swarmboot.kernel.v1", offsetof(struct release, kernel)},
	{"initramfs", "application/vnd.swarmboot.initramfs.v1", offsetof(struct release, initramfs)},
	{"root.squashfs", "application/vnd.swarmboot.root.v1", offsetof(struct release, root)},
	{"packages.spdx.json", "application/spdx+json", offsetof(struct release, packages)},
};

/* A release that was published with a plain list keeps it under that name when it is signed. */
static const struct layer former_packages = {
	"packages.json", FORMER_PACKAGES_TYPE, offsetof(struct release, packages)};

static int add_layer(json_t *list, const char *type, const char *title, const struct release_part *part)
{
	json_t *entry = index_descriptor(type, part);

	if (!entry || json_object_set_new(entry, "annotations", json_pack("{s:s}", OCI_TITLE, title)) < 0) {
		json_decref(entry);
		return -ENOMEM;
	}
	return json_array_append_new(list, entry);
}

static int add_layers(json_t *list, const struct ocimanifest *m, const struct release *release)
{
	for (size_t i = 0; i < ARRAY_SIZE(layers); i++) {
		const struct layer *l = &layers[i];
		const void *part = (const char *)release + l->offset;

		if (m->former_packages && l->offset == former_packages.offset)
			l = &former_packages;
		if (add_layer(list, l->type, l->title, part) < 0)
			return -ENOMEM;
	}
	for (size_t i = 0; i < m->signature_count; i++)
		if (add_layer(list, SIGNATURE_TYPE, "release.json.minisig", &m->signatures[i]) < 0)
			return -ENOMEM;
	return 0;
}

int ocimanifest_format(
	const struct ocimanifest *m, const struct release *release, struct buf *ret, struct err *err)
{
	_cleanup_json_ json_t *list = json_array();
	_cleanup_json_ json_t *root = json_pack("{s:i,s:s,s:o,s:O,s:{s:s,s:s}}", "schemaVersion", 2,
		"mediaType", OCI_MANIFEST_TYPE, "config", index_descriptor(RELEASE_MEDIA_TYPE, &m->config),
		"layers", list, "annotations", OCI_TITLE, release->profile, OCI_VERSION, release->version);
	_cleanup_buf_ struct buf text = {0};

	if (!root || !list || add_layers(list, m, release) < 0 ||
		json_add_text(root, JSON_COMPACT, &text) < 0)
		return err_oom(err, "the OCI manifest");
	buf_move(ret, &text);
	return 0;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static int read_layer(const json_t *entry, struct ocimanifest *m, struct err *err)
{
	if (!strcmp(text_of(entry, "mediaType"), FORMER_PACKAGES_TYPE))
		m->former_packages = 1;
	if (strcmp(text_of(entry, "mediaType"), SIGNATURE_TYPE) != 0)
		return 0;
	if (m->signature_count == STORE_SIGNATURES_MAX)
		return err_set(err, EBADMSG, "OCI manifest: more than %d signatures", STORE_SIGNATURES_MAX);
	if (index_read_descriptor(entry, &m->signatures[m->signature_count++]) < 0)
		return err_set(err, EBADMSG, "OCI manifest: a signature's digest or size is wrong");
	return 0;
}

int ocimanifest_parse(const struct buf *data, struct ocimanifest *ret, struct err *err)
{
	_cleanup_json_ json_t *root = json_loadb(data->data, data->len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *config = json_object_get(root, "config"), *entry;
	struct ocimanifest m = {0};
	size_t i;

	if (!root)
		return err_set(err, EBADMSG, "OCI manifest: not JSON");
	if (strcmp(text_of(config, "mediaType"), RELEASE_MEDIA_TYPE) != 0)
		return 0;
	if (index_read_descriptor(config, &m.config) < 0)
		return err_set(err, EBADMSG, "OCI manifest: config: its digest or size is wrong");
	json_array_foreach(json_object_get(root, "layers"), i, entry)
	{
		int r = read_layer(entry, &m, err);

		if (r < 0)
			return r;
	}
	*ret = m;
	return 1;
}
