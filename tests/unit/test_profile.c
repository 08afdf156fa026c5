/* The profile: what is read, the exact sentence of each fault, and what the exclude patterns take. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "imager/profile/profile.h"
#include "tests/unit/tempdir.h"

#define HEAD   "name: n\nfrom: {dir: /}\n"
#define DEBIAN "name: n\nfrom: {debian: {suite: bookworm}}\n"
#define RPM    "name: n\nfrom: {rpm: {releasever: 9, repositories: [{name: r, url: http://a/}]}}\n"
#define ZEROS  "0000000000000000000000000000000000000000000000000000000000000000"
/* in one line, so that its faults are of line 3 */
#define ARTIFACT HEAD "artifacts: [{path: /b, sha256: " ZEROS
#define XATTRS   HEAD "files: [{path: /x, content: y, xattrs: {"

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

/* The keys of a source by packages, and of what is not a package. */
static void test_further_keys(void **state)
{
	static const char text[] =
		"name: n\nfrom:\n  rpm:\n    releasever: 9\n    modules: [nodejs:20]\n"
		"    repositories: [{name: base, url: 'https://a/9/', key: key}]\n"
		"packages: ['@core', glibc.i686, Foo-1.0-2.el9.x86_64]\n"
		"repositories: [{name: extra, url: 'file:///srv/extra', keep: true}]\n"
		"files: [{path: /x, content: y, xattrs: {user.a: text, user.b: 0x00ff, security.c: "
		"0sAAEC}}]\n"
		"artifacts:\n- {url: http://a/k3s, sha256: " ZEROS
		", path: /usr/bin/k3s, mode: 0755, owner: a, "
		"group: b}\n"
		"- {source: key, sha256: " ZEROS ", path: /, unpack: true, strip: 1}\n"
		"scripts: [{name: a, run: b, network: true}]\n"
		"kernel: {nics: mlx5_core, firmware: [bnx2x/*, a.bin]}\nmemory: {reserve: 1GiB}\n";
	_cleanup_profile_ struct profile *p = NULL;
	_cleanup_free_ char *key = path_join(*state, "key"), *path = put_profile(*state, text);
	struct err err = {0};

	assert_int_equal(write_file(key, &(struct file_content){"k", 1, 0644}, NULL), 0);
	if (profile_load(path, &p, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(p->from.kind, "rpm");
	assert_string_equal(p->from.rpm.releasever, "9");
	assert_int_equal(p->from.rpm.repository_count, 1);
	assert_string_equal(p->from.rpm.repositories[0].key, key);
	assert_string_equal(p->from.rpm.modules.items[0], "nodejs:20");
	assert_string_equal(p->packages[0].name, "@core");
	assert_int_equal(p->repositories[0].keep, 1);
	assert_int_equal(p->files[0].xattr_count, 3);
	assert_int_equal(p->files[0].xattrs[0].size, 4);
	assert_memory_equal(p->files[0].xattrs[1].value, "\0\xff", 2);
	assert_int_equal(p->files[0].xattrs[2].size, 3);
	assert_memory_equal(p->files[0].xattrs[2].value, "\0\1\2", 3);
	assert_string_equal(p->artifacts[0].url, "http://a/k3s");
	assert_int_equal(p->artifacts[0].mode, 0755);
	assert_int_equal(p->artifacts[1].mode, (mode_t)-1);
	assert_string_equal(p->artifacts[1].source, key);
	assert_int_equal(p->artifacts[1].strip, 1);
	assert_int_equal(p->scripts[0].network, 1);
	assert_string_equal(p->kernel.nics.items[0], "mlx5_core");
	assert_int_equal(p->kernel.firmware.count, 2);
	assert_int_equal(p->memory.reserve, 1 << 30);
}

/* Each source alone. */
static void test_sources(void **state)
{
	static const struct {
		const char *from, *kind;
	} rows[] = {
		{"{debian: {suite: noble}}", "debian"},
		{"{oci: {layout: /, ref: 'a:1'}}", "oci"},
		{"{oci: {archive: /etc/passwd}}", "oci"},
		{"{oci: {image: 'localhost:5000/a/b@sha256:" ZEROS "', insecure: true}}", "oci"},
		{"{tar: /etc/passwd}", "tar"},
		{"{release: 'base:7'}", "release"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_profile_ struct profile *p = NULL;
		_cleanup_free_ char *path = NULL;
		struct err err = {0};
		char text[256];

		(void)snprintf(text, sizeof(text), "name: n\nfrom: %s\n", rows[i].from);
		path = put_profile(*state, text);
		if (profile_load(path, &p, &err) < 0)
			fail_msg("%s", err.text);
		assert_string_equal(p->from.kind, rows[i].kind);
	}
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
	{"name: n\n", "p.yaml:1: from: is missing; wanted is debian, rpm, oci, tar, dir or release"},
	{"name: Big\nfrom: {dir: /}\n", "p.yaml:1: name: 'Big' is not allowed: 1 to 63 of a-z"},
	{HEAD "package: [a]\n",
		"p.yaml:3: package: unknown key; allowed are name, include, vars, version, from"},
	{HEAD "kernel: {pkg: x}\n", "p.yaml:3: pkg: unknown key; allowed are package, cmdline, modules"},
	{HEAD "packages: systemd\n", "p.yaml:3: packages: a list is wanted: a list of package names"},
	{HEAD "files: {a: b}\n", "p.yaml:3: files: a list is wanted"},
	{HEAD "packages: [vim]\n",
		"p.yaml:3: packages: a package is installed from: debian and from: rpm only, not from: dir"},
	{HEAD "kernel: {package: linux}\n", "p.yaml:3: kernel.package: a package is installed from: debian"},
	{DEBIAN "packages:\n- good\n- -bad\n", "p.yaml:5: packages: '-bad' is not a package name"},
	{DEBIAN "packages: ['a b']\n", "p.yaml:3: packages: 'a b' is not a package name"},
	{DEBIAN "packages: ['a?']\n", "p.yaml:3: packages: 'a?' is not a package name"},
	{DEBIAN "packages: ['aa=1,b']\n", "p.yaml:3: packages: 'aa=1,b' is not a package name"},
	{"name: n\nfrom: {dir: /, tar: /x}\n",
		"p.yaml:2: from: exactly one of debian, rpm, oci, tar, dir and release"},
	{"name: n\nfrom: {}\n", "p.yaml:2: from: exactly one of debian, rpm, oci, tar, dir and release"},
	{"name: n\nfrom: {debian: {}}\n", "p.yaml:2: suite: is missing"},
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
	{"name: n\nfrom: {dir: ''}\n", "p.yaml:2: dir: an empty path"},
	{"name: n\nfrom: {debian: {suite: bookworm, keyring: gone}}\n", "p.yaml:2: from.debian.keyring: "},
	{RPM "packages: [-x]\n",
		"p.yaml:3: packages: '-x' is not a package name; allowed are name, name-version"},
	{RPM "packages: ['a b']\n", "p.yaml:3: packages: 'a b' is not a package name"},
	{RPM "packages: ['a*']\n", "p.yaml:3: packages: 'a*' is not a package name"},
	{RPM "kernel: {package: --x}\n", "p.yaml:3: kernel.package: '--x' is not a package name"},
	{RPM "repositories: [{name: r, url: http://b/}]\n", "p.yaml:3: name: 'r' is the name of another"},
	{RPM "repositories: [{name: s, url: http://b/, suite: x}]\n", "p.yaml:3: suite: is for apt"},
	{RPM "repositories: [{name: s, url: http://b/, components: x}]\n",
		"p.yaml:3: components: is for apt"},
	{"name: n\nfrom: {rpm: {releasever: 9}}\n", "p.yaml:2: repositories: is missing"},
	{"name: n\nfrom: {rpm: {releasever: 9, repositories: []}}\n",
		"p.yaml:2: from.rpm.repositories: at least"},
	{"name: n\nfrom: {rpm: {releasever: '9;x', repositories: [{name: r, url: 'http://a/'}]}}\n",
		"p.yaml:2: from.rpm.releasever: '9;x' is not allowed: letters, digits and ._-"},
	{"name: n\nfrom: {rpm: {releasever: 9, repositories: [{name: r}]}}\n", "p.yaml:2: url: is missing"},
	{DEBIAN "repositories: [{name: R, url: http://a/}]\n", "p.yaml:3: name: 'R' is not allowed"},
	{DEBIAN "repositories: [{name: r, url: ftp://a/}]\n",
		"p.yaml:3: url: 'ftp://a/' is not allowed: http://"},
	{DEBIAN "repositories: [{name: r, url: 'http://a b'}]\n",
		"p.yaml:3: url: 'http://a b' is not allowed"},
	{DEBIAN "repositories: [{name: r, url: 'file://'}]\n", "p.yaml:3: url: 'file://' is not allowed"},
	{DEBIAN "repositories: [{name: r, url: http://a/, key: gone}]\n", "p.yaml:3: key: "},
	{DEBIAN "repositories: [{name: r, url: http://a/, suite: 'a b'}]\n", "p.yaml:3: suite: 'a b' is not"},
	{DEBIAN "repositories: [{name: r, url: http://a/, suite: ./, components: main}]\n",
		"p.yaml:3: components: a flat repository"},
	{HEAD "repositories: [{name: r, url: http://a/}]\n",
		"p.yaml:3: repositories: packages are installed from"},
	{"name: n\nfrom: {oci: {}}\n", "p.yaml:2: from.oci: exactly one of layout, archive and image"},
	{"name: n\nfrom: {oci: {image: a, archive: /etc/passwd}}\n", "p.yaml:2: from.oci: exactly one of"},
	{"name: n\nfrom: {oci: {image: 'a b'}}\n", "p.yaml:2: from.oci.image: 'a b' is not allowed"},
	{"name: n\nfrom: {oci: {image: -a}}\n", "p.yaml:2: from.oci.image: '-a' is not allowed"},
	{"name: n\nfrom: {oci: {image: a, ref: b}}\n", "p.yaml:2: from.oci.ref: goes with layout or archive"},
	{"name: n\nfrom: {oci: {layout: /, insecure: true}}\n",
		"p.yaml:2: from.oci.insecure: goes with image"},
	{"name: n\nfrom: {oci: {layout: /etc/passwd}}\n",
		"p.yaml:2: from.oci.layout: /etc/passwd: not a folder"},
	{"name: n\nfrom: {oci: {archive: gone}}\n", "p.yaml:2: from.oci.archive: "},
	{"name: n\nfrom: {release: ''}\n", "p.yaml:2: from.release: '' is not allowed"},
	{HEAD "artifacts: [{url: http://a/b, path: /b}]\n", "p.yaml:3: sha256: is missing; wanted is"},
	{HEAD "artifacts: [{url: http://a/b, path: /b, sha256: abc}]\n",
		"p.yaml:3: sha256: 'abc' is not allowed: 64 hex"},
	{ARTIFACT "}]\n", "p.yaml:3: artifacts: /b: exactly one of url and source"},
	{ARTIFACT ", url: http://a, source: b}]\n", "p.yaml:3: artifacts: /b: exactly one of"},
	{ARTIFACT ", url: a}]\n", "p.yaml:3: url: 'a' is not allowed: http://"},
	{ARTIFACT ", url: 'https://me:secret@h/b'}]\n", "p.yaml:3: url: a name or password in a url becomes"},
	{ARTIFACT ", source: gone}]\n", "p.yaml:3: source: "},
	{ARTIFACT ", source: /etc}]\n", "p.yaml:3: source: /etc: not a file"},
	{ARTIFACT ", url: http://a/b, strip: 1}]\n", "p.yaml:3: strip: is for an archive"},
	{ARTIFACT ", url: http://a/b, strip: 33, unpack: true}]\n", "p.yaml:3: strip: at most 32"},
	{ARTIFACT ", url: http://a/b, mode: 0755, unpack: true}]\n", "p.yaml:3: mode: an archive's files"},
	{HEAD "artifacts: [{url: http://a/b, path: /, sha256: " ZEROS "}]\n",
		"p.yaml:3: path: '/' is not allowed"},
	{XATTRS "colour: x}}]\n", "p.yaml:3: xattrs: 'colour' is not allowed: a name that begins with user."},
	{XATTRS "user.: x}}]\n", "p.yaml:3: xattrs: 'user.' is not allowed"},
	{XATTRS "system.posix_acl_access: x}}]\n",
		"p.yaml:3: xattrs: 'system.posix_acl_access' is not allowed"},
	{XATTRS "user.a: 0x1}}]\n", "p.yaml:3: user.a: '0x1' is not allowed: 0x and hex digits"},
	{XATTRS "user.a: 0xzz}}]\n", "p.yaml:3: user.a: '0xzz' is not allowed"},
	{XATTRS "user.a: 0sA}}]\n", "p.yaml:3: user.a: '0sA' is not allowed"},
	{XATTRS "user.a: [b]}}]\n", "p.yaml:3: user.a: a single value is wanted"},
	{HEAD "kernel: {nics: [a b]}\n", "p.yaml:3: kernel.nics: 'a b' is not allowed"},
	{HEAD "kernel: {firmware: [../x]}\n", "p.yaml:3: kernel.firmware: '../x' is not allowed"},
	{HEAD "kernel: {firmware: [/x]}\n", "p.yaml:3: kernel.firmware: '/x' is not allowed"},
	{HEAD "memory: {reserve: 16777215T}\n", "p.yaml:3: memory.reserve: 64MiB to 8192TiB"},
	{HEAD "memory: {reserve: 63MiB}\n", "p.yaml:3: memory.reserve: 64MiB to 8192TiB"},
	{HEAD "scripts: [{name: a, run: b, network: 7}]\n",
		"p.yaml:3: network: '7' is not allowed: true or false"},
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
		unit_test_in_dir(test_further_keys),
		unit_test_in_dir(test_sources),
		unit_test_in_dir(test_defaults),
		unit_test_in_dir(test_faults),
		unit_test_in_dir(test_unreadable),
		unit_test_in_dir(test_excludes),
	};

	return cmocka_run_group_tests_name("profile", tests, NULL, NULL);
}
