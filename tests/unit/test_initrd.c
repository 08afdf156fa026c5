/*
 * Makes initramfs archives from a small tree with Debian's kernel and unpacks them by zstd and GNU cpio,
 * which share no code with what wrote them.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

#include "imager/boot/closure.h"
#include "imager/boot/initrd.h"
#include "tests/unit/kerneltree.h"
#include "tests/unit/tempdir.h"

#define MTIME 1700000000
#define KEYS  "a key\n"

/* The parts of a test's folder. */
struct place {
	char *tree, *outdir, *out;
	const char *release;
};

static void place_release(struct place *p)
{
	free(p->tree);
	free(p->outdir);
	free(p->out);
}
#define _cleanup_place_ _cleanup_(place_release)

static struct place make_place(const char *dir)
{
	struct place p = {.tree = path_join(dir, "tree"),
		.outdir = path_join(dir, "outdir"),
		.out = path_join(dir, "out")};

	assert_int_equal(mkdir(p.tree, 0755), 0);
	assert_int_equal(mkdir(p.outdir, 0755), 0);
	assert_int_equal(mkdir(p.out, 0755), 0);
	make_kernel_tree(p.tree, &p.release);
	return p;
}

#define STRINGS(...)                                                                                         \
	(struct yaml_strings)                                                                                \
	{                                                                                                    \
		(char **)(const char *const[]){__VA_ARGS__},                                                 \
			sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)                               \
	}

/* more: its lists and cache are taken; may be NULL. */
static int make(const struct place *p, const struct bootfiles_options *more, struct err *err)
{
	struct bootfiles_options options = more ? *more : (struct bootfiles_options){0};

	options.agent = "/bin/true";
	options.keyring = KEYS;
	options.profile = "sample";
	options.mtime = MTIME;
	return initrd_write(p->tree, p->outdir, p->release, &options, err);
}

static void make_or_fail(const struct place *p, const struct bootfiles_options *more)
{
	struct err err = {0};

	if (make(p, more, &err) < 0)
		fail_msg("%s", err.text);
}

static void unpack(const struct place *p)
{
	run_or_fail((const char *const[]){"sh", "-ec",
		"cd \"$2\"; zstd -dcq \"$1/initramfs\" | cpio -id --quiet --no-absolute-filenames", "sh",
		p->outdir, p->out, NULL});
}

static void stat_in(const char *dir, const char *name, struct stat *ret)
{
	_cleanup_free_ char *path = path_join(dir, name);

	if (lstat(path, ret) < 0)
		fail_msg("%s: %s", path, strerror(errno));
}

static int is_module(const struct place *p, const char *name)
{
	_cleanup_free_ char *path = NULL;

	assert_true(asprintf(&path, "%s/usr/lib/modules/%s/%s", p->out, p->release, name) > 0);
	return access(path, F_OK) == 0;
}

static void check_text(const char *dir, const char *name, const char *expected)
{
	_cleanup_free_ char *path = path_join(dir, name), *text = NULL;

	assert_int_equal(read_file(path, 65536, &text, NULL, NULL), 0);
	assert_string_equal(text, expected);
}

static void check_layout(const struct place *p)
{
	static const struct {
		const char *name;
		mode_t mode;
	} cases[] = {
		{"init", S_IFREG | 0755},
		{"etc/swarmboot/keys", S_IFREG | 0644},
		{"etc/swarmboot/agent.json", S_IFREG | 0644},
		{"dev", S_IFDIR | 0755},
		{"dev/console", S_IFCHR | 0600},
		{"proc", S_IFDIR | 0755},
		{"sys", S_IFDIR | 0755},
		{"run", S_IFDIR | 0755},
		{"root", S_IFDIR | 0755},
		{"newroot", S_IFDIR | 0755},
		{"bin", S_IFLNK | 0777},
		{"lib", S_IFLNK | 0777},
		{"lib64", S_IFLNK | 0777},
		{"sbin", S_IFLNK | 0777},
		{"usr/sbin/modprobe", S_IFLNK | 0777},
		{"usr/lib64/ld-linux-x86-64.so.2", S_IFREG | 0755},
		{"usr/lib/x86_64-linux-gnu/libc.so.6", S_IFREG | 0755},
	};
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		stat_in(p->out, cases[i].name, &st);
		if (st.st_mode != cases[i].mode)
			fail_msg("%s: mode %o", cases[i].name, st.st_mode);
		assert_int_equal(st.st_uid, 0);
		assert_int_equal(st.st_gid, 0);
	}
	stat_in(p->out, "dev/console", &st);
	assert_int_equal(st.st_rdev, makedev(5, 1));
}

static void test_layout_and_start(void **state)
{
	_cleanup_place_ struct place p = make_place(*state);
	_cleanup_free_ char *identity = NULL;

	make_or_fail(&p, NULL);
	unpack(&p);
	check_layout(&p);
	check_text(p.out, "etc/swarmboot/keys", KEYS);
	assert_true(asprintf(&identity, "{\"profile\":\"sample\",\"arch\":\"amd64\",\"kernel\":\"%s\"}",
			    p.release) > 0);
	check_text(p.out, "etc/swarmboot/agent.json", identity);
	/* The program finds its loader and libraries there. */
	run_or_fail((const char *const[]){"chroot", p.out, "/init", NULL});
}

static void test_modules_with_all_they_need(void **state)
{
	_cleanup_place_ struct place p = make_place(*state);
	static const char *const present[] = {"kernel/drivers/block/loop.ko",
		"kernel/fs/squashfs/squashfs.ko", "kernel/fs/overlayfs/overlay.ko",
		"kernel/drivers/net/virtio_net.ko", "kernel/drivers/net/net_failover.ko",
		"kernel/net/core/failover.ko", /* dependencies */
		"kernel/drivers/net/ethernet/realtek/r8169.ko", "kernel/drivers/net/phy/libphy.ko",
		"kernel/drivers/net/phy/realtek.ko", /* a soft one */
		"modules.dep.bin", "modules.alias.bin", "modules.builtin.bin", "modules.softdep"};
	static const char *const absent[] = {"kernel/fs/isofs/isofs.ko", "kernel/fs/jbd2/jbd2.ko",
		"kernel/drivers/net/ethernet/realtek/8139cp.ko"};

	make_or_fail(&p, NULL);
	unpack(&p);
	for (size_t i = 0; i < ARRAY_SIZE(present); i++)
		if (!is_module(&p, present[i]))
			fail_msg("%s is not there", present[i]);
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
		if (is_module(&p, absent[i]))
			fail_msg("%s is there", absent[i]);
	/* modprobe can resolve a device's alias in it. */
	run_or_fail((const char *const[]){"modprobe", "-d", p.out, "-S", p.release, "--show-depends",
		"virtio:d00000001v00001AF4", NULL});
}

static void test_more_modules(void **state)
{
	_cleanup_place_ struct place p = make_place(*state);
	const struct yaml_strings modules =
		STRINGS("isofs", "drivers/net/ethernet/realtek/", "iso9660", "unix");
	const struct bootfiles_options more = {.modules = &modules};

	make_or_fail(&p, &more);
	unpack(&p);
	assert_true(is_module(&p, "kernel/fs/isofs/isofs.ko"));
	assert_true(is_module(&p, "kernel/drivers/net/ethernet/realtek/8139cp.ko"));
	assert_true(is_module(&p, "kernel/drivers/net/mii.ko"));
	assert_false(is_module(&p, "kernel/fs/jbd2/jbd2.ko"));
}

static void check_only(const char *dir, const char *expected)
{
	_cleanup_closedir_ DIR *stream = opendir(dir);

	assert_non_null(stream);
	for (struct dirent *e; (e = readdir(stream));)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") &&
			(!expected || strcmp(e->d_name, expected)))
			fail_msg("%s is left in the output folder", e->d_name);
}

static void test_what_is_missing(void **state)
{
	_cleanup_place_ struct place p = make_place(*state);
	_cleanup_free_ char *overlay = NULL, *text = NULL;
	const struct {
		const char *key, *name, *text;
	} cases[] = {
		{"modules", "nosuch", "kernel.modules: kernel 6.1."},
		{"modules", "nosuch", " has no module nosuch"},
		{"modules", "drivers/nosuch", "has no module drivers/nosuch"},
		{"modules", "drivers/net/ethernet/real", "has no module drivers/net/ethernet/real"},
		{"nics", "nosuch", " has no network driver nosuch"},
		{"firmware", "nosuch/*", "kernel.firmware: the image has no firmware nosuch/*"},
	};
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct yaml_strings names = STRINGS(cases[i].name);
		const struct bootfiles_options more = {
			.modules = *cases[i].key == 'm' ? &names : NULL,
			.nics = *cases[i].key == 'n' ? &names : NULL,
			.firmware = *cases[i].key == 'f' ? &names : NULL,
		};

		assert_int_equal(make(&p, &more, &err), -EINVAL);
		if (!strstr(err.text, cases[i].text))
			fail_msg("%s", err.text);
		check_only(p.outdir, NULL);
	}
	assert_true(asprintf(&overlay, "%s/usr/lib/modules/%s", p.tree, p.release) > 0);
	run_or_fail((const char *const[]){
		"sh", "-ec", "cd \"$1\"; rm -r kernel/fs/overlayfs modules.*.bin", "sh", overlay, NULL});
	assert_int_equal(make(&p, NULL, &err), -ENOENT);
	assert_true(asprintf(&text, "kernel %s has no module overlay", p.release) > 0);
	assert_string_equal(err.text, text);
	check_only(p.outdir, NULL);
}

static void test_built_in_is_as_good(void **state)
{
	_cleanup_place_ struct place p = make_place(*state);
	_cleanup_free_ char *modules = NULL;

	assert_true(asprintf(&modules, "%s/usr/lib/modules/%s", p.tree, p.release) > 0);
	run_or_fail((const char *const[]){"sh", "-ec",
		"cd \"$1\"; rm -r kernel/fs/overlayfs; echo kernel/fs/overlayfs/overlay.ko >>modules.builtin",
		"sh", modules, NULL});
	make_or_fail(&p, NULL);
}

/* A link that would lead out of the tree is resolved inside it, where there is nothing. */
static void test_firmware_of_the_tree_only(void **state)
{
	_cleanup_place_ struct place p = make_place(*state);
	_cleanup_free_ char *secret = path_join(*state, "secret"), *link = NULL;
	struct stat st;

	put_file(*state, "secret", "not for the nodes");
	put_file(p.tree, "usr/lib/firmware/rtl_nic/rtl8125b-2.fw", "firmware");
	put_file(p.tree, "usr/lib/firmware/rtl_nic/rtl8107e-2.fw.zst", "compressed");
	put_file(p.tree, "usr/lib/firmware/rtl_nic/other.fw", "unwanted");
	link = path_join(p.tree, "usr/lib/firmware/rtl_nic/rtl8125a-3.fw");
	assert_int_equal(symlink(secret, link), 0);
	make_or_fail(&p, NULL);
	unpack(&p);
	check_text(p.out, "usr/lib/firmware/rtl_nic/rtl8125b-2.fw", "firmware");
	check_text(p.out, "usr/lib/firmware/rtl_nic/rtl8107e-2.fw.zst", "compressed");
	free(link);
	link = path_join(p.out, "usr/lib/firmware/rtl_nic/rtl8125a-3.fw");
	assert_int_equal(lstat(link, &st), -1);
	free(link);
	link = path_join(p.out, "usr/lib/firmware/rtl_nic/other.fw");
	assert_int_equal(lstat(link, &st), -1);
}

static int is_there(const char *dir, const char *name)
{
	_cleanup_free_ char *path = path_join(dir, name);

	return access(path, F_OK) == 0;
}

/* Patterns, folders, compressed files, links inside the tree; what a pattern does not name stays away. */
static void test_firmware_by_pattern(void **state)
{
	_cleanup_place_ struct place p = make_place(*state);
	const struct yaml_strings patterns = STRINGS("bnx2x/*e2-7*.fw", "intel/ice", "mellanox/*", "one.bin");
	const struct bootfiles_options more = {.firmware = &patterns};
	_cleanup_free_ char *link = path_join(p.tree, "usr/lib/firmware/mellanox/new.mfa2"),
			    *folder = path_join(p.tree, "usr/lib/firmware/mellanox/folder");
	static const char *const absent[] = {
		"bnx2x/bnx2x-e1-7.fw", "intel/other.fw", "two.bin", "mellanox/folder"};

	put_file(p.tree, "usr/lib/firmware/bnx2x/bnx2x-e2-7.13.fw", "e2");
	put_file(p.tree, "usr/lib/firmware/bnx2x/bnx2x-e2-7.12.fw.xz", "e2 packed");
	put_file(p.tree, "usr/lib/firmware/bnx2x/bnx2x-e1-7.fw", "e1");
	put_file(p.tree, "usr/lib/firmware/intel/ice/ddp/ice.pkg", "ddp");
	put_file(p.tree, "usr/lib/firmware/intel/other.fw", "other");
	put_file(p.tree, "usr/lib/firmware/mellanox/old.mfa2", "mfa2");
	put_file(p.tree, "usr/lib/firmware/one.bin.zst", "one");
	put_file(p.tree, "usr/lib/firmware/two.bin", "two");
	assert_int_equal(symlink("/usr/lib/firmware/mellanox/old.mfa2", link), 0);
	assert_int_equal(symlink("../intel", folder), 0);
	make_or_fail(&p, &more);
	unpack(&p);
	check_text(p.out, "usr/lib/firmware/bnx2x/bnx2x-e2-7.13.fw", "e2");
	check_text(p.out, "usr/lib/firmware/bnx2x/bnx2x-e2-7.12.fw.xz", "e2 packed");
	check_text(p.out, "usr/lib/firmware/intel/ice/ddp/ice.pkg", "ddp");
	check_text(p.out, "usr/lib/firmware/mellanox/new.mfa2", "mfa2");
	check_text(p.out, "usr/lib/firmware/one.bin.zst", "one");
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++) {
		_cleanup_free_ char *name = path_join("usr/lib/firmware", absent[i]);

		if (is_there(p.out, name))
			fail_msg("%s is there", name);
	}
}

/* Only the named network drivers, with all else that a boot needs. */
static void test_own_nics(void **state)
{
	static const struct {
		const char *nic;
		int virtio, realtek;
	} cases[] = {{"virtio_net", 1, 0}, {"r8169", 0, 1}};
	_cleanup_place_ struct place p = make_place(*state);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct yaml_strings nics = STRINGS(cases[i].nic);
		const struct bootfiles_options more = {.nics = &nics};

		make_or_fail(&p, &more);
		run_or_fail(
			(const char *const[]){"sh", "-ec", "rm -rf \"$1\"; mkdir \"$1\"", "sh", p.out, NULL});
		unpack(&p);
		assert_true(is_module(&p, "kernel/drivers/block/loop.ko"));
		assert_true(is_module(&p, "kernel/fs/squashfs/squashfs.ko"));
		assert_true(is_module(&p, "kernel/drivers/virtio/virtio_pci.ko"));
		assert_int_equal(is_module(&p, "kernel/drivers/net/virtio_net.ko"), cases[i].virtio);
		assert_int_equal(
			is_module(&p, "kernel/drivers/net/ethernet/realtek/r8169.ko"), cases[i].realtek);
		assert_int_equal(is_module(&p, "kernel/drivers/net/phy/realtek.ko"), cases[i].realtek);
	}
}

/* As rpm-based distributions have them: the archive holds plain ones, the same as without packing. */
static void test_packed_modules(void **state)
{
	_cleanup_place_ struct place p = make_place(*state);
	_cleanup_free_ char *modules = NULL, *plain = path_join(*state, "plain"), *out = NULL;

	assert_true(asprintf(&modules, "%s/usr/lib/modules/%s", p.tree, p.release) > 0);
	make_or_fail(&p, NULL);
	out = path_join(p.outdir, "initramfs");
	assert_int_equal(rename(out, plain), 0);
	run_or_fail((const char *const[]){"sh", "-ec",
		"cd \"$1\"; rm -f modules.*.bin; find kernel/drivers -name '*.ko' -exec xz -1 --check=crc32 "
		"{} +; "
		"find kernel/fs -name '*.ko' -exec zstd -q1 --rm {} +",
		"sh", modules, NULL});
	make_or_fail(&p, NULL);
	unpack(&p);
	assert_true(is_module(&p, "kernel/drivers/block/loop.ko"));
	assert_false(is_module(&p, "kernel/drivers/block/loop.ko.xz"));
	assert_true(is_module(&p, "kernel/fs/squashfs/squashfs.ko"));
	run_or_fail((const char *const[]){"sh", "-ec",
		"cd \"$1\"; zstd -dcq \"$2\" | cpio -id --quiet; diff -r \"$3/usr/lib/modules\" "
		"usr/lib/modules",
		"sh", p.outdir, plain, p.out, NULL});
}

static void test_damaged_module(void **state)
{
	_cleanup_place_ struct place p = make_place(*state);
	_cleanup_free_ char *modules = NULL;
	struct err err = {0};

	assert_true(asprintf(&modules, "%s/usr/lib/modules/%s", p.tree, p.release) > 0);
	run_or_fail((const char *const[]){"sh", "-ec",
		"cd \"$1\"; depmod -b \"$2\" \"$3\"; cd kernel/fs/squashfs; xz squashfs.ko; "
		"head -c 20000 squashfs.ko.xz >cut; mv cut squashfs.ko.xz; "
		"depmod -b \"$2\" \"$3\" 2>/dev/null",
		"sh", modules, p.tree, p.release, NULL});
	assert_true(make(&p, NULL, &err) < 0);
	assert_non_null(strstr(err.text, "squashfs"));
	check_only(p.outdir, NULL);
}

/* The second time it is the cache's, to the byte; what is damaged there is made anew. */
static void test_cache(void **state)
{
	_cleanup_place_ struct place p = make_place(*state);
	_cleanup_free_ char *folder = path_join(*state, "cache"), *first = path_join(*state, "first"),
			    *output = path_join(p.outdir, "initramfs");
	_cleanup_cache_ struct cache *cache = NULL;
	struct bootfiles_options more = {0};

	assert_int_equal(cache_open(folder, &cache, NULL), 0);
	more.cache = cache;
	make_or_fail(&p, &more);
	run_or_fail((const char *const[]){"sh", "-ec",
		"cp \"$1\" \"$2\"; set -- \"$3\"/initramfs/*; [ $# = 1 ] && [ -s \"$1\" ]; touch -d @1 "
		"\"$1\"",
		"sh", output, first, folder, NULL});
	make_or_fail(&p, &more);
	run_or_fail((const char *const[]){"sh", "-ec",
		"cmp \"$1\" \"$2\"; set -- \"$3\"/initramfs/*; [ $# = 1 ] && [ \"$(stat -c %Y \"$1\")\" -gt "
		"1 ]; "
		"truncate -s 100 \"$1\"",
		"sh", output, first, folder, NULL});
	make_or_fail(&p, &more);
	run_or_fail((const char *const[]){"cmp", output, first, NULL});
	check_only(p.outdir, "initramfs");
}

/* LD_LIBRARY_PATH of the one who builds must not decide which libraries the nodes get. */
static void test_libraries_of_the_system(void **state)
{
	_cleanup_place_ struct place p = make_place(*state);
	_cleanup_free_ char *library = path_join(*state, "libs/libc.so.6");

	put_file(*state, "libs/readme", "");
	run_or_fail((const char *const[]){"cp", "/lib/x86_64-linux-gnu/libc.so.6", library, NULL});
	*strrchr(library, '/') = '\0';
	assert_int_equal(setenv("LD_LIBRARY_PATH", library, 1), 0);
	make_or_fail(&p, NULL);
	assert_int_equal(unsetenv("LD_LIBRARY_PATH"), 0);
	unpack(&p);
	assert_false(is_there(p.out, library + 1));
	assert_true(is_there(p.out, "usr/lib/x86_64-linux-gnu/libc.so.6"));
}

/* Neither a list beside the modules nor the folder of all of them is taken from outside. */
static void test_modules_of_the_tree_only(void **state)
{
	_cleanup_place_ struct place p = make_place(*state);
	_cleanup_free_ char *secret = path_join(*state, "secret"), *list = NULL, *folder = NULL, *away = NULL;
	struct err err = {0};

	put_file(*state, "secret", "not for the nodes");
	assert_true(asprintf(&folder, "%s/usr/lib/modules", p.tree) > 0);
	assert_true(asprintf(&list, "%s/%s/modules.order", folder, p.release) > 0);
	assert_int_equal(unlink(list), 0);
	assert_int_equal(symlink(secret, list), 0);
	make_or_fail(&p, NULL);
	unpack(&p);
	assert_false(is_module(&p, "modules.order"));

	away = path_join(*state, "away");
	assert_int_equal(rename(folder, away), 0);
	assert_int_equal(symlink(away, folder), 0);
	assert_int_equal(make(&p, NULL, &err), -ENOENT);
	assert_non_null(strstr(err.text, "no modules of kernel"));
}

static void test_same_bytes(void **state)
{
	_cleanup_place_ struct place p = make_place(*state);
	_cleanup_free_ char *output = path_join(p.outdir, "initramfs"), *a = NULL, *b = NULL;
	size_t alen, blen;
	mode_t mask;

	make_or_fail(&p, NULL);
	assert_int_equal(read_file(output, 1 << 28, &a, &alen, NULL), 0);
	mask = umask(077);
	make_or_fail(&p, NULL);
	(void)umask(mask);
	assert_int_equal(read_file(output, 1 << 28, &b, &blen, NULL), 0);
	assert_int_equal(alen, blen);
	assert_memory_equal(a, b, alen);
	check_only(p.outdir, "initramfs");
}

static void test_refused(void **state)
{
	static const struct {
		const char *agent, *keyring;
		int code;
		const char *text;
	} cases[] = {
		{"/bin/true", "", ENOKEY, "no trusted key"},
		{"/bin/true", " \n\t", ENOKEY, "no trusted key"},
		{"/bin/true", NULL, ENOKEY, "no trusted key"},
		{"/nowhere/agent", KEYS, ENOENT, "/nowhere/agent: No such file"},
		{"/etc/passwd", KEYS, EIO, "/etc/passwd"},
	};
	_cleanup_place_ struct place p = make_place(*state);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bootfiles_options options = {
			.agent = cases[i].agent, .keyring = cases[i].keyring, .profile = "sample"};
		struct err err = {0};

		assert_int_equal(initrd_write(p.tree, p.outdir, p.release, &options, &err), -cases[i].code);
		if (!strstr(err.text, cases[i].text))
			fail_msg("%s", err.text);
		check_only(p.outdir, NULL);
	}
}

static void test_loader_lines(void **state)
{
	static const struct {
		const char *line;
		int result;
		const char *text;
	} cases[] = {
		{"\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f0a)", 1,
			"/lib/x86_64-linux-gnu/libc.so.6"},
		{"\t/lib64/ld-linux-x86-64.so.2 (0x00007f0a)", 1, "/lib64/ld-linux-x86-64.so.2"},
		{"\tlibx.so.1 => /opt/with space (2)/libx.so.1", 1, "/opt/with space"},
		{"\tlinux-vdso.so.1 (0x00007ffd)", 0, ""},
		{"\tlibgone.so.3 => not found", -ENOENT, "libgone.so.3"},
		{"", 0, ""},
		{"\t", 0, ""},
		{"\tlibx.so => ", 0, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char path[PATH_MAX] = "";

		assert_int_equal(closure_parse_line(cases[i].line, path), cases[i].result);
		assert_string_equal(path, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_layout_and_start),
		unit_test_in_dir(test_modules_with_all_they_need),
		unit_test_in_dir(test_more_modules),
		unit_test_in_dir(test_what_is_missing),
		unit_test_in_dir(test_built_in_is_as_good),
		unit_test_in_dir(test_firmware_of_the_tree_only),
		unit_test_in_dir(test_firmware_by_pattern),
		unit_test_in_dir(test_own_nics),
		unit_test_in_dir(test_packed_modules),
		unit_test_in_dir(test_damaged_module),
		unit_test_in_dir(test_cache),
		unit_test_in_dir(test_libraries_of_the_system),
		unit_test_in_dir(test_modules_of_the_tree_only),
		unit_test_in_dir(test_same_bytes),
		unit_test_in_dir(test_refused),
		cmocka_unit_test(test_loader_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
