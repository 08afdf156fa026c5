/* A layer of a container image onto a tree: image-spec v1.0, layer.md. */
#ifndef IMAGER_TREE_TREELAYER_H
#define IMAGER_TREE_TREELAYER_H

#include <stdint.h>

#include "imager/base/err.h"

/*
 * Reads the whole of fd, from its start: a tar, plain or compressed by gzip or zstd. What its whiteouts name
 * is removed from the tree below root first, wherever they stand in the layer; then all else is put, each
 * entry in the place of what had its name. from: what is read, for sentences. ret_time gets the newest
 * modification time of its entries, 0 if there is none. 0 or -errno; -EINVAL for a name that would leave the
 * tree.
 */
int treelayer_apply(int fd, const char *from, const char *root, uint64_t *ret_time, struct err *err);

#endif
