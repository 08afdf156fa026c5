/*
 * Owns what an initramfs is made of and stages it: folders, links, the agent and its files. Libraries come by
 * closure.c, modules by modules.c, the archive by cpio.c, its compression by zstdfile.c.
 */
#include "imager/boot/initrd.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/boot/closure.h"
#include "imager/boot/cpio.h"
#include "imager/boot/modules.h"
#include "imager/boot/zstdfile.h"

#define CACHE_KIND "initramfs"

/* The one architecture so far, in Debian's words. */
#define ARCH "amd64"

static const char *const folders[] = {"dev", "etc/swarmboot", "newroot", "proc", "root", "run", "sys",
	"usr/bin", "usr/lib", "usr/lib64", "usr/sbin"};

/* As a merged /usr has them; and the kernel's own requests for modules go to the agent. */
static const struct {
	const char *name, *target;
} links[] = {{"bin", "usr/bin"}, {"lib", "usr/lib"}, {"lib64", "usr/lib64"}, {"sbin", "usr/sbin"},
	{"usr/sbin/modprobe", "/init"}};

static int make_folders(const char *stage, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		_cleanup_free_ char *path = path_join(stage, folders[i]);
		int r = path ? mkdir_p(path, err) : err_oom(err, stage);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		_cleanup_free_ char *path = path_join(stage, links[i].name);

		if (!path)
			return err_oom(err, stage);
		if (symlink(links[i].target, path) < 0)
			return err_path(err, errno, path);
	}
	return 0;
}

static int put_text(const char *stage, const char *name, const char *text, struct err *err)
{
	_cleanup_free_ char *path = path_join(stage, name);
	struct file_content content = {.data = text, .len = strlen(text), .mode = 0644};

	return path ? write_file(path, &content, err) : err_oom(err, name);
}

/* The kernel opens it as the first program's standard streams; cpio.c makes a node of it. */
static int put_console(const char *stage, struct err *err)
{
	return put_text(stage, "dev/console", "", err);
}

static int put_identity(const char *stage, const char *release, const char *profile, struct err *err)
{
	json_t *identity = json_pack("{s:s,s:s,s:s}", "profile", profile, "arch", ARCH, "kernel", release);
	_cleanup_free_ char *text = identity ? json_dumps(identity, JSON_COMPACT) : NULL;

	json_decref(identity);
	return text ? put_text(stage, "etc/swarmboot/agent.json", text, err)
		    : err_set(err, EILSEQ, "profile %s, kernel %s: not UTF-8", profile, release);
}

static int put_agent(const char *stage, const char *agent, struct err *err)
{
	_cleanup_free_ char *init = path_join(stage, "init");
	int r = init ? copy_file(agent, init, 0755, err) : err_oom(err, agent);

	return r < 0 ? r : closure_stage(agent, stage, err);
}

static int fill(const char *stage, const char *root, const char *release, const struct bootfiles_options *o,
	struct err *err)
{
	const struct modules_request modules = {.root = root,
		.release = release,
		.modules = o->modules,
		.nics = o->nics,
		.firmware = o->firmware,
		.place = o->place};
	int r = make_folders(stage, err);

	if (r == 0)
		r = put_console(stage, err);
	if (r == 0)
		r = put_text(stage, "etc/swarmboot/keys", o->keyring, err);
	if (r == 0)
		r = put_identity(stage, release, o->profile, err);
	if (r == 0)
		r = put_agent(stage, o->agent, err);
	if (r == 0)
		r = modules_stage(&modules, stage, err);
	return r;
}

/* The archive's bytes and how they are compressed are all that the result depends on. */
static int cache_key(const char *archive, struct digest *ret, struct err *err)
{
	_cleanup_close_ int fd = open(archive, O_RDONLY | O_CLOEXEC);
	char digest[DIGEST_TEXT_SIZE], text[256];
	struct digest content;
	int r = fd < 0 ? -errno : digest_fd(fd, &content, NULL, NULL);

	if (r < 0)
		return err_path(err, -r, archive);
	digest_format(&content, digest);
	(void)snprintf(text, sizeof(text), "%s %s", zstdfile_method(), digest);
	r = digest_bytes(text, strlen(text), ret);
	return r < 0 ? err_path(err, -r, archive) : 0;
}

static int compress(
	const char *archive, const char *output, const struct bootfiles_options *options, struct err *err)
{
	struct digest key;
	struct err ignored;
	int r = cache_key(archive, &key, err);

	if (r == 0)
		r = cache_get_file(options->cache, CACHE_KIND, &key, output, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = zstdfile_pack(archive, output, options->jobs, err);
	if (r == 0)
		(void)cache_put_file(options->cache, CACHE_KIND, &key, output, &ignored);
	return r;
}

static int write_archive(
	const char *stage, const char *output, const struct bootfiles_options *options, struct err *err)
{
	_cleanup_free_ char *archive = NULL;
	int r;

	if (asprintf(&archive, "%s.cpio", stage) < 0)
		return err_oom(err, stage);
	r = cpio_write(stage, archive, options->mtime, err);
	if (r == 0)
		r = compress(archive, output, options, err);
	(void)unlink(archive);
	return r;
}

int initrd_write(const char *root, const char *outdir, const char *release,
	const struct bootfiles_options *options, struct err *err)
{
	_cleanup_free_ char *stage = path_join(outdir, "initramfs.XXXXXX"),
			    *output = path_join(outdir, "initramfs");
	struct err ignored;
	int r;

	if (!options->keyring || !options->keyring[strspn(options->keyring, " \t\r\n")])
		return err_set(err, ENOKEY, "no trusted key: a node would refuse every release");
	if (!stage || !output)
		return err_oom(err, outdir);
	if (!mkdtemp(stage))
		return err_path(err, errno, stage);
	r = fill(stage, root, release, options, err);
	if (r == 0)
		r = write_archive(stage, output, options, err);
	(void)remove_tree(stage, &ignored);
	return r;
}
