/* Faults of an image: each is found and named, and what only looks like one is not. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "imager/tree/lint.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/testtree.h"

#define PEM_BODY "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void put_good_tree(const char *root)
{
	static const char *const folders[] = {"proc", "sys", "dev", "run"};
	_cleanup_free_ char *init = path_join(root, "usr/lib/systemd/systemd");

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		tree_put(root, folders[i], NULL);
	tree_put(root, "usr/lib/systemd/systemd", "x");
	assert_int_equal(chmod(init, 0755), 0);
	tree_put(root, "usr/sbin/init", "-> /lib/systemd/systemd");
	tree_put(root, "sbin", "-> usr/sbin");
	tree_put(root, "lib", "-> usr/lib");
	tree_put(root, "etc/shadow", "root:*:20000::::::\nslurm:!*:20000::::::\n");
}

/* What the good tree at `root` with more in it is found to have: just this, or nothing. Removes it. */
static void check_tree(const char *root, const char *finding)
{
	struct yaml_strings findings = {0};
	struct err err = {0};
	int r = lint_tree(root, &findings, &err);

	if (r < 0)
		fail_msg("%s", err.text);
	if (r != (finding ? 1 : 0))
		fail_msg("wanted '%s', got %d findings, first '%s'", finding ? finding : "none", r,
			r ? findings.items[0] : "");
	if (finding && !strstr(findings.items[0], finding))
		fail_msg("wanted '%s', got '%s'", finding, findings.items[0]);
	yaml_strings_release(&findings);
	assert_int_equal(remove_tree(root, NULL), 0);
}

static const struct {
	const char *name, *text;
	const char *finding; /* NULL: none */
} finding_rows[] = {
	{"etc/motd", "hello", NULL},
	/* by name */
	{"etc/munge/munge.key", "k", "/etc/munge/munge.key: a secret: the cluster's munge key"},
	{"etc/munge/munge.key", "", NULL},
	{"opt/site/munge.key", "k", "/opt/site/munge.key: a secret: the cluster's munge key"},
	{"etc/ssh/ssh_host_rsa_key", "k", "/etc/ssh/ssh_host_rsa_key: a secret: an ssh host key"},
	{"etc/ssh/ssh_host_rsa_key.pub", "k", NULL},
	{"home/bob/.kube/config", "x", "/home/bob/.kube/config: a secret: a kubeconfig"},
	{"root/.netrc", "x", "/root/.netrc: a secret: passwords"},
	{"etc/kubernetes/admin.conf", "x", "/etc/kubernetes/admin.conf: a secret: a kubeconfig"},
	{"etc/rancher/node/password", "p", "/etc/rancher/node/password: a secret: a K3s node password"},
	{"etc/rancher/k3s/token", "short", "/etc/rancher/k3s/token: a secret: a K3s token"},
	{"var/lib/rancher/k3s/server/agent-token", "x",
		"/var/lib/rancher/k3s/server/agent-token: a secret: a K3s token"},
	{"var/lib/rancher/k3s/server/cred/passwd", "x", "a secret: a K3s server's credentials"},
	{"etc/krb5.keytab", "x", "/etc/krb5.keytab: a secret: a Kerberos keytab"},
	{"etc/slurm/jwt_hs256.key", "x", "/etc/slurm/jwt_hs256.key: a secret: a key of Slurm's"},
	{"etc/apt/auth.conf.d/site.conf", "x", "a secret: passwords of package repositories"},
	{"etc/security/opasswd", "", NULL},
	/* private keys */
	{"opt/a/tls.pem", "x\n-----BEGIN PRIVATE KEY-----\n" PEM_BODY,
		"/opt/a/tls.pem: a secret: a private key (PEM)"},
	{"opt/a/ec.pem", "-----BEGIN EC PRIVATE KEY-----\n" PEM_BODY, "a private key (PEM)"},
	{"opt/a/enc.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n" PEM_BODY, "a private key (PEM)"},
	{"opt/a/old.pem", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n\n" PEM_BODY,
		"a private key (PEM)"},
	{"root/k", "-----BEGIN OPENSSH PRIVATE KEY-----\r\n" PEM_BODY, "/root/k: a secret: a private key"},
	{"etc/x.yaml", "key: |\n    -----BEGIN PRIVATE KEY-----\n    " PEM_BODY,
		"/etc/x.yaml: a secret: a private key"},
	{"etc/x.json", "{\"key\": \"-----BEGIN PRIVATE KEY-----\\n" PEM_BODY "\"}",
		"/etc/x.json: a secret: a private key"},
	{"etc/default/x", "KEY='-----BEGIN PRIVATE KEY----- " PEM_BODY "'",
		"/etc/default/x: a secret: a private key"},
	{"root/pgp", "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 2\n\n" PEM_BODY,
		"/root/pgp: a secret: a private key (PGP)"},
	{"root/pgp", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n" PEM_BODY, "a private key (PGP)"},
	{"root/k.ppk", "PuTTY-User-Key-File-3: ssh-ed25519\nComment: c\nPrivate-Lines: 1\nAAAA\n",
		"/root/k.ppk: a secret: a private key (PuTTY)"},
	{"srv/secret.yaml", "tls.key: LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JSUV2UUlCQURBTkJn\n",
		"/srv/secret.yaml: a secret: a private key (PEM in base64)"},
	{"usr/bin/tool", "-----BEGIN PRIVATE KEY-----\n", NULL},
	{"usr/bin/tool", "-----BEGIN PRIVATE KEY-----\n\001\002\003 and then much that is no key", NULL},
	{"usr/share/doc.md", "Put it between -----BEGIN PRIVATE KEY----- and -----END PRIVATE KEY-----.",
		NULL},
	{"etc/cert.pem", "-----BEGIN CERTIFICATE-----\n" PEM_BODY, NULL},
	{"etc/key.pub", "-----BEGIN PUBLIC KEY-----\n" PEM_BODY, NULL},
	{"srv/a.key", "untrusted comment: minisign encrypted secret key\nRWRTY0Iy" PEM_BODY,
		"/srv/a.key: a secret: a secret key that signs releases"},
	{"srv/a.pub", "untrusted comment: minisign public key\nRWQf6LRC" PEM_BODY, NULL},
	{"srv/age", "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQ", "/srv/age: a secret: "},
	/* Kubernetes */
	{"srv/kube.yaml", "users:\n- user:\n    client-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVkt\n",
		"/srv/kube.yaml: a secret: a kube"},
	{"srv/kube.json", "{\"client-key-data\":\"LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVkt\"}",
		"/srv/kube.json: a secret: a kube"},
	{"srv/kube.yaml", "kind: Config\nusers:\n- user:\n    token: abc.def\n",
		"/srv/kube.yaml: a secret: a kubeconfig with a token"},
	{"srv/kube.json", "{\"kind\":\"Config\",\"users\":[{\"user\":{\"token\":\"abc\"}}]}",
		"/srv/kube.json: a secret: a kubeconfig with a token"},
	{"srv/kube.yaml", "kind: Config\nusers:\n- user:\n    tokenFile: /run/token\n", NULL},
	{"srv/kube.yaml", "kind: Pod\nspec:\n  token: abc\n", NULL},
	{"srv/doc.md", "Set client-key-data: in the file", NULL},
	{"etc/token", "K10" HEX64 "::server:bbb", "/etc/token: a secret: a K3s token"},
	{"etc/token", "K10" HEX64 "::bbb", "/etc/token: a secret: a K3s token"},
	{"etc/token", "K10" HEX64 "::node:", "/etc/token: a secret: a K3s token"},
	{"etc/token", "K10abc::server:bbb", NULL},
	{"etc/token", "K10" HEX64, NULL},
	{"etc/rancher/k3s/config.yaml", "server: https://s:6443\ntoken: \"short\"\n",
		"/etc/rancher/k3s/config.yaml: a secret: a K3s token"},
	{"etc/rancher/k3s/config.yaml.d/10-x.yaml", "agent-token: s\n", "a secret: a K3s token"},
	{"etc/rancher/k3s/config.yaml", "datastore-endpoint: postgres://k:p@db:5432/k\n",
		"/etc/rancher/k3s/config.yaml: a secret: a database's password"},
	{"etc/rancher/k3s/config.yaml",
		"# token: put it into token-file\ntoken-file: /etc/rancher/k3s/token\ntoken:\nx: y\n", NULL},
	{"etc/rancher/k3s/config.yaml", "datastore-endpoint: etcd\n", NULL},
	{"etc/rancher/k3s/registries.yaml", "configs:\n  r:\n    auth: {password: p}\n",
		"/etc/rancher/k3s/registries.yaml: a secret: a password of a registry"},
	{"etc/systemd/system/k3s.service.env", "K3S_TOKEN='s'\n", "a secret: a K3s token"},
	{"etc/systemd/system/k3s.service", "[Service]\nEnvironment=\"K3S_TOKEN=s\"\n",
		"a secret: a K3s token"},
	{"usr/lib/systemd/system/k3s.service", "ExecStart=/usr/bin/k3s agent --token s\n",
		"a secret: a K3s token"},
	{"etc/systemd/system/k3s.service", "ExecStart=k3s --token-file /etc/x --token ${TOKEN}\n", NULL},
	{"etc/default/k3s", "# K3S_TOKEN=s\nexport K3S_TOKEN=$OTHER\nMY_K3S_TOKEN=x\nK3S_TOKEN=\n", NULL},
	/* others */
	{"etc/slurm/slurmdbd.conf", "StorageType=mysql\nStoragePass=p\n", "slurmdbd's database"},
	{"etc/slurm/slurmdbd.conf", "StorageType=mysql\n#StoragePass=p\n", NULL},
	{"etc/wireguard/wg0.conf", "PrivateKey = abc=\n", "a WireGuard key"},
	{"etc/apt/sources.list.d/a.list", "deb https://me:secret@deb.example.org/ x main\n",
		"/etc/apt/sources.list.d/a.list: a secret: a password of a package repository"},
	{"etc/yum.repos.d/a.repo", "[a]\nbaseurl=https://me:secret@rpm.example.org/\n",
		"a password of a package"},
	{"etc/apt/sources.list.d/a.list",
		"deb http://h:8080/a@b x\ndeb https://me@h/ x\ndeb https://me:@h/ x\ndeb file:/x:y@z x\n",
		NULL},
	{"srv/readme", "as in https://me:secret@example.org/", NULL},
	/* what a boot needs */
	{"boot/vmlinuz-6.1", "k",
		"/boot/vmlinuz-6.1: has no modules: /lib/modules/6.1/kernel is missing or empty"},
	{"boot/vmlinuz-0-rescue-0123", "k", NULL},
	{"boot/config-6.1", "k", NULL},
};

static void test_findings(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(finding_rows); i++) {
		_cleanup_free_ char *root = path_join(*state, "tree");

		put_good_tree(root);
		tree_put(root, finding_rows[i].name, finding_rows[i].text);
		check_tree(root, finding_rows[i].finding);
	}
}

/* A file of `size` bytes: `start`, a hole, and `text` at offset `at`. */
static void put_large(const char *root, const char *start, off_t size, off_t at, const char *text)
{
	_cleanup_free_ char *path = path_join(root, "opt/large");
	_cleanup_close_ int fd = -1;

	tree_put(root, "opt/large", start);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(pwrite(fd, text, strlen(text), at), (ssize_t)strlen(text));
}

#define KEY "-----BEGIN PRIVATE KEY-----\n" PEM_BODY
#define MIB (1 << 20)

/* Text of any length is read to its end, also where a window ends within the key; other bytes up to a size;
 * programs not at all. */
static void test_large(void **state)
{
	static const struct {
		int is_text, is_elf;
		off_t size, at;
		int found;
	} rows[] = {
		{1, 0, 40 * MIB, 39 * MIB, 1},
		{1, 0, 3 * MIB, MIB - 4, 1},
		{1, 0, 3 * MIB, MIB - 30, 1},
		{1, 0, 3 * MIB, MIB - 8192, 1},
		{0, 0, 3 * MIB, 2 * MIB + 1, 1},
		{0, 0, 5 * MIB, 2 * MIB, 0},
		{0, 0, (off_t)1 << 40, 2 * MIB, 0},
		{1, 1, 3 * MIB, MIB, 0},
	};
	_cleanup_free_ char *root = path_join(*state, "tree");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char start[4097];

		memset(start, 'x', sizeof(start));
		start[rows[i].is_text ? 4096 : 8] = '\0';
		if (rows[i].is_elf)
			memcpy(start, "\177ELF", 4);
		put_good_tree(root);
		put_large(root, start, rows[i].size, rows[i].at, KEY);
		check_tree(root, rows[i].found ? "/opt/large: a secret: a private key" : NULL);
	}
}

/* A link counts as what it leads to, inside the tree; names and what is no file do no harm. */
static void test_hostile(void **state)
{
	_cleanup_free_ char *root = path_join(*state, "tree"), *fifo = path_join(root, "etc/fifo"),
			    *outside = NULL;

	put_good_tree(root);
	tree_put(root, "opt/k", "bytes");
	tree_put(root, "etc/munge/munge.key", "-> /opt/k");
	check_tree(root, "/etc/munge/munge.key: a secret: the cluster's munge key");

	put_good_tree(root);
	tree_put(root, "opt/c", "token: short\n");
	tree_put(root, "etc/rancher/k3s/config.yaml", "-> ../../../opt/c");
	check_tree(root, "/etc/rancher/k3s/config.yaml: a secret: a K3s token");

	put_good_tree(root);
	tree_put(*state, "outside", KEY);
	assert_true(asprintf(&outside, "-> %s/outside", (char *)*state) > 0);
	tree_put(root, "etc/out", outside);
	tree_put(root, "etc/munge/munge.key", "-> /gone");
	tree_put(root, "etc/loop", "-> loop");
	assert_int_equal(mkfifo(fifo, 0644), 0);
	tree_put(root, "etc/munge/pipe/munge.key", "-> /etc/fifo");
	check_tree(root, NULL);

	put_good_tree(root);
	tree_put(root, "opt/a\nb\033[31m", KEY);
	check_tree(root, "/opt/a?b?[31m: a secret: a private key");
}

/* A kernel's modules are files in a folder, and the init can be run. */
static void test_boot(void **state)
{
	_cleanup_free_ char *root = path_join(*state, "tree"),
			    *init = path_join(root, "usr/lib/systemd/systemd");

	put_good_tree(root);
	tree_put(root, "boot/vmlinuz-6.1", "k");
	tree_put(root, "usr/lib/modules/6.1/kernel", NULL);
	check_tree(root, "/lib/modules/6.1/kernel is missing or empty");

	put_good_tree(root);
	tree_put(root, "boot/vmlinuz-6.1", "k");
	tree_put(root, "usr/lib/modules/6.1/kernel/fs/x.ko", "x");
	check_tree(root, NULL);

	put_good_tree(root);
	assert_int_equal(chmod(init, 0644), 0);
	check_tree(root, "/sbin/init: cannot be executed: the program that the agent hands over to");

	put_good_tree(root);
	assert_int_equal(remove_tree(init, NULL), 0);
	tree_put(root, "usr/lib/systemd/systemd", NULL);
	check_tree(root, "/sbin/init: is no file");
}

/* What scrubbing would take out without a word is named when the profile itself lays it in. */
static void test_profile(void **state)
{
	_cleanup_profile_ struct profile *p = NULL;
	_cleanup_free_ char *path = path_join(*state, "p.yaml");
	struct yaml_strings findings = {0};
	struct err err = {0};

	tree_put(*state, "p.yaml",
		"name: n\nfrom: {dir: /}\nfiles:\n- {path: /etc/munge/munge.key, content: k}\n"
		"- {path: /etc/rancher/node/password, content: k}\n- {path: /tmp/x, content: k}\n");
	if (profile_load(path, &p, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(lint_profile(p, &findings, NULL), 1);
	assert_non_null(strstr(findings.items[0], "/etc/munge/munge.key: a secret: "));
	yaml_strings_release(&findings);
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
	tree_put(*state, "etc/passwd", "+::::::\nroot:x:0:0::/:/bin/sh\nopen::1:1::/:\nold:a1b2c3:2:2::/:\n");
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
		unit_test_in_dir(test_large),
		unit_test_in_dir(test_hostile),
		unit_test_in_dir(test_boot),
		unit_test_in_dir(test_profile),
		unit_test_in_dir(test_passwords),
		unit_test_in_dir(test_missing),
		unit_test_in_dir(test_init_elsewhere),
	};

	return cmocka_run_group_tests_name("lint", tests, NULL, NULL);
}
