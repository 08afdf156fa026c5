/* The range client against a server on loopback that says what each row tells it to. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "imager/base/buf.h"
#include "imager/base/cleanup.h"
#include "seeder/wire/httprange.h"

#define SIZE  10
#define BYTES "0123456789"

/* Listens on a free port of loopback. */
static int listen_any(uint16_t *ret_port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

/* The child: reads the request's head, answers, and closes or holds on. */
static void serve(int fd, const char *answer, int hold)
{
	char request[4096];
	size_t len = 0;
	int c = accept(fd, NULL, NULL);

	while (len < sizeof(request) && !memmem(request, len, "\r\n\r\n", 4)) {
		ssize_t n = recv(c, request + len, sizeof(request) - len, 0);

		if (n <= 0)
			_exit(1);
		len += (size_t)n;
	}
	(void)send(c, answer, strlen(answer), MSG_NOSIGNAL);
	while (hold && recv(c, request, sizeof(request), 0) > 0)
		;
	_exit(0);
}

static int collect(const void *data, size_t len, void *arg)
{
	return buf_add(arg, data, len);
}

static int ask(const char *answer, int hold, uint64_t offset, struct buf *got, struct err *err)
{
	char url[64];
	uint16_t port;
	int fd = listen_any(&port), r;
	pid_t pid = fork();

	if (pid == 0)
		serve(fd, answer, hold);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/x", port);
	r = http_get_range(&(struct http_range){.url = url,
				   .offset = offset,
				   .size = SIZE,
				   .timeout_s = 1,
				   .sink = collect,
				   .arg = got},
		err);
	(void)close(fd);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return r;
}

#define PART "HTTP/1.1 206 Partial Content\r\n"

static void test_answers(void **state)
{
	static const struct {
		const char *answer;
		uint64_t offset;
		int code;
		const char *got, *says;
	} rows[] = {
		{PART "Content-Length: 6\r\nContent-Range: bytes 4-9/10\r\n\r\n456789", 4, 0, "456789", ""},
		{PART "content-length:6\r\ncontent-range:\tbytes 4-9/10\r\n\r\n456789", 4, 0, "456789", ""},
		{PART "Content-Length: 10\r\nContent-Range: bytes 0-9/10\r\n\r\n" BYTES, 0, 0, BYTES, ""},
		{"HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\n" BYTES, 0, 0, BYTES, ""},
		{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" BYTES, 4, -EIO, "", "HTTP status 200"},
		{"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 0, -ENOENT, "", "HTTP status 404"},
		{"HTTP/1.1 500 Oops\r\n\r\n<html>", 0, -EIO, "", "HTTP status 500"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" BYTES "x", 0, -EIO, "", "another length"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551626\r\n\r\n" BYTES, 0, -EIO, "",
			"another length"},
		{"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", 0, -EIO, "", "another length"},
		{"HTTP/1.1 200 OK\r\n\r\n" BYTES, 0, -EIO, "", "does not say which bytes"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n" BYTES, 0, -EIO, "",
			"has no length"},
		{PART "Content-Length: 6\r\n\r\n456789", 4, -EIO, "", "does not say which bytes"},
		{PART "Content-Length: 6\r\nContent-Range: bytes 3-8/10\r\n\r\n345678", 4, -EIO, "",
			"another part"},
		{PART "Content-Length: 6\r\nContent-Range: bytes 4-9/11\r\n\r\n456789", 4, -EIO, "",
			"another part"},
		{PART "Content-Length: 6\r\nContent-Range: bytes 4-9/10\r\n\r\n4567", 4, -EIO, "4567",
			"broke off 2 bytes early"},
		{PART "Content-Length: 6\r\nContent-Range: bytes 4-9/10\r\n\r\n456789x", 4, -EIO, "",
			"longer than it says"},
		{"", 0, -EIO, "", "no HTTP answer"},
		{"SSH-2.0-x\r\n\r\n", 0, -EIO, "", "no HTTP answer"},
		{"HTTP/1.1 206\r\n\r\n", 0, -EIO, "", "does not say which bytes"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf got = {0};
		struct err err = {0};
		int r = ask(rows[i].answer, 0, rows[i].offset, &got, &err);

		if (r != rows[i].code || (r < 0 && !strstr(err.text, rows[i].says)) ||
			strcmp(got.data ? got.data : "", rows[i].got) != 0)
			fail_msg("row %zu: %d '%s', got '%s'", i, r, err.text, got.data ? got.data : "");
	}
}

static void test_long_head(void **state)
{
	char answer[10000] = "HTTP/1.1 200 OK\r\nX: ";
	_cleanup_buf_ struct buf got = {0};
	struct err err = {0};

	(void)state;
	memset(answer + strlen(answer), 'x', sizeof(answer) - 1 - strlen(answer));
	assert_int_equal(ask(answer, 1, 0, &got, &err), -EIO);
	assert_non_null(strstr(err.text, "too long"));
}

static void test_silence(void **state)
{
	static const char *const answers[] = {
		"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n012"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		_cleanup_buf_ struct buf got = {0};
		struct err err = {0};

		assert_int_equal(ask(answers[i], 1, 0, &got, &err), -ETIMEDOUT);
		assert_non_null(strstr(err.text, "nothing came for 1 s"));
	}
}

static int refuse(const void *data, size_t len, void *arg)
{
	(void)data;
	(void)len;
	(void)arg;
	return -ENOSPC;
}

static void test_no_server(void **state)
{
	struct http_range range = {.size = SIZE, .timeout_s = 1, .sink = refuse};
	struct err err = {0};
	char url[64];
	uint16_t port;
	int fd = listen_any(&port);

	(void)state;
	(void)close(fd);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/x", port);
	range.url = url;
	assert_int_equal(http_get_range(&range, &err), -ECONNREFUSED);
	assert_non_null(strstr(err.text, url));
	range.url = "ftp://127.0.0.1/x";
	assert_int_equal(http_get_range(&range, &err), -EINVAL);
}

static void test_sink_refuses(void **state)
{
	char url[64];
	uint16_t port;
	int fd = listen_any(&port);
	pid_t pid = fork();
	struct err err = {0};

	(void)state;
	if (pid == 0)
		serve(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" BYTES, 0);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/x", port);
	assert_int_equal(
		http_get_range(
			&(struct http_range){.url = url, .size = SIZE, .timeout_s = 1, .sink = refuse}, &err),
		-ENOSPC);
	assert_int_equal(err.code, 0);
	(void)close(fd);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_long_head),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_no_server),
		cmocka_unit_test(test_sink_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
