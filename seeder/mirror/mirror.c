/* Owns when a mirror's round runs, and the thread it runs in. What a round does is follow.c's. */
#include "seeder/mirror/mirror.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "imager/base/log.h"
#include "seeder/mirror/follow.h"
#include "seeder/mirror/state.h"
#include "seeder/wire/tcp.h"

struct mirror {
	struct mirror_options options;
	struct loop *loop;
	struct mirror_state state;
	int done_fd, timer;
	pthread_t thread;
	int running, again;
	atomic_int stop;
	struct tcp_cut cut;
	struct catalog_wish wish; /* the thread's while it runs */
};

static void *round_thread(void *arg)
{
	struct mirror *m = arg;
	const uint64_t one = 1;

	follow_round(&(struct follow){.url = m->options.url,
		.id = m->options.id,
		.changed = m->options.changed,
		.arg = m->options.arg,
		.wish = &m->wish,
		.state = &m->state,
		.stop = &m->stop,
		.cut = &m->cut});
	(void)!write(m->done_fd, &one, sizeof(one));
	return NULL;
}

static int start_round(void *arg)
{
	struct mirror *m = arg;
	struct err err = {0};
	int r;

	if (m->running) {
		m->again = 1;
		return 0;
	}
	m->again = 0;
	r = m->options.wish(m->options.arg, &m->wish, &err);
	if (r == 0)
		r = -pthread_create(&m->thread, NULL, round_thread, m);
	m->running = r == 0;
	if (r < 0) {
		log_error("mirror: cannot look: %s", err.code ? err.text : strerror(-r));
		catalog_wish_release(&m->wish);
		return loop_set_timer(m->loop, m->timer, MIRROR_POLL_MS, 0);
	}
	return 0;
}

static int on_done(void *arg)
{
	struct mirror *m = arg;
	uint64_t count;

	(void)!read(m->done_fd, &count, sizeof(count));
	(void)pthread_join(m->thread, NULL);
	m->running = 0;
	catalog_wish_release(&m->wish);
	return loop_set_timer(m->loop, m->timer, m->again ? 1 : MIRROR_POLL_MS, 0);
}

int mirror_start(
	struct loop *loop, const struct mirror_options *options, struct mirror **ret, struct err *err)
{
	struct mirror *m = calloc(1, sizeof(*m));

	if (!m || mirror_state_init(&m->state, options->url) < 0 || tcp_cut_init(&m->cut) < 0) {
		free(m);
		return err_oom(err, "the mirror");
	}
	m->options = *options;
	m->loop = loop;
	m->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	m->timer = loop_add_timer(loop, 1, 0, start_round, m);
	if (m->done_fd < 0 || m->timer < 0 || loop_add_fd(loop, m->done_fd, on_done, m) < 0) {
		mirror_stop(m);
		return err_set(err, EMFILE, "cannot set up the mirror");
	}
	*ret = m;
	return 0;
}

void mirror_stop(struct mirror *m)
{
	if (!m)
		return;
	atomic_store(&m->stop, 1);
	tcp_cut(&m->cut);
	if (m->running)
		(void)pthread_join(m->thread, NULL);
	catalog_wish_release(&m->wish);
	if (m->timer >= 0)
		(void)loop_set_timer(m->loop, m->timer, 0, 0);
	if (m->done_fd >= 0) {
		loop_remove_fd(m->loop, m->done_fd);
		(void)close(m->done_fd);
	}
	mirror_state_release(&m->state);
	tcp_cut_release(&m->cut);
	free(m);
}

void mirror_poke(struct mirror *m)
{
	mirror_state_retry(&m->state);
	m->again = m->running;
	if (!m->running)
		(void)loop_set_timer(m->loop, m->timer, 1, 0);
}

void mirror_reason(struct mirror *m, const char *channel, char ret[ERR_TEXT_MAX])
{
	mirror_state_reason(&m->state, channel, ret);
}

json_t *mirror_value(struct mirror *m)
{
	return mirror_state_value(&m->state);
}

void mirror_add_ids(struct mirror *m, struct channels *list)
{
	mirror_state_add_ids(&m->state, list);
}
