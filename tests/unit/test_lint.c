/* Faults of an image: each is found and named, and what only looks like one is not. */
#include "tests/unit/unit.h"

#include <string.h>

#include "imager/lint.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/testtree.h"

#define PEM_BODY "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n"

static void put_good_tree(const char *root)
{
	static const char *const folders[] = {"proc", "sys", "dev", "run"};

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		tree_put(root, folders[i], NULL);
	tree_put(root, "usr/lib/systemd/systemd", "x");
	tree_put(root, "usr/sbin/init", "-> /lib/systemd/systemd");
	tree_put(root, "sbin", "-> usr/sbin");
	tree_put(root, "lib", "-> usr/lib");
	tree_put(root, "etc/shadow", "root:*:20000::::::\nslurm:!*:20000::::::\n");
}

static void test_findings(void **state)
{
	static const struct {
		const char *name, *text;
		const char *finding; /* NULL: none */
	} rows[] = {
		{"etc/motd", "hello", NULL},
		{"etc/munge/munge.key", "k", "/etc/munge/munge.key: a secret: the cluster's munge key"},
		{"etc/munge/munge.key", "", NULL},
		{"etc/ssh/ssh_host_rsa_key", "k", "/etc/ssh/ssh_host_rsa_key: a secret: an ssh host key"},
		{"etc/ssh/ssh_host_rsa_key.pub", "k", NULL},
		{"opt/a/tls.pem", "x\n-----BEGIN PRIVATE KEY-----\n" PEM_BODY,
			"/opt/a/tls.pem: a secret: a private key"},
		{"root/k", "-----BEGIN OPENSSH PRIVATE KEY-----\r\n" PEM_BODY,
			"/root/k: a secret: a private key"},
		{"etc/x.yaml", "key: |\n    -----BEGIN PRIVATE KEY-----\n    " PEM_BODY,
			"/etc/x.yaml: a secret: a private key"},
		{"etc/x.json", "{\"key\": \"-----BEGIN PRIVATE KEY-----\\n" PEM_BODY "\"}",
			"/etc/x.json: a secret: a private key"},
		{"srv/a.key", "untrusted comment: minisign encrypted secret key\nRWRTY0Iy" PEM_BODY,
			"/srv/a.key: a secret: a secret key that signs releases"},
		{"srv/a.pub", "untrusted comment: minisign public key\nRWQf6LRC" PEM_BODY, NULL},
		{"srv/age", "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQ", "/srv/age: a secret: "},
		{"home/bob/.kube/config", "x", "/home/bob/.kube/config: a secret: a kubeconfig"},
		{"root/.netrc", "x", "/root/.netrc: a secret: passwords"},
		{"usr/bin/tool", "-----BEGIN PRIVATE KEY-----\n", NULL},
		{"usr/bin/tool", "-----BEGIN PRIVATE KEY-----\n\001\002\003 and then much that is no key",
			NULL},
		{"etc/cert.pem", "-----BEGIN CERTIFICATE-----\n" PEM_BODY, NULL},
		{"srv/kube.yaml",
			"users:\n- user:\n    client-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVkt\n",
			"/srv/kube.yaml: a secret: a kube"},
		{"srv/doc.md", "Set client-key-data: in the file", NULL},
		{"etc/rancher/node/password", "p",
			"/etc/rancher/node/password: a secret: a K3s node password"},
		{"etc/token",
			"K10aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa::server:"
			"bbb",
			"/etc/token: a secret: a K3s token"},
		{"etc/kubernetes/admin.conf", "x", "/etc/kubernetes/admin.conf: a secret: a kubeconfig"},
		{"boot/vmlinuz-6.1", "k",
			"/boot/vmlinuz-6.1: has no modules: /lib/modules/6.1/kernel is missing"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *root = path_join(*state, "tree");
		struct yaml_strings findings = {0};

		put_good_tree(root);
		tree_put(root, rows[i].name, rows[i].text);
		assert_int_equal(lint_tree(root, &findings, NULL), rows[i].finding ? 1 : 0);
		if (rows[i].finding && !strstr(findings.items[0], rows[i].finding))
			fail_msg("wanted '%s', got '%s'", rows[i].finding, findings.items[0]);
		yaml_strings_release(&findings);
		assert_int_equal(remove_tree(root, NULL), 0);
	}
}

static void test_passwords(void **state)
{
	static const char *const expected[] = {
		"/etc/passwd: open has an empty password; lock it with '!'",
		"/etc/passwd: old has a password hash; lock it with '!'",
		"/etc/shadow: root has an empty password; lock it with '!'",
		"/etc/shadow: bob has a password hash; lock it with '!'",
		"/etc/gshadow: hpc has a password hash; lock it with '!'",
	};
	struct yaml_strings findings = {0};

	put_good_tree(*state);
	tree_put(*state, "etc/shadow", "root::1:::\nbob:$6$salt$hash:1:::\nok:!$6$a:1:::\nfine:*:1:::\n\n");
	tree_put(*state, "etc/passwd", "root:x:0:0::/:/bin/sh\nopen::1:1::/:\nold:a1b2c3:2:2::/:\n");
	tree_put(*state, "etc/group", "root:x:0:\nhpc::1:\n");
	tree_put(*state, "etc/gshadow", "root:*::\nhpc:$6$salt$hash::\nnone:::\n");
	assert_int_equal(lint_tree(*state, &findings, NULL), ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_string_equal(findings.items[i], expected[i]);
	yaml_strings_release(&findings);
}

/* An empty tree: every part that a boot needs is named. */
static void test_missing(void **state)
{
	static const char *const wanted[] = {"/sbin/init: is missing", "/proc: is missing",
		"/sys: is missing", "/dev: is missing", "/run: is missing"};
	struct yaml_strings findings = {0};

	assert_int_equal(lint_tree(*state, &findings, NULL), ARRAY_SIZE(wanted));
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		assert_non_null(strstr(findings.items[i], wanted[i]));
	yaml_strings_release(&findings);
}

/* Links are followed as the image would follow them: this machine's /sbin/init is none of the tree's. */
static void test_init_elsewhere(void **state)
{
	struct yaml_strings findings = {0};
	_cleanup_free_ char *root = path_join(*state, "tree"), *init = path_join(root, "usr/sbin/init");

	put_good_tree(root);
	assert_int_equal(unlink(init), 0);
	tree_put(root, "usr/sbin/init", "-> ../../../outside");
	tree_put(*state, "outside", "x");
	assert_int_equal(lint_tree(root, &findings, NULL), 1);
	yaml_strings_release(&findings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_findings),
		unit_test_in_dir(test_passwords),
		unit_test_in_dir(test_missing),
		unit_test_in_dir(test_init_elsewhere),
	};

	return cmocka_run_group_tests_name("lint", tests, NULL, NULL);
}
