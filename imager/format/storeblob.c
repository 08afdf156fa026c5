/* Owns where a blob is and the reading of small ones. Adding is store.c's. */
#include "imager/format/store.h"

#include <errno.h>
#include <stdio.h>

#include "imager/base/io.h"
#include "imager/format/storepriv.h"

char *store_blob_path(const struct store *s, const struct digest *d)
{
	char hex[65], *path;

	digest_hex(d, hex);
	return asprintf(&path, "%s/" STORE_BLOBS "/%s", s->path, hex) < 0 ? NULL : path;
}

int store_read_blob(
	struct store *s, const struct release_part *part, size_t limit, struct buf *ret, struct err *err)
{
	_cleanup_free_ char *path = store_blob_path(s, &part->digest);
	char *data = NULL;
	size_t len = 0;
	int r;

	if (!path)
		return err_oom(err, "a blob");
	r = read_file(path, limit, &data, &len, err);
	if (r < 0)
		return r;
	buf_release(ret);
	*ret = (struct buf){.data = data, .len = len, .size = len + 1};
	if (len != part->size)
		return err_set(err, EBADMSG, "%s: has %zu bytes instead of %llu", path, len,
			(unsigned long long)part->size);
	return 0;
}
