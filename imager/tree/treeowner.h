/* Owners by the names that the image itself has for them. */
#ifndef IMAGER_TREE_TREEOWNER_H
#define IMAGER_TREE_TREEOWNER_H

#include <stdint.h>

#include "imager/base/err.h"
#include "imager/format/yaml.h"

/* As the profile says it: names or numbers; NULL is root. */
struct treeowner_words {
	const char *owner, *group;
	const struct yaml_node *node; /* for the fault */
};

struct treeowner {
	uint32_t uid, gid;
};

/* By /etc/passwd and /etc/group of the tree (root is its fd). 0, or -EINVAL with "file:line: owner: ...". */
int treeowner_find(int root, const struct treeowner_words *words, struct treeowner *ret, struct err *err);

#endif
