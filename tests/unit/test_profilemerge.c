/* Profiles of several files: what is merged and in which order, where each value comes from, and what a
 * digest covers. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "imager/base/buf.h"
#include "imager/base/io.h"
#include "imager/format/yamljson.h"
#include "imager/profile/profile.h"
#include "tests/unit/tempdir.h"

static void put(const char *folder, const char *name, const char *text)
{
	_cleanup_free_ char *path = path_join(folder, name), *above = strdup(path);

	*strrchr(above, '/') = '\0';
	assert_int_equal(mkdir_p(above, NULL), 0);
	assert_int_equal(write_file(path, &(struct file_content){text, strlen(text), 0644}, NULL), 0);
}

/* The folder's p.yaml; fails the test with the sentence. */
static struct profile *load(const char *folder, const struct cli_list *sets)
{
	_cleanup_free_ char *path = path_join(folder, "p.yaml");
	struct profile *p = NULL;
	struct err err = {0};

	if (profile_load_set(path, sets, &p, &err) < 0)
		fail_msg("%s", err.text);
	return p;
}

/* The merged text of p.yaml, without places; free(). */
static char *merged(const char *folder)
{
	_cleanup_profile_ struct profile *p = load(folder, NULL);
	_cleanup_buf_ struct buf text = {0};

	assert_int_equal(yaml_print(yaml_root(p->doc), 0, NULL, &text), 0);
	return buf_steal(&text);
}

/* p.yaml and its fragments, and what they are together. */
static void test_rules(void **state)
{
	static const struct {
		const char *p, *a, *b, *expected;
	} rows[] = {
		{"include: a.yaml\nname: n\n", "from: {release: base}\nunits: {enable: [x.service]}\n", NULL,
			"from:\n  release: base\nunits:\n  enable:\n    - x.service\nname: n\n"},
		/* lists append, mappings merge, single values replace */
		{"include: [a.yaml, b.yaml]\nname: n\nkernel: {cmdline: p}\nexclude: [/p]\n",
			"name: a\nfrom: {release: base}\nkernel: {cmdline: a, modules: [a]}\nexclude: [/a]\n",
			"kernel: {modules: [b]}\nexclude: [/b]\n",
			"name: n\nfrom:\n  release: base\nkernel:\n  cmdline: p\n  modules:\n    - a\n    - "
			"b\n"
			"exclude:\n  - /a\n  - /b\n  - /p\n"},
		/* one text stands for a list of one */
		{"include: a.yaml\nname: n\nkeep: /p\n", "from: {release: base}\nkeep: /a\n", NULL,
			"from:\n  release: base\nkeep:\n  - /a\n  - /p\nname: n\n"},
		/* !replace at a list, a mapping, a single text for a list; an empty list drops all */
		{"include: a.yaml\nname: n\nfrom: !replace {release: base}\nexclude: !replace [/p]\n"
		 "keep: !replace /p\nunits: {mask: !replace []}\n",
			"from: {debian: {suite: x}}\nexclude: [/a, /b]\nkeep: [/a]\nunits: {enable: e, mask: "
			"[m]}\n",
			NULL,
			"from:\n  release: base\nexclude:\n  - /p\nkeep:\n  - /p\nunits:\n  enable:\n    - "
			"e\n"
			"  mask: []\nname: n\n"},
		/* a fragment of a fragment comes before it; what two of them name is taken once */
		{"include: [a.yaml, b.yaml]\nname: n\nexclude: /p\n",
			"include: sub/c.yaml\nfrom: {release: a}\nexclude: /a\n",
			"include: sub/c.yaml\nexclude: /b\n",
			"exclude:\n  - /c\n  - /a\n  - /b\n  - /p\nfrom:\n  release: a\nname: n\n"},
		/* paths start where they are written */
		{"include: sub/c.yaml\nname: n\nfrom: {release: base}\n", NULL, NULL,
			"exclude:\n  - /c\nname: n\nfrom:\n  release: base\n"},
	};

	put(*state, "sub/c.yaml", "exclude: /c\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = NULL;

		put(*state, "p.yaml", rows[i].p);
		put(*state, "a.yaml", rows[i].a ? rows[i].a : "{}\n");
		put(*state, "b.yaml", rows[i].b ? rows[i].b : "{}\n");
		text = merged(*state);
		if (strcmp(text, rows[i].expected) != 0)
			fail_msg("row %zu: got\n%s", i, text);
	}
}

/* Sentences, after the folder's name; with a.yaml, and s/s.yaml below. */
static const struct {
	const char *p, *a, *says;
} faults[] = {
	{"include: a.yaml\nname: n\n", "name: x\n", "p.yaml:1: from: is missing"},
	{"include: gone.yaml\n", "", "p.yaml:1: include: "},
	{"name: n\ninclude:\n- a.yaml\n- ''\n", "{}", "p.yaml:4: include: the path of a file is wanted"},
	{"include: {a: b}\n", "", "p.yaml:1: include: the path of a file"},
	{"include: s\n", "", "s: not a file"},
	{"include: a.yaml\n", "[1]\n", "a.yaml:1: a mapping of keys to values is wanted"},
	{"include: a.yaml\n", "a: [\n", "a.yaml:"},
	{"include: a.yaml\n", "", "a.yaml: empty: no YAML document"},
	{"include: a.yaml\n", "a: 1\n---\n{}\n", "a.yaml:2: a second YAML document"},
	{"include: a.yaml\n", "\ncolour: x\n", "a.yaml:2: colour: unknown key"},
	{"include: a.yaml\nname: n\n", "from: {release: b}\n\noverlay:\n  limit: x\n",
		"a.yaml:4: limit: 'x' is not allowed"},
	{"include: a.yaml\nname: n\n", "from: {release: b}\nfiles:\n- path: /x\n  source: gone\n",
		"a.yaml:4: source: "},
	{"include: a.yaml\nname: n\n", "from: {release: b}\npackages:\n  - ok\n",
		"a.yaml:3: packages: a package"},
	{"include: a.yaml\nname: n\nfrom: {release: b}\n", "from: {tar: /etc/passwd}\n",
		"p.yaml:3: from: exactly one of"},
	{"include: a.yaml\nname: n\nfrom: {release: b}\nkernel:\n  cmdline: '{'\n", "kernel: {modules: x}\n",
		"p.yaml:5: kernel.cmdline: at most"},
	{"include: a.yaml\nname: n\nunits: [x]\n", "\nunits: {mask: x}\n",
		"p.yaml:3: units: is a list here and a mapping in "},
	{"include: a.yaml\nname: n\nunits: [x]\n", "\nunits: {mask: x}\n",
		"a.yaml:2; !replace would drop that"},
	{"include: a.yaml\nname: n\nunits:\n", "units: {mask: x}\n", "p.yaml:3: units: has no value"},
	{"include: a.yaml\nname: n\nfrom: {release: b}\nkernel: {nics: [ok]}\n",
		"kernel:\n  nics:\n    - good\n    - 'not good'\n",
		"a.yaml:4: kernel.nics: 'not good' is not allowed"},
	{"include: a.yaml\nname: n\nfrom: {rpm: {modules: [a]}}\n",
		"from:\n  rpm: {releasever: 9, repositories: [{name: r, url: 'http://a/'}],\n    "
		"modules: '-b'}\n",
		"a.yaml:3: from.rpm.modules: '-b' is not allowed"},
	{"include: a.yaml\nname: n\nfrom: {release: b}\n\ngroups: [{name: hpc}]\n",
		"\ngroups:\n- {name: hpc}\n", "p.yaml:5: name: 'hpc' is given twice, before in "},
	{"include: a.yaml\nname: n\nfrom: {release: b}\n\nusers: [{name: u}]\n", "\nusers:\n- {name: u}\n",
		"a.yaml:3"},
	{"name: n\nfrom: !repalce {release: b}\n", "", "p.yaml:2: the tag !repalce is not allowed here"},
	{"name: n\nexclude: [!replace /x]\n", "", "p.yaml:2: the tag !replace is not allowed here"},
	{"!replace {name: n}\n", "", "p.yaml:1: a tag is not allowed here"},
	{"include: p.yaml\n", "", "include: a circle: "},
	{"include: a.yaml\n", "include: s/s.yaml\n", "s.yaml:1: include: a circle: "},
	{"include: a.yaml\n", "include: s/s.yaml\n", "p.yaml -> "},
	{"include: a.yaml\n", "include: s/s.yaml\n", "s/s.yaml -> "},
	{"include: a.yaml\n", "include: s/s.yaml\n", "s/../a.yaml"},
};

static void test_faults(void **state)
{
	put(*state, "s/s.yaml", "include: ../a.yaml\n");
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		_cleanup_free_ char *path = path_join(*state, "p.yaml");
		struct profile *p = NULL;
		struct err err = {0};

		put(*state, "p.yaml", faults[i].p);
		put(*state, "a.yaml", faults[i].a);
		assert_int_equal(profile_load(path, &p, &err), -EINVAL);
		assert_null(p);
		if (!strstr(err.text, faults[i].says))
			fail_msg("row %zu: wanted '%s', got '%s'", i, faults[i].says, err.text);
	}
}

/* Each file includes the next: by depth, by number, by size. */
static void test_limits(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "p.yaml"), *big = malloc(400001);
	_cleanup_buf_ struct buf many = {0};
	struct profile *p = NULL;
	struct err err = {0};
	char name[32], text[64];

	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "deep%d.yaml", i);
		(void)snprintf(text, sizeof(text), "include: deep%d.yaml\n", i + 1);
		put(*state, name, text);
		(void)snprintf(name, sizeof(name), "wide%d.yaml", i);
		put(*state, name, "{}\n");
		assert_int_equal(buf_printf(&many, "%swide%d.yaml", i ? ", " : "include: [", i), 0);
	}
	assert_int_equal(buf_puts(&many, "]\n"), 0);
	put(*state, "p.yaml", "include: deep0.yaml\n");
	assert_int_equal(profile_load(path, &p, &err), -EINVAL);
	assert_non_null(strstr(err.text, "deep15.yaml:1: include: at most 64 files in at most 16 levels"));
	put(*state, "p.yaml", many.data);
	assert_int_equal(profile_load(path, &p, &err), -EINVAL);
	assert_non_null(strstr(err.text, "p.yaml:1: include: at most 64 files"));
	memset(big, '#', 400000);
	memcpy(big, "{}\n", 3);
	big[400000] = '\0';
	put(*state, "a.yaml", big);
	put(*state, "b.yaml", big);
	put(*state, "c.yaml", big);
	put(*state, "p.yaml", "include: [a.yaml, b.yaml, c.yaml]\n");
	assert_int_equal(profile_load(path, &p, &err), -EINVAL);
	assert_non_null(strstr(err.text, "c.yaml:1: with this file more than 1048576 bytes"));
}

/* A fragment's paths start at its own folder, wherever the profile is. */
static void test_paths(void **state)
{
	_cleanup_profile_ struct profile *p = NULL;
	_cleanup_free_ char *wanted = path_join(*state, "site/data/x");

	put(*state, "site/data/x", "x");
	put(*state, "site/f.yaml",
		"files: [{path: /x, source: data/x}]\n"
		"artifacts: [{source: data/x, path: /y, sha256: "
		"0000000000000000000000000000000000000000000000000000000000000000}]\n");
	put(*state, "p.yaml", "include: site/f.yaml\nname: n\nfrom: {tar: site/data/x}\n");
	p = load(*state, NULL);
	assert_string_equal(p->files[0].source, wanted);
	assert_string_equal(p->artifacts[0].source, wanted);
	assert_string_equal(p->from.tar, wanted);
}

/* What is printed loads as the same profile, from another folder too, and prints the same again. */
static void test_round_trip(void **state)
{
	static const char text[] =
		"include: f.yaml\nname: n\nvars: {v: 'a b'}\nfrom: {tar: data}\nversion: '007'\n"
		"files:\n- {path: /1, content: \"a\\nb\\n\"}\n- {path: /2, content: \"a\\n\\n b\"}\n"
		"- {path: /3, content: \"\\ttab\\nx\\n\\n\"}\n- {path: /4, content: ' # no comment'}\n"
		"- {path: /5, content: \"- x\\n\"}\n- {path: /6, content: "
		"\"\\x01\\x7f\\x85\\u2028\\uFEFF\\\"\\\\\\n\"}\n"
		"- {path: /7, content: ''}\n- {path: /8, content: '$${vars.v} ${x} $$ ${vars.v}'}\n"
		"- {path: /9, content: \"a: b\\n  c\\n\\n\\n\"}\n- {path: /10, content: \"\\n\"}\n"
		"- {path: /11, content: \"trail \\nx\"}\n- {path: /12, content: 'ü: ✓'}\n- {path: /13, "
		"content: null}\n"
		"- {path: /14, content: \"# x\\n\\n\"}\n- {path: /15, content: 'a:'}\n- {path: /16, content: "
		"'---'}\n"
		"  \n- {path: /17, content: \"...\\n---\\n%x\\n\", xattrs: {'user.#': '&a', user.b: '*b'}}\n"
		"scripts: [{name: s, run: \"if true; then\\n\\techo ${x##*/}\\nfi\\n\"}]\n"
		"units: {enable: [], mask: ['a: b', '[x]', '{', '!x', '|', '%', '@', '`']}\n";
	_cleanup_profile_ struct profile *a = NULL, *b = NULL;
	_cleanup_buf_ struct buf first = {0}, second = {0};

	put(*state, "data", "x");
	put(*state, "f.yaml", "keep: /f\n");
	put(*state, "p.yaml", text);
	a = load(*state, NULL);
	assert_int_equal(profile_whole(a, NULL), 0);
	assert_int_equal(yaml_print(yaml_root(a->doc), 1, NULL, &first), 0);
	put(*state, "other/p.yaml", first.data);
	{
		_cleanup_free_ char *other = path_join(*state, "other");

		b = load(other, NULL);
	}
	assert_int_equal(a->file_count, b->file_count);
	for (size_t i = 0; i < a->file_count; i++)
		assert_string_equal(a->files[i].content, b->files[i].content);
	assert_string_equal(b->files[7].content, "${vars.v} ${x} $$ a b");
	assert_string_equal(a->scripts[0].run, b->scripts[0].run);
	assert_string_equal(a->from.tar, b->from.tar);
	assert_string_equal(b->version, "007");
	assert_int_equal(b->units.enable.count, 0);
	for (size_t i = 0; i < 8; i++)
		assert_string_equal(a->units.mask.items[i], b->units.mask.items[i]);
	assert_string_equal(a->files[16].xattrs[1].name, b->files[16].xattrs[1].name);
	first.len = 0;
	assert_int_equal(profile_whole(b, NULL), 0);
	assert_int_equal(yaml_print(yaml_root(a->doc), 0, NULL, &first), 0);
	assert_int_equal(yaml_print(yaml_root(b->doc), 0, NULL, &second), 0);
	assert_string_equal(first.data, second.data);
}

/* ---- variables ---- */

static void test_vars(void **state)
{
	static const struct {
		const char *set, *cmdline;
	} rows[] = {{NULL, "root=one one ${x} $"}, {"a=two", "root=two two ${x} $"}, {"a=", "root=  ${x} $"},
		{"a=x=y", "root=x=y x=y ${x} $"}};

	put(*state, "f.yaml", "vars: {a: , b.c-d: '${'}\n");
	put(*state, "p.yaml",
		"include: f.yaml\nname: n\nfrom: {release: base}\nvars: {a: one, unused: }\n"
		"files: [{path: '/${vars.b.c-d}x}', content: \"root=${vars.a} ${vars.a} ${x} $\"}]\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cli_list sets = {.items = {rows[i].set}, .count = rows[i].set ? 1 : 0};
		_cleanup_profile_ struct profile *p = load(*state, &sets);

		assert_string_equal(p->files[0].content, rows[i].cmdline);
		assert_string_equal(p->files[0].path, "/${x}");
	}
}

static void test_var_faults(void **state)
{
	static const struct {
		const char *text, *set, *says;
	} rows[] = {
		{"version: ${vars.a}\n", NULL,
			"p.yaml:3: there is no variable 'a'; the profile declares none in vars"},
		{"vars: {b: x, c: y}\nversion: ${vars.a}\n", NULL,
			"p.yaml:4: there is no variable 'a'; declared are b, c"},
		{"vars: {a: x}\nversion: ${vars.a\n", NULL, "p.yaml:4: '${vars.' without its '}'"},
		{"vars: {a: '${vars.b}', b: x}\n", NULL,
			"p.yaml:3: a: a variable's value cannot hold another"},
		{"vars: {A: x}\n", NULL, "p.yaml:3: vars: 'A' is not allowed"},
		{"vars: {a: [x]}\n", NULL, "p.yaml:3: a: a single value is wanted"},
		{"vars: {a: }\nversion: ${vars.a}\n", NULL,
			"p.yaml:4: the variable 'a' has no value: --set a=VALUE is wanted, or one in vars"},
		{"vars: [a]\n", NULL, "p.yaml:3: vars: a mapping is wanted"},
		{"vars: {a: x}\n", "b=1", "--set: there is no variable 'b'; declared are a"},
		{"vars: {a: x}\n", "=1", "--set: there is no variable ''; declared are a"},
		{"vars: {a: x}\n", "a", "--set: 'a' is not allowed: NAME=VALUE is wanted"},
		{"vars: {a: x}\n", "a=${vars.a}", "--set: a: a variable's value cannot hold another"},
		{"vars: {a: 1}\noverlay:\n  limit: ${vars.a}\n", "a=x",
			"p.yaml:5: limit: 'x' is not allowed"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cli_list sets = {.items = {rows[i].set}, .count = rows[i].set ? 1 : 0};
		_cleanup_free_ char *path = path_join(*state, "p.yaml"), *text = NULL;
		struct profile *p = NULL;
		struct err err = {0};

		assert_true(asprintf(&text, "name: n\nfrom: {release: base}\n%s", rows[i].text) > 0);
		put(*state, "p.yaml", text);
		assert_int_equal(profile_load_set(path, &sets, &p, &err), -EINVAL);
		if (!strstr(err.text, rows[i].says))
			fail_msg("row %zu: wanted '%s', got '%s'", i, rows[i].says, err.text);
	}
}

/* A large value, put into a value over and over: refused before it fills the memory. */
static void test_var_bomb(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "p.yaml"), *value = malloc(300001);
	_cleanup_buf_ struct buf text = {0};
	struct profile *p = NULL;
	struct err err = {0};

	memset(value, 'x', 300000);
	value[300000] = '\0';
	assert_int_equal(
		buf_printf(&text, "name: n\nfrom: {release: base}\nvars: {a: %s}\nversion: '", value), 0);
	for (int i = 0; i < 40000; i++)
		assert_int_equal(buf_puts(&text, "${vars.a}"), 0);
	assert_int_equal(buf_puts(&text, "'\n"), 0);
	put(*state, "p.yaml", text.data);
	assert_int_equal(profile_load(path, &p, &err), -EINVAL);
	assert_non_null(strstr(err.text, "p.yaml:4: with its variables the profile is larger than 16 MiB"));
}

/* ---- the digest ---- */

static struct digest source_of(const char *folder)
{
	_cleanup_profile_ struct profile *p = load(folder, NULL);
	struct err err = {0};

	if (profile_take_source(p, &err) < 0)
		fail_msg("%s", err.text);
	return p->source;
}

static void mode(const char *folder, const char *name, mode_t bits)
{
	_cleanup_free_ char *path = path_join(folder, name);

	assert_int_equal(chmod(path, bits), 0);
}

static void write_inputs(const char *folder)
{
	put(folder, "motd", "hello\n");
	put(folder, "tree/a", "a");
	put(folder, "tree/sub/b", "b");
	put(folder, "root/x", "x");
	put(folder, "f.yaml", "files:\n- {path: /m, source: motd}\n- {path: /t, source: tree}\n");
	put(folder, "p.yaml",
		"include: f.yaml\nvars: {v: '1', unused: a}\nversion: ${vars.v}\nname: n\n"
		"from: {dir: root}\n");
	mode(folder, "tree/a", 0644);
	mode(folder, "root/x", 0644);
}

/* Each row changes one thing; all but the last ones change the digest. */
static void test_digest(void **state)
{
	static const struct {
		const char *name, *text; /* NULL: mode 0600 */
		int same;
	} rows[] = {
		{"motd", "other\n", 0},
		{"tree/a", "other", 0},
		{"tree/a", NULL, 0},
		{"tree/c", "", 0},
		{"tree/sub/b", "c", 0},
		{"root/x", "y", 0},
		{"root/x", NULL, 0},
		{"f.yaml", "files:\n- {path: /m2, source: motd}\n- {path: /t, source: tree}\n", 0},
		{"p.yaml",
			"include: f.yaml\nvars: {v: '2'}\nversion: ${vars.v}\nname: n\nfrom: {dir: root}\n",
			0},
		{"p.yaml", "# a comment\ninclude: f.yaml\nversion: '1'\nname: n\nfrom: {dir: root}\n", 1},
		{"unused", "x", 1},
	};
	struct digest first, again;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *folder = NULL;

		assert_true(asprintf(&folder, "%s/%zu", (char *)*state, i) > 0);
		write_inputs(folder);
		first = source_of(folder);
		if (rows[i].text)
			put(folder, rows[i].name, rows[i].text);
		else
			mode(folder, rows[i].name, 0600);
		again = source_of(folder);
		if (digest_equal(&first, &again) != rows[i].same)
			fail_msg("row %zu: %s", i, rows[i].name);
	}
}

/* A tree that is copied whole has owners, times and attributes as well. */
static void test_digest_of_tree(void **state)
{
	_cleanup_free_ char *file = path_join(*state, "root/x");
	struct digest first, again;
	struct timespec times[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};

	write_inputs(*state);
	first = source_of(*state);
	assert_int_equal(utimensat(AT_FDCWD, file, times, 0), 0);
	again = source_of(*state);
	assert_false(digest_equal(&first, &again));
	if (setxattr(file, "user.origin", "site", 4, 0) < 0 && errno == ENOTSUP)
		return;
	first = source_of(*state);
	assert_false(digest_equal(&first, &again));
}

/* The same profile in another folder, at another time. */
static void test_digest_moves(void **state)
{
	_cleanup_free_ char *a = path_join(*state, "a"), *b = path_join(*state, "b/deep");
	struct digest first, second;

	for (size_t i = 0; i < 2; i++) {
		char *folder = i ? b : a;

		put(folder, "motd", "hello\n");
		put(folder, "tree/sub/b", "b");
		put(folder, "p.yaml",
			"name: n\nfrom: {release: base}\nfiles:\n- {path: /m, source: motd}\n"
			"- {path: /t, source: tree}\n");
	}
	first = source_of(a);
	second = source_of(b);
	assert_true(digest_equal(&first, &second));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_rules),
		unit_test_in_dir(test_faults),
		unit_test_in_dir(test_limits),
		unit_test_in_dir(test_paths),
		unit_test_in_dir(test_round_trip),
		unit_test_in_dir(test_vars),
		unit_test_in_dir(test_var_faults),
		unit_test_in_dir(test_var_bomb),
		unit_test_in_dir(test_digest),
		unit_test_in_dir(test_digest_of_tree),
		unit_test_in_dir(test_digest_moves),
	};

	return cmocka_run_group_tests_name("profilemerge", tests, NULL, NULL);
}
