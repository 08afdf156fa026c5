/*
 * Variables of a profile: "vars" declares them with their defaults (a name without a value must be
 * set before it is used), "${vars.NAME}" in any value stands for
 * one,
 * "$${vars." for "${vars." itself. Nothing else after a dollar sign is touched, so that a script's own
 * variables stay as they are; and no shell has names with a dot.
 */
#ifndef IMAGER_PROFILE_PROFILEVARS_H
#define IMAGER_PROFILE_PROFILEVARS_H

#include "imager/base/cli.h"
#include "imager/format/yaml.h"

/*
 * Puts the variables' values into all values of the document. sets: "NAME=VALUE" each, which change what vars
 * declares; NULL: none. -EINVAL for a wrong one of sets and for faults of the document.
 */
int profile_vars_apply(struct yaml_doc *doc, const struct cli_list *sets, struct err *err);

/* Makes texts that read back as they are: "${vars." becomes "$${vars.". */
int profile_vars_escape(struct yaml_node *root, struct err *err);

/* yaml_key.each of vars: the name and the kind of the value. */
int profile_vars_check(struct yaml_node *node, const char *name, void *base, struct err *err);

#endif
