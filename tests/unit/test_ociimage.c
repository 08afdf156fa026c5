/* From an image's name to its layers: what is chosen, and what of a layout is not believed. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "imager/format/ociimage.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/testtree.h"

#define GZIP   "application/vnd.oci.image.layer.v1.tar+gzip"
#define NAMED  "org.opencontainers.image.ref.name"
#define CONFIG "{\"architecture\":\"amd64\",\"created\":\"%s\"}"

/* Puts the text as a blob; its descriptor's "digest" and "size". */
static char *put_blob(const char *folder, const char *text)
{
	char hex[65], *path, *ret;
	struct digest digest;

	assert_int_equal(digest_bytes(text, strlen(text), &digest), 0);
	digest_hex(&digest, hex);
	assert_true(asprintf(&path, "l/blobs/sha256/%s", hex) > 0);
	tree_put(folder, path, text);
	free(path);
	assert_true(asprintf(&ret, "\"digest\":\"sha256:%s\",\"size\":%zu", hex, strlen(text)) > 0);
	return ret;
}

/* A manifest of one layer of that type, over this configuration; its descriptor. */
static char *put_manifest(const char *folder, const char *type, const char *config_text)
{
	_cleanup_free_ char *layer = put_blob(folder, "the layer"), *config = put_blob(folder, config_text),
			    *manifest = NULL;

	assert_true(asprintf(&manifest,
			    "{\"schemaVersion\":2,\"config\":{%s},\"layers\":[{\"mediaType\":\"%s\",%s}]}",
			    config, type, layer) > 0);
	return put_blob(folder, manifest);
}

static void put_index(const char *folder, const char *manifests)
{
	_cleanup_free_ char *text = NULL;

	assert_true(asprintf(&text, "{\"schemaVersion\":2,\"manifests\":[%s]}", manifests) > 0);
	tree_put(folder, "l/index.json", text);
}

static int find(const char *folder, const char *ref, struct ociimage *ret, struct err *err)
{
	_cleanup_free_ char *layout = path_join(folder, "l");
	const struct ociimage_query query = {.layout = layout, .ref = ref, .arch = "amd64"};

	return ociimage_find(&query, ret, err);
}

static void refused(const char *folder, const char *ref, int code, const char *sentence)
{
	_cleanup_ociimage_ struct ociimage image = {0};
	struct err err = {0};
	int r = find(folder, ref, &image, &err);

	if (r != -code || !strstr(err.text, sentence))
		fail_msg("'%s' is wanted, not %d '%s'", sentence, r, err.text);
	assert_null(image.layers);
}

static void test_created(void **state)
{
	static const struct {
		const char *text;
		uint64_t expected;
	} rows[] = {
		{"2023-11-14T22:13:20Z", 1700000000},
		{"2023-11-14T22:13:20.123456789Z", 1700000000},
		{"2023-11-15T00:13:20+02:00", 1700000000},
		{"2023-11-14T20:43:20-01:30", 1700000000},
		{"1970-01-01T00:00:00Z", 0},
		{"1950-01-01T00:00:00Z", 0},
		{"9999-01-01T00:00:00Z", 0},
		{"yesterday", 0},
		{"", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_ociimage_ struct ociimage image = {0};
		_cleanup_free_ char *config = NULL, *manifest = NULL, *entry = NULL;
		struct err err = {0};

		assert_true(asprintf(&config, CONFIG, rows[i].text) > 0);
		manifest = put_manifest(*state, GZIP, config);
		assert_true(asprintf(&entry, "{%s}", manifest) > 0);
		put_index(*state, entry);
		if (find(*state, NULL, &image, &err) < 0)
			fail_msg("%s", err.text);
		assert_int_equal(image.layer_count, 1);
		assert_int_equal(image.layers[0].size, strlen("the layer"));
		if (image.created != rows[i].expected)
			fail_msg("%s is %llu", rows[i].text, (unsigned long long)image.created);
	}
}

static void test_choice(void **state)
{
	_cleanup_free_ char *one = put_manifest(*state, GZIP, "{\"architecture\":\"amd64\"}"),
			    *two = put_manifest(*state, GZIP, "{\"architecture\":\"arm64\"}"),
			    *entries = NULL, *digest = strndup(strstr(one, "sha256:"), 71);
	_cleanup_ociimage_ struct ociimage image = {0};

	assert_true(asprintf(&entries,
			    "{%s,\"annotations\":{\"" NAMED "\":\"one\"}},{%s,\"annotations\":{\"" NAMED
			    "\":\"two\"}}",
			    one, two) > 0);
	put_index(*state, entries);
	refused(*state, NULL, ENOTUNIQ, "more than one image, so one must be named: one, two");
	refused(*state, "three", ENOENT, "no image 'three'; there are: one, two");
	refused(*state, "two", ENOENT, "the image is for arm64, not for amd64");
	assert_int_equal(find(*state, "one", &image, NULL), 0);
	ociimage_release(&image);
	assert_int_equal(find(*state, digest, &image, NULL), 0);
	put_index(*state, "");
	refused(*state, NULL, ENOENT, "no image in it");
}

static void test_broken_index(void **state)
{
	static const struct {
		const char *text, *sentence;
	} rows[] = {
		{"", "index.json"},
		{"[]", "no image in it"},
		{"{\"manifests\":{}}", "no image in it"},
		{"{\"manifests\":[7]}", "a digest or size is wrong"},
		{"{\"manifests\":[{\"digest\":\"sha256:../../../etc/passwd\",\"size\":1}]}",
			"a digest or size is wrong"},
		{"{\"manifests\":[{\"digest\":\"md5:00\",\"size\":1}]}", "a digest or size is wrong"},
		{"{\"manifests\":[{\"digest\":"
		 "\"sha256:0000000000000000000000000000000000000000000000000000000000000000\","
		 "\"size\":-1}]}",
			"a digest or size is wrong"},
		{"{\"manifests\":[{\"digest\":"
		 "\"sha256:0000000000000000000000000000000000000000000000000000000000000000\","
		 "\"size\":1}]}",
			"No such file"},
		{"{\"manifests\":[],\"manifests\":[]}", "index.json:1:"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_ociimage_ struct ociimage image = {0};
		struct err err = {0};

		tree_put(*state, "l/index.json", rows[i].text);
		assert_true(find(*state, NULL, &image, &err) < 0);
		if (!strstr(err.text, rows[i].sentence))
			fail_msg("%s: %s", rows[i].text, err.text);
	}
}

/* Whole and with the right digest, but not what the specification says. */
static void test_broken_documents(void **state)
{
	static const struct {
		const char *manifest, *sentence;
	} rows[] = {
		{"nonsense", ":1: "},
		{"{}", "configuration: its digest or size is wrong"},
		{"{\"config\":{\"digest\":\"sha256:x\",\"size\":1}}", "configuration: its digest or size"},
		{"{\"config\":{%s}}", "has 0 layers"},
		{"{\"config\":{%s},\"layers\":[{}]}", "layer 1 of the image is no root tree but ''"},
		{"{\"config\":{%s},\"layers\":[{\"mediaType\":\"application/vnd.cncf.helm.chart\"}]}",
			"layer 1 of the image is no root tree but 'application/vnd.cncf.helm.chart'"},
		{"{\"config\":{%s},\"layers\":[{\"mediaType\":\"" GZIP "\",\"digest\":\"sha256:a\"}]}",
			"layer 1 of the image: its digest or size is wrong"},
	};
	_cleanup_free_ char *config = put_blob(*state, "{}");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *manifest = NULL, *blob = NULL, *entry = NULL;
		const char *at = strstr(rows[i].manifest, "%s");

		assert_true(asprintf(&manifest, "%.*s%s%s",
				    (int)(at ? at - rows[i].manifest : (long)strlen(rows[i].manifest)),
				    rows[i].manifest, at ? config : "", at ? at + 2 : "") > 0);
		blob = put_blob(*state, manifest);
		assert_true(asprintf(&entry, "{%s}", blob) > 0);
		put_index(*state, entry);
		refused(*state, NULL, EBADMSG, rows[i].sentence);
	}
}

/* An index that leads to itself by name is not possible; a deep chain is. */
static void test_nested(void **state)
{
	_cleanup_free_ char *entry = put_manifest(*state, GZIP, "{}");

	for (int depth = 0; depth < 5; depth++) {
		_cleanup_free_ char *index = NULL, *list = NULL;
		_cleanup_ociimage_ struct ociimage image = {0};

		assert_true(asprintf(&list, "{%s}", entry) > 0);
		put_index(*state, list);
		if (depth < 3)
			assert_int_equal(find(*state, NULL, &image, NULL), 0);
		else
			refused(*state, NULL, EBADMSG, "lists of images in lists");
		assert_true(asprintf(&index, "{\"manifests\":[%s]}", list) > 0);
		free(TAKE(entry));
		entry = put_blob(*state, index);
	}
}

static void test_changed_blobs(void **state)
{
	_cleanup_free_ char *entry = put_manifest(*state, GZIP, "{}"), *list = NULL, *path = NULL,
			    *layout = path_join(*state, "l");
	_cleanup_ociimage_ struct ociimage image = {0};
	struct err err = {0};
	char hex[65];
	int fd;

	assert_true(asprintf(&list, "{%s}", entry) > 0);
	put_index(*state, list);
	assert_int_equal(find(*state, NULL, &image, NULL), 0);
	fd = ociimage_open_layer(layout, &image.layers[0], &err);
	assert_true(fd >= 0);
	(void)close(fd);
	digest_hex(&image.layers[0].digest, hex);
	assert_true(asprintf(&path, "l/blobs/sha256/%s", hex) > 0);
	/* longer, and as long but different */
	tree_put(*state, path, "the layer and more");
	assert_int_equal(ociimage_open_layer(layout, &image.layers[0], &err), -EBADMSG);
	tree_put(*state, path, "the Layer");
	assert_int_equal(ociimage_open_layer(layout, &image.layers[0], &err), -EBADMSG);
	assert_non_null(strstr(err.text, hex));
	digest_hex(&image.manifest, hex);
	free(path);
	assert_true(asprintf(&path, "l/blobs/sha256/%s", hex) > 0);
	tree_put(*state, path, "{}");
	refused(*state, NULL, EBADMSG, "not the bytes that its digest and size say");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_created),
		unit_test_in_dir(test_choice),
		unit_test_in_dir(test_broken_index),
		unit_test_in_dir(test_broken_documents),
		unit_test_in_dir(test_nested),
		unit_test_in_dir(test_changed_blobs),
	};

	return cmocka_run_group_tests_name("ociimage", tests, NULL, NULL);
}
