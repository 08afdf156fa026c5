/*
 * Owns the looks of secrets: three tables, of files that are secrets by their name, of texts that are one
 * wherever they stand, and of keys whose values are one in certain files. Reading files is lint.c's.
 */
#include "imager/tree/linttext.h"

#include <ctype.h>
#include <fnmatch.h>
#include <string.h>

#include "imager/base/cleanup.h"

#define ENCODED_MIN 24

/* ---- by name ---- */

/* Patterns as of fnmatch without FNM_PATHNAME: '*' matches '/' too. */
static const struct secret_path {
	const char *pattern, *what;
} secret_paths[] = {
	{"*/munge.key", "the cluster's munge key; nodes get it when they boot"},
	{"*/ssh_host_*_key", "an ssh host key, which all nodes would share"},
	{"/etc/rancher/node/password", "a K3s node password, which belongs to one node"},
	{"/etc/rancher/*/token", "a K3s token; nodes get it when they boot"},
	{"/etc/rancher/k3s/k3s.yaml", "a K3s administrator's kubeconfig"},
	{"/etc/rancher/rke2/rke2.yaml", "an RKE2 administrator's kubeconfig"},
	{"/var/lib/rancher/*/server/*token", "a K3s token"},
	{"/var/lib/rancher/*/server/cred/*", "a K3s server's credentials"},
	{"/var/lib/rancher/*.key", "a key of K3s"},
	{"/etc/kubernetes/*.conf", "a kubeconfig with keys in it"},
	{"*/.kube/config", "a kubeconfig with keys in it"},
	{"/etc/*.keytab", "a Kerberos keytab"},
	{"/etc/slurm*/*.key", "a key of Slurm's"},
	{"/var/spool/slurm*/*.key", "a key of Slurm's"},
	{"/etc/beegfs/conn*auth*", "the secret that BeeGFS's nodes share"},
	{"/etc/apt/auth.conf", "passwords of package repositories"},
	{"/etc/apt/auth.conf.d/*", "passwords of package repositories"},
	{"/etc/security/opasswd", "hashes of old passwords"},
	{"/etc/ldap.secret", "a password of the directory"},
	{"*/.docker/config.json", "registry credentials"},
	{"*/.aws/credentials", "credentials of a cloud"},
	{"*/.git-credentials", "passwords of git servers"},
	{"*/.netrc", "passwords of servers"},
	{"*/.pgpass", "database passwords"},
};

const char *linttext_path(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(secret_paths); i++)
		if (fnmatch(secret_paths[i].pattern, path, 0) == 0)
			return secret_paths[i].what;
	return NULL;
}

/* ---- by text ---- */

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

/* A header line of an old-style encrypted key (RFC 1421) or of a PGP one (RFC 4880, 6.2). */
static int is_header(const char *at, const char *end)
{
	static const char *const headers[] = {"Proc-Type:", "DEK-Info:", "Version:", "Comment:"};

	for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
		if ((size_t)(end - at) > strlen(headers[i]) && !memcmp(at, headers[i], strlen(headers[i])))
			return 1;
	return 0;
}

/* What parts the words of one key: ends of lines, as themselves or as JSON writes them, and blanks. */
static const char *skip_breaks(const char *at, const char *end)
{
	while (at < end) {
		if (strchr(" \t\r\n", *at) && *at)
			at++;
		else if (end - at > 2 && at[0] == '\\' && (at[1] == 'n' || at[1] == 'r'))
			at += 2;
		else
			break;
	}
	return at;
}

/* After the header of a private key: the key. Programs hold the header alone. */
static int follows_key(const char *at, const char *end)
{
	const char *key = skip_breaks(at, end);

	return key > at && (is_encoded(key, end) || is_header(key, end));
}

static int follows_encoded(const char *at, const char *end)
{
	return is_encoded(at, end);
}

/* A YAML or JSON key's end, and a value. */
static int follows_value(const char *at, const char *end)
{
	while (at < end && *at && strchr(" \":'", *at))
		at++;
	return is_encoded(at, end);
}

/* K10, the hash of the cluster's certificate, "::", and the secret with or without a user's name. */
static int follows_k3s_token(const char *at, const char *end)
{
	const char *start = at;

	while (at < end && isxdigit((unsigned char)*at))
		at++;
	return at - start >= 64 && end - at > 2 && at[0] == ':' && at[1] == ':' &&
	       isalnum((unsigned char)at[2]);
}

static int follows_putty_key(const char *at, const char *end)
{
	static const char lines[] = "Private-Lines:";
	size_t len = (size_t)(end - at) < LINTTEXT_OVERLAP ? (size_t)(end - at) : LINTTEXT_OVERLAP;

	return memmem(at, len, lines, strlen(lines)) != NULL;
}

/* After the scheme of a url: NAME:PASSWORD@. */
static int follows_password(const char *at, const char *end)
{
	const char *colon = NULL;

	for (; at < end && isgraph((unsigned char)*at) && !strchr("/'\"$", *at); at++) {
		if (*at == ':' && !colon)
			colon = at;
		if (*at == '@')
			return colon && at > colon + 1;
	}
	return 0;
}

/* How base64 begins of "-----BEGIN ... PRIVATE KEY": it is what Kubernetes' manifests hold. */
#define PEM_AGAIN "a private key (PEM in base64)"

/* pattern: of the files that are looked at; NULL: all. */
static const struct secret_text {
	const char *words;
	int (*follows)(const char *at, const char *end);
	const char *what, *pattern;
} secret_texts[] = {
	{"PRIVATE KEY-----", follows_key, "a private key (PEM)", NULL},
	{"PRIVATE KEY BLOCK-----", follows_key, "a private key (PGP)", NULL},
	{"PuTTY-User-Key-File-", follows_putty_key, "a private key (PuTTY)", NULL},
	{"client-key-data", follows_value, "a kubeconfig with a key in it", NULL},
	{"LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0", follows_encoded, PEM_AGAIN, NULL},
	{"LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVkt", follows_encoded, PEM_AGAIN, NULL},
	{"LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFWS0", follows_encoded, PEM_AGAIN, NULL},
	{"LS0tLS1CRUdJTiBPUEVOU1NIIFBSSVZBVEUgS0VZ", follows_encoded, PEM_AGAIN, NULL},
	{"LS0tLS1CRUdJTiBFTkNSWVBURUQgUFJJVkFURSBL", follows_encoded, PEM_AGAIN, NULL},
	{"K10", follows_k3s_token, "a K3s token", NULL},
	/* How the base64 begins, with and without a password (imager/format/secretkey.c). */
	{"RWRTY0Iy", follows_encoded, "a secret key that signs releases (minisign)", NULL},
	{"RWQAAEIy", follows_encoded, "a secret key that signs releases (minisign)", NULL},
	{"AGE-SECRET-KEY-1", follows_encoded, "a secret key (age)", NULL},
	{"://", follows_password, "a password of a package repository", "/etc/apt/*"},
	{"://", follows_password, "a password of a package repository", "/etc/yum.repos.d/*"},
};

static int holds_text(const struct secret_text *row, const char *text, size_t len)
{
	const char *end = text + len;

	for (const char *at = text; (at = memmem(at, (size_t)(end - at), row->words, strlen(row->words)));) {
		at += strlen(row->words);
		if (row->follows(at, end))
			return 1;
	}
	return 0;
}

/* ---- by key and value ---- */

#define K3S_TOKEN    "a K3s token; nodes get it when they boot"
#define DATABASE_URL "a database's password"

/* KEY, one of the marks (between blanks or quotes), and a value, in files of the pattern that hold the other
 * words as well. */
static const struct secret_value {
	const char *pattern, *key, *marks, *with, *what;
} secret_values[] = {
	{"/etc/rancher/*.yaml*", "token", ":", NULL, K3S_TOKEN},
	{"/etc/rancher/*.yaml*", "agent-token", ":", NULL, K3S_TOKEN},
	{"/etc/rancher/*.yaml*", "datastore-endpoint", ":", "@", DATABASE_URL},
	{"/etc/rancher/*/registries.yaml", "password", ":", NULL, "a password of a registry"},
	{"/etc/*", "K3S_TOKEN", "=", NULL, K3S_TOKEN},
	{"/etc/*", "K3S_AGENT_TOKEN", "=", NULL, K3S_TOKEN},
	{"/etc/*", "K3S_CLUSTER_SECRET", "=", NULL, K3S_TOKEN},
	{"/etc/*", "RKE2_TOKEN", "=", NULL, "an RKE2 token"},
	{"*/systemd/system/*", "K3S_TOKEN", "=", NULL, K3S_TOKEN},
	{"*/systemd/system/*k3s*", "--token", "= ", NULL, K3S_TOKEN},
	{"*/systemd/system/*k3s*", "--agent-token", "= ", NULL, K3S_TOKEN},
	{"*/systemd/system/*k3s*", "--datastore-endpoint", "= ", "@", DATABASE_URL},
	{"*", "token", ":", "kind: Config\n", "a kubeconfig with a token in it"},
	{"*", "token", ":", "\"kind\":\"Config\"", "a kubeconfig with a token in it"},
	{"*", "token", ":", "\"kind\": \"Config\"", "a kubeconfig with a token in it"},
	{"/etc/slurm*/slurmdbd.conf", "StoragePass", "=", NULL, "slurmdbd's database password"},
	{"/etc/wireguard/*", "PrivateKey", "=", NULL, "a WireGuard key"},
	{"/etc/sssd/*", "ldap_default_authtok", "=", NULL, "a password of the directory"},
	{"/etc/nslcd.conf", "bindpw", " \t", NULL, "a password of the directory"},
	{"*/system-connections/*", "psk", "=", NULL, "a password of a network"},
};

static int is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static int is_comment(const char *text, const char *at)
{
	const char *line = memrchr(text, '\n', (size_t)(at - text));

	line = line ? line + 1 : text;
	while (line < at && (*line == ' ' || *line == '\t'))
		line++;
	return *line == '#' || *line == ';';
}

/* A value of its own: not none, and not another variable's. */
static int is_value(const char *at, const char *end, const char *marks)
{
	int marked = 0;

	for (; at < end && *at && strchr(" \t\"':=", *at); at++)
		marked |= strchr(marks, *at) != NULL;
	return marked && at < end && *at && !strchr("$#<{[\r\n&*!|>", *at);
}

static int holds_value(const struct secret_value *row, const char *text, size_t len)
{
	const char *end = text + len;

	if (row->with && !memmem(text, len, row->with, strlen(row->with)))
		return 0;
	for (const char *at = text; (at = memmem(at, (size_t)(end - at), row->key, strlen(row->key)));) {
		const char *key = at;

		at += strlen(row->key);
		if ((key == text || !is_word(key[-1])) && is_value(at, end, row->marks) &&
			!is_comment(text, key))
			return 1;
	}
	return 0;
}

const char *linttext_text(const char *path, const char *text, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(secret_texts); i++)
		if ((!secret_texts[i].pattern || fnmatch(secret_texts[i].pattern, path, 0) == 0) &&
			holds_text(&secret_texts[i], text, len))
			return secret_texts[i].what;
	for (size_t i = 0; i < ARRAY_SIZE(secret_values); i++)
		if (fnmatch(secret_values[i].pattern, path, 0) == 0 &&
			holds_value(&secret_values[i], text, len))
			return secret_values[i].what;
	return NULL;
}
