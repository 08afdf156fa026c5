/*
 * Owns the package lists of our own apt: where they come from, how it is seen that the archive has none
 * newer, and that the answer to a question is remembered for as long as they are the same. The question is
 * debresolve.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "imager/base/words.h"
#include "imager/cache/cache.h"
#include "imager/source/debian.h"
#include "imager/tree/treecopy.h"
#include "imager/tree/treepack.h"

#define CACHE_KIND "apt"
/* Whatever changes in what is kept or in how it is made changes this. */
#define FORMAT "swarmboot-apt-1\n"

/* What the lists say: a line for each InRelease file, with its digest; sorted. */
struct stamp {
	struct words uris, names; /* URIs of the InRelease files, and apt's names for them */
	struct buf text;
	size_t known; /* lines of text */
};

static void stamp_release(struct stamp *s)
{
	words_release(&s->uris);
	words_release(&s->names);
	buf_release(&s->text);
}

/* 'URI' FILE 0 */
static int take_list(const char *line, void *arg)
{
	static const char ending[] = "/InRelease";
	struct stamp *s = arg;
	const char *end = strchr(line + 1, '\''), *name = end ? end + 2 : NULL;
	size_t len = end ? (size_t)(end - line - 1) : 0;
	int r;

	if (len < strlen(ending) || strncmp(end - strlen(ending), ending, strlen(ending)) != 0)
		return 0;
	r = words_take(&s->uris, strndup(line + 1, len));
	return r < 0 ? r : words_take(&s->names, strndup(name, strcspn(name, " ")));
}

static int ask_lists(struct debian *d, struct stamp *s, struct err *err)
{
	static const char *const argv[] = {"apt-get", "--print-uris", "update", NULL};
	struct debian_lines lines = {.d = d, .uri = take_list, .arg = s};

	return debian_apt(&lines, argv, err);
}

/* A file that is not there is left out; s->known tells. */
static int stamp_files(const struct debian *d, const char *folder, struct stamp *s, struct err *err)
{
	s->text.len = 0;
	s->known = 0;
	for (size_t i = 0; i < s->names.count; i++) {
		_cleanup_free_ char *path = NULL;
		_cleanup_close_ int fd = -1;
		struct digest digest;
		char hex[65];

		if (asprintf(&path, "%s/%s/%s", d->folder, folder, s->names.items[i]) < 0)
			return err_oom(err, folder);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || digest_fd(fd, &digest, NULL, NULL) < 0)
			continue;
		digest_hex(&digest, hex);
		if (buf_printf(&s->text, "%s %s\n", s->names.items[i], hex) < 0)
			return err_oom(err, folder);
		s->known++;
	}
	return 0;
}

/* ---- keys of the cache ---- */

/* Of the lists: they are the newest seen of these sources. */
static int lists_key(const struct debian *d, struct digest *ret, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};

	if (buf_printf(&text, FORMAT "lists %s\n", d->arch) < 0 ||
		buf_add(&text, d->inputs.data, d->inputs.len) < 0)
		return err_oom(err, "the package lists");
	return digest_bytes(text.data, text.len, ret) < 0 ? err_set(err, EIO, "SHA-256 failed") : 0;
}

/* Of an answer: for these sources, what was asked, and what the lists said. */
static int answer_key(const struct debian *d, const struct stamp *s, struct digest *ret, struct err *err)
{
	const struct profile *p = d->job->profile;
	_cleanup_buf_ struct buf text = {0};
	int r = buf_printf(&text, FORMAT "answer %s %s %s merged %d\n%s\n", d->arch, d->from->suite,
		d->from->variant ? d->from->variant : "", access(MERGED_HOOKS, F_OK) == 0, s->text.data);

	for (size_t i = 0; r == 0 && i < p->package_count; i++)
		r = buf_printf(&text, "%s\n", p->packages[i].name);
	if (r == 0 && p->kernel.package)
		r = buf_printf(&text, "%s\n", p->kernel.package);
	if (r == 0)
		r = buf_add(&text, d->inputs.data, d->inputs.len);
	if (r < 0)
		return err_oom(err, "the package list");
	return digest_bytes(text.data, text.len, ret) < 0 ? err_set(err, EIO, "SHA-256 failed") : 0;
}

/* Lists that do not all tell what they are cannot be told from newer ones. */
static int is_whole(const struct stamp *s)
{
	return s->known > 0 && s->known == s->uris.count;
}

/* 1: remembered. */
static int recall(struct debian *d, const struct stamp *s, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};
	struct digest key;
	int r = is_whole(s) ? answer_key(d, s, &key, err) : 0;

	if (r < 0 || !is_whole(s) || !cache_get_bytes(d->job->cache, CACHE_KIND, &key, &text))
		return r;
	return lock_parse(text.data, text.len, "the cache", &d->own, NULL) == 0;
}

static void remember(const struct debian *d, const struct stamp *s)
{
	_cleanup_buf_ struct buf text = {0};
	struct digest key;

	if (is_whole(s) && answer_key(d, s, &key, NULL) == 0 && lock_format(d->own, &text) == 0)
		(void)cache_put_bytes(d->job->cache, CACHE_KIND, &key, &text, NULL);
}

/* ---- where the lists come from ---- */

/* The InRelease files as the archive has them now, into "fresh"; what cannot be fetched is left out. */
static int look(struct debian *d, struct stamp *s, struct err *err)
{
	static const char *const fixed[] = {APT_HELPER, "-qq", "download-file"};
	struct debian_lines lines = {.d = d};
	_cleanup_words_ struct words w = {0};
	_cleanup_free_ char *folder = path_join(d->folder, "fresh");
	int r = folder ? mkdir_p(folder, err) : err_oom(err, "the package lists");

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(fixed); i++)
		r = words_add(&w, fixed[i]);
	for (size_t i = 0; r == 0 && i < s->uris.count; i++) {
		r = words_add(&w, s->uris.items[i]);
		if (r == 0)
			r = words_take(&w, path_join(folder, s->names.items[i]));
		if (r == 0)
			r = words_add(&w, "");
	}
	if (r < 0)
		return err_oom(err, "the package lists");
	(void)debian_apt(&lines, (const char *const *)w.items, NULL);
	d->fault[0] = '\0';
	return stamp_files(d, "fresh", s, err);
}

/* The newest lists that any build has seen. 1: they are there. */
static int restore(const struct debian *d, struct err *err)
{
	_cleanup_free_ char *packed = path_join(d->folder, "lists.tar"),
			    *lists = path_join(d->folder, "lists");
	const struct treecopy_target target = {.root = lists, .prefix = ""};
	struct digest key;
	int r = lists_key(d, &key, err);

	if (r < 0)
		return r;
	if (!packed || !lists)
		return err_oom(err, "the package lists");
	r = cache_get_file(d->job->cache, CACHE_KIND, &key, packed, err);
	if (r <= 0)
		return r;
	r = treecopy_archive(packed, &target, NULL, err);
	(void)unlink(packed);
	return r < 0 ? r : 1;
}

/* That they could not be kept is no fault of this build. */
static void keep(const struct debian *d)
{
	_cleanup_free_ char *packed = path_join(d->folder, "lists.tar"),
			    *lists = path_join(d->folder, "lists");
	struct digest key;

	if (!d->job->cache || !packed || !lists || lists_key(d, &key, NULL) < 0)
		return;
	if (treepack(lists, packed, NULL) == 0)
		(void)cache_put_file(d->job->cache, CACHE_KIND, &key, packed, NULL);
	(void)unlink(packed);
}

static int update(struct debian *d, struct err *err)
{
	static const char *const argv[] = {"apt-get", "update", "--error-on=any", "-q", NULL};
	struct debian_lines lines = {.d = d};

	if (debian_apt(&lines, argv, err) < 0)
		return debian_blame(d, err);
	keep(d);
	return 0;
}

/* The lists are in place; what they say is in s. */
static int answer(struct debian *d, struct stamp *s, struct err *err)
{
	int r = stamp_files(d, "lists", s, err);

	if (r == 0)
		r = recall(d, s, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = debian_ask(d, &d->own, err);
	if (r == 0)
		remember(d, s);
	return r;
}

static int resolve(struct debian *d, struct stamp *s, struct err *err)
{
	int r = ask_lists(d, s, err), there;

	/* Nothing newer, and asked before: that takes a third of a second. */
	if (r == 0 && !d->job->offline && d->job->cache)
		r = look(d, s, err);
	if (r == 0 && !d->job->offline)
		r = recall(d, s, err);
	if (r != 0)
		return r < 0 ? r : 0;
	there = restore(d, err);
	if (there < 0)
		return there;
	if (d->job->offline && !there)
		return err_set(err, ENOENT,
			"from: debian: offline, and the cache has no package lists of these sources: one "
			"build without --offline brings them");
	r = d->job->offline ? 0 : update(d, err);
	return r < 0 ? r : answer(d, s, err);
}

int debian_resolve(struct debian *d, struct err *err)
{
	struct stamp s = {0};
	int r = resolve(d, &s, err);

	stamp_release(&s);
	d->lock = d->own;
	return r;
}
