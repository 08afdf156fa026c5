/*
 * Private to the HTTP server: one of its threads with the libmicrohttpd daemon that it runs.
 *
 * libmicrohttpd 0.9.75 has threads of its own, but they may sleep on what they have just been told: 128
 * events at once and it waits for more before it looks at these, until another request comes or a
 * connection's time is over (MHD_epoll: the wait is in the loop that drains the events). Here the thread
 * waits, and libmicrohttpd never does.
 */
#ifndef SEEDER_HTTPWORKER_H
#define SEEDER_HTTPWORKER_H

#include <microhttpd.h>
#include <pthread.h>

struct httpworker {
	struct MHD_Daemon *daemon; /* NULL: not started */
	pthread_t thread;
	int stop; /* an eventfd */
};

/* Runs the daemon, which was started with MHD_USE_EPOLL and no thread. 0 or -errno; on failure the daemon is
 * left to the caller. */
int httpworker_start(struct httpworker *w, struct MHD_Daemon *daemon);
/* Ends the thread and the daemon with its connections. Takes one that was not started. */
void httpworker_stop(struct httpworker *w);

#endif
