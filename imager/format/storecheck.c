/* Owns the computing again of what a release says of its blobs. Whether somebody trusted has signed that is
 * releases.c's. */
#include "imager/format/storepriv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

static int check_blob(struct store *s, const char *what, const struct release_part *part, struct err *err)
{
	_cleanup_free_ char *path = store_blob_path(s, &part->digest);
	_cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	struct digest d;
	uint64_t size;
	int r;

	if (!path)
		return err_oom(err, what);
	if (fd < 0 && errno == ENOENT)
		return err_set(err, EBADMSG, "%s: missing: %s", what, path);
	if (fd < 0)
		return err_path(err, errno, path);
	r = digest_fd(fd, &d, &size, s->stop);
	if (r < 0)
		return err_path(err, -r, path);
	if (size != part->size)
		return err_set(err, EBADMSG, "%s: has %" PRIu64 " bytes instead of %" PRIu64 ": %s", what,
			size, part->size, path);
	if (!digest_equal(&d, &part->digest))
		return err_set(err, EBADMSG, "%s: its bytes are not those of its digest: %s", what, path);
	return 0;
}

int store_check_verity(struct store *s, const struct store_release *rel, struct err *err)
{
	const struct verity *v = &rel->release.verity;
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	if (!v->data_size)
		return 0;
	path = store_blob_path(s, &rel->release.root.digest);
	fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return path ? err_path(err, errno, path) : err_oom(err, rel->name);
	r = verity_check(&(struct verity_file){fd, "root image", s->stop}, v, err);
	return r < 0 ? err_prefix(err, "%s", rel->name) : 0;
}

int store_check_blobs(struct store *s, const struct store_release *rel, struct err *err)
{
	const struct {
		const char *what;
		const struct release_part *part;
	} parts[] = {
		{"OCI manifest", &rel->manifest},
		{"release manifest", &rel->config},
		{"kernel", &rel->release.kernel},
		{"initramfs", &rel->release.initramfs},
		{"root image", &rel->release.root},
		{"package list", &rel->release.packages},
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		int r = check_blob(s, parts[i].what, parts[i].part, err);

		if (r < 0) {
			(void)err_prefix(err, "%s", rel->name);
			return r;
		}
	}
	return store_check_verity(s, rel, err);
}
