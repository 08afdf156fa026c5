/* Owns a thread of the HTTP server: when it sleeps and how it ends. */
#include "seeder/httpworker.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int wait_ms(struct MHD_Daemon *daemon)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(daemon, &ms) != MHD_YES)
		return -1;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

static void *run(void *arg)
{
	struct httpworker *w = arg;
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(w->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	struct pollfd fds[] = {{.fd = info->epoll_fd, .events = POLLIN}, {.fd = w->stop, .events = POLLIN}};
	sigset_t pipe;

	/* sendfile to a client that is gone. */
	(void)sigemptyset(&pipe);
	(void)sigaddset(&pipe, SIGPIPE);
	(void)pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	while (!fds[1].revents) {
		(void)MHD_run(w->daemon);
		(void)poll(fds, 2, wait_ms(w->daemon));
	}
	return NULL;
}

int httpworker_start(struct httpworker *w, struct MHD_Daemon *daemon)
{
	int stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), r;

	if (stop < 0)
		return -errno;
	*w = (struct httpworker){.daemon = daemon, .stop = stop};
	r = pthread_create(&w->thread, NULL, run, w);
	if (r == 0) {
		(void)pthread_setname_np(w->thread, "http");
		return 0;
	}
	(void)close(stop);
	w->daemon = NULL;
	return -r;
}

void httpworker_stop(struct httpworker *w)
{
	if (!w->daemon)
		return;
	(void)eventfd_write(w->stop, 1);
	(void)pthread_join(w->thread, NULL);
	MHD_stop_daemon(w->daemon);
	(void)close(w->stop);
	w->daemon = NULL;
}
