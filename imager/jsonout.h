/* What the commands print with --json. */
#ifndef IMAGER_JSONOUT_H
#define IMAGER_JSONOUT_H

#include <jansson.h>

#include "imager/base/err.h"

/* To standard output, indented. NULL, for an object that could not be made, is -ENOMEM as well. */
int jsonout_print(const json_t *json, struct err *err);

#endif
