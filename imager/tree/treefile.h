/* One entry of a profile's files: into a tree. */
#ifndef IMAGER_TREE_TREEFILE_H
#define IMAGER_TREE_TREEFILE_H

#include "imager/base/err.h"
#include "imager/profile/profile.h"

/*
 * Lays the file, copied file or folder, or symbolic link into the tree, with its mode, owner, group and
 * extended attributes. What has the name already is replaced, unless it is a folder. root is the tree's fd.
 * 0 or -errno; the sentence names the file's place in the profile where that is to blame.
 */
int treefile_put(int root, const struct profile_file *file, struct err *err);

#endif
