/* Owns the decision which releases stay; pure. The store is storegc.c's. */
#include "imager/format/gc.h"

#include <errno.h>
#include <string.h>

const char *gc_reason_name(enum gc_reason r)
{
	static const char *const names[] = {
		[GC_GOES] = "goes", [GC_LAST] = "last", [GC_NAMED] = "named", [GC_NEEDED] = "needed"};

	return names[r];
}

/* ---- needs ---- */

void gc_needs_release(struct gc_needs *n)
{
	for (size_t i = 0; i < n->name_count; i++)
		free(n->names[i]);
	free(n->names);
	free(n->digests);
	*n = (struct gc_needs){0};
}

int gc_needs_digest(struct gc_needs *n, const struct digest *d)
{
	struct digest *digests;

	for (size_t i = 0; i < n->digest_count; i++)
		if (digest_equal(&n->digests[i], d))
			return 0;
	digests = reallocarray(n->digests, n->digest_count + 1, sizeof(*digests));
	if (!digests)
		return -ENOMEM;
	n->digests = digests;
	digests[n->digest_count++] = *d;
	return 0;
}

int gc_needs_name(struct gc_needs *n, const char *name)
{
	char **names = reallocarray(n->names, n->name_count + 1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	n->names = names;
	names[n->name_count] = strdup(name);
	return names[n->name_count] ? (n->name_count++, 0) : -ENOMEM;
}

static int is_needed(const struct gc_needs *n, const struct store_release *rel)
{
	for (size_t i = 0; i < n->digest_count; i++)
		if (digest_equal(&n->digests[i], &rel->config.digest) ||
			digest_equal(&n->digests[i], &rel->release.root.digest))
			return 1;
	for (size_t i = 0; i < n->name_count; i++)
		if (!strcmp(n->names[i], rel->name))
			return 1;
	return 0;
}

/* ---- the decision ---- */

/* How many releases of its profile come after release i. */
static size_t newer(const struct store_list *list, size_t i)
{
	size_t n = 0;

	while (i + n + 1 < list->count &&
		!strcmp(list->items[i + n + 1].release.profile, list->items[i].release.profile))
		n++;
	return n;
}

void gc_judge(const struct store_list *list, const unsigned *named, unsigned keep,
	const struct gc_needs *needs, enum gc_reason *ret)
{
	for (size_t i = 0; i < list->count; i++) {
		if (is_needed(needs, &list->items[i]))
			ret[i] = GC_NEEDED;
		else if (named[i])
			ret[i] = GC_NAMED;
		else
			ret[i] = newer(list, i) < (keep ? keep : 1) ? GC_LAST : GC_GOES;
	}
}
