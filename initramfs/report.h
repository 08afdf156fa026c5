/*
 * The node's side of reports: keeps the phases' times and sends to every seeder, so that each of them knows
 * the node and the loss of one loses nothing. Nothing here may hold up a boot: a try takes 2 s at most, and a
 * seeder that failed is left alone for 5 s, one that did not answer at all for 15 s.
 *
 * Times: the phases of a report always add up to CLOCK_MONOTONIC, which starts with the kernel. So "start"
 * counts from the kernel's own start, a phase entered again goes on where it was, and whoever goes on with a
 * saved report (the up role, after the switch) knows how long the current phase has lasted.
 */
#ifndef INITRAMFS_REPORT_H
#define INITRAMFS_REPORT_H

#include <stdint.h>

#include "imager/base/err.h"
#include "seeder/wire/bootargs.h"
#include "seeder/wire/report.h"

struct reporter {
	struct report report;
	char seeders[BOOTARGS_SEEDERS_MAX][BOOTARGS_URL_SIZE];
	size_t seeder_count, current; /* current: the one that answered first of late */
	int has_network;
	uint64_t quiet_until_ms[BOOTARGS_SEEDERS_MAX]; /* of each seeder */
	int owed[BOOTARGS_SEEDERS_MAX];                /* those that have not answered the last report */
};

/* Node, seeders and this boot's id. */
void reporter_init(struct reporter *r, const struct bootargs *args);

/* Pure: the phase that runs from now on; the one before is closed at `now`. The error stays to be read until
 * its owner finds it overcome. */
void report_enter(struct report *r, enum phase phase, uint64_t now_ms);
/* Pure: brings the current phase's time up to `now`. */
void report_clock(struct report *r, uint64_t now_ms);

/* Sends the report as it is now; 0 when a seeder took it. -ENETDOWN before the network is up, -EAGAIN in the
 * pause after failures, else the last failure. */
int report_send(struct reporter *r, struct err *err);
/* The same, with the times as they were measured last. */
int report_tell(struct reporter *r, struct err *err);

/*
 * The same report again, for those only that have not answered it: their tables would show the node as they
 * last heard of it. One that is in its pause is not asked, so this may be called often. Who refused it has
 * answered. *ret_taken: how many took it now; may be NULL. 0 when it is owed to nobody any more, else the
 * last failure, as report_send.
 */
int report_repeat(struct reporter *r, size_t *ret_taken, struct err *err);
/* How many it is owed to. */
size_t report_owed(const struct reporter *r);

/*
 * Pure: how long to wait after a report of progress that took so long. A second; more when the head is slow
 * to take it, so that ten thousand nodes get in line by themselves and announces are answered as before.
 */
uint64_t report_pause_ms(uint64_t took_ms);

/* To and from a file. */
int report_save(const struct report *r, const char *path, struct err *err);
int report_load(const char *path, struct report *ret, struct err *err);

#endif
