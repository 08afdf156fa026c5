/* The tables that are the profile's format, and what reads one item of its lists; parts of profile_load. */
#ifndef IMAGER_PROFILE_PROFILEKEYS_H
#define IMAGER_PROFILE_PROFILEKEYS_H

#include "imager/profile/profile.h"

#define PROFILE_PATH_ALLOWED "an absolute path in the image without '.' or '..'"

/* The whole profile, of struct profile. */
extern const struct yaml_key profile_keys[];

/* One item of a list each, of its struct. */
extern const struct yaml_key profile_artifact_keys[];
extern const struct yaml_key profile_file_keys[];
extern const struct yaml_key profile_group_keys[];
extern const struct yaml_key profile_repository_keys[];
extern const struct yaml_key profile_script_keys[];
extern const struct yaml_key profile_user_keys[];

/*
 * yaml_key.each of the lists: one more item at the end of base's list, its own keys checked. base is a struct
 * profile, but of profile_add_rpm_repository a struct profile_rpm and of profile_add_xattr a struct
 * profile_file.
 */
int profile_add_artifact(struct yaml_node *node, const char *name, void *base, struct err *err);
int profile_add_file(struct yaml_node *node, const char *name, void *base, struct err *err);
int profile_add_group(struct yaml_node *node, const char *name, void *base, struct err *err);
int profile_add_package(struct yaml_node *node, const char *name, void *base, struct err *err);
int profile_add_repository(struct yaml_node *node, const char *name, void *base, struct err *err);
int profile_add_rpm_repository(struct yaml_node *node, const char *name, void *base, struct err *err);
int profile_add_script(struct yaml_node *node, const char *name, void *base, struct err *err);
int profile_add_user(struct yaml_node *node, const char *name, void *base, struct err *err);
int profile_add_xattr(struct yaml_node *node, const char *name, void *base, struct err *err);

/* Frees all lists of the profile. */
void profile_free_items(struct profile *p);

#endif
