/* review: what whoever signs a release is shown, and asked, before it is signed. */
#ifndef IMAGER_SIGNREVIEW_H
#define IMAGER_SIGNREVIEW_H

#include "imager/base/err.h"
#include "imager/format/store.h"

/* The release that `rel` is compared with: the last one of its profile before it that has a signature, else
 * the last of all others that has one. NULL: none. Pure; what it points to is in the list. */
const struct store_release *signreview_base(const struct store_list *list, const struct store_release *rel);

/*
 * Proves that the release is as its digests say, shows on stderr what changes, and asks on the terminal that
 * is stdin. yes: shown, but not asked. 0: to be signed. -ECANCELED: the answer is not yes; -ENOTTY: nobody
 * can be asked; -EBADMSG: the release is damaged.
 */
int signreview_ask(struct store *s, const struct store_release *rel, int yes, struct err *err);

#endif
