/* Owns the walk through two images side by side, and the count of blocks they share. What two things differ
 * in is imager/squash/compare.c's. */
#include "imager/releases/diff.h"

#include <errno.h>
#include <string.h>

#include "imager/squash/reader.h"

void diff_files_release(struct diff_files *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->items[i].path);
	free(f->items);
	*f = (struct diff_files){0};
}

struct walk {
	struct squash_reader *before, *after;
	struct diff_files *found;
	struct err *err;
};

/* ---- the trees ---- */

/* A folder's entries by name; images are written in this order, but nothing makes them be. */
struct names {
	const sqfs_tree_node_t **items;
	size_t count;
};

static void names_release(struct names *n)
{
	free(n->items);
}
#define _cleanup_names_ _cleanup_(names_release)

static int by_name(const void *a, const void *b)
{
	const sqfs_tree_node_t *const *x = a, *const *y = b;

	return strcmp((const char *)(*x)->name, (const char *)(*y)->name);
}

static int list_names(const sqfs_tree_node_t *folder, struct names *ret)
{
	const sqfs_tree_node_t *first = folder ? folder->children : NULL;
	size_t count = 0;

	for (const sqfs_tree_node_t *n = first; n; n = n->next)
		count++;
	ret->items = calloc(count + 1, sizeof(*ret->items));
	if (!ret->items)
		return -ENOMEM;
	for (const sqfs_tree_node_t *n = first; n; n = n->next)
		ret->items[ret->count++] = n;
	qsort(ret->items, count, sizeof(*ret->items), by_name);
	return 0;
}

static int add(struct walk *w, const char *path, enum diff_change change, unsigned what)
{
	struct diff_files *f = w->found;
	char *copy = strdup(path);

	/* Doubles at every power of two. */
	if (copy && !(f->count & (f->count + 1))) {
		struct diff_file *items = reallocarray(f->items, 2 * (f->count + 1), sizeof(*items));

		if (!items) {
			free(copy);
			return err_oom(w->err, path);
		}
		f->items = items;
	}
	if (!copy)
		return err_oom(w->err, path);
	f->items[f->count++] = (struct diff_file){copy, change, what};
	return 0;
}

static int walk(struct walk *w, const char *path, const sqfs_tree_node_t *a, const sqfs_tree_node_t *b);

/* Either may be NULL: what is below a folder that only one image has. */
static int walk_both(struct walk *w, const char *folder, const sqfs_tree_node_t *a, const sqfs_tree_node_t *b)
{
	const sqfs_tree_node_t *one = a ? a : b;
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/%s", folder, (const char *)one->name) < 0)
		return err_oom(w->err, folder);
	return walk(w, path, a, b);
}

static int walk_children(
	struct walk *w, const char *path, const sqfs_tree_node_t *a, const sqfs_tree_node_t *b)
{
	_cleanup_names_ struct names x = {0}, y = {0};
	size_t i = 0, j = 0;
	int r = 0;

	if (list_names(a, &x) < 0 || list_names(b, &y) < 0)
		return err_oom(w->err, path);
	while (r == 0 && (i < x.count || j < y.count)) {
		int order = i == x.count ? 1 : j == y.count ? -1 : by_name(&x.items[i], &y.items[j]);

		r = walk_both(w, path, order <= 0 ? x.items[i] : NULL, order >= 0 ? y.items[j] : NULL);
		i += order <= 0;
		j += order >= 0;
	}
	return r;
}

/* path "" is the root itself, which is shown as "/". */
static int walk(struct walk *w, const char *path, const sqfs_tree_node_t *a, const sqfs_tree_node_t *b)
{
	const char *shown = *path ? path : "/";
	int what, r = 0;

	if (!a || !b) {
		r = add(w, shown, a ? DIFF_REMOVED : DIFF_ADDED, 0);
		return r < 0 ? r : walk_children(w, path, a, b);
	}
	what = squash_compare(w->before, a, w->after, b, w->err);
	if (what < 0)
		return err_prefix(w->err, "%s", shown);
	if (what)
		r = add(w, shown, DIFF_CHANGED, (unsigned)what);
	return r < 0 ? r : walk_children(w, path, a, b);
}

/* ---- the blocks ---- */

static int compare_digests(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct digest));
}

static int digest_extents(
	struct squash_reader *r, struct squash_extent **ret, struct digest **ret_digests, size_t *ret_count)
{
	_cleanup_free_ struct squash_extent *extents = NULL;
	_cleanup_free_ struct digest *digests = NULL;
	size_t count = 0;
	int e = squash_reader_extents(r, &extents, &count, NULL);

	if (e < 0)
		return e;
	digests = calloc(count + 1, sizeof(*digests));
	if (!digests)
		return -ENOMEM;
	for (size_t i = 0; e == 0 && i < count; i++)
		e = digest_bytes(r->map + extents[i].offset, extents[i].size, &digests[i]);
	if (e < 0)
		return e;
	*ret = TAKE(extents);
	*ret_digests = TAKE(digests);
	*ret_count = count;
	return 0;
}

static int count_known(struct walk *w)
{
	_cleanup_free_ struct squash_extent *old = NULL, *new = NULL;
	_cleanup_free_ struct digest *old_digests = NULL, *new_digests = NULL;
	size_t old_count, new_count;
	int r = digest_extents(w->before, &old, &old_digests, &old_count);

	if (r == 0)
		r = digest_extents(w->after, &new, &new_digests, &new_count);
	if (r < 0)
		return err_set(w->err, -r, "the blocks of the images cannot be compared: %s", strerror(-r));
	qsort(old_digests, old_count, sizeof(*old_digests), compare_digests);
	for (size_t i = 0; i < new_count; i++)
		if (bsearch(&new_digests[i], old_digests, old_count, sizeof(*old_digests), compare_digests))
			w->found->known += new[i].size;
	return 0;
}

int diff_files(const char *before, const char *after, struct diff_files *ret, struct err *err)
{
	_cleanup_squash_reader_ struct squash_reader *a = NULL, *b = NULL;
	_cleanup_diff_files_ struct diff_files found = {0};
	struct walk w = {.found = &found, .err = err};
	int r = squash_reader_open(before, &a, err);

	if (r == 0)
		r = squash_reader_open(after, &b, err);
	if (r < 0)
		return r;
	w.before = a;
	w.after = b;
	r = walk(&w, "", a->root, b->root);
	if (r == 0)
		r = count_known(&w);
	if (r < 0)
		return r;
	*ret = found;
	found = (struct diff_files){0};
	return 0;
}
