/*
 * Owns the folder of an apt of our own: its configuration and the keys it trusts. It knows nothing of this
 * machine but these keys and how to reach the network. Its sources are debsources.c's.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "imager/base/proc.h"
#include "imager/sandbox.h"
#include "imager/source/debian.h"

#define OUTPUT_LIMIT (1 << 20)

/* Keys of distributions besides those that this machine's apt trusts for itself. */
static const char *const vendor_keys[] = {
	"/usr/share/keyrings/debian-archive-keyring.gpg",
	"/usr/share/keyrings/ubuntu-archive-keyring.gpg",
};

/* ---- the keys ---- */

/* A copy in the folder of trusted keys, with the ending that its content calls for. */
static int trust_key(struct debian *d, const char *from, const char *name, struct err *err)
{
	_cleanup_free_ char *data = NULL, *path = NULL;
	size_t len;
	int r = read_file(from, DEBIAN_KEY_LIMIT, &data, &len, err);

	if (r < 0)
		return r;
	if (asprintf(&path, "%s/trusted/%s.%s", d->folder, name, debian_key_ending(data)) < 0 ||
		buf_add(&d->inputs, data, len) < 0)
		return err_oom(err, from);
	return write_file(path, &(struct file_content){data, len, 0644}, err);
}

static int is_key(const struct dirent *e)
{
	const char *dot = strrchr(e->d_name, '.');

	return dot && (!strcmp(dot, ".gpg") || !strcmp(dot, ".asc"));
}

/* Those of this machine's apt, and of the distributions known here. */
static int trust_machine(struct debian *d, struct err *err)
{
	static const char parts[] = "/etc/apt/trusted.gpg.d", single[] = "/etc/apt/trusted.gpg";
	struct dirent **names = NULL;
	int count = scandir(parts, &names, is_key, alphasort), r = 0;

	for (int i = 0; i < count; i++) {
		_cleanup_free_ char *path = path_join(parts, names[i]->d_name);

		if (r == 0)
			r = path ? trust_key(d, path, names[i]->d_name, err) : err_oom(err, parts);
		free(names[i]);
	}
	free(names);
	if (r == 0 && access(single, R_OK) == 0)
		r = trust_key(d, single, "machine", err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(vendor_keys); i++)
		if (access(vendor_keys[i], R_OK) == 0)
			r = trust_key(d, vendor_keys[i], i ? "ubuntu" : "debian", err);
	return r;
}

/* ---- an apt of our own ---- */

/* How this machine reaches the network is good for us as well: proxies, time-outs. */
static int add_network(struct buf *ret, struct err *err)
{
	static const char *const argv[] = {"apt-config", "dump", NULL};
	static const char *const wanted[] = {"Acquire::http::", "Acquire::https::", "Acquire::ftp::",
		"Acquire::Retries ", "Acquire::ForceIPv"};
	_cleanup_free_ char *dump = NULL;
	char *rest;
	int r = proc_capture(argv, OUTPUT_LIMIT, &dump, err);

	if (r < 0)
		return r;
	rest = dump;
	for (char *line; (line = strsep(&rest, "\n"));)
		for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
			if (!strncmp(line, wanted[i], strlen(wanted[i])) && buf_printf(ret, "%s\n", line) < 0)
				return err_oom(err, "apt's configuration");
	return 0;
}

static int write_config(struct debian *d, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};
	_cleanup_free_ char *path = path_join(d->folder, "apt.conf");
	const char *f = d->folder;
	int r = buf_printf(&text,
		"APT::Architecture \"%s\";\nAPT::Architectures \"%s\";\nAPT::Sandbox::User \"root\";\n"
		"APT::Install-Recommends \"false\";\nAcquire::Languages \"none\";\n"
		"Dir \"%s\";\nDir::State \"%s\";\nDir::State::Lists \"lists\";\n"
		"Dir::State::Status \"%s/status\";\nDir::Cache \"%s\";\nDir::Cache::Archives \"archives\";\n"
		"Dir::Etc \"%s\";\nDir::Etc::SourceList \"sources.list\";\n"
		"Dir::Etc::Trusted \"%s/none\";\nDir::Etc::TrustedParts \"%s/trusted\";\n"
		"Dir::Etc::Netrc \"/etc/apt/auth.conf\";\nDir::Etc::NetrcParts \"/etc/apt/auth.conf.d\";\n",
		d->arch, d->arch, f, f, f, f, f, f, f);

	/* apt counts itself as essential, which only that variant wants. */
	if (r >= 0 && (!d->from->variant || strcmp(d->from->variant, "apt") != 0))
		r = buf_puts(&text, "pkgCacheGen::ForceEssential \",\";\n");
	if (r < 0 || !path || asprintf(&d->config, "APT_CONFIG=%s", path) < 0)
		return err_oom(err, "apt's configuration");
	r = add_network(&text, err);
	return r < 0 ? r : write_file(path, &(struct file_content){text.data, text.len, 0644}, err);
}

static int make_folders(struct debian *d, struct err *err)
{
	static const char *const names[] = {"lists/partial", "archives/partial", "trusted", "preferences.d",
		"apt.conf.d", "sources.list.d"};

	d->folder = path_join(d->job->workdir, "apt");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = d->folder ? path_join(d->folder, names[i]) : NULL;
		int r = path ? mkdir_p(path, err) : err_oom(err, "apt's folder");

		if (r < 0)
			return r;
	}
	return 0;
}

static int ask_architecture(struct debian *d, struct err *err)
{
	static const char *const argv[] = {"dpkg", "--print-architecture", NULL};
	int r = proc_capture(argv, 64, &d->arch, err);

	if (r < 0)
		return r;
	d->arch[strcspn(d->arch, "\n")] = '\0';
	return 0;
}

/* The path goes into sources.list and apt.conf, where these end a word and cannot be quoted. */
static int check_path(const struct debian *d, struct err *err)
{
	if (!strpbrk(d->job->workdir, " \t\"'[]%;{}"))
		return 0;
	return err_set(err, ENOTSUP,
		"from: debian: apt can do nothing in %s, for its blanks, quotes, brackets or signs",
		d->job->workdir);
}

int debian_prepare(struct debian *d, struct err *err)
{
	_cleanup_free_ char *status = NULL;
	int r = check_path(d, err);

	if (r >= 0)
		r = make_folders(d, err);
	if (r >= 0)
		r = ask_architecture(d, err);
	if (r >= 0)
		r = debian_write_sources(d, err);
	if (r >= 0)
		r = d->from->keyring ? trust_key(d, d->from->keyring, "keyring", err) : trust_machine(d, err);
	if (r >= 0)
		r = write_config(d, err);
	if (r < 0)
		return r;
	status = path_join(d->folder, "status");
	return status ? write_file(status, &(struct file_content){"", 0, 0644}, err)
		      : err_oom(err, "apt's folder");
}

/* ---- running it ---- */

static void take_apt_line(const char *text, void *arg)
{
	struct debian_lines *l = arg;

	if (*text == '\'' && l->uri) {
		if (l->failed == 0)
			l->failed = l->uri(text, l->arg);
	} else {
		debian_take_line(text, l->d);
	}
}

int debian_apt(struct debian_lines *lines, const char *const argv[], struct err *err)
{
	const char *const env[] = {"LC_ALL=C.UTF-8", lines->d->config, NULL};
	const struct proc_opts opts = {.env = env, .line = take_apt_line, .arg = lines};
	int r = sandbox_run(NULL, argv, &opts, err);

	return r < 0 || lines->failed == 0 ? r
					   : err_set(err, -lines->failed, "apt: an answer not understood");
}
