/* The steps of a boot, in the order of main.c's table. Each is done when it returns 0. */
#ifndef INITRAMFS_STEPS_H
#define INITRAMFS_STEPS_H

#include "initramfs/agent.h"

int step_mounts(struct agent *a, struct err *err);
int step_arguments(struct agent *a, struct err *err);
int step_modules(struct agent *a, struct err *err);
int step_network(struct agent *a, struct err *err);
int step_release(struct agent *a, struct err *err);
int step_fetch(struct agent *a, struct err *err);
int step_verify(struct agent *a, struct err *err);
int step_seed(struct agent *a, struct err *err);
int step_mount(struct agent *a, struct err *err);
int step_handover(struct agent *a, struct err *err);
int step_switch(struct agent *a, struct err *err);

/* Takes back what fetch and later steps left: root, seed role, image. Fine to call at any time. */
void steps_undo(struct agent *a);

/* Waits, and meanwhile buries the orphans that PID 1 inherits. */
void steps_pause(struct agent *a, uint64_t ms);

#endif
