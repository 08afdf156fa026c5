/* Owns what differs between two releases: the package lists, and how the parts come together. The files are
 * difffiles.c's, the showing diffshow.c's. */
#include "imager/releases/diff.h"

#include <errno.h>
#include <string.h>

#include "imager/packages/spdx.h"

/* ---- packages ---- */

struct rows {
	struct diff_package *items;
	size_t count;
};

static void add_row(struct rows *rows, const struct package *before, const struct package *after)
{
	const struct package *p = before ? before : after;

	rows->items[rows->count++] = (struct diff_package){
		.name = p->name,
		.arch = p->arch,
		.before = before ? before->version : NULL,
		.after = after ? after->version : NULL,
	};
}

static int compare_keys(const struct package *a, const struct package *b)
{
	int r = strcmp(a->name, b->name);

	return r ? r : strcmp(a->arch, b->arch);
}

/* How many packages from `at` on have one name and architecture. */
static size_t run_length(const struct packages *p, size_t at)
{
	size_t n = 0;

	while (at + n < p->count && !compare_keys(&p->items[at], &p->items[at + n]))
		n++;
	return n;
}

static int has_version(const struct package *items, size_t count, const char *version)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(items[i].version, version))
			return 1;
	return 0;
}

/* The next of the items whose version is none of the others'; NULL at their end. */
static const struct package *next_own(
	const struct package **items, size_t *count, const struct package *others, size_t other_count)
{
	while (*count) {
		const struct package *p = (*items)++;

		(*count)--;
		if (!has_version(others, other_count, p->version))
			return p;
	}
	return NULL;
}

/* One name and architecture, in several versions perhaps (kernels of rpm): what both have is no change. */
static void pair(
	struct rows *rows, const struct package *a, size_t a_count, const struct package *b, size_t b_count)
{
	const struct package *x = a, *y = b;
	size_t x_left = a_count, y_left = b_count;

	for (;;) {
		const struct package *before = next_own(&x, &x_left, b, b_count);
		const struct package *after = next_own(&y, &y_left, a, a_count);

		if (!before && !after)
			return;
		add_row(rows, before, after);
	}
}

int diff_packages(const struct packages *before, const struct packages *after, struct diff_package **ret,
	size_t *ret_count)
{
	struct rows rows = {.items = calloc(before->count + after->count + 1, sizeof(*rows.items))};
	size_t i = 0, j = 0;

	if (!rows.items)
		return -ENOMEM;
	while (i < before->count || j < after->count) {
		size_t m = run_length(before, i), n = run_length(after, j);
		int order = !m ? 1 : !n ? -1 : compare_keys(&before->items[i], &after->items[j]);

		if (order > 0)
			m = 0;
		if (order < 0)
			n = 0;
		pair(&rows, before->items + i, m, after->items + j, n);
		i += m;
		j += n;
	}
	*ret = rows.items;
	*ret_count = rows.count;
	return 0;
}

/* ---- releases ---- */

void diff_release(struct diff *d)
{
	free(d->packages);
	packages_release(&d->packages_before);
	packages_release(&d->packages_after);
	diff_files_release(&d->files);
}

static int compare_packages(struct store *s, struct diff *d, struct err *err)
{
	int r;

	if (digest_equal(&d->before.release.packages.digest, &d->after.release.packages.digest))
		return 0;
	r = spdx_read(s, &d->before, &d->packages_before, err);
	if (r == 0)
		r = spdx_read(s, &d->after, &d->packages_after, err);
	if (r < 0)
		return r;
	r = diff_packages(&d->packages_before, &d->packages_after, &d->packages, &d->package_count);
	return r < 0 ? err_oom(err, "the packages") : 0;
}

static int compare_files(struct store *s, struct diff *d, struct err *err)
{
	_cleanup_free_ char *before = store_blob_path(s, &d->before.release.root.digest);
	_cleanup_free_ char *after = store_blob_path(s, &d->after.release.root.digest);

	if (!before || !after)
		return err_oom(err, "the files");
	if (digest_equal(&d->before.release.root.digest, &d->after.release.root.digest)) {
		d->files.known = d->after.release.root.size;
		return 0;
	}
	return diff_files(before, after, &d->files, err);
}

int diff_releases(struct store *s, const struct store_release *before, const struct store_release *after,
	struct diff *ret, struct err *err)
{
	_cleanup_diff_ struct diff d = {.before = *before, .after = *after};

	if (compare_packages(s, &d, &d.package_fault) == -ENOMEM ||
		compare_files(s, &d, &d.file_fault) == -ENOMEM)
		return err_oom(err, "the difference");
	*ret = d;
	d = (struct diff){0};
	return 0;
}

uint64_t diff_fetch(const struct diff *d)
{
	const struct release *a = &d->before.release, *b = &d->after.release;
	const struct release_part *const had[] = {&a->kernel, &a->initramfs, &a->root};
	const struct release_part *const wanted[] = {&b->kernel, &b->initramfs, &b->root};
	uint64_t bytes = 0;

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		if (!digest_equal(&had[i]->digest, &wanted[i]->digest))
			bytes += wanted[i]->size;
	return bytes;
}
