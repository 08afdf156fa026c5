/*
 * The torrent of a root image: the same bytes on every seeder, made once and kept in the state folder as
 * torrents/<hex>.torrent. A cached file that does not match the image is made again.
 */
#ifndef SEEDER_TORRENT_H
#define SEEDER_TORRENT_H

#include <stdint.h>

#include "imager/base/buf.h"
#include "imager/base/err.h"
#include "imager/format/digest.h"

struct torrent_image {
	const char *path; /* the blob in the store */
	struct digest digest;
	uint64_t size;                             /* bytes, as the signed manifest says */
	int (*progress)(uint64_t done, void *arg); /* as of swarm_make */
	void *arg;
};

/*
 * Appends the .torrent's bytes to ret. The caller has proved the digest; here the file is only cut into
 * pieces. state is the state folder, torrents/ in it is made when it is missing. 0 or -errno; -EIO when the
 * file is shorter than size; what progress said.
 */
int torrent_make(const char *state, const struct torrent_image *image, struct buf *ret, struct err *err);

#endif
