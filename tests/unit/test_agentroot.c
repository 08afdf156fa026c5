/* The new root: loop, squashfs, overlay with its cap, what it must hold; the bundle that runs by itself; the
 * units. In a mount and a UTS namespace of the test's own, and as root. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "imager/base/cleanup.h"
#include "imager/base/proc.h"
#include "initramfs/bundle.h"
#include "initramfs/handover.h"
#include "initramfs/mounts.h"
#include "initramfs/root.h"
#include "tests/unit/tempdir.h"

#define MIB (1ULL << 20)

static char *in(const char *dir, const char *name)
{
	char *path = path_join(dir, name);

	assert_non_null(path);
	return path;
}

static void put(const char *dir, const char *name, const char *text, mode_t mode)
{
	_cleanup_free_ char *path = in(dir, name);

	assert_int_equal(
		write_file(
			path, &(struct file_content){.data = text, .len = strlen(text), .mode = mode}, NULL),
		0);
}

static void folder(const char *dir, const char *name)
{
	_cleanup_free_ char *path = in(dir, name);

	assert_int_equal(mkdir_p(path, NULL), 0);
}

/* A root as small as one can be; /sbin/init is an absolute link, as in Debian. */
static void make_root(const char *dir)
{
	static const char *const folders[] = {
		"root/proc", "root/sys", "root/dev", "root/run", "root/sbin", "root/etc", "root/lib/systemd"};
	_cleanup_free_ char *init = in(dir, "root/sbin/init");

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		folder(dir, folders[i]);
	put(dir, "root/lib/systemd/systemd", "", 0755);
	put(dir, "root/etc/hostname", "image\n", 0644);
	assert_int_equal(symlink("/lib/systemd/systemd", init), 0);
}

/* Its read-only descriptor. */
static int make_image(const char *dir)
{
	_cleanup_free_ char *root = in(dir, "root"), *image = in(dir, "image");
	const char *const argv[] = {
		"mksquashfs", root, image, "-comp", "zstd", "-quiet", "-no-progress", NULL};
	struct err err = {0};
	int fd;

	if (proc_run(argv, NULL, &err) < 0)
		fail_msg("%s", err.text);
	fd = open(image, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int loops_of(const char *dir)
{
	_cleanup_free_ char *list = NULL, *image = in(dir, "image");
	const char *const argv[] = {"losetup", "-j", image, NULL};

	assert_int_equal(proc_capture(argv, 65536, &list, NULL), 0);
	return *list != '\0';
}

static int fill(const char *path, size_t bytes)
{
	_cleanup_free_ char *zeros = calloc(1, bytes);

	return write_file(path, &(struct file_content){.data = zeros, .len = bytes, .mode = 0644}, NULL);
}

/* Two servers, none, and a link of the image's own, which stays. */
static void check_servers(const char *where)
{
	struct in_addr servers[3] = {{.s_addr = htonl(0x0a000001)}, {.s_addr = htonl(0x0a000002)}};
	_cleanup_free_ char *path = in(where, "etc/resolv.conf"), *text = NULL;
	struct err err = {0};
	char target[16] = "";

	assert_int_equal(root_name_servers(where, servers, 3, &err), 0);
	assert_int_equal(read_file(path, 100, &text, NULL, &err), 0);
	assert_string_equal(text, "nameserver 10.0.0.1\nnameserver 10.0.0.2\n");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(root_name_servers(where, servers + 2, 1, &err), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(symlink("../run/x", path), 0);
	assert_int_equal(root_name_servers(where, servers, 3, &err), 0);
	assert_int_equal(readlink(path, target, sizeof(target) - 1), 8);
	assert_string_equal(target, "../run/x");
}

static void check_mounted(const char *where)
{
	_cleanup_free_ char *hostname = in(where, "etc/hostname"), *big = in(where, "big"), *text = NULL;
	struct err err = {0};
	struct utsname name;

	assert_int_equal(root_check(where, &err), 0);
	assert_int_equal(root_name_host(where, "n042", &err), 0);
	assert_int_equal(read_file(hostname, 100, &text, NULL, &err), 0);
	assert_string_equal(text, "n042\n");
	check_servers(where);
	assert_int_equal(uname(&name), 0);
	assert_string_equal(name.nodename, "n042");
	assert_int_equal(fill(big, 1 * MIB), 0);
	assert_int_equal(fill(big, 5 * MIB), -ENOSPC);
}

static void test_root_mount(void **state)
{
	_cleanup_free_ char *work = in(*state, "work"), *where = in(*state, "new");
	_cleanup_close_ int fd = -1;
	struct err err = {0};

	make_root(*state);
	fd = make_image(*state);
	if (root_mount(
		    &(struct root_plan){
			    .image_fd = fd, .overlay_bytes = 4 * MIB, .work = work, .where = where},
		    &err) < 0)
		fail_msg("%s", err.text);
	check_mounted(where);
	assert_int_equal(loops_of(*state), 1);
	root_drop(where);
	assert_int_equal(loops_of(*state), 0);
}

/* What is no squashfs is refused, and neither loop device nor mount stays behind. */
static void test_root_mount_fails(void **state)
{
	_cleanup_free_ char *work = in(*state, "work"), *where = in(*state, "new"),
			    *image = in(*state, "image");
	_cleanup_close_ int fd = -1;
	struct err err = {0};

	assert_int_equal(fill(image, MIB), 0);
	fd = open(image, O_RDONLY | O_CLOEXEC);
	assert_int_equal(root_mount(
				 &(struct root_plan){
					 .image_fd = fd, .overlay_bytes = MIB, .work = work, .where = where},
				 &err),
		-EINVAL);
	assert_non_null(strstr(err.text, "cannot mount squashfs"));
	assert_int_equal(loops_of(*state), 0);
}

static void test_root_check(void **state)
{
	_cleanup_free_ char *root = in(*state, "root"), *run = in(*state, "root/run"),
			    *init = in(*state, "root/lib/systemd/systemd");
	struct err err = {0};

	make_root(*state);
	assert_int_equal(root_check(root, &err), 0);
	assert_int_equal(rmdir(run), 0);
	assert_int_equal(unlink(init), 0);
	assert_int_equal(root_check(root, &err), -ENOENT);
	assert_string_equal(err.text, "the image has no /run, /sbin/init");
}

/* Runs without any library of the system: from an empty root that holds the bundle alone. */
static void test_bundle(void **state)
{
	_cleanup_free_ char *dir = in(*state, "bundle"), *loader = NULL;
	struct bundle bundle;
	struct err err = {0};

	assert_int_equal(bundle_make(dir, &bundle, &err), 0);
	assert_true(asprintf(&loader, "/bundle/%s", bundle.loader) > 0);
	const char *const argv[] = {
		loader, "--library-path", "/bundle", "--list", "/bundle/" BUNDLE_PROGRAM, NULL};

	if (proc_run(argv, &(struct proc_opts){.chroot = *state}, &err) < 0)
		fail_msg("%s", err.text);
}

static const struct role seed = {.torrent = "/run/swarmboot/image.torrent",
	.file = "/run/swarmboot/image/ab.squashfs",
	.name = "ab",
	.size = 5,
	.listen = "0.0.0.0:6881",
	.control = "/run/swarmboot/seed",
	.seeders = {.items = {"http://10.0.0.1:8080", "http://10.0.0.2:8080"}, .count = 2}};

static void test_handover(void **state)
{
	_cleanup_free_ char *wants = in(*state, "multi-user.target.wants/swarmboot-seed.service"),
			    *text = NULL, *up = in(*state, "swarmboot-up.service"),
			    *policy = in(*state, "multi-user.target.wants/swarmboot-policy.service"),
			    *policy_text = NULL, *mount_unit = in(*state, "run-swarmboot.mount");
	const struct handover h = {.units = *state,
		.bundle = "/run/swarmboot/bundle",
		.loader = "ld.so",
		.mount = "/run/swarmboot",
		.node = "n1",
		.mac = "52:54:00:00:00:01",
		.address = "10.0.0.11",
		.seed = &seed};
	struct err err = {0};

	assert_int_equal(handover_write(&h, &err), 0);
	assert_int_equal(read_file(wants, 65536, &text, NULL, &err), 0);
	assert_non_null(strstr(text,
		"\nExecStart=/run/swarmboot/bundle/ld.so --library-path /run/swarmboot/bundle "
		"/run/swarmboot/bundle/swarmboot-init seed --torrent /run/swarmboot/image.torrent "
		"--file /run/swarmboot/image/ab.squashfs --name ab --size 5 --listen 0.0.0.0:6881 "
		"--control /run/swarmboot/seed --seeder http://10.0.0.1:8080 --seeder "
		"http://10.0.0.2:8080\n"));
	assert_int_equal(read_file(policy, 65536, &policy_text, NULL, &err), 0);
	assert_non_null(strstr(policy_text,
		"\nExecStart=/run/swarmboot/bundle/ld.so --library-path /run/swarmboot/bundle "
		"/run/swarmboot/bundle/swarmboot-init policy --node n1 --mac 52:54:00:00:00:01 "
		"--listen 10.0.0.11 --control /run/swarmboot/seed --seeder http://10.0.0.1:8080 "
		"--seeder http://10.0.0.2:8080\n"));
	assert_int_equal(access(up, R_OK), 0);
	assert_int_equal(access(mount_unit, R_OK), 0);
	/* Again, as after a failure further on. */
	assert_int_equal(handover_write(&h, &err), 0);
}

static void test_handover_refuses(void **state)
{
	struct role role = seed;
	struct err err = {0};
	const struct handover h = {.units = *state,
		.bundle = "/b",
		.loader = "l",
		.mount = "/m",
		.node = "n",
		.mac = "m",
		.address = "a",
		.seed = &role};

	role.seeders.items[0] = "http://a%n\"b";
	assert_int_equal(handover_write(&h, &err), -EINVAL);
	assert_string_equal(err.text, "'http://a%n\"b' cannot stand in a unit");
}

/* Mounts of this test are seen by nobody else. */
static int own_namespaces(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNS | CLONE_NEWUTS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_root_mount),
		unit_test_in_dir(test_root_mount_fails),
		unit_test_in_dir(test_root_check),
		unit_test_in_dir(test_bundle),
		unit_test_in_dir(test_handover),
		unit_test_in_dir(test_handover_refuses),
	};

	return cmocka_run_group_tests(tests, own_namespaces, NULL);
}
