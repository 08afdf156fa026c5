/* Takes the boot files out of small trees with Debian's kernel: which kernel, what is refused, what stays. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "imager/boot/bootfiles.h"
#include "imager/boot/kconfig.h"
#include "tests/unit/kerneltree.h"
#include "tests/unit/tempdir.h"

static const struct bootfiles_options usual = {
	.agent = "/bin/true", .keyring = "a key\n", .profile = "sample", .mtime = 1700000000};

static int exists(const char *root, const char *name)
{
	_cleanup_free_ char *path = path_join(root, name);
	struct stat st;

	return lstat(path, &st) == 0;
}

static void test_kernel_and_initramfs(void **state)
{
	_cleanup_free_ char *tree = path_join(*state, "tree"), *out = path_join(*state, "out"), *image = NULL,
			    *link = path_join(tree, "vmlinuz");
	const char *package, *release;
	struct bootfiles b = {0};
	struct err err = {0};

	assert_int_equal(mkdir(out, 0755), 0);
	make_kernel_tree(tree, &release);
	put_file(tree, "boot/grub/grub.cfg", "");
	put_file(tree, "initrd.img", "a file, not a link");
	assert_int_equal(symlink("boot/vmlinuz-x", link), 0);
	if (bootfiles_collect(tree, out, &usual, &b, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(b.kernel_release, release);
	kernel_package(&package, &release);
	assert_true(asprintf(&image, "%s/boot/vmlinuz-%s", package, release) > 0);
	run_or_fail((const char *const[]){"cmp", b.kernel, image, NULL});
	run_or_fail((const char *const[]){"zstd", "-tq", b.initramfs, NULL});
	assert_true(exists(out, "kernel") && exists(out, "initramfs"));
	assert_true(exists(tree, "boot") && exists(tree, "initrd.img"));
	assert_false(exists(tree, "boot/grub") || exists(tree, "vmlinuz"));
	bootfiles_release(&b);
	assert_null(b.kernel);
}

/* As other distributions keep it; a rescue image and a folder without a kernel are none. */
static void test_kernel_among_its_modules(void **state)
{
	_cleanup_free_ char *tree = path_join(*state, "tree"), *out = path_join(*state, "out");
	const char *release;
	struct bootfiles b = {0};
	struct err err = {0};

	assert_int_equal(mkdir(out, 0755), 0);
	make_kernel_tree(tree, &release);
	run_or_fail((const char *const[]){"sh", "-ec",
		"cd \"$1\"; mv boot/vmlinuz-$2 lib/modules/$2/vmlinuz; mv boot/config-$2 "
		"lib/modules/$2/config;"
		"mkdir lib/modules/5.0-old; echo rescue >boot/vmlinuz-0-rescue-1",
		"sh", tree, release, NULL});
	if (bootfiles_collect(tree, out, &usual, &b, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(b.kernel_release, release);
	bootfiles_release(&b);
}

/* Each case: commands run in a tree that would be good, and what is said then. */
static void test_refused(void **state)
{
	static const struct {
		const char *commands;
		int code;
		const char *text;
	} cases[] = {
		{"rm boot/vmlinuz-*", ENOENT, "no kernel: one boot/vmlinuz-RELEASE"},
		{"rm -r lib/modules", ENOENT, "no kernel: one boot/vmlinuz-RELEASE"},
		{"mkdir lib/modules/9.9; echo >boot/vmlinuz-9.9", EEXIST, "2 kernels where one is wanted: "},
		{"mkdir lib/modules/9.9; echo >lib/modules/9.9/vmlinuz", EEXIST, ", 9.9"},
		{"sed -i s/CONFIG_SQUASHFS_ZSTD=y/CONFIG_SQUASHFS_ZSTD=n/ boot/config-*", ENOTSUP,
			"CONFIG_SQUASHFS_ZSTD: the root image"},
		{"rm lib/modules/*/kernel/fs/squashfs/*", ENOENT, "has no module squashfs"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *tree = NULL, *out = NULL;
		const char *release;
		struct bootfiles b = {0};
		struct err err = {0};

		assert_true(asprintf(&tree, "%s/tree%zu", (char *)*state, i) > 0);
		assert_true(asprintf(&out, "%s/out%zu", (char *)*state, i) > 0);
		assert_int_equal(mkdir(out, 0755), 0);
		make_kernel_tree(tree, &release);
		run_or_fail((const char *const[]){"env", "-C", tree, "sh", "-ec", cases[i].commands, NULL});
		assert_int_equal(bootfiles_collect(tree, out, &usual, &b, &err), -cases[i].code);
		if (!strstr(err.text, cases[i].text))
			fail_msg("%s", err.text);
		assert_null(b.kernel);
		assert_false(exists(out, "initramfs"));
		run_or_fail((const char *const[]){
			"sh", "-ec", "test -e \"$1\"/boot/System.map-*", "sh", tree, NULL});
	}
}

/* A boot/ that is a link must not empty the folder of the build host it points to. */
static void test_boot_that_leads_outside(void **state)
{
	_cleanup_free_ char *tree = path_join(*state, "tree"), *out = path_join(*state, "out"),
			    *host = path_join(*state, "host");
	const char *release;
	struct bootfiles b = {0};
	struct err err = {0};

	assert_int_equal(mkdir(out, 0755), 0);
	make_kernel_tree(tree, &release);
	run_or_fail((const char *const[]){"sh", "-ec",
		"cp \"$1\"/boot/vmlinuz-* \"$1/lib/modules/$3/vmlinuz\"; mv \"$1/boot\" \"$2\"; ln -s \"$2\" "
		"\"$1/boot\"",
		"sh", tree, host, release, NULL});
	assert_int_equal(bootfiles_collect(tree, out, &usual, &b, &err), -ENOTDIR);
	assert_non_null(strstr(err.text, "tree/boot: not a folder of its own"));
	run_or_fail((const char *const[]){"sh", "-ec", "test -e \"$1\"/vmlinuz-*", "sh", host, NULL});
}

#define GOOD                                                                                                 \
	"CONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_ZSTD=y\nCONFIG_DEVTMPFS=y\nCONFIG_TMPFS=y\n"                     \
	"CONFIG_SQUASHFS_XATTR=y\n"

static void test_kernel_configuration(void **state)
{
	static const struct {
		const char *text;
		int result;
		const char *sentence;
	} cases[] = {
		{GOOD "CONFIG_SQUASHFS_ZSTD=y\n", 0, ""},
		{GOOD "CONFIG_SQUASHFS_ZSTD=y", 0, ""},
		{"CONFIG_SQUASHFS_ZSTD=y\n" GOOD, 0, ""},
		{GOOD, -ENOTSUP, "kernel 6.1 is built without CONFIG_SQUASHFS_ZSTD: the root image"},
		{GOOD "# CONFIG_SQUASHFS_ZSTD is not set\n", -ENOTSUP, "CONFIG_SQUASHFS_ZSTD"},
		{GOOD "CONFIG_SQUASHFS_ZSTD_X=y\n", -ENOTSUP, "CONFIG_SQUASHFS_ZSTD"},
		{GOOD "XCONFIG_SQUASHFS_ZSTD=y\n", -ENOTSUP, "CONFIG_SQUASHFS_ZSTD"},
		{"CONFIG_BLK_DEV_INITRD=y\n", -ENOTSUP, "CONFIG_RD_ZSTD: the initramfs"},
		{"", -ENOTSUP, "CONFIG_BLK_DEV_INITRD"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = {0};

		assert_int_equal(kconfig_check(cases[i].text, "6.1", &err), cases[i].result);
		assert_non_null(strstr(err.text, cases[i].sentence));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_kernel_and_initramfs),
		unit_test_in_dir(test_kernel_among_its_modules),
		unit_test_in_dir(test_refused),
		unit_test_in_dir(test_boot_that_leads_outside),
		cmocka_unit_test(test_kernel_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
