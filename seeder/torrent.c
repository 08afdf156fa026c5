/* Owns the cache of .torrent files in the state folder. Their format is swarm's, the images are the store's.
 */
#include "seeder/torrent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/io.h"
#include "seeder/swarm/swarm.h"

/* 20 bytes for every 16 MiB: enough for images of 12 TiB. */
#define TORRENT_MAX (16 << 20)

static int matches(const struct buf *torrent, const struct torrent_image *image, const char *hex)
{
	struct swarm_info info;

	if (swarm_inspect(torrent->data, torrent->len, &info, NULL) < 0)
		return 0;
	return info.size == image->size && info.piece_length == swarm_piece_length(image->size) &&
	       !strcmp(info.name, hex);
}

static int hash_image(const struct torrent_image *image, const char *hex, struct buf *ret, struct err *err)
{
	_cleanup_close_ int fd = open(image->path, O_RDONLY | O_CLOEXEC);
	struct swarm_make make = {
		.fd = fd, .size = image->size, .name = hex, .progress = image->progress, .arg = image->arg};

	if (fd < 0)
		return err_path(err, errno, image->path);
	return swarm_make_torrent(&make, ret, err);
}

static int save(const char *path, const struct buf *torrent, struct err *err)
{
	struct file_content content = {.data = torrent->data, .len = torrent->len, .mode = 0644};

	return write_file_atomic(path, &content, err);
}

int torrent_make(const char *state, const struct torrent_image *image, struct buf *ret, struct err *err)
{
	_cleanup_free_ char *dir = path_join(state, "torrents"), *path = NULL;
	_cleanup_buf_ struct buf torrent = {0};
	char hex[65];
	int r;

	digest_hex(&image->digest, hex);
	if (!dir || asprintf(&path, "%s/%s.torrent", dir, hex) < 0)
		return err_oom(err, "a torrent's path");
	if (read_file(path, TORRENT_MAX, &torrent.data, &torrent.len, NULL) < 0 ||
		!matches(&torrent, image, hex)) {
		buf_release(&torrent);
		r = hash_image(image, hex, &torrent, err);
		if (r < 0)
			return r;
		r = mkdir_p(dir, err);
		if (r < 0)
			return r;
		r = save(path, &torrent, err);
		if (r < 0)
			return r;
	}
	return buf_add(ret, torrent.data, torrent.len) < 0 ? err_oom(err, path) : 0;
}
