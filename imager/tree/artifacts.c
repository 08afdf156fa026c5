/*
 * Owns artifacts: where one is found, that it is the one the profile names, and how it gets into a tree.
 * Fetching is curl's, unpacking treecopy.c's.
 */
#include "imager/tree/artifacts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/base/proc.h"
#include "imager/intree.h"
#include "imager/tree/treecopy.h"
#include "imager/tree/treeowner.h"

#define CACHE_KIND "artifact"
/* More than any image takes; a server that never ends its answer must not fill the disk. */
#define SIZE_LIMIT (UINT64_C(32) << 30)

struct placing {
	const struct artifacts_job *job;
	const struct profile_artifact *artifact;
	int root;      /* the tree */
	char hex[65];  /* of the digest that is wanted */
	char *file;    /* of our own: what is on its way */
	char *stocked; /* what of the stock's folder it is a copy of; NULL: of none */
};

/* For sentences. */
static const char *origin(const struct placing *p)
{
	const struct profile_artifact *a = p->artifact;

	return p->stocked ? p->stocked : a->url ? a->url : a->source;
}

/* ---- where it comes from ---- */

/* The last part of the url's path, if it can be a file's name; free(). */
static char *base_name(const char *url)
{
	size_t len = strcspn(url, "?#");
	const char *slash = memrchr(url, '/', len), *name = slash ? slash + 1 : url;
	_cleanup_free_ char *ret = strndup(name, len - (size_t)(name - url));

	return ret && path_is_inside(ret) ? TAKE(ret) : NULL;
}

/* 1 when the stock's folder has a file of that name. */
static int take_from_folder(struct placing *p, const char *name, struct err *err)
{
	_cleanup_free_ char *path = name ? path_join(p->job->stock.folder, name) : NULL;
	struct stat st;
	int r;

	if (!path || stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	r = copy_file(path, p->file, 0600, err);
	if (r < 0)
		return r;
	p->stocked = TAKE(path);
	return 1;
}

/* By its digest, else by its name. */
static int seek_folder(struct placing *p, struct err *err)
{
	_cleanup_free_ char *name = base_name(p->artifact->url);
	int r = p->job->stock.folder ? take_from_folder(p, p->hex, err) : 0;

	return r == 0 && p->job->stock.folder ? take_from_folder(p, name, err) : r;
}

/* In the child: what --max-filesize does not see, an answer without a length, ends at this. */
static int limit_file(void *arg)
{
	const struct rlimit limit = {SIZE_LIMIT, SIZE_LIMIT};

	(void)arg;
	(void)signal(SIGXFSZ, SIG_IGN);
	return setrlimit(RLIMIT_FSIZE, &limit);
}

static int fetch(struct placing *p, struct err *err)
{
	char size[24];
	const char *const argv[] = {"curl", "--disable", "--fail", "--silent", "--show-error", "--location",
		"--netrc-optional", "--max-redirs", "10", "--proto", "=http,https,file", "--proto-redir",
		"=http,https", "--connect-timeout", "30", "--speed-limit", "1000", "--speed-time", "60",
		"--retry", "2", "--max-filesize", size, "--output", p->file, "--url", p->artifact->url, NULL};
	const struct proc_opts opts = {.enter = limit_file, .line = p->job->line, .arg = p->job->arg};

	(void)snprintf(size, sizeof(size), "%" PRIu64, SIZE_LIMIT);
	return proc_run(argv, &opts, err);
}

static int fetch_or_say_why_not(struct placing *p, struct err *err)
{
	const struct artifacts_stock *stock = &p->job->stock;
	struct err why = {0};
	int r;

	if (stock->offline) {
		(void)yaml_fault(p->artifact->node, "url", err,
			"%s: is neither in the cache nor in the folder of --artifacts (as %s), and --offline "
			"fetches nothing",
			p->artifact->url, p->hex);
		return -ENOENT;
	}
	r = fetch(p, &why);
	if (r < 0) /* -EINVAL would be the profile's fault, and this is the network's */
		(void)yaml_fault(p->artifact->node, "url", err, "%s: %s", p->artifact->url, why.text);
	return r == -EINVAL ? -EIO : r;
}

/* p->file holds it, whatever it is; ret_fetched: it is not in the cache. */
static int obtain(struct placing *p, int *ret_fetched, struct err *err)
{
	int r;

	*ret_fetched = 0;
	if (p->artifact->source)
		return copy_file(p->artifact->source, p->file, 0600, err);
	r = seek_folder(p, err);
	if (r == 0)
		r = cache_get_file(p->job->stock.cache, CACHE_KIND, &p->artifact->digest, p->file, err);
	if (r != 0)
		return r;
	*ret_fetched = 1;
	return fetch_or_say_why_not(p, err);
}

/* ---- that it is the right one ---- */

static int check_digest(const struct placing *p, struct err *err)
{
	_cleanup_close_ int fd = open(p->file, O_RDONLY | O_CLOEXEC);
	struct digest digest;
	char found[65];
	int r = fd < 0 ? err_path(err, errno, p->file) : digest_fd(fd, &digest, NULL, NULL);

	if (r < 0)
		return fd < 0 ? r : err_path(err, -r, origin(p));
	if (digest_equal(&digest, &p->artifact->digest))
		return 0;
	digest_hex(&digest, found);
	return yaml_fault(p->artifact->node, "sha256", err, "%s has the SHA-256 %s, and %s is wanted",
		origin(p), found, p->hex);
}

/* ---- where it goes ---- */

static int lay_file(const struct placing *p, const struct treeowner *owner, struct err *err)
{
	const struct profile_artifact *a = p->artifact;
	const char *name;
	_cleanup_close_ int parent = intree_parent(p->root, a->path, &name), out = -1,
			    in = open(p->file, O_RDONLY | O_CLOEXEC);
	int r;

	if (parent < 0 || in < 0)
		return err_path(err, parent < 0 ? -parent : errno, a->path);
	if (unlinkat(parent, name, 0) < 0 && errno != ENOENT)
		return err_path(err, errno, a->path);
	out = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return err_path(err, errno, a->path);
	r = copy_fd(in, out);
	if (r < 0)
		return err_path(err, -r, a->path);
	/* Owner first: a change of owner takes set-uid bits away. */
	if (fchown(out, owner->uid, owner->gid) < 0 ||
		fchmod(out, a->mode == (mode_t)-1 ? 0644 : a->mode) < 0)
		return err_path(err, errno, a->path);
	return 0;
}

static int unpack(const struct placing *p, const struct treeowner *owner, struct err *err)
{
	const struct treecopy_target target = {
		.root = p->job->root,
		.prefix = p->artifact->path + 1,
		.strip = (size_t)p->artifact->strip,
		.owner = owner,
	};
	struct err why = {0};
	int r = treecopy_archive(p->file, &target, NULL, &why);

	if (r >= 0)
		return 0;
	return yaml_fault(p->artifact->node, p->artifact->url ? "url" : "source", err,
		"%s: cannot be unpacked: %s", origin(p), why.text);
}

static int place(struct placing *p, struct err *err)
{
	const struct profile_artifact *a = p->artifact;
	const struct treeowner_words words = {a->owner, a->group, a->node};
	struct treeowner owner;
	int fetched, r = obtain(p, &fetched, err);

	if (r >= 0)
		r = check_digest(p, err);
	if (r < 0)
		return r;
	if (fetched) /* a cache that is full is no reason to end a build */
		(void)cache_put_file(p->job->stock.cache, CACHE_KIND, &a->digest, p->file, NULL);
	r = treeowner_find(p->root, &words, &owner, err);
	if (r < 0)
		return r;
	return a->unpack ? unpack(p, &owner, err) : lay_file(p, &owner, err);
}

static void placing_release(struct placing *p)
{
	if (p->file)
		(void)unlink(p->file);
	free(p->file);
	free(p->stocked);
}

static int place_one(
	const struct artifacts_job *job, int root, const struct profile_artifact *a, struct err *err)
{
	_cleanup_(placing_release) struct placing p = {
		.job = job, .artifact = a, .root = root, .file = path_join(job->workdir, "artifact")};

	if (!p.file)
		return err_oom(err, origin(&p));
	digest_hex(&a->digest, p.hex);
	if (job->line)
		job->line(origin(&p), job->arg);
	return place(&p, err);
}

int artifacts_place(const struct artifacts_job *job, struct err *err)
{
	_cleanup_close_ int root = intree_root(job->root, err);

	if (root < 0)
		return root;
	for (size_t i = 0; i < job->profile->artifact_count; i++) {
		int r = place_one(job, root, &job->profile->artifacts[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}
