/* Owns the event loop. A slot is one watched descriptor; freed slots are kept until the end of the turn. */
#include "imager/base/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "imager/base/cleanup.h"

#define SIGNAL_MAX 32

struct slot {
	int fd;
	int is_timer;
	loop_fn fn;
	void *arg;
	struct slot *next;
};

struct loop {
	int epoll, signal_fd, running, value;
	struct slot *slots, *dead;
	sigset_t signals;
	struct slot signal_slots[SIGNAL_MAX];
};

uint64_t monotonic_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

struct loop *loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->signal_fd = -1;
	(void)sigemptyset(&loop->signals);
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0) {
		free(loop);
		return NULL;
	}
	return loop;
}

static void free_slots(struct slot *slot)
{
	while (slot) {
		struct slot *next = slot->next;

		if (slot->is_timer && slot->fd >= 0)
			(void)close(slot->fd);
		free(slot);
		slot = next;
	}
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	free_slots(loop->slots);
	free_slots(loop->dead);
	if (loop->signal_fd >= 0)
		(void)close(loop->signal_fd);
	(void)close(loop->epoll);
	free(loop);
}

static int add_slot(struct loop *loop, const struct slot *wanted)
{
	struct slot *slot = malloc(sizeof(*slot));
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = slot};

	if (!slot)
		return -ENOMEM;
	*slot = *wanted;
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, slot->fd, &ev) < 0) {
		int r = -errno;

		free(slot);
		return r;
	}
	slot->next = loop->slots;
	loop->slots = slot;
	return 0;
}

int loop_add_fd(struct loop *loop, int fd, loop_fn fn, void *arg)
{
	return add_slot(loop, &(struct slot){.fd = fd, .fn = fn, .arg = arg});
}

void loop_remove_fd(struct loop *loop, int fd)
{
	for (struct slot **p = &loop->slots; *p; p = &(*p)->next) {
		struct slot *slot = *p;

		if (slot->fd != fd)
			continue;
		(void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL);
		*p = slot->next;
		slot->fd = -1;
		slot->fn = NULL;
		slot->next = loop->dead;
		loop->dead = slot;
		return;
	}
}

static struct timespec timespec_of(uint64_t ms)
{
	return (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
}

int loop_set_timer(struct loop *loop, int handle, uint64_t first_ms, uint64_t every_ms)
{
	struct itimerspec spec = {.it_value = timespec_of(first_ms), .it_interval = timespec_of(every_ms)};

	(void)loop;
	return timerfd_settime(handle, 0, &spec, NULL) < 0 ? -errno : 0;
}

int loop_add_timer(struct loop *loop, uint64_t first_ms, uint64_t every_ms, loop_fn fn, void *arg)
{
	_cleanup_close_ int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = loop_set_timer(loop, fd, first_ms, every_ms);
	if (r < 0)
		return r;
	r = add_slot(loop, &(struct slot){.fd = fd, .is_timer = 1, .fn = fn, .arg = arg});
	if (r < 0)
		return r;
	return TAKE_FD(fd);
}

static int on_signal(void *arg)
{
	struct loop *loop = arg;
	struct signalfd_siginfo info;
	struct slot *slot;

	if (read(loop->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	slot = &loop->signal_slots[info.ssi_signo % SIGNAL_MAX];
	return slot->fn ? slot->fn(slot->arg) : 0;
}

int loop_add_signal(struct loop *loop, int signo, loop_fn fn, void *arg)
{
	int fd;

	if (signo <= 0 || signo >= SIGNAL_MAX)
		return -EINVAL;
	(void)sigaddset(&loop->signals, signo);
	if (sigprocmask(SIG_BLOCK, &loop->signals, NULL) < 0)
		return -errno;
	fd = signalfd(loop->signal_fd, &loop->signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	loop->signal_slots[signo] = (struct slot){.fn = fn, .arg = arg};
	if (loop->signal_fd >= 0)
		return 0;
	loop->signal_fd = fd;
	return loop_add_fd(loop, fd, on_signal, loop);
}

static int dispatch(struct slot *slot)
{
	uint64_t ticks;

	if (!slot->fn)
		return 0;
	if (slot->is_timer && read(slot->fd, &ticks, sizeof(ticks)) != (ssize_t)sizeof(ticks))
		return 0;
	return slot->fn(slot->arg);
}

static int turn(struct loop *loop)
{
	struct epoll_event events[32];
	int n = epoll_wait(loop->epoll, events, ARRAY_SIZE(events), -1);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n && loop->running; i++) {
		int r = dispatch(events[i].data.ptr);

		if (r < 0)
			return r;
	}
	free_slots(loop->dead);
	loop->dead = NULL;
	return 0;
}

int loop_run(struct loop *loop)
{
	loop->running = 1;
	while (loop->running) {
		int r = turn(loop);

		if (r < 0)
			return r;
	}
	return loop->value;
}

void loop_stop(struct loop *loop, int value)
{
	loop->running = 0;
	loop->value = value;
}
