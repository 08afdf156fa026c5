/*
 * Owns the way from an image's name to its layers: index, manifest, configuration, each read whole with a
 * limit and hashed before it is parsed. What the layers hold is not its business.
 */
#include "imager/format/ociimage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "imager/base/io.h"
#include "imager/format/storepriv.h"

#define DOCUMENT_LIMIT ((size_t)4 << 20)
#define LAYERS_MAX     1000
#define NESTED_MAX     3 /* indexes of indexes */

/* The kinds of layers that are tar archives of a root tree. */
static const char *const layer_types[] = {
	"application/vnd.oci.image.layer.v1.tar",
	"application/vnd.oci.image.layer.v1.tar+gzip",
	"application/vnd.oci.image.layer.v1.tar+zstd",
	"application/vnd.oci.image.layer.nondistributable.v1.tar",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
	"application/vnd.docker.image.rootfs.diff.tar",
	"application/vnd.docker.image.rootfs.diff.tar.gzip",
	"application/vnd.docker.image.rootfs.diff.tar.zstd",
};

void ociimage_release(struct ociimage *i)
{
	free(i->layers);
	*i = (struct ociimage){0};
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* ---- blobs ---- */

static char *blob_path(const char *layout, const struct digest *d)
{
	char hex[65], *path;

	digest_hex(d, hex);
	return asprintf(&path, "%s/" STORE_BLOBS "/%s", layout, hex) < 0 ? NULL : path;
}

static int differs(const char *path, struct err *err)
{
	return err_set(err, EBADMSG, "%s: not the bytes that its digest and size say", path);
}

static int read_document(const char *layout, const struct release_part *part, json_t **ret, struct err *err)
{
	_cleanup_free_ char *path = blob_path(layout, &part->digest), *text = NULL;
	struct digest found;
	json_error_t error;
	size_t len;
	int r = path ? read_file(path, DOCUMENT_LIMIT, &text, &len, err) : err_oom(err, layout);

	if (r < 0)
		return r;
	if (digest_bytes(text, len, &found) < 0 || len != part->size || !digest_equal(&found, &part->digest))
		return differs(path, err);
	*ret = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	return *ret ? 0 : err_set(err, EBADMSG, "%s:%d: %s", path, error.line, error.text);
}

int ociimage_open_layer(const char *layout, const struct release_part *part, struct err *err)
{
	_cleanup_free_ char *path = blob_path(layout, &part->digest);
	_cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	struct digest found;
	uint64_t size;
	struct stat st;
	int r;

	if (!path)
		return err_oom(err, layout);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_path(err, errno, path);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != part->size)
		return differs(path, err);
	r = digest_fd(fd, &found, &size, NULL);
	if (r < 0)
		return err_path(err, -r, path);
	if (size != part->size || !digest_equal(&found, &part->digest))
		return differs(path, err);
	return TAKE_FD(fd);
}

/* ---- the index ---- */

/* Entries without a platform are of one image; those of another machine are not for us. */
static int fits(const json_t *entry, const char *arch)
{
	const json_t *platform = json_object_get(entry, "platform");

	return !platform || (!strcmp(text_of(platform, "os"), "linux") &&
				    !strcmp(text_of(platform, "architecture"), arch));
}

static int is_meant(const json_t *entry, const char *ref)
{
	const char *name = index_name(entry),
		   *whole = text_of(json_object_get(entry, "annotations"), "io.containerd.image.name");

	return !ref || (name && !strcmp(name, ref)) || !strcmp(whole, ref) ||
	       !strcmp(text_of(entry, "digest"), ref);
}

static int add_name(const json_t *entry, struct buf *names)
{
	const char *name = index_name(entry);

	return buf_printf(names, "%s%s", names->len ? ", " : "", name ? name : text_of(entry, "digest"));
}

/* What a list of manifests offers: which one is meant and fits, how many there are, what they are called. */
struct choice {
	const json_t *entry;
	size_t meant, fitting;
	struct buf names;
};

static int choose(const json_t *index, const struct ociimage_query *q, struct choice *ret)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(index, "manifests"), i, entry)
	{
		if (add_name(entry, &ret->names) < 0)
			return -ENOMEM;
		if (!is_meant(entry, q->ref))
			continue;
		ret->meant++;
		if (!fits(entry, q->arch))
			continue;
		ret->fitting++;
		ret->entry = entry;
	}
	return 0;
}

static int judge(const struct choice *c, const struct ociimage_query *q, struct err *err)
{
	const char *names = c->names.len ? c->names.data : "none";

	if (!c->meant && q->ref)
		return err_set(err, ENOENT, "%s: no image '%s'; there are: %s", q->layout, q->ref, names);
	if (!c->meant)
		return err_set(err, ENOENT, "%s: no image in it", q->layout);
	if (!c->fitting)
		return err_set(err, ENOENT, "%s: the image is not there for linux/%s", q->layout, q->arch);
	if (c->fitting > 1)
		return err_set(
			err, ENOTUNIQ, "%s: more than one image, so one must be named: %s", q->layout, names);
	return 0;
}

/* The one manifest of an index that the query means. */
static int pick(
	const json_t *index, const struct ociimage_query *q, struct release_part *ret, struct err *err)
{
	struct choice c = {0};
	int r = choose(index, q, &c) < 0 ? err_oom(err, q->layout) : judge(&c, q, err);

	if (r >= 0 && index_read_descriptor(c.entry, ret) < 0)
		r = err_set(err, EBADMSG, "%s: the index: a digest or size is wrong", q->layout);
	buf_release(&c.names);
	return r;
}

static int read_index(const struct ociimage_query *q, json_t **ret, struct err *err)
{
	_cleanup_free_ char *path = path_join(q->layout, "index.json"), *text = NULL;
	json_error_t error;
	size_t len;
	int r = path ? read_file(path, DOCUMENT_LIMIT, &text, &len, err) : err_oom(err, q->layout);

	if (r < 0)
		return r;
	*ret = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	return *ret ? 0 : err_set(err, EBADMSG, "%s:%d: %s", path, error.line, error.text);
}

/* ---- manifest and configuration ---- */

static int is_layer_type(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(layer_types); i++)
		if (!strcmp(type, layer_types[i]))
			return 1;
	return 0;
}

static int read_layers(const json_t *manifest, struct ociimage *image, struct err *err)
{
	const json_t *list = json_object_get(manifest, "layers"), *entry;
	size_t count = json_array_size(list), i;

	if (!count || count > LAYERS_MAX)
		return err_set(
			err, EBADMSG, "the image has %zu layers, 1 to %d are allowed", count, LAYERS_MAX);
	image->layers = calloc(count, sizeof(*image->layers));
	if (!image->layers)
		return err_oom(err, "the layers");
	image->layer_count = count;
	json_array_foreach(list, i, entry)
	{
		if (!is_layer_type(text_of(entry, "mediaType")))
			return err_set(err, EBADMSG, "layer %zu of the image is no root tree but '%s'", i + 1,
				text_of(entry, "mediaType"));
		if (index_read_descriptor(entry, &image->layers[i]) < 0)
			return err_set(
				err, EBADMSG, "layer %zu of the image: its digest or size is wrong", i + 1);
	}
	return 0;
}

/* RFC 3339, "2024-05-01T12:00:00.5+02:00"; 0 for anything else. */
static uint64_t parse_time(const char *text)
{
	struct tm tm = {0}, offset = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	time_t time = rest ? timegm(&tm) : -1;

	if (time <= 0 || time > UINT32_MAX)
		return 0;
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if ((*rest == '+' || *rest == '-') && strptime(rest + 1, "%H:%M", &offset))
		time -= (*rest == '-' ? -1 : 1) * (offset.tm_hour * 3600 + offset.tm_min * 60);
	return time > 0 ? (uint64_t)time : 0;
}

static int read_config(
	const struct ociimage_query *q, const json_t *manifest, struct ociimage *image, struct err *err)
{
	_cleanup_json_ json_t *config = NULL;
	struct release_part part;
	const char *arch;
	int r;

	if (index_read_descriptor(json_object_get(manifest, "config"), &part) < 0)
		return err_set(err, EBADMSG, "the image's configuration: its digest or size is wrong");
	r = read_document(q->layout, &part, &config, err);
	if (r < 0)
		return r;
	arch = text_of(config, "architecture");
	if (*arch && strcmp(arch, q->arch) != 0)
		return err_set(err, ENOENT, "%s: the image is for %s, not for %s", q->layout, arch, q->arch);
	image->created = parse_time(text_of(config, "created"));
	return 0;
}

/* Down the lists until there is a manifest. Below the first list an architecture is all that differs. */
static int read_image(
	const struct ociimage_query *q, const json_t *index, struct ociimage *image, struct err *err)
{
	struct ociimage_query query = *q;
	_cleanup_json_ json_t *document = NULL;
	struct release_part part;
	int r = pick(index, &query, &part, err);

	for (int depth = 0; r >= 0 && depth < NESTED_MAX; depth++) {
		json_decref(TAKE(document));
		r = read_document(q->layout, &part, &document, err);
		if (r < 0)
			return r;
		if (!json_object_get(document, "manifests")) {
			image->manifest = part.digest;
			r = read_config(q, document, image, err);
			return r < 0 ? r : read_layers(document, image, err);
		}
		query.ref = NULL;
		r = pick(document, &query, &part, err);
	}
	return r < 0 ? r : err_set(err, EBADMSG, "%s: lists of images in lists", q->layout);
}

int ociimage_find(const struct ociimage_query *query, struct ociimage *ret, struct err *err)
{
	_cleanup_ociimage_ struct ociimage image = {0};
	_cleanup_json_ json_t *index = NULL;
	int r = read_index(query, &index, err);

	if (r >= 0)
		r = read_image(query, index, &image, err);
	if (r < 0)
		return r;
	*ret = image;
	image = (struct ociimage){0};
	return 0;
}
