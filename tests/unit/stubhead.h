/*
 * A head for a test, on a port of loopback, that takes POSTs and keeps their bodies. It is down until it is
 * told to listen, and answers only while stubhead_serve runs in the child that the test forks for it.
 */
#ifndef TESTS_STUBHEAD_H
#define TESTS_STUBHEAD_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"

struct stubhead {
	int fd;
	pid_t child;
	char url[64], log[256]; /* log: a line for each body */
};

/* Down: a connection is refused. */
static inline void stubhead_make(struct stubhead *h, const char *folder, const char *name)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);

	*h = (struct stubhead){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	assert_true(h->fd >= 0);
	assert_int_equal(bind(h->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(h->fd, (struct sockaddr *)&at, &len), 0);
	(void)snprintf(h->url, sizeof(h->url), "http://127.0.0.1:%u", ntohs(at.sin_port));
	(void)snprintf(h->log, sizeof(h->log), "%s/%s", folder, name);
	assert_int_equal(write_file(h->log, &(struct file_content){"", 0, 0644}, NULL), 0);
}

/* One request: its body to the log before the answer, so that whoever has the answer finds it there. */
static inline void stubhead_answer(const struct stubhead *h, int c, const char *answer)
{
	char request[32768] = "", *body = NULL;
	size_t len = 0, wanted = 0;
	FILE *log;

	while (!body || strlen(body) < wanted) {
		ssize_t n = recv(c, request + len, sizeof(request) - 1 - len, 0);
		const char *length;

		if (n <= 0)
			return;
		len += (size_t)n;
		body = strstr(request, "\r\n\r\n");
		body = body ? body + 4 : NULL;
		length = strcasestr(request, "content-length: ");
		wanted = length ? (size_t)strtoul(length + 16, NULL, 10) : 0;
	}
	log = fopen(h->log, "a");
	if (log) {
		(void)fprintf(log, "%s\n", body);
		(void)fclose(log);
	}
	(void)send(c, answer, strlen(answer), MSG_NOSIGNAL);
}

/* Up from now on, with this answer to everything. */
static inline void stubhead_serve(struct stubhead *h, const char *answer)
{
	assert_int_equal(listen(h->fd, 8), 0);
	h->child = fork();
	assert_true(h->child >= 0);
	while (h->child == 0) {
		int c = accept(h->fd, NULL, NULL);

		stubhead_answer(h, c, answer);
		(void)close(c);
	}
}

static inline void stubhead_end(struct stubhead *h)
{
	if (h->child > 0) {
		(void)kill(h->child, SIGKILL);
		(void)waitpid(h->child, NULL, 0);
	}
	h->child = 0;
	if (h->fd >= 0)
		(void)close(h->fd);
	h->fd = -1;
}

/* The bodies it has taken, a line each. */
static inline char *stubhead_log(const struct stubhead *h)
{
	char *text = NULL;

	assert_int_equal(read_file(h->log, 1 << 20, &text, NULL, NULL), 0);
	return text;
}

#define STUBHEAD_204 "HTTP/1.1 204 No Content\r\n\r\n"
#define STUBHEAD_403 "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"

#endif
