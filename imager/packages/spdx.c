/* Owns the writing of a package list as SPDX 2.3 JSON. Reading is spdxread.c's; what is installed
 * packages.c's. */
#include "imager/packages/spdx.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "imager/format/json.h"
#include "imager/packages/spdxid.h"

#define NOASSERTION "NOASSERTION"

/* ---- texts ---- */

/* Percent-encoding as package URLs have it: a colon stays. */
static int add_encoded(struct buf *b, const char *text)
{
	int r = 0;

	for (const char *p = text; r == 0 && *p; p++) {
		unsigned char c = (unsigned char)*p;

		r = isalnum(c) || strchr(".-_~:", c) ? buf_add(b, p, 1) : buf_printf(b, "%%%02X", c);
	}
	return r;
}

/* "1:" before an rpm's version is a qualifier there; a deb's version keeps it. */
static size_t epoch_length(const struct packages *all, const char *version)
{
	size_t digits = strspn(version, "0123456789");

	return !strcmp(all->type, "rpm") && digits && version[digits] == ':' ? digits : 0;
}

/* github.com/package-url/purl-spec, types deb and rpm. */
static int format_purl(const struct packages *all, const struct package *p, struct buf *ret)
{
	size_t epoch = epoch_length(all, p->version);
	const char *vendor = *all->vendor ? all->vendor : "unknown";
	int r = buf_printf(ret, "pkg:%s/%s/", all->type, vendor);

	if (r == 0)
		r = add_encoded(ret, p->name);
	if (r == 0)
		r = buf_puts(ret, "@");
	if (r == 0)
		r = add_encoded(ret, p->version + (epoch ? epoch + 1 : 0));
	if (r == 0 && *p->arch)
		r = buf_printf(ret, "?arch=%s", p->arch);
	if (r == 0 && epoch)
		r = buf_printf(ret, "%sepoch=%.*s", *p->arch ? "&" : "?", (int)epoch, p->version);
	return r;
}

/* "Name <mail>" as SPDX writes it: "Organization: Name (mail)". */
static json_t *supplier_json(const char *maintainer)
{
	_cleanup_buf_ struct buf text = {0};
	const char *open = strchr(maintainer, '<');
	int name = open ? (int)(open - maintainer) : (int)strlen(maintainer), r;

	while (name > 0 && maintainer[name - 1] == ' ')
		name--;
	if (!name)
		return json_string(NOASSERTION);
	r = buf_printf(&text, "Organization: %.*s", name, maintainer);
	if (r == 0 && open)
		r = buf_printf(&text, " (%.*s)", (int)strcspn(open + 1, ">"), open + 1);
	return r == 0 ? json_string(text.data) : NULL;
}

static json_t *checksums_json(const struct digest *d)
{
	char hex[65];

	digest_hex(d, hex);
	return json_pack("[{s:s,s:s}]", "algorithm", "SHA256", "checksumValue", hex);
}

/* ---- packages ---- */

/* What every package must have; its id is made unique among the ids. */
static json_t *package_json(json_t *ids, const char *prefix, const struct package *p)
{
	_cleanup_buf_ struct buf id = {0};
	json_t *object;

	if (spdxid_format(ids, prefix, p, &id) < 0)
		return NULL;
	object = json_pack("{s:s,s:s,s:s,s:b,s:s,s:s,s:s}", "SPDXID", id.data, "name", p->name,
		"downloadLocation", NOASSERTION, "filesAnalyzed", 0, "licenseConcluded", NOASSERTION,
		"licenseDeclared", NOASSERTION, "copyrightText", NOASSERTION);
	if (object && p->version && *p->version &&
		json_object_set_new(object, "versionInfo", json_string(p->version)) < 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static int set_source(json_t *object, const struct package *p)
{
	_cleanup_buf_ struct buf text = {0};

	if (!*p->source && !*p->source_version)
		return 0;
	if (buf_printf(&text, "built from source package: %s %s", *p->source ? p->source : p->name,
		    *p->source_version ? p->source_version : p->version) < 0)
		return -ENOMEM;
	return json_object_set_new(object, "sourceInfo", json_string(text.data));
}

static json_t *installed_json(json_t *ids, const struct packages *all, const struct package *p)
{
	_cleanup_buf_ struct buf purl = {0}, prefix = {0};
	_cleanup_json_ json_t *object = NULL;

	if (format_purl(all, p, &purl) < 0 || buf_printf(&prefix, "SPDXRef-Package-%s-", all->type) < 0)
		return NULL;
	object = package_json(ids, prefix.data, p);
	if (!object || json_object_set_new(object, "supplier", supplier_json(p->maintainer)) < 0 ||
		set_source(object, p) < 0 ||
		json_object_set_new(object, "externalRefs",
			json_pack("[{s:s,s:s,s:s}]", "referenceCategory", "PACKAGE-MANAGER", "referenceType",
				"purl", "referenceLocator", purl.data)) < 0)
		return NULL;
	return TAKE(object);
}

static json_t *artifact_json(json_t *ids, const struct spdx_artifact *a)
{
	const struct package row = {.name = a->name};
	_cleanup_json_ json_t *object = package_json(ids, "SPDXRef-Artifact-", &row);

	if (!object || json_object_set_new(object, "checksums", checksums_json(&a->digest)) < 0)
		return NULL;
	if (a->location && *a->location &&
		json_object_set_new(object, "downloadLocation", json_string(a->location)) < 0)
		return NULL;
	return TAKE(object);
}

static json_t *image_json(json_t *ids, const struct spdx_document *d)
{
	const struct package row = {.name = d->name, .version = d->version};
	_cleanup_json_ json_t *object = package_json(ids, SPDXID_IMAGE, &row);

	if (!object || json_object_set_new(object, "SPDXID", json_string(SPDXID_IMAGE)) < 0 ||
		json_object_set_new(object, "primaryPackagePurpose", json_string("OPERATING_SYSTEM")) < 0 ||
		json_object_set_new(object, "checksums", checksums_json(&d->image)) < 0)
		return NULL;
	return TAKE(object);
}

/* ---- the document ---- */

static int relate(json_t *list, const char *from, const char *type, const json_t *to)
{
	return json_array_append_new(
		list, json_pack("{s:s,s:s,s:O}", "spdxElementId", from, "relationshipType", type,
			      "relatedSpdxElement", json_object_get(to, "SPDXID")));
}

/* Takes the package over; the image comes first and contains all others. */
static int add_package(json_t *root, json_t *object)
{
	json_t *relations = json_object_get(root, "relationships");
	int first = json_array_size(relations) == 0;
	int r = object ? 0 : -1;

	if (r == 0)
		r = relate(relations, first ? SPDXID_DOCUMENT : SPDXID_IMAGE,
			first ? "DESCRIBES" : "CONTAINS", object);
	if (r < 0) {
		json_decref(object);
		return r;
	}
	return json_array_append_new(json_object_get(root, "packages"), object);
}

static int add_packages(json_t *root, const struct spdx_document *d)
{
	_cleanup_json_ json_t *ids = json_object();
	int r = ids ? add_package(root, image_json(ids, d)) : -1;

	for (size_t i = 0; r == 0 && i < d->packages->count; i++)
		r = add_package(root, installed_json(ids, d->packages, &d->packages->items[i]));
	for (size_t i = 0; r == 0 && i < d->artifact_count; i++)
		r = add_package(root, artifact_json(ids, &d->artifacts[i]));
	return r;
}

/* A UUID of version 8 (RFC 9562, 5.8) from the digest of the document without it. */
static int set_namespace(json_t *root)
{
	_cleanup_buf_ struct buf text = {0};
	struct digest digest;
	uint8_t *b = digest.bytes;
	char hex[65], name[64];

	if (json_add_text(root, JSON_COMPACT, &text) < 0 || digest_bytes(text.data, text.len, &digest) < 0)
		return -1;
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x80);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	digest_hex(&digest, hex);
	(void)snprintf(name, sizeof(name), "urn:uuid:%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
		hex + 16, hex + 20);
	return json_object_set_new(root, "documentNamespace", json_string(name));
}

static json_t *document_json(const struct spdx_document *d)
{
	time_t created = (time_t)d->created;
	char date[32];
	struct tm tm;

	if (!gmtime_r(&created, &tm) || !strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &tm))
		return NULL;
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:{s:s,s:[s]},s:[],s:[]}", "spdxVersion", "SPDX-2.3",
		"dataLicense", "CC0-1.0", "SPDXID", SPDXID_DOCUMENT, "name", d->name, "documentNamespace", "",
		"creationInfo", "created", date, "creators", "Tool: swarmboot-" SWARMBOOT_VERSION, "packages",
		"relationships");
}

int spdx_format(const struct spdx_document *d, struct buf *ret, struct err *err)
{
	_cleanup_json_ json_t *root = document_json(d);
	_cleanup_buf_ struct buf text = {0};

	if (!root || add_packages(root, d) < 0 || set_namespace(root) < 0 ||
		json_add_text(root, JSON_INDENT(1), &text) < 0)
		return err_set(err, EILSEQ, "the package list cannot be written; is a name not UTF-8?");
	buf_move(ret, &text);
	return 0;
}
