/* The YAML reader by tables: good documents, and the exact sentence of each fault. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/buf.h"
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

/* The last anchor of a name counts; "<<" gives what the mapping does not have, the first of a list first. */
static void test_merge_keys(void **state)
{
	struct sample s = {0};
	struct err err = {0};

	(void)state;
	if (read_text("name: &a n1\ntext: &a 'x'\neach: [*a]\ninner: {<<: {limit: 5}}\n"
		      "table:\n  <<: [{k: one, l: two}, {l: not, m: three}]\n  k: own\n",
		    &s, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(s.inner.limit, 5);
	assert_string_equal(s.seen, "-=x;k=own;l=two;m=three;");
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
		{"name: n\nname: m\n", ":2: name: given twice, before in line 1"},
		{"name: n\ninner:\n  limit: 1\n  limit: 2\n", ":4: limit: given twice, before in line 3"},
		{"name: n\n---\nname: m\n", ":2: a second YAML document begins; one for each file"},
		{"name: n\n...\n---\n{}\n", ":3: a second YAML document"},
		{"name: n\ninner: &a {limit: *a}\n", ":2: *a: there is no anchor of this name before"},
		{"name: n\n? [a]\n: b\n", ":2: a key must be a single value"},
		{"name: n\ntext: \"a\\0b\"\n", ":2: a NUL character is not allowed"},
		{"name: n\ninner: {limit: ${x}}\n", "; within {} and [] a value with ${ needs quotes"},
		{"name: n\n: b\n", ": a key is empty"},
		{"name: n\ninner: {<<: 5}\n", ":2: <<: a mapping or a list of mappings"},
		{"---\n", "empty: no YAML document"},
		{"# only a comment\n", "empty: no YAML document"},
		{"name: n\ntext: *gone\n", ":2: "},
		{"name: n\ninner:\n", ":2: inner: has no value"},
		{"name: [\n", ""},
		{"", "empty"},
		{"- a\n", ":1: a mapping of keys"},
		/* libfyaml 0.7 never comes back from these two (%FOO and a byte that is no UTF-8) */
		{"%FOO \xff\n", ":1: not UTF-8"},
		{"name: n\ntext: \xc0\x80\n", ":2: not UTF-8"},
		{"# x\n%FOO bar\n---\nname: n\n", ":2: the directive %FOO is not allowed"},
		{"%TAG ! tag:x,2000:\n---\nname: n\n", ":1: the directive %TAG is not allowed"},
		{"%YAML 1.2\n---\ntext: x\n", ":3: name: is missing"},
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

/* count times the text, between a head and a tail; free(). */
static char *repeat(const char *head, const char *text, size_t count, const char *tail)
{
	_cleanup_buf_ struct buf b = {0};
	int r = buf_puts(&b, head);

	for (size_t i = 0; r == 0 && i < count; i++)
		r = buf_puts(&b, text);
	if (r == 0)
		r = buf_puts(&b, tail);
	assert_int_equal(r, 0);
	return buf_steal(&b);
}

/* Small files that would be large trees, and files that are large themselves: refused at once. */
static void test_hostile(void **state)
{
	static const struct {
		const char *head, *text;
		size_t count;
		const char *tail, *says;
	} rows[] = {
		{"name: n\ntext: ", "[", 100, "\n", ":2: "},
		{"name: n\ntext: ", "[", 100000, "\n", ":2: "},
		{"name: n\ntext: ", "{a: ", 100000, "\n", ":2: "},
		{"name: n\ntext:\n  ", "- ", 100000, "x\n", ":3: "},
		{"name: n\ntext: ", "! ", 1000, "x\n", ":2: "},
		{"", "a: 1\n", 2, "", ":2: a: given twice"},
		{"name: '", "x", YAML_LIMIT, "'\n", "larger than"},
		{"name: ", "x", 100, "\n", ":1: name: 'xxx"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sample s = {0};
		struct err err = {0};
		_cleanup_free_ char *text = repeat(rows[i].head, rows[i].text, rows[i].count, rows[i].tail);

		assert_true(read_text(text, &s, &err) < 0);
		if (!strstr(err.text, rows[i].says))
			fail_msg("row %zu: '%s' does not say '%s'", i, err.text, rows[i].says);
		sample_release(&s);
	}
}

/* Each anchor is ten of the one before: nodes without end, and a depth without end. */
static void test_alias_bombs(void **state)
{
	static const struct {
		const char *line, *says;
	} rows[] = {
		{"- &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n",
			"the file's aliases stand for more than 16 MiB"},
		{"- &a%d [*a%d]\n", "nested deeper than 64 levels"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf b = {0};
		struct sample s = {0};
		struct err err = {0};

		assert_int_equal(buf_puts(&b, "- &a0 [x]\n"), 0);
		for (int n = 1; n < 200; n++) {
			int m = n - 1;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			assert_int_equal(buf_printf(&b, rows[i].line, n, m, m, m, m, m, m, m, m), 0);
#pragma GCC diagnostic pop
		}
		assert_true(read_text(b.data, &s, &err) < 0);
		if (!strstr(err.text, rows[i].says))
			fail_msg("row %zu: '%s' does not say '%s'", i, err.text, rows[i].says);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_kinds), cmocka_unit_test(test_alias),
		cmocka_unit_test(test_merge_keys), cmocka_unit_test(test_faults),
		cmocka_unit_test(test_hostile), cmocka_unit_test(test_alias_bombs)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
