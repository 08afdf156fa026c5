/*
 * What the head's two tables cost at many nodes, without sockets: the tracker's policy when all nodes are in
 * one rack, and the JSON of the node table. Every request waits for what is under the lock.
 *
 *   tables [NODES]
 *
 * Prints a line for each kind of work: how often, microseconds on average and at most.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "imager/base/io.h"
#include "imager/base/parse.h"
#include "seeder/policy.h"
#include "seeder/status.h"

#define SIZE      1000u /* units of the image */
#define NODES_MAX 12000 /* a cluster file has 1 MiB at most */
#define LATERS    1000  /* nodes that come when all others are there */

static const uint8_t hash[20] = {1};

struct work {
	const char *name;
	uint64_t count, sum_ns, most_ns, begin_ns;
};

static uint64_t clock_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void work_begin(struct work *w)
{
	w->begin_ns = clock_ns();
}

static void work_end(struct work *w)
{
	uint64_t ns = clock_ns() - w->begin_ns;

	w->count++;
	w->sum_ns += ns;
	w->most_ns = ns > w->most_ns ? ns : w->most_ns;
}

static void work_print(const struct work *w)
{
	(void)printf("%-44s %6" PRIu64 " x  mean %9.1f us  most %9.1f us\n", w->name, w->count,
		(double)w->sum_ns / 1000 / (double)(w->count ? w->count : 1), (double)w->most_ns / 1000);
}

/* ---- the policy ---- */

struct storm {
	struct policy *p;
	uint32_t nodes;
	uint64_t now;
};

/* Addresses in no order, as nodes come up. */
static struct in_addr address_of(uint32_t i)
{
	return (struct in_addr){.s_addr = htonl(0x0a000000 + ((i * 40503u) & 0xffff) + 0x10000)};
}

enum { STOPPED = 1, PAUSED };

static void announce(struct storm *s, struct work *w, uint32_t i, uint64_t left, int word)
{
	struct policy_announce a = {.address = address_of(i),
		.port = 6881,
		.left = left,
		.downloaded = SIZE - left,
		.stopped = word == STOPPED,
		.paused = word == PAUSED};
	struct policy_answer answer;

	memcpy(a.infohash, hash, sizeof(hash));
	work_begin(w);
	if (policy_announce(s->p, &a, s->now, &answer) < 0)
		abort();
	work_end(w);
}

static void all(struct storm *s, const char *name, uint64_t left, int word)
{
	struct work w = {.name = name};

	for (uint32_t i = 0; i < s->nodes; i++) {
		s->now += i % 8 == 0;
		announce(s, &w, i, left, word);
	}
	work_print(&w);
}

static void laters(struct storm *s, const char *name)
{
	struct work w = {.name = name};

	for (uint32_t i = 0; i < LATERS; i++)
		announce(s, &w, s->nodes + i, SIZE, 0);
	work_print(&w);
	for (uint32_t i = 0; i < LATERS; i++)
		announce(s, &(struct work){0}, s->nodes + i, SIZE, STOPPED);
}

/* The first of the chain goes; who is left behind asks for another upstream while all have as little as it.
 */
static void orphan(struct storm *s)
{
	struct work gone = {.name = "the first of the chain says good-bye"},
		    next = {.name = "the one behind it asks"};

	announce(s, &gone, 0, SIZE, STOPPED);
	announce(s, &next, 1, SIZE, 0);
	work_print(&gone);
	work_print(&next);
	announce(s, &(struct work){0}, 0, SIZE, 0);
}

static void silence(struct storm *s, const char *name)
{
	struct work w = {.name = name};

	s->now += (uint64_t)POLICY_INTERVAL_COMPLETE_S * 3000;
	announce(s, &w, s->nodes, SIZE, 0);
	work_print(&w);
}

static struct storm make(uint32_t nodes)
{
	struct storm s = {.p = policy_new(1), .nodes = nodes, .now = 1000};

	if (!s.p || policy_add_seeder(s.p, hash, (struct policy_peer){.port = 6881}) < 0)
		abort();
	return s;
}

static void play(uint32_t nodes)
{
	struct storm s = make(nodes);

	(void)printf("policy, %u nodes in one rack\n", nodes);
	all(&s, "all join", SIZE, 0);
	orphan(&s);
	s.now += 1000;
	all(&s, "all go on", SIZE - 10, 0);
	silence(&s, "a word when all were silent for long");
	policy_free(s.p);

	s = make(nodes);
	all(&s, "all join", SIZE, 0);
	all(&s, "all are complete", 0, 0);
	laters(&s, "one more joins, all others complete");
	all(&s, "all are paused", 0, PAUSED);
	laters(&s, "one more joins, all others paused");
	silence(&s, "a word when all complete were silent for long");
	policy_free(s.p);
}

/* ---- the node table ---- */

static void must(int r, const struct err *err)
{
	if (r >= 0)
		return;
	(void)fprintf(stderr, "tables: %s\n", err->text);
	exit(1);
}

static void write_cluster(const char *path, uint32_t nodes)
{
	FILE *f = fopen(path, "we");

	if (!f)
		exit(1);
	(void)fputs("trust: [a.pub]\nnetworks:\n  boot: {interface: lo, address: 10.0.0.1/8, range: "
		    "10.200.0.1-10.200.0.9}\ngroups:\n  compute: {channel: \"slurm:stable\"}\nnodes:\n",
		f);
	for (uint32_t i = 0; i < nodes; i++)
		(void)fprintf(f, "  n%05u: {mac: \"52:54:00:00:%02x:%02x\", group: compute, rack: r%u}\n", i,
			i >> 8, i & 255, i / 40);
	(void)fclose(f);
}

static void fill(struct status *s, const struct cluster *c)
{
	struct report r = {.phase = PHASE_UP, .percent = 100, .phase_count = 8, .sequence = 7};
	struct err err = {0};

	(void)snprintf(r.release, sizeof(r.release), "sha256:%064d", 1);
	(void)snprintf(r.image, sizeof(r.image), "sha256:%064d", 2);
	(void)snprintf(r.profile, sizeof(r.profile), "slurm");
	(void)snprintf(r.state, sizeof(r.state), "running");
	for (size_t i = 0; i < r.phase_count; i++)
		r.phases[i] = (struct report_phase){(enum phase)(PHASE_START + i), 1234};
	for (size_t i = 0; i < c->node_count; i++) {
		memcpy(r.mac, c->nodes[i].mac, sizeof(r.mac));
		(void)snprintf(r.node, sizeof(r.node), "%s", c->nodes[i].name);
		must(status_apply(s, c, &r, 1700000000, &err), &err);
	}
}

static void hold(void *arg)
{
	work_begin(arg);
}

static void let_go(void *arg)
{
	work_end(arg);
}

static void table(uint32_t nodes)
{
	char dir[] = "/tmp/tables-XXXXXX";
	_cleanup_free_ char *config = mkdtemp(dir) ? path_join(dir, "cluster.yaml") : NULL;
	_cleanup_free_ char *db = path_join(dir, "nodes.db");
	struct cluster *c = NULL;
	struct status *s = NULL;
	struct err err = {0};
	struct buf text = {0};
	struct work whole = {.name = "the whole table as JSON"}, held = {.name = "the lock held meanwhile"};
	const struct status_guard guard = {hold, let_go, &held};

	if (!config || !db)
		exit(1);
	write_cluster(config, nodes);
	must(cluster_load(config, &c, &err), &err);
	must(status_open(db, &s, &err), &err);
	must(status_sync(s, c), &err);
	fill(s, c);
	for (int i = 0; i < 5; i++) {
		buf_release(&text);
		text = (struct buf){0};
		work_begin(&whole);
		if (status_json(s, &c, &guard, &text) < 0)
			exit(1);
		work_end(&whole);
	}
	(void)printf("node table, %u nodes, %zu bytes of JSON\n", nodes, text.len);
	work_print(&whole);
	work_print(&held);
	buf_release(&text);
	status_close(s);
	cluster_free(c);
	must(remove_tree(dir, &err), &err);
}

int main(int argc, char **argv)
{
	uint32_t nodes = 10000;

	if (argc > 2 || (argc == 2 && (parse_u32(argv[1], &nodes) < 0 || nodes == 0 || nodes > NODES_MAX))) {
		(void)fprintf(stderr, "usage: tables [NODES]\n");
		return 2;
	}
	play(nodes);
	table(nodes);
	return 0;
}
