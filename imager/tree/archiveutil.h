/* What libarchive needs around it. */
#ifndef IMAGER_TREE_ARCHIVEUTIL_H
#define IMAGER_TREE_ARCHIVEUTIL_H

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

#include "imager/base/cleanup.h"
#include "imager/base/err.h"

/*
 * libarchive turns the UTF-8 of pax headers into the locale's bytes, which for names of files is the same:
 * the calling thread has C.UTF-8 until archive_utf8_end. 0 or -errno.
 */
struct archive_locale {
	locale_t utf8, before;
};
int archive_utf8(struct archive_locale *ret, struct err *err);
void archive_utf8_end(struct archive_locale *l);
#define _cleanup_utf8_ _cleanup_(archive_utf8_end)

/* libarchive's own text, after what it was about. Returns -errno. */
int archive_fault(struct archive *a, const char *what, struct err *err);

#endif
