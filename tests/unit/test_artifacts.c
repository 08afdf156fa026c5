/* Artifacts: where they are found, that a wrong one is refused before anything is placed, and how they lie in
 * the tree. */
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/stat.h>

#include "imager/base/proc.h"
#include "imager/tree/tree.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/testtree.h"

/* "hello\n", "x" and something else. */
#define HELLO "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
#define OTHER "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"

static void run_or_fail(const char *const argv[])
{
	struct err err = {0};

	if (proc_run(argv, NULL, &err) < 0)
		fail_msg("%s", err.text);
}

/* FOLDER/tree shaped by a profile of these artifacts; FOLDER/stock is the folder of --artifacts. */
static int apply(const char *folder, const char *artifacts, struct cache *cache, struct err *err)
{
	_cleanup_profile_ struct profile *p = NULL;
	_cleanup_free_ char *path = path_join(folder, "p.yaml"), *root = path_join(folder, "tree"),
			    *stock = path_join(folder, "stock"), *whole = NULL;
	struct tree_job job = {.root = root,
		.workdir = folder,
		.stock = {.folder = stock, .cache = cache, .offline = 1},
		.time = 1000};
	int r;

	assert_true(asprintf(&whole, "name: n\nfrom: {dir: /}\nartifacts:\n%s", artifacts) > 0);
	tree_put(folder, "p.yaml", whole);
	r = profile_load(path, &p, err);
	if (r < 0)
		return r;
	job.profile = p;
	r = tree_apply(&job, err);
	assert_int_equal(tree_size(folder, "artifact"), -1); /* nothing stays on its way */
	return r;
}

static void apply_or_fail(const char *folder, const char *artifacts, struct cache *cache)
{
	struct err err = {0};

	if (apply(folder, artifacts, cache, &err) < 0)
		fail_msg("%s", err.text);
}

static void test_file(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "tree/usr/bin/tool");
	struct stat st;

	tree_put(*state, "tree/etc/passwd", "bob:x:77:78::/:/bin/sh\n");
	tree_put(*state, "tree/etc/group", "hpc:x:79:\n");
	tree_put(*state, "tree/bin", "-> /usr/bin");
	tree_put(*state, "tree/usr/bin/tool", "-> /etc/passwd");
	tree_put(*state, "given/a", "hello\n");
	apply_or_fail(*state,
		"- {source: given/a, sha256: " HELLO
		", path: /bin/tool, mode: 04750, owner: bob, group: hpc}\n"
		"- {source: given/a, sha256: " HELLO ", path: /opt/deep/a}\n",
		NULL);
	tree_is(*state, "tree/usr/bin/tool", "hello\n");
	tree_is(*state, "tree/opt/deep/a", "hello\n");
	tree_is(*state, "tree/etc/passwd", "bob:x:77:78::/:/bin/sh\n");
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 04750);
	assert_int_equal(st.st_uid, 77);
	assert_int_equal(st.st_gid, 79);
}

/* By digest before by name; the url's query is no part of the name; then the cache. */
static void test_stock(void **state)
{
	_cleanup_free_ char *folder = path_join(*state, "cache"), *file = path_join(*state, "f");
	_cleanup_cache_ struct cache *cache = NULL;
	struct digest digest;

	assert_int_equal(cache_open(folder, &cache, NULL), 0);
	tree_put(*state, "tree", NULL);
	tree_put(*state, "stock/tool", "hello\n");
	apply_or_fail(*state, "- {url: 'http://h/a/tool?v=1#x', sha256: " HELLO ", path: /one}\n", NULL);
	tree_is(*state, "tree/one", "hello\n");

	tree_put(*state, "stock/tool", "another of that name");
	tree_put(*state, "stock/" HELLO, "hello\n");
	apply_or_fail(*state, "- {url: 'http://h/tool', sha256: " HELLO ", path: /two}\n", NULL);
	tree_is(*state, "tree/two", "hello\n");

	tree_put(*state, "f", "cached");
	assert_int_equal(digest_bytes("cached", 6, &digest), 0);
	assert_int_equal(cache_put_file(cache, "artifact", &digest, file, NULL), 0);
	apply_or_fail(*state,
		"- {url: 'http://h/..', path: /three, sha256: "
		"3673014e72b67383be302485694555a57ad393afdebaed6ded110a775bd0556d}\n",
		cache);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *sentence;
	} rows[] = {
		{"- {source: given/a, sha256: " OTHER ", path: /x}\n",
			"/given/a has the SHA-256 " HELLO ", and " OTHER " is wanted"},
		{"- {url: 'http://h/named', sha256: " OTHER ", path: /x}\n",
			"/stock/named has the SHA-256 " HELLO},
		{"- {url: 'http://h/gone', sha256: " OTHER ", path: /x}\n",
			"p.yaml:4: url: http://h/gone: is neither in the cache nor in the folder of "
			"--artifacts (as " OTHER "), and --offline fetches nothing"},
		{"- {url: 'http://h/folder', sha256: " HELLO ", path: /x}\n", "--offline fetches nothing"},
		{"- {source: given/a, sha256: " HELLO ", path: /x, owner: nobody}\n",
			"p.yaml:4: owner: the image has no user 'nobody'"},
		{"- {source: given/a, sha256: " HELLO ", path: /x, unpack: true}\n",
			"given/a: cannot be unpacked: "},
		{"- {source: given/a, sha256: " HELLO ", path: /full}\n", "/full: Is a directory"},
	};

	tree_put(*state, "tree/full/x", "x");
	tree_put(*state, "given/a", "hello\n");
	tree_put(*state, "stock/named", "hello\n");
	tree_put(*state, "stock/folder", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = {0};

		assert_true(apply(*state, rows[i].text, NULL, &err) < 0);
		if (!strstr(err.text, rows[i].sentence))
			fail_msg("wanted '%s', got '%s'", rows[i].sentence, err.text);
		assert_int_equal(tree_size(*state, "tree/x"), -1);
	}
}

/* The profile of `file` with its digest, unpacked into /opt. */
static int apply_archive(const char *folder, const char *file, const char *more, struct err *err)
{
	_cleanup_free_ char *path = path_join(folder, file), *data = NULL, *text = NULL;
	struct digest digest;
	char hex[65];
	size_t len;

	assert_int_equal(read_file(path, 1 << 20, &data, &len, NULL), 0);
	assert_int_equal(digest_bytes(data, len, &digest), 0);
	digest_hex(&digest, hex);
	assert_true(asprintf(&text, "- {source: %s, sha256: %s, path: /opt, unpack: true%s}\n", file, hex,
			    more) > 0);
	return apply(folder, text, NULL, err);
}

static void test_unpack(void **state)
{
	static const char *const files[] = {"a.tar", "a.tar.gz", "a.tar.zst", "a.zip", "a.cpio"};
	_cleanup_free_ char *run = path_join(*state, "tree/opt/bin/run");
	struct err err = {0};
	struct stat st;

	tree_put(*state, "tree", NULL);
	tree_put(*state, "in/tool-1.0/bin/run", "run");
	tree_put(*state, "in/tool-1.0/README", "text");
	tree_put(*state, "in/top", "top");
	run_or_fail((const char *const[]){"sh", "-ec",
		"cd \"$1/in\"; chmod 755 tool-1.0/bin/run; chown -R 1001:1001 tool-1.0;"
		"tar -cf ../a.tar top tool-1.0; gzip -k ../a.tar; zstd -q ../a.tar;"
		"python3 -m zipfile -c ../a.zip top tool-1.0; find top tool-1.0 | cpio -oH newc >../a.cpio",
		"sh", *state, NULL});
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (apply_archive(*state, files[i], ", strip: 1, group: '5'", &err) < 0)
			fail_msg("%s: %s", files[i], err.text);
		tree_is(*state, "tree/opt/bin/run", "run");
		tree_is(*state, "tree/opt/README", "text");
		assert_int_equal(tree_size(*state, "tree/opt/top"), -1);
		assert_int_equal(stat(run, &st), 0);
		assert_int_equal(st.st_mode, S_IFREG | 0755);
		assert_int_equal(st.st_uid, 0);
		assert_int_equal(st.st_gid, 5);
		assert_int_equal(remove_tree(run, NULL), 0);
	}
}

/* Archives that try to write elsewhere do not. */
static void test_unpack_hostile(void **state)
{
	static const struct {
		const char *make; /* makes ../h.tar in FOLDER/in */
		int refused;
	} rows[] = {
		{"tar -P --transform 's,^x$,../../../evil,' -cf ../h.tar x", 1},
		{"tar -P --transform 's,^x$,a/../../../evil,' -cf ../h.tar x", 1},
		{"ln -s ../../.. l; tar -cf ../h.tar l; rm l; mkdir l; cp x l/evil; tar -rf ../h.tar l/evil",
			0},
		{"ln -s \"$1\" l; tar -cf ../h.tar l; rm l; mkdir l; cp x l/evil; tar -rf ../h.tar l/evil",
			-1},
		{"head -c 700 /dev/zero | tr '\\0' x >../h.tar", 1},
		{"tar -cf - x | head -c 600 >../h.tar", 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *in = path_join(*state, "in"), *tree = path_join(*state, "tree"),
				    *script = NULL;
		struct err err = {0};
		int r;

		tree_put(*state, "tree/opt", NULL);
		tree_put(*state, "in/x", "evil");
		assert_true(asprintf(&script, "cd \"$1/in\"; %s", rows[i].make) > 0);
		run_or_fail((const char *const[]){"sh", "-ec", script, "sh", *state, NULL});
		r = apply_archive(*state, "h.tar", "", &err);
		if (rows[i].refused >= 0 && (r < 0) != rows[i].refused)
			fail_msg("%s: %d %s", rows[i].make, r, err.text);
		assert_int_equal(tree_size(*state, "evil"), -1);
		assert_int_equal(tree_size(*state, "in/../evil"), -1);
		assert_int_equal(remove_tree(in, NULL), 0);
		assert_int_equal(remove_tree(tree, NULL), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_file),
		unit_test_in_dir(test_stock),
		unit_test_in_dir(test_refused),
		unit_test_in_dir(test_unpack),
		unit_test_in_dir(test_unpack_hostile),
	};

	return cmocka_run_group_tests_name("artifacts", tests, NULL, NULL);
}
