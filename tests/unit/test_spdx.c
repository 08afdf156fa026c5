/* Package lists as SPDX: written, read again, and the former form. Whether the document is good SPDX by other
 * people's words is asked in tests/cli/diff.bats. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "imager/format/json.h"
#include "imager/packages/spdx.h"

static const struct package rows[] = {
	{"libstdc++6", "12.2.0-14+deb12u1", "amd64", "gcc-12", "",
		"Debian GCC Maintainers <gcc@example.org>"},
	{"bash", "5.2.15-2+b2", "amd64", "bash", "5.2.15-2", "Someone"},
	{"openssh-client", "1:9.2p1-2", "amd64", "", "", ""},
};

static void fill(struct packages *p, const char *type, const char *vendor)
{
	(void)snprintf(p->type, sizeof(p->type), "%s", type);
	(void)snprintf(p->vendor, sizeof(p->vendor), "%s", vendor);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(packages_add(p, &rows[i]), 0);
	packages_sort(p);
}

static void format(const struct packages *p, struct buf *ret)
{
	struct spdx_artifact artifacts[] = {
		{.name = "/usr/local/bin/k3s", .location = "https://x.invalid/k3s"}};
	struct spdx_document d = {.name = "slurm",
		.version = "1.2",
		.created = 1700000000,
		.packages = p,
		.artifacts = artifacts,
		.artifact_count = 1};
	struct err err = {0};

	(void)digest_bytes("k3s", 3, &artifacts[0].digest);
	(void)digest_bytes("root", 4, &d.image);
	if (spdx_format(&d, ret, &err) < 0)
		fail_msg("%s", err.text);
}

static const char *text_at(const json_t *root, size_t i, const char *key)
{
	return json_string_value(json_object_get(json_array_get(json_object_get(root, "packages"), i), key));
}

static const char *purl_at(const json_t *root, size_t i)
{
	const json_t *package = json_array_get(json_object_get(root, "packages"), i);

	return json_string_value(json_object_get(
		json_array_get(json_object_get(package, "externalRefs"), 0), "referenceLocator"));
}

static void test_format(void **state)
{
	_cleanup_packages_ struct packages p = {0};
	_cleanup_buf_ struct buf text = {0}, again = {0};
	_cleanup_json_ json_t *root = NULL;

	(void)state;
	fill(&p, "deb", "debian");
	format(&p, &text);
	format(&p, &again);
	assert_string_equal(text.data, again.data);
	root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(root);
	assert_int_equal(json_array_size(json_object_get(root, "packages")), 5);
	assert_int_equal(json_array_size(json_object_get(root, "relationships")), 5);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(root, "creationInfo"), "created")),
		"2023-11-14T22:13:20Z");
	assert_string_equal(text_at(root, 0, "SPDXID"), "SPDXRef-Image");
	assert_string_equal(text_at(root, 1, "supplier"), "Organization: Someone");
	assert_string_equal(text_at(root, 1, "sourceInfo"), "built from source package: bash 5.2.15-2");
	assert_string_equal(text_at(root, 2, "SPDXID"), "SPDXRef-Package-deb-libstdc-2B-2B6-amd64");
	assert_string_equal(
		text_at(root, 2, "supplier"), "Organization: Debian GCC Maintainers (gcc@example.org)");
	assert_string_equal(purl_at(root, 2), "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64");
	assert_string_equal(purl_at(root, 3), "pkg:deb/debian/openssh-client@1:9.2p1-2?arch=amd64");
	assert_string_equal(text_at(root, 3, "supplier"), "NOASSERTION");
	assert_null(text_at(root, 3, "sourceInfo"));
	assert_string_equal(text_at(root, 4, "downloadLocation"), "https://x.invalid/k3s");
}

static void test_rpm(void **state)
{
	_cleanup_packages_ struct packages p = {0};
	_cleanup_buf_ struct buf text = {0};
	_cleanup_json_ json_t *root = NULL;

	(void)state;
	fill(&p, "rpm", "rocky");
	format(&p, &text);
	root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
	assert_string_equal(purl_at(root, 3), "pkg:rpm/rocky/openssh-client@9.2p1-2?arch=amd64&epoch=1");
}

/* Another list is another namespace. */
static void test_namespace(void **state)
{
	_cleanup_packages_ struct packages p = {0};
	_cleanup_buf_ struct buf one = {0}, two = {0};
	_cleanup_json_ json_t *a = NULL, *b = NULL;
	const char *x, *y;

	(void)state;
	fill(&p, "deb", "debian");
	format(&p, &one);
	assert_int_equal(packages_add(&p, &rows[0]), 0);
	format(&p, &two);
	a = json_loadb(one.data, one.len, JSON_REJECT_DUPLICATES, NULL);
	b = json_loadb(two.data, two.len, JSON_REJECT_DUPLICATES, NULL);
	x = json_string_value(json_object_get(a, "documentNamespace"));
	y = json_string_value(json_object_get(b, "documentNamespace"));
	assert_int_equal(strlen(x), strlen("urn:uuid:00000000-0000-8000-8000-000000000000"));
	assert_int_equal(x[strlen("urn:uuid:00000000-0000-")], '8');
	assert_string_not_equal(x, y);
	/* the same package twice still has an id of its own */
	assert_string_equal(text_at(b, 4, "SPDXID"), "SPDXRef-Package-deb-libstdc-2B-2B6-amd64-2");
}

static void test_round_trip(void **state)
{
	_cleanup_packages_ struct packages p = {0}, found = {0};
	_cleanup_buf_ struct buf text = {0};
	struct err err = {0};

	(void)state;
	fill(&p, "deb", "debian");
	format(&p, &text);
	assert_int_equal(spdx_parse(text.data, text.len, &found, &err), 0);
	assert_int_equal(found.count, 4);
	assert_string_equal(found.items[0].name, "/usr/local/bin/k3s");
	for (size_t i = 0; i < p.count; i++) {
		assert_string_equal(found.items[i + 1].name, p.items[i].name);
		assert_string_equal(found.items[i + 1].version, p.items[i].version);
		assert_string_equal(found.items[i + 1].arch, p.items[i].arch);
	}
}

static void test_former(void **state)
{
	static const char text[] = "[\n{\"name\":\"b\",\"version\":\"2\",\"arch\":\"all\"},\n"
				   "{\"name\":\"a\",\"version\":\"1\",\"arch\":\"\"}\n]\n";
	_cleanup_packages_ struct packages found = {0}, none = {0};

	(void)state;
	assert_int_equal(spdx_parse(text, strlen(text), &found, NULL), 0);
	assert_int_equal(found.count, 2);
	assert_string_equal(found.items[0].name, "a");
	assert_string_equal(found.items[1].arch, "all");
	assert_int_equal(spdx_parse("[]", 2, &none, NULL), 0);
	assert_int_equal(none.count, 0);
}

static void test_hostile(void **state)
{
	static const char *const texts[] = {
		"",
		"x",
		"7",
		"{}",
		"[7]",
		"[{}]",
		"[{\"name\":7}]",
		"[{\"name\":\"a\",\"name\":\"b\"}]",
		"{\"spdxVersion\":\"SPDX-3.0\",\"packages\":[]}",
		"{\"spdxVersion\":\"SPDX-2.3\"}",
		"{\"spdxVersion\":\"SPDX-2.3\",\"packages\":{}}",
		"{\"spdxVersion\":\"SPDX-2.3\",\"packages\":[{}]}",
		"{\"spdxVersion\":\"SPDX-2.3\",\"packages\":[[]]}",
		"{\"spdxVersion\":\"SPDX-2.3\",\"packages\":[{\"name\":null,\"externalRefs\":7}]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct packages found = {0};

		assert_int_equal(spdx_parse(texts[i], strlen(texts[i]), &found, NULL), -EBADMSG);
		assert_null(found.items);
	}
}

/* A name that is not UTF-8 ends in a sentence. */
static void test_not_utf8(void **state)
{
	_cleanup_packages_ struct packages p = {.type = "deb"};
	const struct package row = {.name = "caf\xe9", .version = "1"};
	const struct spdx_document d = {.name = "x", .packages = &p};
	_cleanup_buf_ struct buf text = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(packages_add(&p, &row), 0);
	assert_int_equal(spdx_format(&d, &text, &err), -EILSEQ);
	assert_non_null(strstr(err.text, "UTF-8"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_rpm),
		cmocka_unit_test(test_namespace),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_former),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_not_utf8),
	};

	return cmocka_run_group_tests_name("spdx", tests, NULL, NULL);
}
