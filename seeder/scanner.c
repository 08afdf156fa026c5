/* Owns the catalog's thread and what sets it off. What a scan is, and what follows from it, is not here. */
#include "seeder/scanner.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#define SETTLE_MS 100 /* several changes in a row are one scan */

struct scanner {
	struct loop *loop;
	struct scanner_client client;
	int poke_fd, done_fd, inotify_fd, timer;
	pthread_t thread;
	int running;
	int due;      /* the timer is set for a scan that somebody asked for */
	int again;    /* asked for while one was running */
	int is_read;  /* all was read once: from then on a scan has no bound, and what it replaces is offered
			 meanwhile */
	size_t fresh; /* the bound before, one more each time: a release that cannot be read holds up no other
		       */
	atomic_int stop;
	/* The thread's from its start until done_fd is readable, the loop's else. */
	struct catalog_wish wish;
	struct catalog *result;
	struct err why;
};

static void drain(int fd)
{
	char events[4096];

	while (read(fd, events, sizeof(events)) > 0)
		;
}

static void signal_fd(int fd)
{
	const uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one));
}

void scanner_poke(struct scanner *s)
{
	signal_fd(s->poke_fd);
}

static void *scan_thread(void *arg)
{
	struct scanner *s = arg;

	s->why = (struct err){0};
	s->result = NULL;
	(void)catalog_scan(&s->wish, &s->result, &s->why);
	signal_fd(s->done_fd);
	return NULL;
}

/* Tells the client, and looks again later if not all could be offered. */
static void finish(struct scanner *s)
{
	struct catalog *c = s->result;
	int complete = c != NULL, pending = c && c->pending;

	for (size_t i = 0; complete && i < c->channel_count; i++)
		complete = c->channels[i].offer != NULL;
	s->is_read |= c && !pending;
	s->fresh += pending != 0;
	s->result = NULL;
	s->client.done(s->client.arg, c, &s->why);
	s->due = s->again;
	(void)loop_set_timer(s->loop, s->timer,
		pending     ? 1
		: s->again  ? SETTLE_MS
		: !complete ? SCANNER_RETRY_MS
			    : 0,
		0);
}

static int wish(struct scanner *s)
{
	s->again = s->due = 0;
	s->why = (struct err){0};
	s->wish.stop = &s->stop;
	s->wish.is_bounded = !s->is_read;
	s->wish.fresh = s->fresh;
	return s->client.wish(s->client.arg, &s->wish, &s->why);
}

void scanner_first(struct scanner *s)
{
	if (wish(s) == 0)
		(void)catalog_scan(&s->wish, &s->result, &s->why);
	catalog_wish_release(&s->wish);
	finish(s);
}

static int start_scan(void *arg)
{
	struct scanner *s = arg;
	int r;

	if (s->running) {
		s->again = 1;
		return 0;
	}
	r = wish(s);
	if (r == 0) {
		r = -pthread_create(&s->thread, NULL, scan_thread, s);
		if (r < 0)
			(void)err_set(&s->why, -r, "cannot start the scan: %s", strerror(-r));
	}
	if (r < 0) {
		catalog_wish_release(&s->wish);
		finish(s);
		return 0;
	}
	s->running = 1;
	return 0;
}

static int on_done(void *arg)
{
	struct scanner *s = arg;

	drain(s->done_fd);
	(void)pthread_join(s->thread, NULL);
	s->running = 0;
	catalog_wish_release(&s->wish);
	finish(s);
	return 0;
}

/* Who comes while a scan is due, or runs, puts nothing off: a thousand nodes may poke one after the other. */
static int scan_soon(struct scanner *s)
{
	if (s->running)
		s->again = 1;
	if (s->running || s->due)
		return 0;
	s->due = 1;
	return loop_set_timer(s->loop, s->timer, SETTLE_MS, 0);
}

static int on_poke(void *arg)
{
	struct scanner *s = arg;

	drain(s->poke_fd);
	return scan_soon(s);
}

static int is_index(const struct inotify_event *e)
{
	return e->len && !strcmp(e->name, "index.json");
}

static int on_change(void *arg)
{
	struct scanner *s = arg;
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;

	while ((n = read(s->inotify_fd, events, sizeof(events))) > 0) {
		for (char *p = events; p < events + n;) {
			const struct inotify_event *e = (const struct inotify_event *)(const void *)p;

			if (is_index(e) || e->mask & IN_Q_OVERFLOW)
				(void)scan_soon(s);
			p += sizeof(*e) + e->len;
		}
	}
	return 0;
}

static int watch_store(struct scanner *s, const char *store, struct err *err)
{
	s->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (s->inotify_fd < 0 ||
		inotify_add_watch(s->inotify_fd, store, IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR) < 0)
		return err_set(err, errno, "%s: cannot be watched: %s", store, strerror(errno));
	return 0;
}

static int set_up(struct scanner *s, const char *store, struct err *err)
{
	int r = watch_store(s, store, err);

	if (r < 0)
		return r;
	s->poke_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	s->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	s->timer = loop_add_timer(s->loop, 1, 0, start_scan, s);
	if (s->poke_fd < 0 || s->done_fd < 0 || s->timer < 0 ||
		loop_add_fd(s->loop, s->poke_fd, on_poke, s) < 0 ||
		loop_add_fd(s->loop, s->done_fd, on_done, s) < 0 ||
		loop_add_fd(s->loop, s->inotify_fd, on_change, s) < 0)
		return err_set(err, errno, "cannot set up the catalog's scan: %s", strerror(errno));
	return 0;
}

int scanner_start(struct loop *loop, const char *store, const struct scanner_client *client,
	struct scanner **ret, struct err *err)
{
	struct scanner *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_oom(err, "the scanner");
	*s = (struct scanner){
		.loop = loop, .client = *client, .poke_fd = -1, .done_fd = -1, .inotify_fd = -1, .timer = -1};
	r = set_up(s, store, err);
	if (r < 0) {
		scanner_stop(s);
		return r;
	}
	*ret = s;
	return 0;
}

void scanner_stop(struct scanner *s)
{
	if (!s)
		return;
	atomic_store(&s->stop, 1);
	if (s->running)
		(void)pthread_join(s->thread, NULL);
	catalog_wish_release(&s->wish);
	catalog_free(s->result);
	const int fds[] = {s->poke_fd, s->done_fd, s->inotify_fd, s->timer};

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (fds[i] < 0)
			continue;
		loop_remove_fd(s->loop, fds[i]);
		(void)close(fds[i]);
	}
	free(s);
}
