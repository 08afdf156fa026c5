/* What systemd says of itself, made into a report. */
#ifndef INITRAMFS_UP_H
#define INITRAMFS_UP_H

#include <stddef.h>

/* Pure. Adds the unit named in one line of `systemctl list-units --plain --no-legend` to a list divided by
 * spaces; what does not fit whole is left out. */
void up_add_unit(const char *line, char *list, size_t size);

#endif
