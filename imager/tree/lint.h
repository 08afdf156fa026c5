/* clean: what must not be in an image, because every node and everyone who can fetch it reads it; and what
 * must. */
#ifndef IMAGER_TREE_LINT_H
#define IMAGER_TREE_LINT_H

#include "imager/base/err.h"
#include "imager/format/yaml.h"
#include "imager/profile/profile.h"

/*
 * Looks through the whole tree by the tables in lint.c. ret_findings gets one sentence for each fault found,
 * "/etc/munge/munge.key: ..." (yaml_strings_release). Returns the number of findings, or -errno when the tree
 * could not be read.
 */
int lint_tree(const char *root, struct yaml_strings *ret_findings, struct err *err);

/*
 * The same for what the profile lays into the tree by name and scrubbing would take out again without a word:
 * whoever writes a munge key into a profile believes that it is in the image.
 */
int lint_profile(const struct profile *p, struct yaml_strings *ret_findings, struct err *err);

#endif
