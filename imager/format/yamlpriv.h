/* What yaml.c and yamldoc.c share: a struct yaml_node is libfyaml's own node. Private to imager/format. */
#ifndef FORMAT_YAMLPRIV_H
#define FORMAT_YAMLPRIV_H

#include <libfyaml.h>

#include "imager/format/yaml.h"

static inline struct fy_node *yaml_fy(const struct yaml_node *node)
{
	return (struct fy_node *)(uintptr_t)node;
}

static inline struct yaml_node *yaml_own(struct fy_node *node)
{
	return (struct yaml_node *)node;
}

/* The folder that relative paths of this node start at; borrowed. */
const char *yaml_folder(const struct yaml_node *node);

#endif
