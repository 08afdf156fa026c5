/* The YAML reader by tables: good documents, and the exact sentence of each fault. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "imager/base/parse.h"
#include "imager/format/yaml.h"

struct inner {
	uint64_t limit;
};

struct sample {
	char *name, *text;
	uint64_t count;
	int flag;
	mode_t mode;
	char mac[MAC_TEXT_SIZE];
	struct yaml_strings list;
	struct inner inner;
	char seen[256];
};

static int note(struct yaml_node *node, const char *name, void *base, struct err *err)
{
	struct sample *s = base;
	_cleanup_free_ char *text = NULL;
	int r = yaml_text(node, name, &text, err);
	size_t len = strlen(s->seen);

	if (r < 0)
		return r;
	if (!strcmp(text, "bad"))
		return yaml_fault(node, name, err, "no");
	(void)snprintf(s->seen + len, sizeof(s->seen) - len, "%s=%s;", name ? name : "-", text);
	return 0;
}

static const struct yaml_key inner_keys[] = {
	{.name = "limit", .kind = YAML_SIZE, .offset = offsetof(struct inner, limit)},
	{0},
};

static const struct yaml_key keys[] = {
	{.name = "name", .kind = YAML_NAME, .offset = offsetof(struct sample, name), .required = 1},
	{.name = "text", .kind = YAML_STRING, .offset = offsetof(struct sample, text)},
	{.name = "count", .kind = YAML_U64, .offset = offsetof(struct sample, count)},
	{.name = "flag", .kind = YAML_BOOL, .offset = offsetof(struct sample, flag)},
	{.name = "mode", .kind = YAML_MODE, .offset = offsetof(struct sample, mode)},
	{.name = "mac", .kind = YAML_MAC, .offset = offsetof(struct sample, mac)},
	{.name = "list", .kind = YAML_STRINGS, .offset = offsetof(struct sample, list)},
	{.name = "inner", .kind = YAML_MAP, .offset = offsetof(struct sample, inner), .keys = inner_keys},
	{.name = "each", .kind = YAML_LIST, .each = note},
	{.name = "table", .kind = YAML_TABLE, .each = note},
	{0},
};

static int read_text(const char *text, struct sample *s, struct err *err)
{
	char path[] = "/tmp/test_yaml.XXXXXX";
	int fd = mkstemp(path), r;
	_cleanup_yaml_ struct yaml_doc *doc = NULL;

	assert_true(fd >= 0);
	assert_int_equal(write_full(fd, text, strlen(text)), 0);
	(void)close(fd);
	r = yaml_load(path, &doc, err);
	(void)unlink(path);
	if (r < 0)
		return r;
	return yaml_read_map(yaml_root(doc), keys, s, err);
}

static void sample_release(struct sample *s)
{
	free(s->name);
	free(s->text);
	yaml_strings_release(&s->list);
}

static void test_all_kinds(void **state)
{
	struct sample s = {0};
	struct err err = {0};
	int r = read_text("name: n1\ntext: 'a b'\ncount: 7\nflag: yes\nmode: 0644\nmac: 52:54:00:AA:00:01\n"
			  "list: [x, y]\ninner: {limit: 2MiB}\neach: [1, 2]\ntable: {k: v}\n",
		&s, &err);

	(void)state;
	assert_string_equal(err.text, "");
	assert_int_equal(r, 0);
	assert_string_equal(s.name, "n1");
	assert_string_equal(s.text, "a b");
	assert_int_equal(s.count, 7);
	assert_int_equal(s.flag, 1);
	assert_int_equal(s.mode, 0644);
	assert_string_equal(s.mac, "52:54:00:aa:00:01");
	assert_int_equal(s.list.count, 2);
	assert_string_equal(s.list.items[1], "y");
	assert_int_equal(s.inner.limit, 2 << 20);
	assert_string_equal(s.seen, "-=1;-=2;k=v;");
	sample_release(&s);
}

/* An alias stands for the value, not for the name of its anchor. */
static void test_alias(void **state)
{
	struct sample s = {0};
	struct err err = {0};

	(void)state;
	if (read_text("name: &who n1\ntext: *who\n", &s, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(s.text, "n1");
	sample_release(&s);
}

static void test_faults(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"name: n\ncolour: red\n", ":2: colour: unknown key; allowed are name, text, "},
		{"name: N_\n", ":1: name: 'N_' is not allowed: 1 to 63"},
		{"text: x\n", ":1: name: is missing"},
		{"name: n\ncount: -1\n", ":2: count: '-1' is not allowed: a whole number"},
		{"name: n\ncount: 18446744073709551616\n", ":2: count: "},
		{"name: n\ncount: [1]\n", ":2: count: a single value is wanted"},
		{"name: n\nflag: maybe\n", ":2: flag: 'maybe' is not allowed: true or false"},
		{"name: n\nmode: 0999\n", ":2: mode: "},
		{"name: n\nmac: 52:54\n", ":2: mac: "},
		{"name: n\nlist: {a: b}\n", ":2: list: a list is wanted"},
		{"name: n\nlist: ['']\n", ":2: list: an empty value"},
		{"name: n\ninner: 5\n", ":2: inner: a mapping is wanted: KEY: VALUE"},
		{"name: n\ninner:\n  limit: x\n", ":3: limit: 'x' is not allowed"},
		{"name: n\neach:\n- ok\n- bad\n", ":4: no"},
		{"name: n\ntable:\n  k: bad\n", ":3: k: no"},
		{"name: n\nname: m\n", ":2: "},
		{"name: n\ntext: *gone\n", ":2: "},
		{"name: n\ninner:\n", ":2: inner: has no value"},
		{"name: [\n", ""},
		{"", "empty"},
		{"- a\n", ":1: a mapping of keys"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sample s = {0};
		struct err err = {0};

		assert_true(read_text(rows[i].text, &s, &err) < 0);
		if (!strstr(err.text, rows[i].says) || !*err.text)
			fail_msg("row %zu: '%s' does not say '%s'", i, err.text, rows[i].says);
		sample_release(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_kinds), cmocka_unit_test(test_alias),
		cmocka_unit_test(test_faults)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
