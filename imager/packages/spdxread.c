/* Owns the reading of package lists, of today's form (SPDX) and of the former one (a plain array). */
#include "imager/packages/spdx.h"

#include <errno.h>
#include <string.h>

#include "imager/base/io.h"
#include "imager/format/json.h"
#include "imager/packages/spdxid.h"

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* The package URL among the references, NULL without one. */
static const char *purl_of(const json_t *object)
{
	const json_t *ref;
	size_t i;

	json_array_foreach(json_object_get(object, "externalRefs"), i, ref)
	{
		const char *type = text_of(ref, "referenceType");

		if (type && !strcmp(type, "purl"))
			return text_of(ref, "referenceLocator");
	}
	return NULL;
}

/* SPDX has no place for the architecture but the package URL's qualifier; free(). */
static char *arch_of(const json_t *object)
{
	const char *purl = purl_of(object), *p = purl ? strchr(purl, '?') : NULL;

	for (; p; p = strchr(p + 1, '&'))
		if (!strncmp(p + 1, "arch=", 5))
			return strndup(p + 6, strcspn(p + 6, "&#"));
	return strdup("");
}

static int read_spdx(const json_t *root, struct packages *ret)
{
	const json_t *list = json_object_get(root, "packages"), *object;
	int r = json_is_array(list) ? 0 : -EBADMSG;
	size_t i;

	json_array_foreach(list, i, object)
	{
		_cleanup_free_ char *arch = arch_of(object);
		const char *id = text_of(object, "SPDXID");
		const struct package row = {
			.name = text_of(object, "name"),
			.version = text_of(object, "versionInfo"),
			.arch = arch,
		};

		if (id && !strcmp(id, SPDXID_IMAGE))
			continue;
		if (r == 0)
			r = !arch ? -ENOMEM : row.name ? packages_add(ret, &row) : -EBADMSG;
	}
	return r;
}

static int read_array(const json_t *root, struct packages *ret)
{
	const json_t *object;
	int r = 0;
	size_t i;

	json_array_foreach(root, i, object)
	{
		const struct package row = {
			.name = text_of(object, "name"),
			.version = text_of(object, "version"),
			.arch = text_of(object, "arch"),
		};

		if (r == 0)
			r = row.name ? packages_add(ret, &row) : -EBADMSG;
	}
	return r;
}

int spdx_parse(const char *data, size_t len, struct packages *ret, struct err *err)
{
	_cleanup_json_ json_t *root = json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL);
	_cleanup_packages_ struct packages found = {0};
	const char *version = text_of(root, "spdxVersion");
	int r = -EBADMSG;

	if (json_is_array(root))
		r = read_array(root, &found);
	else if (version && !strcmp(version, "SPDX-2.3"))
		r = read_spdx(root, &found);
	if (r == -ENOMEM)
		return err_oom(err, "the package list");
	if (r < 0)
		return err_set(err, EBADMSG, "the package list is neither SPDX 2.3 nor a list of packages");
	packages_sort(&found);
	*ret = found;
	found = (struct packages){0};
	return 0;
}

int spdx_read(struct store *s, const struct store_release *rel, struct packages *ret, struct err *err)
{
	_cleanup_free_ char *path = store_blob_path(s, &rel->release.packages.digest), *text = NULL;
	size_t len;
	int r = path ? read_file(path, SPDX_LIMIT, &text, &len, err) : err_oom(err, rel->name);

	if (r == 0)
		r = spdx_parse(text, len, ret, err);
	return r < 0 ? err_prefix(err, "%s", rel->name) : 0;
}
