/* What a program of this host needs to run elsewhere: its loader and shared libraries. */
#ifndef IMAGER_BOOT_CLOSURE_H
#define IMAGER_BOOT_CLOSURE_H

#include "imager/base/err.h"

/*
 * One line, without its end, of what `ld.so --list` prints. 1: *ret (PATH_MAX bytes) is the library's path;
 * 0: nothing to copy (the vDSO, an empty line); -ENOENT: the library is not installed here, *ret is its name;
 * -ENAMETOOLONG.
 */
int closure_parse_line(const char *line, char *ret);

/*
 * Copies the loader and every shared library that the dynamically linked `program` loads at its start to the
 * same paths below `stage`, merged-/usr links resolved. Only for programs that are trusted: their own loader
 * looks at them. -ENOENT when a library is missing.
 */
int closure_stage(const char *program, const char *stage, struct err *err);

#endif
