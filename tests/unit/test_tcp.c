/* The set-up of a connection: how it fails, how long it waits, and that it can be cut meanwhile. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/loop.h"
#include "seeder/wire/tcp.h"

enum other { LISTENS, SILENT, DOWN };

/* The other side, on a port of loopback; SILENT: its queue is full, so that nothing is answered any more. */
struct side {
	int fd, others[2];
	char port[8];
};

static void side_make(struct side *s, enum other other)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);

	*s = (struct side){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .others = {-1, -1}};
	assert_true(s->fd >= 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
	(void)snprintf(s->port, sizeof(s->port), "%u", ntohs(at.sin_port));
	if (other != DOWN)
		assert_int_equal(listen(s->fd, other == LISTENS ? 8 : 0), 0);
	for (size_t i = 0; other == SILENT && i < ARRAY_SIZE(s->others); i++) {
		s->others[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(s->others[i], (struct sockaddr *)&at, sizeof(at));
	}
}

static void side_end(struct side *s)
{
	(void)close(s->fd);
	for (size_t i = 0; i < ARRAY_SIZE(s->others); i++)
		if (s->others[i] >= 0)
			(void)close(s->others[i]);
}

static void test_connect(void **state)
{
	static const struct {
		enum other other;
		int is_cut, expected;
	} rows[] = {
		{LISTENS, 0, 0},
		{DOWN, 0, -ECONNREFUSED},
		{SILENT, 0, -ETIMEDOUT},
		{LISTENS, 1, -ECANCELED},
		{SILENT, 1, -ECANCELED},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tcp_cut cut;
		struct side s;
		int fd;

		side_make(&s, rows[i].other);
		assert_int_equal(tcp_cut_init(&cut), 0);
		if (rows[i].is_cut)
			tcp_cut(&cut);
		fd = tcp_connect(&(struct tcp_place){"127.0.0.1", s.port, 1, &cut});
		assert_int_equal(fd < 0 ? fd : 0, rows[i].expected);
		assert_int_equal(cut.fd, fd < 0 ? -1 : fd);
		if (fd >= 0) {
			/* as who reads from it later expects it */
			assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
			tcp_let_go(&cut);
			(void)close(fd);
		}
		tcp_cut_release(&cut);
		side_end(&s);
	}
}

static void *cut_when_held(void *arg)
{
	struct tcp_cut *c = arg;
	int is_held = 0;

	while (!is_held) {
		(void)pthread_mutex_lock(&c->lock);
		is_held = c->fd >= 0;
		(void)pthread_mutex_unlock(&c->lock);
	}
	tcp_cut(c);
	return NULL;
}

/* A cut that comes as soon as there is something to cut ends the wait, each time. */
static void test_cut(void **state)
{
	struct side s;

	(void)state;
	side_make(&s, SILENT);
	for (int i = 0; i < 50; i++) {
		uint64_t begun = monotonic_ms();
		struct tcp_cut cut;
		pthread_t thread;
		int fd;

		assert_int_equal(tcp_cut_init(&cut), 0);
		assert_int_equal(pthread_create(&thread, NULL, cut_when_held, &cut), 0);
		fd = tcp_connect(&(struct tcp_place){"127.0.0.1", s.port, 30, &cut});
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_true(fd < 0);
		assert_true(monotonic_ms() - begun < 10000);
		tcp_cut_release(&cut);
	}
	side_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
