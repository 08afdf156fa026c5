/* What is scrubbed out of a tree, and what must stay. */
#include "tests/unit/unit.h"

#include <string.h>

#include "imager/tree/scrub.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/testtree.h"

#define TIME (20000 * 86400ull + 5)

enum fate { STAYS, GONE, EMPTY };

static const struct {
	const char *name, *text;
	enum fate fate;
} fate_rows[] = {
	{"etc/machine-id", "0123", EMPTY},
	{"var/lib/dbus/machine-id", "-> /etc/machine-id", GONE},
	{"etc/ssh/ssh_host_ed25519_key", "k", GONE},
	{"etc/ssh/ssh_host_ed25519_key.pub", "k", GONE},
	{"etc/ssh/sshd_config", "c", STAYS},
	{"etc/munge/munge.key", "k", GONE},
	{"var/lib/systemd/random-seed", "r", GONE},
	{"dev/deep/er/thing", "t", GONE},
	{"dev/deep", NULL, GONE},
	{"dev", NULL, STAYS},
	{"proc", NULL, STAYS},
	{"tmp/x", "-> /etc", GONE},
	{"tmp", NULL, STAYS},
	{"var/tmp/x/y", "y", GONE},
	{"run/systemd/x", "x", GONE},
	{"run/systemd", NULL, GONE},
	{"run", NULL, STAYS},
	{"var/log/dpkg.log", "l", GONE},
	{"var/log/apt/history.log", "l", GONE},
	{"var/log/apt", NULL, STAYS},
	{"var/log/wtmp", "w", EMPTY},
	{"var/log/lastlog", "w", EMPTY},
	{"var/lib/apt/lists/partial/x", "x", GONE},
	{"var/cache/apt/pkgcache.bin", "x", GONE},
	{"var/cache/debconf/config.dat-old", "x", GONE},
	{"var/lib/dpkg/status", "s", STAYS},
	{"var/lib/dpkg/status-old", "s", GONE},
	{"var/lib/dpkg/lock-frontend", "", GONE},
	{"var/lib/dpkg/info/bash.list", "l", STAYS},
	{"etc/passwd", "p", STAYS},
	{"etc/passwd-", "p", GONE},
	{"etc/some.conf.dpkg-old", "o", GONE},
	{"usr/lib/python3/__pycache__/a.cpython-311.pyc", "p", GONE},
	{"usr/lib/python3/a.py", "p", STAYS},
	{"root/.bash_history", "h", GONE},
	{"root/.bashrc", "b", STAYS},
	{"home/bob/tmp/x", "x", STAYS},
	{"home/bob/.bash_history", "h", GONE},
	{"var/lib/rancher/k3s/data/current/bin/k3s", "x", GONE},
	{"var/lib/rancher/k3s/data", NULL, GONE},
	{"var/lib/rancher/k3s/server/token", "x", GONE},
	{"var/lib/rancher/k3s/agent/containerd/io/db", "x", GONE},
	{"var/lib/rancher/k3s/agent/images/k3s.tar.zst", "x", STAYS},
	{"var/lib/rancher/k3s/server/manifests/site.yaml", "x", STAYS},
	{"var/lib/rancher", NULL, STAYS},
	{"var/lib/kubelet/pki/kubelet.key", "x", GONE},
	{"var/lib/kubelet", NULL, STAYS},
	{"var/lib/containerd/x/y", "x", GONE},
	{"var/lib/etcd/member/wal", "x", GONE},
	{"var/cache/dnf/x/y.solv", "x", GONE},
	{"var/lib/dnf/history.sqlite-wal", "x", GONE},
	{"var/lib/dnf/modulefailsafe/x", "x", STAYS},
	{"var/log/dnf.rpm.log", "x", GONE},
	{"var/lib/rpm/rpmdb.sqlite", "x", STAYS},
	{"var/lib/rpm/.rpm.lock", "x", GONE},
};

static void test_fates(void **state)
{
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_SIZE(fate_rows); i++)
		tree_put(*state, fate_rows[i].name, fate_rows[i].text);
	if (scrub_tree(*state, TIME, &err) < 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < ARRAY_SIZE(fate_rows); i++) {
		long size = tree_size(*state, fate_rows[i].name);
		int good = fate_rows[i].fate == GONE    ? size < 0
			   : fate_rows[i].fate == EMPTY ? size == 0
							: size >= 0;

		if (!good)
			fail_msg("%s: size %ld after scrubbing", fate_rows[i].name, size);
	}
}

/* A link out of the tree is removed, not followed. */
static void test_links(void **state)
{
	_cleanup_free_ char *root = path_join(*state, "tree"), *outside = path_join(*state, "outside"),
			    *to = NULL;

	tree_put(*state, "outside/x", "kept");
	assert_true(asprintf(&to, "-> %s", outside) > 0);
	tree_put(root, "tmp/out", to);
	tree_put(root, "var/log", to);
	assert_int_equal(scrub_tree(root, TIME, NULL), 0);
	tree_is(*state, "outside/x", "kept");
	assert_int_equal(tree_size(root, "tmp/out"), -1);
	assert_true(tree_size(root, "var/log") > 0);
}

static void test_shadow(void **state)
{
	tree_put(*state, "etc/shadow",
		"root:*:20781:0:99999:7:::\nold:!:19000:0:::::\nbare:x\nnone:!::::::\n");
	assert_int_equal(scrub_tree(*state, TIME, NULL), 0);
	tree_is(*state, "etc/shadow",
		"root:*:20000:0:99999:7:::\nold:!:19000:0:::::\nbare:x\nnone:!::::::\n");
}

/* systemd is told that nothing of /etc and /var waits for an update. */
static void test_stamps(void **state)
{
	tree_put(*state, "usr/lib/systemd/systemd", "x");
	assert_int_equal(scrub_tree(*state, TIME, NULL), 0);
	assert_true(tree_size(*state, "etc/.updated") > 0);
	assert_true(tree_size(*state, "var/.updated") > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_fates),
		unit_test_in_dir(test_links),
		unit_test_in_dir(test_shadow),
		unit_test_in_dir(test_stamps),
	};

	return cmocka_run_group_tests_name("scrub", tests, NULL, NULL);
}
