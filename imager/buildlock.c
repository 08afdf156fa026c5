/*
 * Owns what a build does with lock files: reads the one it is to keep to, makes one of what the sources say,
 * and for those sources that cannot build from a lock compares what they gave with it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/log.h"
#include "imager/buildpriv.h"
#include "imager/packages/packagelist.h"

void build_note_fault(const char *text, void *arg)
{
	struct build *b = arg;

	/* shown when the stage has ended; without memory the sentence alone has to do */
	(void)words_add(&b->faults, text);
}

int build_read_lock(struct build *b, struct err *err)
{
	const struct build_options *o = b->options;

	return o->locked ? lock_read(o->locked, &b->locked, err) : 0;
}

/* By name and version, which is all that is known of a tree. */
static int add_packages(struct build *b, struct lock *l, struct err *err)
{
	_cleanup_packages_ struct packages packages = {0};
	int r = packages_list(b->work.tree, &packages, err);

	for (size_t i = 0; r == 0 && i < packages.count; i++) {
		const struct package *p = &packages.items[i];
		const struct lock_package row = {.name = (char *)p->name,
			.version = (char *)p->version,
			.arch = (char *)(*p->arch ? p->arch : "none")};

		if (lock_add(l, &row) < 0)
			return err_oom(err, "the lock file");
	}
	lock_sort(l);
	return r;
}

static int lock_tree(struct build *b, const struct digest *input, struct lock **ret, struct err *err)
{
	static const struct digest none;
	_cleanup_lock_ struct lock *l = calloc(1, sizeof(*l));
	int r = l ? 0 : -ENOMEM;

	if (l) {
		l->source = strdup(b->profile->from.kind);
		l->has_input = !digest_equal(input, &none);
		l->input = *input;
		r = l->source ? 0 : -ENOMEM;
	}
	for (size_t i = 0; r == 0 && i < b->profile->package_count; i++)
		r = lock_want(l, b->profile->packages[i].name);
	if (r < 0)
		return err_oom(err, "the lock file");
	r = add_packages(b, l, err);
	if (r == 0)
		*ret = TAKE(l);
	return r;
}

static void note(struct build *b, const char *what, const struct lock_package *p)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "%s=%s (%s): %s", p->name, p->version, p->arch, what);
	build_note_fault(text, b);
}

/* Both are sorted. */
static void compare(struct build *b, const struct lock *ours)
{
	const struct lock *theirs = b->locked;
	size_t i = 0, k = 0;

	while (i < ours->package_count || k < theirs->package_count) {
		int order = i == ours->package_count ? 1
			    : k == theirs->package_count
				    ? -1
				    : lock_compare(&ours->packages[i], &theirs->packages[k]);

		if (order < 0)
			note(b, "not in the lock file", &ours->packages[i++]);
		else if (order > 0)
			note(b, "in the lock file, but this is not what the source has now",
				&theirs->packages[k++]);
		else
			i++, k++;
	}
}

static int check(struct build *b, const struct lock *ours, struct err *err)
{
	const struct lock *theirs = b->locked;

	if (strcmp(ours->source, theirs->source) != 0)
		return err_set(err, EPERM, "%s is for from: %s, the profile has from: %s", b->options->locked,
			theirs->source, ours->source);
	if (ours->has_input != theirs->has_input ||
		(ours->has_input && !digest_equal(&ours->input, &theirs->input)))
		return err_set(err, EPERM,
			"from: %s: what it names is another now than when %s was made; a reference with its "
			"digest "
			"(@sha256:...) stays the same",
			ours->source, b->options->locked);
	compare(b, ours);
	if (b->faults.count)
		return err_set(err, EPERM, "from: %s: %zu packages are not those of %s, named above",
			ours->source, b->faults.count, b->options->locked);
	return 0;
}

int build_keep_lock(struct build *b, const struct digest *input, struct err *err)
{
	_cleanup_lock_ struct lock *l = NULL;
	int r;

	/* Debian's builds from it and tells it by itself. */
	if (b->lock || !strcmp(b->profile->from.kind, "debian") || (!b->options->lock && !b->locked))
		return 0;
	r = lock_tree(b, input, &l, err);
	if (r == 0 && b->locked)
		r = check(b, l, err);
	if (r == 0)
		b->lock = TAKE(l);
	return r;
}

int build_write_lock(const struct build *b, struct err *err)
{
	const struct lock *l = b->lock ? b->lock : b->locked;

	return b->options->lock && l ? lock_write(b->options->lock, l, err) : 0;
}
