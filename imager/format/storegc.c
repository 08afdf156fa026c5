/*
 * Owns the going of releases. Their blobs are put on this writer's list of added blobs, and so are those that
 * nothing names: the sweep at the end of the last writer (storework.c) removes what is on such lists and
 * named by nobody, so a build that is at work never loses a blob it counts on.
 */
#include "imager/format/gc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "imager/base/io.h"
#include "imager/format/storepriv.h"

void gc_result_release(struct gc_result *r)
{
	free(r->rows);
	*r = (struct gc_result){0};
}

struct collection {
	struct store *store;
	const struct gc_options *options;
	struct store_list list;
	json_t *index;          /* becomes the new one */
	json_t *before, *after; /* digests that index.json leads to, as keys of an object */
	struct digest *going;   /* blobs */
	struct gc_result result;
};

static void collection_release(struct collection *c)
{
	store_list_release(&c->list);
	json_decref(c->index);
	json_decref(c->before);
	json_decref(c->after);
	free(c->going);
	gc_result_release(&c->result);
}

/* ---- releases ---- */

/* Names in index.json that point to the release, but for its own. */
static unsigned count_names(json_t *index, const struct store_release *rel)
{
	unsigned count = 0;
	json_t *entry;
	size_t i;

	json_array_foreach(index_entries(index), i, entry)
	{
		const char *name = index_name(entry);
		struct release_part part;

		if (name && strcmp(name, rel->name) != 0 && index_read_descriptor(entry, &part) == 0 &&
			digest_equal(&part.digest, &rel->manifest.digest))
			count++;
	}
	return count;
}

static int judge(struct collection *c, struct err *err)
{
	_cleanup_free_ unsigned *named = calloc(c->list.count + 1, sizeof(*named));
	_cleanup_free_ enum gc_reason *reasons = calloc(c->list.count + 1, sizeof(*reasons));

	c->result.rows = calloc(c->list.count + 1, sizeof(*c->result.rows));
	if (!named || !reasons || !c->result.rows)
		return err_oom(err, "the releases");
	for (size_t i = 0; i < c->list.count; i++)
		named[i] = count_names(c->index, &c->list.items[i]);
	gc_judge(&c->list, named, c->options->keep, c->options->needs, reasons);
	for (size_t i = 0; i < c->list.count; i++)
		c->result.rows[c->result.count++] = (struct gc_row){c->list.items[i], reasons[i]};
	return 0;
}

static int goes(const struct collection *c, const json_t *entry)
{
	struct release_part part;

	if (index_read_descriptor(entry, &part) < 0)
		return 0;
	for (size_t i = 0; i < c->result.count; i++)
		if (c->result.rows[i].reason == GC_GOES &&
			digest_equal(&part.digest, &c->result.rows[i].release.manifest.digest))
			return 1;
	return 0;
}

static void drop_names(struct collection *c)
{
	json_t *entries = index_entries(c->index);

	for (size_t i = json_array_size(entries); i-- > 0;)
		if (goes(c, json_array_get(entries, i)))
			(void)json_array_remove(entries, i);
}

static int read_store(struct collection *c, struct err *err)
{
	int r = index_load(c->store, &c->index, err);

	if (r == 0)
		r = store_releases(c->store, &c->list, err);
	if (r == 0 && c->list.damage.code)
		r = err_set(err, EBADMSG, "nothing is removed while a release cannot be read: %s",
			c->list.damage.text);
	if (r == 0)
		r = index_reach(c->store, c->index, &c->before, err);
	if (r == 0)
		r = judge(c, err);
	if (r < 0)
		return r;
	drop_names(c);
	return index_reach(c->store, c->index, &c->after, err);
}

/* ---- blobs ---- */

static int blob_goes(const struct collection *c, const char *digest, const struct stat *st)
{
	if (json_object_get(c->after, digest))
		return 0;
	return json_object_get(c->before, digest) ||
	       (uint64_t)st->st_mtime + GC_ORPHAN_AGE <= c->options->now;
}

static int add_blob(struct collection *c, const struct digest *d, const struct stat *st)
{
	struct digest *going = reallocarray(c->going, c->result.blobs + 1, sizeof(*going));

	if (!going)
		return -ENOMEM;
	c->going = going;
	going[c->result.blobs++] = *d;
	c->result.bytes += (uint64_t)st->st_size;
	return 0;
}

static int find_blobs(struct collection *c, struct err *err)
{
	_cleanup_free_ char *path = path_join(c->store->path, STORE_BLOBS);
	_cleanup_closedir_ DIR *dir = path ? opendir(path) : NULL;

	if (!dir)
		return path ? err_path(err, errno, path) : err_oom(err, "the blobs");
	for (struct dirent *e; (e = readdir(dir));) {
		char text[DIGEST_TEXT_SIZE];
		struct digest d;
		struct stat st;

		(void)snprintf(text, sizeof(text), "sha256:%.64s", e->d_name);
		if (strlen(e->d_name) != 64 || digest_parse(text, &d) < 0 ||
			fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		if (blob_goes(c, text, &st) && add_blob(c, &d, &st) < 0)
			return err_oom(err, path);
	}
	return 0;
}

/* Noted first: a gc that is killed between the two has lost no blob, and forgotten none. */
static int commit(struct collection *c, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->result.blobs; i++)
		r = store_note_blob(c->store, &c->going[i], err);
	return r == 0 ? index_save(c->store, c->index, err) : r;
}

static size_t count_left(const struct collection *c)
{
	size_t left = 0;

	for (size_t i = 0; i < c->result.blobs; i++) {
		_cleanup_free_ char *path = store_blob_path(c->store, &c->going[i]);

		left += path && access(path, F_OK) == 0;
	}
	return left;
}

static int collect(struct collection *c, struct err *err)
{
	_cleanup_close_ int lock = c->options->dry_run ? -1 : store_lock(c->store, err);
	int r = lock < 0 && !c->options->dry_run ? lock : read_store(c, err);

	if (r == 0)
		r = find_blobs(c, err);
	return r == 0 && !c->options->dry_run ? commit(c, err) : r;
}

int store_gc(struct store *s, const struct gc_options *options, struct gc_result *ret, struct err *err)
{
	_cleanup_(collection_release) struct collection c = {.store = s, .options = options};
	int r = options->dry_run ? 0 : store_begin(s, err);

	if (r == 0)
		r = collect(&c, err);
	if (r < 0)
		return r;
	if (!options->dry_run) {
		store_end(s);
		c.result.left = count_left(&c);
	}
	*ret = c.result;
	c.result = (struct gc_result){0};
	return 0;
}
