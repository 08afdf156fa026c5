/* The profile: what is read, the exact sentence of each fault, and what the exclude patterns take. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "imager/profile.h"
#include "tests/unit/tempdir.h"

#define HEAD   "name: n\nfrom: {dir: /}\n"
#define DEBIAN "name: n\nfrom: {debian: {suite: bookworm}}\n"

/* The profile's path in the test's folder; free(). */
static char *put_profile(const char *folder, const char *text)
{
	char *path = path_join(folder, "p.yaml");

	assert_int_equal(write_file(path, &(struct file_content){text, strlen(text), 0644}, NULL), 0);
	return path;
}

static const char full[] =
	"name: slurm-compute\nversion: '7'\n"
	"from: {debian: {suite: bookworm, mirror: [http://a/debian], components: [main, contrib]}}\n"
	"packages: [systemd, libc6:amd64, vim=2:9.0, gcc/trixie]\n"
	"exclude: [/usr/share/doc/*]\nkeep: [/usr/share/doc/*/copyright]\n"
	"groups: [{name: hpc, gid: 700}]\n"
	"users: [{name: bob, uid: 700, group: hpc, groups: [adm], home: /home/bob, shell: /bin/sh}]\n"
	"files:\n- {path: /etc/motd, source: motd}\n- {path: /etc/x, content: 'y', mode: 0600, "
	"owner: bob}\n"
	"- {path: /etc/l, link: x}\n"
	"scripts: [{name: one, run: 'true'}]\n"
	"units: {enable: [a.service], disable: [b.timer], mask: [c.service], target: "
	"multi-user.target}\n"
	"kernel: {package: linux-image-amd64, cmdline: 'quiet a=b', modules: [nfs]}\n"
	"overlay: {limit: 1GiB}\nsquashfs: {level: 3, block: 64KiB}\n";

static void test_full(void **state)
{
	_cleanup_profile_ struct profile *p = NULL;
	_cleanup_free_ char *source = path_join(*state, "motd"), *path = NULL;
	struct err err = {0};

	assert_int_equal(write_file(source, &(struct file_content){"hello\n", 6, 0644}, NULL), 0);
	path = put_profile(*state, full);
	if (profile_load(path, &p, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(p->name, "slurm-compute");
	assert_string_equal(p->from.kind, "debian");
	assert_int_equal(p->package_count, 4);
	assert_int_equal(p->from.debian.components.count, 2);
	assert_int_equal(p->groups[0].gid, 700);
	assert_string_equal(p->users[0].groups.items[0], "adm");
	assert_int_equal(p->file_count, 3);
	assert_string_equal(p->files[0].source, source);
	assert_int_equal(p->files[0].mode, (mode_t)-1);
	assert_int_equal(p->files[1].mode, 0600);
	assert_string_equal(p->units.target, "multi-user.target");
	assert_int_equal(p->overlay.limit, 1 << 30);
	assert_int_equal(p->squashfs.block, 65536);
}

static void test_defaults(void **state)
{
	_cleanup_profile_ struct profile *p = NULL;
	_cleanup_free_ char *path = put_profile(*state, HEAD);

	assert_int_equal(profile_load(path, &p, NULL), 0);
	assert_string_equal(p->from.kind, "dir");
	assert_int_equal(p->squashfs.level, 9);
	assert_int_equal(p->squashfs.block, 262144);
	assert_int_equal(p->overlay.limit, 0);
	assert_null(p->version);
}

static const struct {
	const char *text, *sentence; /* the sentence after the folder's name */
} faults[] = {
	{"from: {dir: /}\n", "p.yaml:1: name: is missing"},
	{"name: n\n", "p.yaml:1: from: is missing; wanted is debian, tar or dir"},
	{"name: Big\nfrom: {dir: /}\n", "p.yaml:1: name: 'Big' is not allowed: 1 to 63 of a-z"},
	{HEAD "package: [a]\n", "p.yaml:3: package: unknown key; allowed are name, version, from"},
	{HEAD "kernel: {pkg: x}\n", "p.yaml:3: pkg: unknown key; allowed are package, cmdline, modules"},
	{HEAD "packages: systemd\n", "p.yaml:3: packages: a list is wanted: a list of package names"},
	{HEAD "files: {a: b}\n", "p.yaml:3: files: a list is wanted"},
	{HEAD "packages: [vim]\n", "p.yaml:3: packages: packages are installed from: debian only"},
	{HEAD "kernel: {package: linux}\n",
		"p.yaml:3: kernel.package: a kernel package is installed from: debian"},
	{DEBIAN "packages:\n- good\n- -bad\n", "p.yaml:5: packages: '-bad' is not a package name"},
	{DEBIAN "packages: ['a b']\n", "p.yaml:3: packages: 'a b' is not a package name"},
	{DEBIAN "packages: ['a?']\n", "p.yaml:3: packages: 'a?' is not a package name"},
	{DEBIAN "packages: ['aa=1,b']\n", "p.yaml:3: packages: 'aa=1,b' is not a package name"},
	{"name: n\nfrom: {dir: /, tar: /x}\n", "p.yaml:2: from: exactly one of debian, tar and dir"},
	{"name: n\nfrom: {}\n", "p.yaml:2: from: exactly one of debian, tar and dir"},
	{"name: n\nfrom: {debian: {}}\n", "p.yaml:1: suite: is missing"},
	{HEAD "files: [{path: etc/x, content: y}]\n", "p.yaml:3: path: 'etc/x' is not allowed: an absolute"},
	{HEAD "files: [{path: /etc/../x, content: y}]\n", "p.yaml:3: path: '/etc/../x' is not allowed"},
	{HEAD "files: [{path: /x}]\n", "p.yaml:3: files: /x: exactly one of content, source and link"},
	{HEAD "files: [{path: /x, content: a, link: b}]\n", "p.yaml:3: files: /x: exactly one of"},
	{HEAD "files: [{path: /x, mode: 99, content: a}]\n", "p.yaml:3: mode: '99' is not allowed: octal"},
	{HEAD "files:\n- path: /x\n  source: gone\n", "p.yaml:5: source: "},
	{HEAD "squashfs: {level: 23}\n", "p.yaml:3: squashfs.level: a zstd level from 1 to 22"},
	{HEAD "squashfs: {block: 100KiB}\n", "p.yaml:3: squashfs.block: a power of two"},
	{HEAD "overlay: {limit: much}\n", "p.yaml:3: limit: 'much' is not allowed: a number of bytes"},
	{HEAD "kernel: {cmdline: \"a\\nb\"}\n", "p.yaml:3: kernel.cmdline: at most 1000 bytes"},
	{HEAD "kernel:\n  modules: [a]\n  cmdline: a\tb\n", "p.yaml:5: kernel.cmdline: at most 1000"},
	{HEAD "kernel: {cmdline: 'a=${b}'}\n", "p.yaml:3: kernel.cmdline: at most 1000 bytes"},
	{HEAD "version: \"a\\nb\"\n", "p.yaml:3: version: control characters"},
	{HEAD "overlay: {limit: 16777215T}\n", "p.yaml:3: overlay.limit: at most 8192TiB"},
	{HEAD "groups: [{name: a, gid: 4294967295}]\n", "p.yaml:3: gid: '4294967295' is not allowed"},
	{HEAD "users: [{name: a, uid: 99999999999}]\n", "p.yaml:3: uid: '99999999999' is not allowed"},
	{"name: n\n\nfrom: {dir: /gone/tree}\n", "p.yaml:3: from.dir: /gone/tree: No such file"},
	{"name: n\nfrom:\n  dir: /etc/passwd\n", "p.yaml:3: from.dir: /etc/passwd: not a folder"},
	{"name: n\nfrom: {tar: gone.tar}\n", "p.yaml:2: from.tar: "},
	{"name: n\nfrom: {tar: /etc}\n", "p.yaml:2: from.tar: /etc: not a file"},
	{"name: n\nfrom: {dir: ''}\n", "p.yaml:2: from: dir: an empty path"},
	{"name: n\nfrom: {debian: {suite: bookworm, keyring: gone}}\n", "p.yaml:2: from.debian.keyring: "},
	{"[]\n", "p.yaml:1: a mapping of keys to values is wanted"},
	{"name: n\nname: m\n", "p.yaml:"},
};

static void test_faults(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		_cleanup_free_ char *path = put_profile(*state, faults[i].text);
		struct profile *p = NULL;
		struct err err = {0};

		assert_int_equal(profile_load(path, &p, &err), -EINVAL);
		assert_null(p);
		if (!strstr(err.text, faults[i].sentence))
			fail_msg("wanted '%s', got '%s'", faults[i].sentence, err.text);
	}
}

static void test_unreadable(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "gone.yaml");
	struct profile *p = NULL;
	struct err err = {0};

	assert_int_equal(profile_load(path, &p, &err), -ENOENT);
	assert_non_null(strstr(err.text, "gone.yaml"));
}

/* The source digest follows the profile's text and the files it names. */
static void test_source_digest(void **state)
{
	_cleanup_free_ char *source = path_join(*state, "motd"),
			    *path = put_profile(*state, HEAD "files: [{path: /m, source: motd}]\n");
	struct digest digests[3];
	static const char *const texts[] = {"one", "two", "one"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_profile_ struct profile *p = NULL;

		assert_int_equal(write_file(source, &(struct file_content){texts[i], 3, 0644}, NULL), 0);
		assert_int_equal(profile_load(path, &p, NULL), 0);
		digests[i] = p->source;
	}
	assert_false(digest_equal(&digests[0], &digests[1]));
	assert_true(digest_equal(&digests[0], &digests[2]));
}

static void test_excludes(void **state)
{
	static const struct {
		const char *path;
		int expected;
	} rows[] = {
		{"/usr/share/doc", 0},
		{"/usr/share/doc/bash", 1},
		{"/usr/share/doc/bash/README", 1},
		{"/usr/share/doc/bash/copyright", 0},
		{"/usr/lib/modules/6.1/kernel/sound/core/snd.ko", 1},
		{"/lib/modules/6.1/kernel/sound/core/snd.ko", 1},
		{"/usr/lib/modules/6.1/kernel/drivers/gpu/a.ko",
			1}, /* the pattern has the name without /usr */
		{"/usr/share/lib/modules/6.1/kernel/drivers/gpu/a.ko", 0},
		{"/usr/bin/less", 0},
	};
	_cleanup_profile_ struct profile *p = NULL;
	_cleanup_free_ char *path =
		put_profile(*state, HEAD "exclude: [/usr/share/doc/*, '/usr/lib/modules/*/kernel/sound/*', "
					 "'/lib/modules/*/kernel/sound/*',\n"
					 "  '/lib/modules/*/kernel/drivers/gpu/*']\n"
					 "keep: /usr/share/doc/*/copyright\n");

	assert_int_equal(profile_load(path, &p, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (profile_excludes(p, rows[i].path) != rows[i].expected)
			fail_msg("%s: not %d", rows[i].path, rows[i].expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_full),
		unit_test_in_dir(test_defaults),
		unit_test_in_dir(test_faults),
		unit_test_in_dir(test_unreadable),
		unit_test_in_dir(test_source_digest),
		unit_test_in_dir(test_excludes),
	};

	return cmocka_run_group_tests_name("profile", tests, NULL, NULL);
}
