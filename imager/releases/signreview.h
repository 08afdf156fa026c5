/* review: what whoever signs a release is shown, and asked, before it is signed. */
#ifndef IMAGER_RELEASES_SIGNREVIEW_H
#define IMAGER_RELEASES_SIGNREVIEW_H

#include "imager/base/err.h"
#include "imager/format/store.h"

/*
 * The release that `rel` is compared with: the last one of its profile before it that is trusted, else the
 * last of all others that is. trusted[i]: release i of the list has a signature that was proved; anybody can
 * attach one that is none, to a release that hides what changes. NULL: there is none. Pure.
 */
const struct store_release *signreview_base(
	const struct store_list *list, const int *trusted, const struct store_release *rel);

struct signreview {
	struct store *store;
	const struct minisign_keyring *keys; /* whose signatures count for the last release */
	int yes;                             /* shown, but not asked */
};

/*
 * Proves that the release is as its digests say, shows on stderr what changes, and asks on the terminal that
 * is stdin. 0: to be signed. -ECANCELED: the answer is not yes; -ENOTTY: nobody can be asked; -EBADMSG: the
 * release is damaged.
 */
int signreview_ask(const struct signreview *review, const struct store_release *rel, struct err *err);

#endif
