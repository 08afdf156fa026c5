/* Release and torrent from a seeder, by HTTP. */
#ifndef INITRAMFS_OBTAIN_H
#define INITRAMFS_OBTAIN_H

#include "imager/base/buf.h"
#include "imager/base/err.h"
#include "initramfs/verify.h"
#include "seeder/wire/bootargs.h"

struct obtained {
	struct release release; /* verified */
	struct buf torrent;
};
void obtained_release(struct obtained *o);

/*
 * Asks the seeders in turn, beginning with number `first`, for the release manifest and its signature, proves
 * them (release_prove), and asks the same one for the torrent of the release's image, whose bytes are not
 * looked at. Returns the number of the seeder that served all, or -errno with the last one's sentence.
 */
int obtain_release(const struct bootargs *args, size_t first, const struct identity *identity,
	struct obtained *ret, struct err *err);

#endif
