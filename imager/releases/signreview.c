/* Owns the look before a signature: which release to compare with, the difference, the question. Signing
 * itself is sign.c's. */
#include "imager/releases/signreview.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/progress.h"
#include "imager/releases/diff.h"

#define FILES_SHOWN 40

const struct store_release *signreview_base(
	const struct store_list *list, const int *trusted, const struct store_release *rel)
{
	const struct store_release *before = NULL, *other = NULL;

	for (size_t i = 0; i < list->count; i++) {
		const struct store_release *r = &list->items[i];

		if (!trusted[i] || strcmp(r->release.profile, rel->release.profile) != 0)
			continue;
		if (r->release.sequence < rel->release.sequence)
			before = r;
		else if (r->release.sequence > rel->release.sequence)
			other = r;
	}
	return before ? before : other;
}

static void show_first(const struct store_release *rel)
{
	char root[16];

	format_bytes(rel->release.root.size, root);
	(void)fprintf(stderr,
		"%s: no other release of %s here is signed by this key; kernel %s, cmdline '%s', %llu "
		"packages, root image "
		"%s\n",
		rel->name, rel->release.profile, rel->release.kernel_release, rel->release.cmdline,
		(unsigned long long)rel->release.package_count, root);
}

static int is_trusted(const struct signreview *review, const struct store_release *rel)
{
	_cleanup_store_signed_ struct store_signed proof = {0};

	return store_verify(review->store, rel, review->keys, &proof, NULL) == 0;
}

static int show(const struct signreview *review, const struct store_release *rel, struct err *err)
{
	_cleanup_store_list_ struct store_list list = {0};
	_cleanup_free_ int *trusted = NULL;
	_cleanup_diff_ struct diff d = {0};
	const struct store_release *base;
	int r = store_releases(review->store, &list, err);

	if (r < 0)
		return r;
	trusted = calloc(list.count + 1, sizeof(*trusted));
	if (!trusted)
		return err_oom(err, rel->name);
	for (size_t i = 0; i < list.count; i++)
		trusted[i] = is_trusted(review, &list.items[i]);
	base = signreview_base(&list, trusted, rel);
	if (!base) {
		show_first(rel);
		return 0;
	}
	r = diff_releases(review->store, base, rel, &d, err);
	if (r == 0)
		diff_print(&d, FILES_SHOWN, stderr);
	return r;
}

static int is_yes(const char *answer)
{
	size_t len = strcspn(answer, "\n");

	return (len == 1 && !strncasecmp(answer, "y", 1)) || (len == 3 && !strncasecmp(answer, "yes", 3));
}

static int ask(const struct store_release *rel, struct err *err)
{
	_cleanup_free_ char *answer = NULL;
	size_t size = 0;

	if (!isatty(STDIN_FILENO))
		return err_set(err, ENOTTY,
			"%s: nobody can be asked, as standard input is no terminal; --yes signs without a "
			"question",
			rel->name);
	(void)fprintf(stderr, "sign %s? [y/N] ", rel->name);
	if (getline(&answer, &size, stdin) < 0 || !is_yes(answer))
		return err_set(err, ECANCELED, "%s: not signed", rel->name);
	return 0;
}

int signreview_ask(const struct signreview *review, const struct store_release *rel, struct err *err)
{
	int r = store_check_blobs(review->store, rel, err);

	if (r == 0)
		r = show(review, rel, err);
	return r < 0 || review->yes ? r : ask(rel, err);
}
