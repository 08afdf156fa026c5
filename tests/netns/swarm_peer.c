/*
 * A peer for tests/netns/swarm.bats: the real swarm, and on the seeder's side the real tracker behind the
 * real HTTP server. 10.9.R.x is a node in rack R, R below 200; all else is a stranger. Ends at SIGTERM.
 *
 *   swarm_peer seed FILE TORRENT ADDRESS               writes TORRENT, seeds, tracks at ADDRESS:8080
 *   swarm_peer fetch FILE TORRENT ADDRESS SEEDER       fetches and seeds on; SEEDER has the tracker
 *
 * Lines on stdout: "ready", "done STATS", "failed WHY", "end STATS free_ms=N".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "imager/base/io.h"
#include "imager/base/loop.h"
#include "seeder/http.h"
#include "seeder/swarm/swarm.h"
#include "seeder/tracker.h"

#define TORRENT_MAX (1 << 20)

struct peer {
	struct loop *loop;
	struct swarm *swarm;
	struct tracker *tracker;
	struct httpd *httpd;
	struct buf torrent;
	const char *file, *torrent_path, *address, *seeder;
};

static int rack_of(struct in_addr address, void *arg)
{
	uint32_t ip = ntohl(address.s_addr);

	(void)arg;
	return ip >> 16 == 0x0a09 && (ip >> 8 & 255) < 200 ? (int)(ip >> 8 & 255) : -1;
}

static void say_stats(struct peer *p, const char *what)
{
	struct swarm_stats s = {0};

	(void)swarm_stats(p->swarm, 0, &s);
	(void)printf("%s size=%lu done=%lu downloaded=%lu from_marked=%lu uploaded=%lu wasted=%lu peers=%u",
		what, (unsigned long)s.size, (unsigned long)s.done, (unsigned long)s.downloaded,
		(unsigned long)s.from_marked, (unsigned long)s.uploaded, (unsigned long)s.wasted, s.peers);
}

static int on_event(void *arg)
{
	struct peer *p = arg;
	struct swarm_event event;

	while (swarm_next_event(p->swarm, &event)) {
		if (event.kind == SWARM_EVENT_DONE) {
			say_stats(p, "done");
			(void)printf("\n");
		} else {
			(void)printf("%s %s\n", event.kind == SWARM_EVENT_FAILED ? "failed" : "tracker",
				event.text);
		}
	}
	return 0;
}

static int on_term(void *arg)
{
	loop_stop(((struct peer *)arg)->loop, 0);
	return 0;
}

static void on_announce(void *arg, const struct httpd_request *request, struct httpd_answer *answer)
{
	struct peer *p = arg;

	answer->status = 200;
	if (tracker_announce(p->tracker, request->query, request->from, monotonic_ms(), &answer->body) < 0)
		answer->status = 500;
}

static void on_scrape(void *arg, const struct httpd_request *request, struct httpd_answer *answer)
{
	struct peer *p = arg;

	answer->status = 200;
	if (tracker_scrape(p->tracker, request->query, monotonic_ms(), &answer->body) < 0)
		answer->status = 500;
}

static const struct httpd_route routes[] = {{.method = "GET", .prefix = "/announce", .fn = on_announce},
	{.method = "GET", .prefix = "/scrape", .fn = on_scrape}, {0}};

static int start_swarm(struct peer *p, enum swarm_role role, struct err *err)
{
	_cleanup_free_ char *listen = NULL;
	struct swarm_options options = {.role = role};

	if (asprintf(&listen, "%s:6881", p->address) < 0)
		return err_oom(err, "an address");
	options.listen = listen;
	p->swarm = swarm_new(&options, err);
	return p->swarm ? 0 : -err->code;
}

static int add(struct peer *p, const char *const *trackers, struct err *err)
{
	struct swarm_torrent t = {.torrent = p->torrent.data,
		.len = p->torrent.len,
		.path = p->file,
		.trackers = trackers,
		.complete = !trackers};

	return swarm_add(p->swarm, &t, err);
}

static int make_torrent(struct peer *p, struct err *err)
{
	_cleanup_close_ int fd = open(p->file, O_RDONLY | O_CLOEXEC);
	struct swarm_make make = {.fd = fd, .name = "image"};
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_path(err, errno, p->file);
	make.size = (uint64_t)st.st_size;
	r = swarm_make_torrent(&make, &p->torrent, err);
	if (r < 0)
		return r;
	return write_file_atomic(p->torrent_path,
		&(struct file_content){.data = p->torrent.data, .len = p->torrent.len, .mode = 0644}, err);
}

static int start_seed(struct peer *p, struct err *err)
{
	_cleanup_close_ int listening = httpd_listen(8080, err);
	struct httpd_options options = {.listening = listening,
		.routes = routes,
		.arg = p,
		.threads = 1,
		.connections = 100,
		.timeout_s = 10};
	struct in_addr address;
	struct swarm_info info;
	int r = listening < 0 ? listening : make_torrent(p, err);

	if (r < 0 || (r = swarm_inspect(p->torrent.data, p->torrent.len, &info, err)) < 0)
		return r;
	p->tracker = tracker_new((struct topology){.rack_of = rack_of, .chains = 4});
	if (!p->tracker || inet_pton(AF_INET, p->address, &address) != 1)
		return err_set(err, EINVAL, "no address or no memory");
	r = tracker_add_seeder(p->tracker, info.infohash, address, 6881);
	if (r < 0 || (r = start_swarm(p, SWARM_SEEDER, err)) < 0 || (r = add(p, NULL, err)) < 0)
		return r;
	return httpd_start(&options, &p->httpd, err);
}

static int start_fetch(struct peer *p, struct err *err)
{
	_cleanup_free_ char *url = NULL;
	const char *trackers[] = {NULL, NULL};
	int r = read_file(p->torrent_path, TORRENT_MAX, &p->torrent.data, &p->torrent.len, err);

	if (r < 0 || (r = start_swarm(p, SWARM_NODE, err)) < 0)
		return r;
	if (asprintf(&url, "http://%s:8080/announce", p->seeder) < 0)
		return err_oom(err, "an address");
	trackers[0] = url;
	if (swarm_mark(p->swarm, p->seeder) < 0)
		return err_set(err, EINVAL, "%s: no address", p->seeder);
	return add(p, trackers, err);
}

static void stop(struct peer *p)
{
	uint64_t begin;

	say_stats(p, "end");
	begin = monotonic_ms();
	swarm_free(p->swarm);
	(void)printf(" free_ms=%lu\n", (unsigned long)(monotonic_ms() - begin));
}

static int run(struct peer *p, int seed, struct err *err)
{
	int r;

	p->loop = loop_new();
	if (!p->loop || loop_add_signal(p->loop, SIGTERM, on_term, p) < 0)
		return err_set(err, ENOMEM, "no loop");
	r = seed ? start_seed(p, err) : start_fetch(p, err);
	if (r < 0)
		return r;
	if (loop_add_fd(p->loop, swarm_fd(p->swarm), on_event, p) < 0)
		return err_set(err, ENOMEM, "no loop");
	(void)puts("ready");
	return loop_run(p->loop);
}

int main(int argc, char **argv)
{
	struct peer p = {0};
	struct err err = {0};
	int seed = argc == 5 && !strcmp(argv[1], "seed"), r;

	if (!seed && (argc != 6 || strcmp(argv[1], "fetch")))
		return 2;
	p.file = argv[2];
	p.torrent_path = argv[3];
	p.address = argv[4];
	p.seeder = seed ? NULL : argv[5];
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	r = run(&p, seed, &err);
	if (r < 0)
		(void)printf("failed %s\n", err.text);
	httpd_stop(p.httpd);
	if (p.swarm)
		stop(&p);
	tracker_free(p.tracker);
	buf_release(&p.torrent);
	loop_free(p.loop);
	return r < 0;
}
