/*
 * Makes initramfs archives from a small tree with Debian's kernel and unpacks them by zstd and GNU cpio,
 * which share no code with what wrote them.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

#include "imager/closure.h"
#include "imager/initrd.h"
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

static int make(const struct place *p, const char *const *modules, struct err *err)
{
	struct bootfiles_options options = {.agent = "/bin/true",
		.keyring = KEYS,
		.profile = "sample",
		.modules = modules,
		.mtime = MTIME};

	return initrd_write(p->tree, p->outdir, p->release, &options, err);
}

static void make_or_fail(const struct place *p, const char *const *modules)
{
	struct err err = {0};

	if (make(p, modules, &err) < 0)
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
	const char *const more[] = {"isofs", "drivers/net/ethernet/realtek/", "iso9660", "unix", NULL};

	make_or_fail(&p, more);
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
		const char *module, *text;
	} cases[] = {
		{"nosuch", "has no module nosuch"},
		{"drivers/nosuch", "has no modules below drivers/nosuch"},
		{"drivers/net/ethernet/real", "has no modules below drivers/net/ethernet/real"},
	};
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *const more[] = {cases[i].module, NULL};

		assert_int_equal(make(&p, more, &err), -ENOENT);
		assert_non_null(strstr(err.text, cases[i].text));
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
		{"/bin/true", "", EINVAL, "no trusted key"},
		{"/bin/true", " \n\t", EINVAL, "no trusted key"},
		{"/bin/true", NULL, EINVAL, "no trusted key"},
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
		unit_test_in_dir(test_modules_of_the_tree_only),
		unit_test_in_dir(test_same_bytes),
		unit_test_in_dir(test_refused),
		cmocka_unit_test(test_loader_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
