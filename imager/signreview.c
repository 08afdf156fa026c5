/* Owns the look before a signature: which release to compare with, the difference, the question. Signing
 * itself is sign.c's. */
#include "imager/signreview.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/progress.h"
#include "imager/diff.h"

#define FILES_SHOWN 40

const struct store_release *signreview_base(const struct store_list *list, const struct store_release *rel)
{
	const struct store_release *before = NULL, *other = NULL;

	for (size_t i = 0; i < list->count; i++) {
		const struct store_release *r = &list->items[i];

		if (!r->signature_count || strcmp(r->release.profile, rel->release.profile) != 0)
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
		"%s: no other release of %s is signed; kernel %s, cmdline '%s', %llu packages, root image "
		"%s\n",
		rel->name, rel->release.profile, rel->release.kernel_release, rel->release.cmdline,
		(unsigned long long)rel->release.package_count, root);
}

static int show(struct store *s, const struct store_release *rel, struct err *err)
{
	_cleanup_store_list_ struct store_list list = {0};
	_cleanup_diff_ struct diff d = {0};
	const struct store_release *base;
	int r = store_releases(s, &list, err);

	if (r < 0)
		return r;
	base = signreview_base(&list, rel);
	if (!base) {
		show_first(rel);
		return 0;
	}
	r = diff_releases(s, base, rel, &d, err);
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

int signreview_ask(struct store *s, const struct store_release *rel, int yes, struct err *err)
{
	int r = store_check_blobs(s, rel, err);

	if (r == 0)
		r = show(s, rel, err);
	return r < 0 || yes ? r : ask(rel, err);
}
