/* The HTTP server's byte ranges, its count of connections, and its thread when many speak at once; the server
 * with its routes is tried by tests/netns/serve.bats and httpd.bats. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "seeder/http.h"
#include "seeder/httppeers.h"

static void test_range(void **state)
{
	static const struct {
		const char *header;
		uint64_t size;
		int expected;
		uint64_t first, length;
	} rows[] = {
		{"bytes=0-0", 10, 1, 0, 1},
		{"bytes=0-", 10, 1, 0, 10},
		{"bytes=3-5", 10, 1, 3, 3},
		{"bytes=3-99", 10, 1, 3, 7},
		{"bytes=9-9", 10, 1, 9, 1},
		{"bytes=-1", 10, 1, 9, 1},
		{"bytes=-10", 10, 1, 0, 10},
		{"bytes=-11", 10, 1, 0, 10},
		{"bytes=18446744073709551615-", 10, -ERANGE, 0, 0},
		{"bytes=10-", 10, -ERANGE, 0, 0},
		{"bytes=-0", 10, -ERANGE, 0, 0},
		{"bytes=0-", 0, -ERANGE, 0, 0},
		{"bytes=-5", 0, -ERANGE, 0, 0},
		{"bytes=4294967296-4294967297", UINT64_C(1) << 40, 1, UINT64_C(1) << 32, 2},
		{NULL, 10, 0, 0, 0},
		{"", 10, 0, 0, 0},
		{"bytes=", 10, 0, 0, 0},
		{"bytes=-", 10, 0, 0, 0},
		{"bytes=5", 10, 0, 0, 0},
		{"bytes=5-3", 10, 0, 0, 0},
		{"bytes=0-1,4-5", 10, 0, 0, 0},
		{"bytes= 0-1", 10, 0, 0, 0},
		{"bytes=0x1-5", 10, 0, 0, 0},
		{"bytes=99999999999999999999-", 10, 0, 0, 0},
		{"lines=0-1", 10, 0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t first = 0, length = 0;

		assert_int_equal(
			httpd_range(rows[i].header, rows[i].size, &first, &length), rows[i].expected);
		assert_int_equal(first, rows[i].first);
		assert_int_equal(length, rows[i].length);
	}
}

/* ---- connections by address ---- */

#define ADDRESSES 64

/* Against a plain array: few addresses in a small table, so that they collide and gaps are closed. */
static void test_peers(void **state)
{
	unsigned counts[ADDRESSES] = {0}, total = 0, seed = 1;
	struct httppeers p;

	(void)state;
	assert_int_equal(httppeers_init(&p, ADDRESSES / 2, 3), 0);
	for (unsigned step = 0; step < 200000; step++) {
		unsigned i, used = 0;

		seed = seed * 1664525 + 1013904223;
		i = (seed >> 16) % ADDRESSES;
		for (size_t j = 0; j < ADDRESSES; j++)
			used += counts[j] > 0;
		if (seed >> 31) {
			int room = counts[i] < 3 && (counts[i] || used < ADDRESSES / 2);

			assert_int_equal(httppeers_take(&p, (struct in_addr){htonl(0x0a4d0000 + i)}), room);
			counts[i] += room;
			total += room;
		} else if (counts[i]) {
			httppeers_drop(&p, (struct in_addr){htonl(0x0a4d0000 + i)});
			counts[i]--;
			total--;
		}
		assert_true(p.used <= ADDRESSES / 2);
	}
	assert_true(total > 0);
	httppeers_release(&p);
}

/* ---- many at once ---- */

/* MAX_EVENTS of libmicrohttpd's daemon.c */
#define READY 128

struct rig {
	struct httpd *httpd;
	struct sockaddr_in address;
	int entered, released; /* eventfds of the route /hold */
	int clients[READY + 1];
};

static void answer_now(void *arg, const struct httpd_request *q, struct httpd_answer *answer)
{
	(void)arg;
	(void)q;
	httpd_sentence(answer, 200, "ok");
}

static void answer_later(void *arg, const struct httpd_request *q, struct httpd_answer *answer)
{
	struct rig *rig = arg;
	eventfd_t count;

	(void)q;
	(void)eventfd_write(rig->entered, 1);
	(void)eventfd_read(rig->released, &count);
	httpd_sentence(answer, 200, "ok");
}

static const struct httpd_route routes[] = {
	{"GET", "/now", NULL, 0, answer_now, 0},
	{"GET", "/hold", NULL, 0, answer_later, 1},
	{0},
};

static uint16_t free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	(void)close(fd);
	return ntohs(address.sin_port);
}

static int rig_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	uint16_t port = free_port();
	_cleanup_close_ int listening = httpd_listen(port, NULL);
	const struct httpd_options options = {.listening = listening,
		.routes = routes,
		.arg = rig,
		.threads = 1,
		.connections = 4 * READY,
		.timeout_s = 30};

	*state = rig;
	rig->entered = eventfd(0, EFD_CLOEXEC);
	rig->released = eventfd(0, EFD_CLOEXEC);
	rig->address = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons(port)};
	return httpd_start(&options, &rig->httpd, NULL);
}

static int rig_down(void **state)
{
	struct rig *rig = *state;

	(void)eventfd_write(rig->released, 1);
	httpd_stop(rig->httpd);
	for (size_t i = 0; i <= READY; i++)
		if (rig->clients[i] > 0)
			(void)close(rig->clients[i]);
	(void)close(rig->entered);
	(void)close(rig->released);
	free(rig);
	return 0;
}

static void ask(int fd, const char *path)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);

	assert_int_equal(send(fd, text, (size_t)len, MSG_NOSIGNAL), len);
}

/* Within 5 s; the answers are small and come as one. */
static int is_answered(int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	char text[1024];

	return poll(&ready, 1, 5000) == 1 && recv(fd, text, sizeof(text), 0) > 12 &&
	       !memcmp(text + 9, "200", 3);
}

/*
 * libmicrohttpd takes at most 128 events from epoll at a time and asks for more before it looks at them; when
 * there were just 128, its own threads sleep there. While the only thread is in a route all the others
 * speak, so that it finds them at once.
 */
static void test_all_ready_at_once(void **state)
{
	struct rig *rig = *state;
	eventfd_t count;

	for (size_t i = 0; i <= READY; i++) {
		rig->clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(
			connect(rig->clients[i], (struct sockaddr *)&rig->address, sizeof(rig->address)), 0);
		ask(rig->clients[i], "/now");
		assert_true(is_answered(rig->clients[i]));
	}
	ask(rig->clients[READY], "/hold");
	assert_int_equal(eventfd_read(rig->entered, &count), 0);
	for (size_t i = 0; i < READY; i++)
		ask(rig->clients[i], "/now");
	assert_int_equal(eventfd_write(rig->released, 1), 0);
	for (size_t i = 0; i <= READY; i++)
		assert_true(is_answered(rig->clients[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_peers),
		cmocka_unit_test_setup_teardown(test_all_ready_at_once, rig_up, rig_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
