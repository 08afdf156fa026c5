/* Owns what libarchive needs around it everywhere: its sentences as ours, and a locale for its names. */
#include "imager/tree/archiveutil.h"

#include <errno.h>
#include <string.h>

/* libarchive says "Write error" and keeps why to itself; its EINVAL and EILSEQ are its own words' codes. */
int archive_fault(struct archive *a, const char *what, struct err *err)
{
	int code = archive_errno(a);
	const char *text = archive_error_string(a);

	if (!text)
		text = "cannot be copied";
	if (code <= 0 || code == EINVAL || code == EILSEQ || strstr(text, strerror(code)))
		return err_set(err, code > 0 ? code : EIO, "%s: %s", what, text);
	return err_set(err, code, "%s: %s: %s", what, text, strerror(code));
}

int archive_utf8(struct archive_locale *ret, struct err *err)
{
	*ret = (struct archive_locale){0};
	ret->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (!ret->utf8)
		return err_set(err, errno, "the locale C.UTF-8: %s", strerror(errno));
	ret->before = uselocale(ret->utf8);
	return 0;
}

void archive_utf8_end(struct archive_locale *l)
{
	if (!l->utf8)
		return;
	(void)uselocale(l->before);
	freelocale(l->utf8);
}
