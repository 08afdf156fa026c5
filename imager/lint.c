/*
 * Owns the faults an image can have: secrets in it, and parts a boot needs that are missing. Each is a row of
 * a table. Nothing is changed here; what can simply be deleted is scrub.c's.
 */
#include "imager/lint.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/intree.h"

#define TEXT_LIMIT   (256 * 1024) /* larger files hold no key that a person or a tool put there */
#define SHADOW_LIMIT (4 << 20)
#define ENCODED_MIN  24

struct lint {
	int root;
	struct yaml_strings findings;
};

static int add_finding(struct lint *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int add_finding(struct lint *l, const char *fmt, ...)
{
	char **items = reallocarray(l->findings.items, l->findings.count + 1, sizeof(*items));
	va_list ap;
	int r;

	if (!items)
		return -ENOMEM;
	l->findings.items = items;
	va_start(ap, fmt);
	r = vasprintf(&items[l->findings.count], fmt, ap);
	va_end(ap);
	if (r < 0)
		return -ENOMEM;
	l->findings.count++;
	return 0;
}

/* ---- files that are secrets by their name ---- */

static const struct secret_path {
	const char *pattern, *what;
} secret_paths[] = {
	{"/etc/munge/munge.key", "the cluster's munge key; nodes get it when they boot"},
	{"/etc/ssh/ssh_host_*_key", "an ssh host key, which all nodes would share"},
	{"/etc/rancher/node/password", "a K3s node password, which belongs to one node"},
	{"/etc/rancher/k3s/k3s.yaml", "a K3s administrator's kubeconfig"},
	{"/var/lib/rancher/k3s/server/*token", "a K3s token"},
	{"/var/lib/rancher/k3s/agent/*.key", "a K3s agent's key"},
	{"/etc/kubernetes/*.conf", "a kubeconfig with keys in it"},
	{"*/.kube/config", "a kubeconfig with keys in it"},
	{"/etc/krb5.keytab", "a Kerberos keytab"},
	{"/etc/slurm/slurmdbd.conf", "slurmdbd's configuration, which holds a database password"},
	{"/var/spool/slurm*/jwt_hs256.key", "Slurm's JWT key"},
	{"*/.docker/config.json", "registry credentials"},
	{"*/.aws/credentials", "credentials of a cloud"},
	{"*/.git-credentials", "passwords of git servers"},
	{"*/.netrc", "passwords of servers"},
	{"*/.pgpass", "database passwords"},
};

static int check_path(struct lint *l, const struct intree_entry *entry)
{
	for (size_t i = 0; i < ARRAY_SIZE(secret_paths); i++)
		if (fnmatch(secret_paths[i].pattern, entry->path, 0) == 0)
			return add_finding(l, "%s: a secret: %s", entry->path, secret_paths[i].what);
	return 1;
}

/* ---- files that are secrets by their text ---- */

/* Base64 that goes on for a while: words of a text end sooner. */
static int is_encoded(const char *at, const char *end)
{
	size_t n = 0;

	while (at < end && (isalnum((unsigned char)*at) || *at == '+' || *at == '/')) {
		at++;
		n++;
	}
	return n >= ENCODED_MIN;
}

/* The header lines of an old-style encrypted key (RFC 1421). */
static int is_sealed(const char *at, const char *end)
{
	static const char header[] = "Proc-Type:";

	return (size_t)(end - at) > strlen(header) && !memcmp(at, header, strlen(header));
}

/* A line's end, as itself or as JSON writes it, and the indent of the next; NULL: none. */
static const char *next_line(const char *at, const char *end)
{
	static const char json[] = "\\n";

	if (at < end && *at == '\r')
		at++;
	if (at < end && *at == '\n')
		at++;
	else if ((size_t)(end - at) > strlen(json) && !memcmp(at, json, strlen(json)))
		at += strlen(json);
	else
		return NULL;
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	return at;
}

/* A private key in PEM: the header, a line's end and the key after it; programs hold the header alone. */
static int holds_pem_key(const char *text, size_t len)
{
	static const char tail[] = "PRIVATE KEY-----";
	const char *end = text + len;

	for (const char *at = text; (at = memmem(at, (size_t)(end - at), tail, strlen(tail)));) {
		const char *key = next_line(at += strlen(tail), end);

		if (key && (is_encoded(key, end) || is_sealed(key, end)))
			return 1;
	}
	return 0;
}

/* The words, and then a value. */
static int holds_value(const char *text, size_t len, const char *words)
{
	const char *at = memmem(text, len, words, strlen(words));

	return at && is_encoded(at + strlen(words), text + len);
}

static int holds_kubeconfig(const char *text, size_t len)
{
	return holds_value(text, len, "client-key-data: ");
}

/* How the base64 begins, with and without a password (imager/format/secretkey.c). */
static int holds_release_key(const char *text, size_t len)
{
	return holds_value(text, len, "RWRTY0Iy") || holds_value(text, len, "RWQAAEIy");
}

static int holds_age_key(const char *text, size_t len)
{
	return holds_value(text, len, "AGE-SECRET-KEY-1");
}

static int holds_k3s_token(const char *text, size_t len)
{
	static const char prefix[] = "K10";
	const char *sep = memmem(text, len, "::server:", 9);

	return sep && sep - text >= 64 && memmem(text, (size_t)(sep - text), prefix, strlen(prefix));
}

static const struct secret_text {
	int (*holds)(const char *text, size_t len);
	const char *what;
} secret_texts[] = {
	{holds_pem_key, "a private key (PEM)"},
	{holds_kubeconfig, "a kubeconfig with a key in it"},
	{holds_k3s_token, "a K3s token"},
	{holds_release_key, "a secret key that signs releases (minisign)"},
	{holds_age_key, "a secret key (age)"},
};

static int check_text(struct lint *l, const struct intree_entry *entry)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = read_file_at(entry->dirfd, entry->name, TEXT_LIMIT, &text, &len);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(secret_texts); i++)
		if (secret_texts[i].holds(text, len))
			return add_finding(l, "%s: a secret: %s", entry->path, secret_texts[i].what);
	return 0;
}

static int lint_entry(const struct intree_entry *entry, void *arg, struct err *err)
{
	struct lint *l = arg;
	int r;

	if (!S_ISREG(entry->st.st_mode) || entry->st.st_size == 0)
		return 0;
	r = check_path(l, entry);
	if (r > 0)
		r = entry->st.st_size <= TEXT_LIMIT ? check_text(l, entry) : 0;
	return r < 0 ? err_path(err, -r, entry->path) : 0;
}

/* ---- passwords ---- */

/* Files of NAME:PASSWORD:... lines; a group without a password is closed, not open. */
static const struct password_file {
	const char *path;
	int may_be_empty;
} password_files[] = {{"/etc/passwd", 0}, {"/etc/group", 1}, {"/etc/shadow", 0}, {"/etc/gshadow", 1}};

/* "x" says that the shadow file has it; "!", "*" and what they begin lock. */
static const char *password_fault(const struct password_file *file, const char *password)
{
	if (*password == '!' || *password == '*' || !strcmp(password, "x"))
		return NULL;
	if (*password)
		return "a password hash";
	return file->may_be_empty ? NULL : "an empty password";
}

static int lint_password_file(struct lint *l, const struct password_file *file, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	char *rest;
	int r = intree_read(l->root, file->path, SHADOW_LIMIT, &text, NULL);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_path(err, -r, file->path);
	rest = text;
	for (char *line; (line = strsep(&rest, "\n"));) {
		char *name = strsep(&line, ":"), *password = strsep(&line, ":");
		const char *what = password ? password_fault(file, password) : NULL;

		if (what && add_finding(l, "%s: %s has %s; lock it with '!'", file->path, name, what) < 0)
			return err_oom(err, "findings");
	}
	return 0;
}

static int lint_passwords(struct lint *l, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(password_files); i++)
		r = lint_password_file(l, &password_files[i], err);
	return r;
}

/* ---- what a boot needs ---- */

static const struct needed_row {
	const char *path;
	mode_t type;
	const char *what;
} needed_rows[] = {
	{"/sbin/init", S_IFREG, "the program that the agent hands over to"},
	{"/proc", S_IFDIR, "a folder to mount on"},
	{"/sys", S_IFDIR, "a folder to mount on"},
	{"/dev", S_IFDIR, "a folder to mount on"},
	{"/run", S_IFDIR, "a folder to mount on"},
};

static int lint_needed(struct lint *l, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(needed_rows); i++) {
		const struct needed_row *row = &needed_rows[i];
		struct stat st;

		if (intree_stat(l->root, row->path, &st) >= 0 && (st.st_mode & S_IFMT) == row->type)
			continue;
		if (add_finding(l, "%s: is missing: %s", row->path, row->what) < 0)
			return err_oom(err, "findings");
	}
	return 0;
}

/* boot/vmlinuz-REL wants usr/lib/modules/REL. That there is one kernel at all, bootfiles_collect sees to. */
static int lint_modules(struct lint *l, struct err *err)
{
	int fd = intree_open(l->root, "/boot", O_RDONLY | O_DIRECTORY, 0);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	for (struct dirent *e; dir && (e = readdir(dir));) {
		_cleanup_free_ char *modules = NULL;
		struct stat st;

		if (strncmp(e->d_name, "vmlinuz-", 8) != 0)
			continue;
		if (asprintf(&modules, "/lib/modules/%s/kernel", e->d_name + 8) < 0)
			return err_oom(err, "findings");
		if (intree_stat(l->root, modules, &st) < 0 &&
			add_finding(l, "/boot/%s: has no modules: %s is missing", e->d_name, modules) < 0)
			return err_oom(err, "findings");
	}
	return 0;
}

static int lint_files(struct lint *l, struct err *err)
{
	return intree_walk(l->root, lint_entry, l, err);
}

static int (*const checks[])(struct lint *l, struct err *err) = {
	lint_needed,
	lint_modules,
	lint_passwords,
	lint_files,
};

int lint_tree(const char *root, struct yaml_strings *ret_findings, struct err *err)
{
	_cleanup_close_ int fd = intree_root(root, err);
	struct lint l = {.root = fd};

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		int r = checks[i](&l, err);

		if (r < 0) {
			yaml_strings_release(&l.findings);
			return r;
		}
	}
	*ret_findings = l.findings;
	return (int)l.findings.count;
}
