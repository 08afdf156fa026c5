/*
 * Owns the policy role, a process of the booted node: asks the seeders how the node may seed, about once a
 * minute, when one of them pokes it and when its own state changes, and lays the answer into the seed folder,
 * with what each of them said: started anew, it goes on obeying one that is away. It has the seed role's
 * rights, which are none, and sees no file but that folder's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "imager/base/log.h"
#include "imager/base/loop.h"
#include "initramfs/backoff.h"
#include "initramfs/role.h"
#include "initramfs/sandbox.h"
#include "initramfs/seedask.h"
#include "initramfs/seedfolder.h"

#define PROCESS_NAME "swarmboot-polic" /* at most 15 characters */
#define EVERY_MS     60000
#define JITTER_MS    10000
#define GAP_MS       200 /* between two questions at least, however often it is poked */

struct policy_options {
	const char *node, *mac, *listen, *control;
	struct cli_list seeders;
};

struct keeper {
	struct loop *loop;
	struct seedfolder folder;
	int watch, poke, timer;
	struct seedask ask;
	struct in_addr seeders[BOOTARGS_SEEDERS_MAX]; /* who may poke */
	struct seed_policy policy;
	struct seedask saved; /* as it lies in the folder */
	enum seed_state said;
	uint64_t asked_ms;
	unsigned failures;
};

static int same(const struct seed_policy *a, const struct seed_policy *b)
{
	return a->paused == b->paused && a->pause_for_job == b->pause_for_job && a->until == b->until &&
	       a->rate == b->rate;
}

static void take_policy(struct keeper *k, const struct seed_policy *p)
{
	struct err err = {0};

	if (same(p, &k->policy))
		return;
	log_info("seed policy: %s%s, until=%llu rate=%llu", p->paused ? "paused" : "on",
		p->pause_for_job ? ", paused for jobs" : "", (unsigned long long)p->until,
		(unsigned long long)p->rate);
	if (seedfolder_put_policy(&k->folder, p, &err) < 0)
		log_warn("%s", err.text);
	else
		k->policy = *p;
}

static int is_saved(const struct keeper *k)
{
	for (size_t i = 0; i < k->ask.seeder_count; i++)
		if (k->ask.has_said[i] != k->saved.has_said[i] || !same(&k->ask.said[i], &k->saved.said[i]))
			return 0;
	return 1;
}

static void save(struct keeper *k)
{
	struct err err = {0};

	if (is_saved(k))
		return;
	if (seedask_save(&k->ask, &k->folder, &err) < 0)
		log_warn("%s", err.text);
	else
		k->saved = k->ask;
}

/* While some seeder is silent it is asked again soon, at first: it may have been told something else. */
static int ask(void *arg)
{
	struct keeper *k = arg;
	enum seed_state state = seedfolder_state(&k->folder);
	struct seed_policy p;
	size_t answered = 0;
	struct err err = {0};
	uint64_t pause = EVERY_MS + backoff_random() % JITTER_MS;
	unsigned pausers = seedask_pausers(&k->ask);

	if (seedask(&k->ask, state, &answered, &p, &err) == 0)
		take_policy(k, &p);
	save(k);
	k->failures = answered == k->ask.seeder_count ? 0 : k->failures + 1;
	if (k->failures == 1)
		log_warn("%s", err.text);
	if (k->failures)
		pause = backoff_ms(k->failures, backoff_random());
	/* Each is to know whether another one has paused the node. */
	if (answered && pausers != seedask_pausers(&k->ask))
		pause = GAP_MS;
	if (answered)
		k->said = state;
	k->asked_ms = monotonic_ms();
	return loop_set_timer(k->loop, k->timer, pause, 0);
}

/* Now, or when the gap is over. */
static int ask_soon(struct keeper *k)
{
	uint64_t since = monotonic_ms() - k->asked_ms;

	if (since >= GAP_MS)
		return ask(k);
	return loop_set_timer(k->loop, k->timer, GAP_MS - since, 0);
}

static int is_seeder(const struct keeper *k, struct in_addr from)
{
	for (size_t i = 0; i < k->ask.seeder_count; i++)
		if (k->seeders[i].s_addr == from.s_addr)
			return 1;
	return 0;
}

static int on_poke(void *arg)
{
	struct keeper *k = arg;
	char text[sizeof(SEED_POKE_TEXT)];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n;
	int is_poked = 0;

	while ((n = recvfrom(k->poke, text, sizeof(text), MSG_DONTWAIT, (struct sockaddr *)&from, &len)) >=
		0) {
		is_poked |= n == (ssize_t)strlen(SEED_POKE_TEXT) &&
			    !memcmp(text, SEED_POKE_TEXT, (size_t)n) && is_seeder(k, from.sin_addr);
		len = sizeof(from);
	}
	return is_poked ? ask_soon(k) : 0;
}

/* The policy's own file changes too, by us. */
static int on_folder(void *arg)
{
	struct keeper *k = arg;

	seedfolder_drain(k->watch);
	return seedfolder_state(&k->folder) == k->said ? 0 : ask_soon(k);
}

/* ---- the start ---- */

static int take_seeders(struct keeper *k, const struct cli_list *list, struct err *err)
{
	for (size_t i = 0; i < list->count; i++) {
		char host[64];

		if (i == BOOTARGS_SEEDERS_MAX || role_seeder_host(list->items[i], host, sizeof(host)) < 0 ||
			inet_pton(AF_INET, host, &k->seeders[i]) != 1)
			return err_set(
				err, EINVAL, "%.100s is no seeder's URL, or one too many", list->items[i]);
		k->ask.seeders[k->ask.seeder_count++] = list->items[i];
	}
	return 0;
}

static int listen_for_pokes(struct keeper *k, const char *address, struct err *err)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(SEED_POKE_PORT)};

	if (inet_pton(AF_INET, address, &at.sin_addr) != 1)
		return err_set(err, EINVAL, "--listen %.40s: no IPv4 address", address);
	k->poke = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (k->poke < 0 || bind(k->poke, (struct sockaddr *)&at, sizeof(at)) < 0)
		return err_set(err, errno, "UDP %s:%d: %s", address, SEED_POKE_PORT, strerror(errno));
	return 0;
}

/* All that is outside the sandbox. Without the poke the node is told within a minute or so. */
static int prepare(struct keeper *k, const struct policy_options *o, struct err *err)
{
	struct err why = {0};
	int r = take_seeders(k, &o->seeders, err);

	if (r == 0)
		r = seedfolder_open(o->control, &k->folder, err);
	if (r < 0)
		return r;
	k->watch = seedfolder_watch(o->control, err);
	if (k->watch < 0)
		return k->watch;
	if (listen_for_pokes(k, o->listen, &why) < 0)
		log_warn("%s", why.text);
	r = sandbox_enter(o->control, err);
	if (r == 0)
		r = seedfolder_policy(&k->folder, &k->policy, err);
	/* Without it the node obeys those that answer. */
	if (r == 0 && seedask_load(&k->ask, &k->folder, &why) < 0)
		log_warn("%s", why.text);
	k->saved = k->ask;
	return r;
}

static int keep(struct keeper *k, struct err *err)
{
	int r = loop_add_fd(k->loop, k->watch, on_folder, k);

	if (r == 0 && k->poke >= 0)
		r = loop_add_fd(k->loop, k->poke, on_poke, k);
	if (r == 0)
		r = k->timer = loop_add_timer(k->loop, 1, 0, ask, k);
	if (r >= 0)
		r = loop_run(k->loop);
	return r < 0 ? err_set(err, -r, "the loop: %s", strerror(-r)) : 0;
}

static int policy(const void *options, char **args, struct err *err)
{
	const struct policy_options *o = options;
	struct keeper k = {.loop = loop_new(), .folder = {-1, -1}, .watch = -1, .poke = -1};
	int r;

	(void)args;
	if (!o->node || !o->mac || !o->listen || !o->control || !o->seeders.count)
		return err_set(err, EINVAL, "--node, --mac, --listen, --control and --seeder are needed"),
		       CLI_USAGE;
	if (!k.loop)
		return err_oom(err, "the loop");
	(void)prctl(PR_SET_NAME, PROCESS_NAME);
	k.ask.node = o->node;
	k.ask.mac = o->mac;
	r = prepare(&k, o, err);
	if (r == 0)
		r = keep(&k, err);
	loop_free(k.loop);
	seedfolder_close(&k.folder);
	return r;
}

static const struct cli_option options_table[] = {
	{"node", 0, CLI_STRING, offsetof(struct policy_options, node), "NAME", "this node"},
	{"mac", 0, CLI_STRING, offsetof(struct policy_options, mac), "MAC", "its link that booted"},
	{"listen", 0, CLI_STRING, offsetof(struct policy_options, listen), "ADDRESS",
		"where seeders find us"},
	{"control", 0, CLI_STRING, offsetof(struct policy_options, control), "DIR",
		"the folder that says how to seed"},
	{"seeder", 0, CLI_LIST, offsetof(struct policy_options, seeders), "URL",
		"a seeder; may be given again"},
	{0},
};

const struct cli_command policy_command = {
	.name = "policy",
	.arguments = "",
	.summary = "keep what the head says of how the node may seed",
	.text = "Run by swarmboot-policy.service.",
	.options = options_table,
	.options_size = sizeof(struct policy_options),
	.run = policy,
};
