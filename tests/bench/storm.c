/*
 * A storm of nodes against one HTTP server, for tests/bench/capacity: one thread and epoll, so that most of
 * the machine is left to the server. Every node has an address of its own, FIRST and those after it (the
 * network namespace must answer for all of them), and goes through the lines of SCRIPT:
 *
 *   LABEL WAIT KEEP REQUEST
 *
 * WAIT: milliseconds after the line before was due; "interval": what the node's last announce was told;
 * "paced": after the answer to the line before, as the agent waits between reports of progress.
 * KEEP: "keep" leaves the connection for the next line, "close" ends it. REQUEST: the bytes with \r \n \\
 * escaped, and {n} the number of the node in five digits, {mac} its MAC, {host} the server. A line is due
 * when its time has come and the line before has its answer.
 *
 *   storm SCRIPT SERVER PORT FIRST NODES RAMP_MS IN_FLIGHT
 *
 * RAMP_MS: the nodes begin evenly within this time. IN_FLIGHT: so many requests at once at most; those who
 * are due wait in line, and how long is told as "late". Prints one JSON object: what came of each label,
 * latencies in microseconds from the connect to the answer's last byte.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "imager/base/buf.h"
#include "imager/base/io.h"
#include "imager/base/parse.h"
#include "initramfs/report.h"

#define LINES_MAX  512
#define LABELS_MAX 32
#define HEAD_MAX   1024
#define TIMEOUT_US 10000000
#define NEVER      UINT64_MAX
#define INTERVAL   UINT32_MAX
#define PACED      (UINT32_MAX - 1)

struct numbers {
	uint32_t *items;
	size_t count, size;
};

struct label {
	char name[32];
	struct numbers took, late;                 /* us */
	uint64_t bytes, timeouts, broken, refused; /* refused: a status that is not 200, 204 or 206 */
};

struct line {
	struct label *label;
	uint32_t wait_ms;
	int keep;
	char *request;
};

enum state { WAITS, QUEUED, CONNECTS, READS, DONE };

struct node {
	enum state state;
	int fd;             /* -1: none */
	size_t line, place; /* place: in the heap */
	uint64_t due, begun, wake;
	uint32_t interval_ms;
	char head[HEAD_MAX + 1]; /* of the answer, with the first bytes of its body */
	size_t head_len;
	uint64_t body_left;         /* NEVER: until the end of the connection */
	int has_head, status, last; /* last: the server ends the connection */
};

static struct storm {
	struct line lines[LINES_MAX];
	struct label labels[LABELS_MAX];
	size_t line_count, done, in_flight, limit, queue_head, queue_tail;
	uint32_t count;
	struct node *nodes;
	uint32_t *heap, *queue; /* numbers of nodes */
	struct sockaddr_in server, first;
	char host[32];
	int epoll;
} storm;

static uint64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void die(const char *what)
{
	(void)fprintf(stderr, "storm: %s\n", what);
	exit(1);
}

static void add_number(struct numbers *n, uint64_t value)
{
	if (n->count == n->size) {
		n->size = n->size ? 2 * n->size : 4096;
		n->items = realloc(n->items, n->size * sizeof(*n->items));
		if (!n->items)
			die("out of memory");
	}
	n->items[n->count++] = value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

/* ---- the heap of who wakes when ---- */

static void heap_put(size_t place, uint32_t node)
{
	storm.heap[place] = node;
	storm.nodes[node].place = place;
}

static void wake_at(uint32_t node, uint64_t when)
{
	size_t at = storm.nodes[node].place;

	storm.nodes[node].wake = when;
	for (size_t up; at > 0 && storm.nodes[storm.heap[up = (at - 1) / 2]].wake > when; at = up)
		heap_put(at, storm.heap[up]);
	for (size_t down; (down = 2 * at + 1) < storm.count; at = down) {
		if (down + 1 < storm.count &&
			storm.nodes[storm.heap[down + 1]].wake < storm.nodes[storm.heap[down]].wake)
			down++;
		if (storm.nodes[storm.heap[down]].wake >= when)
			break;
		heap_put(at, storm.heap[down]);
	}
	heap_put(at, node);
}

/* ---- the script ---- */

static struct label *find_label(const char *name)
{
	struct label *l = storm.labels;

	while (*l->name && strcmp(l->name, name) != 0)
		l++;
	if (l == storm.labels + LABELS_MAX - 1)
		die("too many labels");
	(void)snprintf(l->name, sizeof(l->name), "%s", name);
	return l;
}

static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++, to++) {
		*to = *text;
		if (*text == '\\' && text[1])
			*to = *++text == 'r' ? '\r' : *text == 'n' ? '\n' : *text;
	}
	*to = '\0';
}

static void read_script(const char *path)
{
	char *text, *row;

	if (read_file(path, 1 << 24, &text, NULL, NULL) < 0)
		die("the script cannot be read");
	while ((row = strsep(&text, "\n")) && *row) {
		struct line *line = &storm.lines[storm.line_count++];
		const char *label = strsep(&row, " "), *wait = strsep(&row, " "), *keep = strsep(&row, " ");

		if (!row || storm.line_count == LINES_MAX)
			die("a line of the script is wrong, or there are too many");
		line->label = find_label(label);
		line->keep = !strcmp(keep, "keep");
		line->wait_ms = INTERVAL;
		if (!strcmp(wait, "paced"))
			line->wait_ms = PACED;
		else if (strcmp(wait, "interval") != 0 && parse_u32(wait, &line->wait_ms) < 0)
			die("a wait is no number");
		unescape(row);
		line->request = row;
	}
}

static size_t fill_in(const char *template, uint32_t node, char *ret, size_t size)
{
	size_t len = 0;

	while (*template && len + 32 < size) {
		if (!strncmp(template, "{n}", 3)) {
			len += (size_t)snprintf(ret + len, size - len, "%05u", node);
			template += 3;
		} else if (!strncmp(template, "{mac}", 5)) {
			len += (size_t)snprintf(ret + len, size - len, "52:54:00:%02x:%02x:%02x", node >> 16,
				node >> 8 & 255, node & 255);
			template += 5;
		} else if (!strncmp(template, "{host}", 6)) {
			len += (size_t)snprintf(ret + len, size - len, "%s", storm.host);
			template += 6;
		} else {
			ret[len++] = *template ++;
		}
	}
	return len;
}

/* ---- a request's life ---- */

static void start_next(void);
static void receive(uint32_t number);

static void hang_up(struct node *n)
{
	if (n->fd >= 0)
		(void)close(n->fd);
	n->fd = -1;
}

static void go_on(uint32_t number, uint64_t now)
{
	struct node *n = &storm.nodes[number];
	const struct line *line = &storm.lines[n->line];
	uint32_t wait;

	storm.in_flight--;
	if (!line->keep || n->last)
		hang_up(n);
	if (++n->line == storm.line_count) {
		hang_up(n);
		n->state = DONE;
		storm.done++;
		wake_at(number, NEVER);
		return;
	}
	wait = storm.lines[n->line].wait_ms;
	if (wait == PACED) {
		wait = (uint32_t)report_pause_ms((now - n->begun) / 1000);
		n->due = now;
	}
	n->due += (wait == INTERVAL ? n->interval_ms : wait) * UINT64_C(1000);
	if (n->due < now)
		n->due = now;
	n->state = WAITS;
	wake_at(number, n->due);
}

static void fail(uint32_t number, uint64_t *counter)
{
	(*counter)++;
	hang_up(&storm.nodes[number]);
	go_on(number, now_us());
	start_next();
}

static void finish(uint32_t number)
{
	struct node *n = &storm.nodes[number];
	struct label *label = storm.lines[n->line].label;
	uint64_t now = now_us();
	const char *found = memmem(n->head, n->head_len, "8:intervali", 11);

	if (n->status == 200 || n->status == 204 || n->status == 206)
		add_number(&label->took, now - n->begun);
	else
		label->refused++;
	if (found) {
		n->interval_ms = 0;
		for (found += 11; *found >= '0' && *found <= '9'; found++)
			n->interval_ms = n->interval_ms * 10 + (uint32_t)(*found - '0') * 1000;
	}
	go_on(number, now);
	start_next();
}

static int dial(uint32_t number)
{
	struct node *n = &storm.nodes[number];
	struct sockaddr_in from = storm.first;
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u32 = number};
	int on = 1;

	from.sin_addr.s_addr = htonl(ntohl(from.sin_addr.s_addr) + number);
	n->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (n->fd < 0)
		die("no more sockets");
	(void)setsockopt(n->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	(void)setsockopt(n->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(n->fd, (const struct sockaddr *)&from, sizeof(from)) < 0)
		die("a node's address is not one of this host");
	if (connect(n->fd, (const struct sockaddr *)&storm.server, sizeof(storm.server)) < 0 &&
		errno != EINPROGRESS)
		return -errno;
	return epoll_ctl(storm.epoll, EPOLL_CTL_ADD, n->fd, &event) < 0 ? -errno : 0;
}

/* Small enough for one segment. */
static void send_request(uint32_t number)
{
	static char request[32768];
	struct node *n = &storm.nodes[number];
	struct line *line = &storm.lines[n->line];
	size_t len = fill_in(line->request, number, request, sizeof(request));
	ssize_t sent = send(n->fd, request, len, MSG_NOSIGNAL);

	if (sent < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
		n->state = CONNECTS;
		return;
	}
	if (sent != (ssize_t)len) {
		fail(number, &line->label->broken);
		return;
	}
	n->state = READS;
	n->head_len = 0;
	n->has_head = n->last = 0;
	n->body_left = NEVER;
}

static void start(uint32_t number)
{
	struct node *n = &storm.nodes[number];
	struct label *label = storm.lines[n->line].label;

	n->begun = now_us();
	add_number(&label->late, n->begun - n->due);
	storm.in_flight++;
	wake_at(number, n->begun + TIMEOUT_US);
	if (n->fd < 0 && dial(number) < 0)
		fail(number, &label->broken);
	else
		send_request(number);
}

static void start_next(void)
{
	while (storm.in_flight < storm.limit && storm.queue_head != storm.queue_tail) {
		uint32_t number = storm.queue[storm.queue_head++ % storm.count];

		start(number);
	}
}

/* Takes the answer's head; whether it is whole. */
static int parse_head(struct node *n)
{
	char *end = memmem(n->head, n->head_len, "\r\n\r\n", 4), *length;

	if (!end)
		return 0;
	n->head[n->head_len] = '\0';
	n->status = n->head_len > 12 ? (n->head[9] - '0') * 100 + (n->head[10] - '0') * 10 + n->head[11] - '0'
				     : 0;
	n->last = strcasestr(n->head, "\nconnection: close") != NULL;
	length = strcasestr(n->head, "\ncontent-length:");
	if (length && length < end) {
		n->body_left = 0;
		for (length += strspn(length + 16, " ") + 16; *length >= '0' && *length <= '9'; length++)
			n->body_left = n->body_left * 10 + (uint64_t)(*length - '0');
	} else if (n->status == 204) {
		n->body_left = 0;
	}
	n->has_head = 1;
	if (n->body_left != NEVER) {
		size_t have = n->head_len - (size_t)(end + 4 - n->head);

		n->body_left -= have < n->body_left ? have : n->body_left;
	}
	return 1;
}

/* Beyond the head nothing is kept; MSG_TRUNC leaves even the copying out. */
static ssize_t take(struct node *n)
{
	ssize_t got;

	if (n->has_head) {
		got = recv(n->fd, NULL, 1 << 20, MSG_TRUNC);
		if (got > 0 && n->body_left != NEVER)
			n->body_left -= (uint64_t)got < n->body_left ? (uint64_t)got : n->body_left;
		return got;
	}
	got = recv(n->fd, n->head + n->head_len, HEAD_MAX - n->head_len, 0);
	if (got > 0) {
		n->head_len += (size_t)got;
		(void)parse_head(n);
	}
	return got;
}

static void receive(uint32_t number)
{
	struct node *n = &storm.nodes[number];
	struct label *label = storm.lines[n->line].label;
	ssize_t got;

	while ((got = take(n)) > 0) {
		label->bytes += (uint64_t)got;
		if (n->has_head && n->body_left == 0) {
			finish(number);
			return;
		}
	}
	if (got < 0 && errno == EAGAIN)
		wake_at(number, now_us() + TIMEOUT_US);
	else if (got == 0 && n->has_head && n->body_left == NEVER)
		finish(number);
	else
		fail(number, &label->broken);
}

static void on_event(const struct epoll_event *event)
{
	uint32_t number = event->data.u32;
	struct node *n = &storm.nodes[number];

	if (n->fd < 0)
		return;
	if (n->state == CONNECTS && event->events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		send_request(number);
	if (n->state == READS && event->events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP))
		receive(number);
	else if (n->state == WAITS && event->events & (EPOLLRDHUP | EPOLLHUP))
		hang_up(n); /* the server has ended a connection that was kept */
}

static void wake_up(void)
{
	uint64_t now = now_us();

	for (uint32_t number; storm.nodes[number = storm.heap[0]].wake <= now;) {
		struct node *n = &storm.nodes[number];

		if (n->state != WAITS) {
			fail(number, &storm.lines[n->line].label->timeouts);
			continue;
		}
		n->state = QUEUED;
		wake_at(number, NEVER);
		storm.queue[storm.queue_tail++ % storm.count] = number;
	}
	start_next();
}

static int wait_ms(void)
{
	uint64_t wake = storm.nodes[storm.heap[0]].wake, now = now_us();

	if (wake == NEVER)
		return -1;
	return wake <= now ? 0 : (int)((wake - now) / 1000 + 1);
}

static void run(void)
{
	struct epoll_event events[256];

	while (storm.done < storm.count) {
		int ready = epoll_wait(storm.epoll, events, 256, wait_ms());

		for (int i = 0; i < ready; i++)
			on_event(&events[i]);
		wake_up();
	}
}

/* ---- the result ---- */

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t part(const struct numbers *n, unsigned thousandths)
{
	return n->count ? n->items[(n->count - 1) * thousandths / 1000] : 0;
}

static void print_label(struct label *l)
{
	qsort(l->took.items, l->took.count, sizeof(uint32_t), compare);
	qsort(l->late.items, l->late.count, sizeof(uint32_t), compare);
	(void)printf("\"%s\": {\"good\": %zu, \"refused\": %" PRIu64 ", \"broken\": %" PRIu64
		     ", \"timeouts\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"p50_us\": %u, \"p99_us\": %u"
		     ", \"max_us\": %u, \"late_p99_us\": %u}",
		l->name, l->took.count, l->refused, l->broken, l->timeouts, l->bytes, part(&l->took, 500),
		part(&l->took, 990), part(&l->took, 1000), part(&l->late, 990));
}

static void print_result(uint64_t us)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	(void)printf("{\"seconds\": %.3f, \"cpu_s\": %.3f, \"labels\": {", (double)us / 1e6,
		(double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	for (struct label *l = storm.labels; *l->name; l++) {
		(void)fputs(l == storm.labels ? "" : ", ", stdout);
		print_label(l);
	}
	(void)printf("}}\n");
}

static void make_nodes(uint32_t ramp_ms)
{
	uint64_t now = now_us();

	storm.nodes = calloc(storm.count, sizeof(*storm.nodes));
	storm.heap = calloc(storm.count, sizeof(*storm.heap));
	storm.queue = calloc(storm.count, sizeof(*storm.queue));
	if (!storm.nodes || !storm.heap || !storm.queue)
		die("out of memory");
	for (uint32_t i = 0; i < storm.count; i++) {
		struct node *n = &storm.nodes[i];

		*n = (struct node){.fd = -1, .place = i, .interval_ms = 2000};
		n->due = n->wake = now + storm.lines[0].wait_ms * UINT64_C(1000) +
				   (uint64_t)ramp_ms * 1000 * i / storm.count;
		storm.heap[i] = i;
	}
}

int main(int argc, char **argv)
{
	uint32_t ramp_ms, limit;
	uint64_t begun;
	struct rlimit files;

	storm.server.sin_family = storm.first.sin_family = AF_INET;
	if (argc != 8 || inet_pton(AF_INET, argv[2], &storm.server.sin_addr) != 1 ||
		parse_u16(argv[3], &storm.server.sin_port) < 0 ||
		inet_pton(AF_INET, argv[4], &storm.first.sin_addr) != 1 ||
		parse_u32(argv[5], &storm.count) < 0 || parse_u32(argv[6], &ramp_ms) < 0 ||
		parse_u32(argv[7], &limit) < 0 || !storm.count || !limit)
		die("storm SCRIPT SERVER PORT FIRST NODES RAMP_MS IN_FLIGHT");
	(void)snprintf(storm.host, sizeof(storm.host), "%s:%s", argv[2], argv[3]);
	storm.server.sin_port = htons(storm.server.sin_port);
	storm.limit = limit;
	read_script(argv[1]);
	if (!storm.line_count || storm.lines[0].wait_ms >= PACED)
		die("the script has no line, or its first waits for an answer");
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	storm.epoll = epoll_create1(EPOLL_CLOEXEC);
	make_nodes(ramp_ms);
	begun = now_us();
	run();
	print_result(now_us() - begun);
	return 0;
}
