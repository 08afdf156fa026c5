/* clean: what a secret looks like, by the path and the text of a file. No file is read here. */
#ifndef IMAGER_TREE_LINTTEXT_H
#define IMAGER_TREE_LINTTEXT_H

#include <stddef.h>

/* A text that is looked at in parts must overlap by this much for nothing to be missed. */
#define LINTTEXT_OVERLAP 8192

/* What a file of this path is whatever it holds ("/etc/munge/munge.key": "the cluster's munge key ...");
 * NULL: nothing to hide. */
const char *linttext_path(const char *path);

/* What secret this text, all or part of the file `path`, holds; NULL: none. Need not end with a NUL. */
const char *linttext_text(const char *path, const char *text, size_t len);

#endif
