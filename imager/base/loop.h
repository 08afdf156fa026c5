/*
 * One thread, one loop: epoll over file descriptors, timers (CLOCK_MONOTONIC), and signals through signalfd.
 * Callbacks run on the thread that called loop_run and return 0, or -errno to end the loop with that value.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdint.h>

#include "imager/base/err.h"

struct loop;

typedef int (*loop_fn)(void *arg);

/* NULL when out of memory or descriptors. */
struct loop *loop_new(void);
/* Takes NULL. Closes what it made itself (timers, signal fd), not the descriptors given to loop_add_fd. */
void loop_free(struct loop *loop);

/* Calls fn whenever fd is readable. 0 or -errno. */
int loop_add_fd(struct loop *loop, int fd, loop_fn fn, void *arg);
/* Stops watching; call before closing fd. Safe inside any callback. */
void loop_remove_fd(struct loop *loop, int fd);

/* A timer: first after `first_ms`, then every `every_ms` (0: once). A handle >= 0 or -errno. */
int loop_add_timer(struct loop *loop, uint64_t first_ms, uint64_t every_ms, loop_fn fn, void *arg);
/* Sets it again; first_ms 0 disarms. */
int loop_set_timer(struct loop *loop, int handle, uint64_t first_ms, uint64_t every_ms);

/* Blocks the signal for the process and calls fn when it comes. Call before starting threads. 0 or -errno. */
int loop_add_signal(struct loop *loop, int signo, loop_fn fn, void *arg);

/* Runs until loop_stop (its value is returned) or a callback's negative return. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop, int value);

/* Milliseconds of CLOCK_MONOTONIC: the clock of every timer and of every `now` given to pure code. */
uint64_t monotonic_ms(void);

#endif
