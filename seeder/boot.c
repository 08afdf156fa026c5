/* Owns the answer to a node that asks what to boot, kernel command line included. Records nothing. */
#include "seeder/boot.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seeder/ipxe.h"
#include "seeder/wire/bootargs.h"

#define UNREAD "the store is still being read"

void boot_base(const struct cluster *c, struct in_addr from, char ret[BOOT_BASE_SIZE])
{
	const struct cluster_network *n = cluster_network_of(c, from);
	char address[INET_ADDRSTRLEN] = "";

	(void)inet_ntop(AF_INET, n ? &n->address : &c->networks[0].address, address, sizeof(address));
	(void)snprintf(ret, BOOT_BASE_SIZE, "http://%s:%u", address, c->http_port);
}

void boot_seeders(const struct cluster *c, struct in_addr from, struct boot_seeders *ret)
{
	const struct cluster_network *n = cluster_network_of(c, from);

	if (!n)
		n = &c->networks[0];
	boot_base(c, from, ret->urls[0]);
	ret->count = 1;
	for (size_t i = 0; i < c->seeder_count; i++) {
		const struct cluster_network *its = cluster_network_of(c, c->seeders[i].address);
		char address[INET_ADDRSTRLEN] = "";

		if (its && its != n)
			continue;
		(void)inet_ntop(AF_INET, &c->seeders[i].address, address, sizeof(address));
		(void)snprintf(
			ret->urls[ret->count++], BOOT_BASE_SIZE, "http://%s:%u", address, c->seeders[i].port);
	}
}

struct ranked {
	struct digest rank;
	char url[BOOT_BASE_SIZE];
};

static int compare_ranks(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	return memcmp(&x->rank, &y->rank, sizeof(x->rank));
}

void boot_spread(const char *mac, struct boot_seeders *s)
{
	struct ranked ranked[BOOT_SEEDERS_MAX] = {0};
	char text[MAC_TEXT_SIZE + BOOT_BASE_SIZE];

	for (size_t i = 0; i < s->count; i++) {
		int len = snprintf(text, sizeof(text), "%s %s", mac, s->urls[i]);

		(void)digest_bytes(text, (size_t)len, &ranked[i].rank);
		memcpy(ranked[i].url, s->urls[i], sizeof(ranked[i].url));
	}
	qsort(ranked, s->count, sizeof(*ranked), compare_ranks);
	for (size_t i = 0; i < s->count; i++)
		memcpy(s->urls[i], ranked[i].url, sizeof(s->urls[i]));
}

/* ---- scripts ---- */

#define VALUES_MAX     (BOOT_SEEDERS_MAX + 8)
#define PAUSE_MIN_S    5
#define PAUSE_SPREAD_S 40
#define PAUSE_SIZE     16
#define WAIT           "10" /* until there may be something to offer */
#define WAIT_SHORT     "1"  /* while the store is being read, which ends soon */

/* How long a script waits before it tries again. Nodes that were switched on as one would come back as one:
 * iPXE has no random numbers, so each is given a pause of its own, by its MAC or address. */
static void pause_of(const char *who, char ret[PAUSE_SIZE])
{
	struct digest digest = {0};

	(void)digest_bytes(who, strlen(who), &digest);
	(void)snprintf(ret, PAUSE_SIZE, "%u",
		PAUSE_MIN_S + (digest.bytes[0] << 8 | digest.bytes[1]) % PAUSE_SPREAD_S);
}

/* The values of a script: each seeder, then `more`, which ends with a NULL name. */
static int render(const char *template, const struct boot_seeders *seeders, const struct ipxe_value *more,
	struct buf *script, struct err *err)
{
	struct ipxe_value values[VALUES_MAX] = {0};
	size_t n = 0;

	for (size_t i = 0; i < seeders->count; i++)
		values[n++] = (struct ipxe_value){"seeder", seeders->urls[i]};
	for (; more->name && n < VALUES_MAX - 1; more++)
		values[n++] = *more;
	return ipxe_render(template, values, script, err);
}

int boot_entry(const struct cluster *c, struct in_addr from, struct buf *script, struct err *err)
{
	struct boot_seeders seeders;
	char address[INET_ADDRSTRLEN] = "", pause[PAUSE_SIZE];

	(void)inet_ntop(AF_INET, &from, address, sizeof(address));
	pause_of(address, pause);
	boot_seeders(c, from, &seeders);
	return render(ipxe_entry, &seeders, (const struct ipxe_value[]){{"pause", pause}, {0}}, script, err);
}

/* This seeder has nothing for the node, so the others are asked before it is again. */
static int wait_script(const struct boot_request *request, const char *reason, int is_soon,
	struct buf *script, struct err *err)
{
	struct boot_seeders s, others_first;

	boot_seeders(request->cluster, request->from, &s);
	others_first.count = s.count;
	for (size_t i = 0; i < s.count; i++)
		memcpy(others_first.urls[i], s.urls[(i + 1) % s.count], BOOT_BASE_SIZE);
	return render(ipxe_wait, &others_first,
		(const struct ipxe_value[]){{"mac", request->mac}, {"reason", reason},
			{"pause", is_soon ? WAIT_SHORT : WAIT}, {0}},
		script, err);
}

/* The file's address, else the one DHCP gave this request; from elsewhere, the head itself included, the
 * node is to ask DHCP. */
static void take_address(
	struct bootargs *args, const struct boot_request *request, const struct cluster_node *node)
{
	struct in_addr address = node->has_address ? node->address : request->from;
	const struct cluster_network *n = cluster_network_of(request->cluster, address);

	if (!n || address.s_addr == n->address.s_addr)
		return;
	args->has_address = 1;
	args->address = address;
	args->gateway = n->gateway;
	args->netmask = n->netmask;
	for (size_t i = 0; i < n->dns_count && i < BOOTARGS_DNS_MAX; i++)
		args->dns[i] = n->dns[i];
}

static int add_arguments(
	const struct boot_request *request, const struct boot_answer *answer, struct buf *ret)
{
	const struct cluster_node *node = answer->node;
	const char *const words[] = {
		answer->offer->release.cmdline, request->cluster->groups[node->group].cmdline, "panic=30"};
	struct bootargs args = {.release = answer->offer->digest};
	struct boot_seeders seeders;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(words); i++)
		if (*words[i])
			r = buf_printf(ret, "%s ", words[i]);
	memcpy(args.node, node->name, sizeof(args.node));
	memcpy(args.mac, node->mac, sizeof(args.mac));
	boot_seeders(request->cluster, request->from, &seeders);
	boot_spread(node->mac, &seeders);
	for (size_t i = 0; i < seeders.count && i < BOOTARGS_SEEDERS_MAX; i++)
		memcpy(args.seeders[args.seeder_count++], seeders.urls[i], BOOT_BASE_SIZE);
	take_address(&args, request, node);
	return r == 0 ? bootargs_format(&args, ret) : r;
}

static int node_script(const struct boot_request *request, const struct boot_answer *answer,
	struct buf *script, struct err *err)
{
	_cleanup_buf_ struct buf arguments = {0};
	char kernel[DIGEST_TEXT_SIZE], initramfs[DIGEST_TEXT_SIZE], release[128], pause[PAUSE_SIZE];
	struct boot_seeders seeders;
	const struct release *r = &answer->offer->release;

	if (add_arguments(request, answer, &arguments) < 0)
		return err_oom(err, "a boot script");
	boot_seeders(request->cluster, request->from, &seeders);
	pause_of(answer->node->mac, pause);
	digest_format(&r->kernel.digest, kernel);
	digest_format(&r->initramfs.digest, initramfs);
	(void)snprintf(release, sizeof(release), "%s:%llu", r->profile, (unsigned long long)r->sequence);
	return render(ipxe_node, &seeders,
		(const struct ipxe_value[]){{"node", answer->node->name}, {"mac", answer->node->mac},
			{"release", release}, {"kernel", kernel}, {"initramfs", initramfs},
			{"arguments", arguments.data}, {"pause", pause}, {0}},
		script, err);
}

/* While its channel has not been read: not yet, or not at all since the last scan failed. */
static struct boot_answer wait_for_scan(const struct boot_request *request, const struct cluster_node *node,
	const struct catalog_channel *channel)
{
	int has_failed = request->fault && request->fault->code;

	return (struct boot_answer){.kind = BOOT_WAIT,
		.node = node,
		.reason = has_failed ? request->fault->text
			  : channel  ? channel->reason
				     : UNREAD,
		.is_soon = !has_failed};
}

static struct boot_answer decide(const struct boot_request *request)
{
	const struct cluster *c = request->cluster;
	const struct cluster_node *node = cluster_node_by_mac(c, request->mac);
	const struct catalog_channel *channel;

	if (!node)
		return (struct boot_answer){.kind = BOOT_UNKNOWN};
	channel = catalog_channel(request->catalog, c->groups[node->group].channel);
	if (channel && channel->offer)
		return (struct boot_answer){.kind = BOOT_RELEASE, .node = node, .offer = channel->offer};
	if (!channel || channel->is_pending)
		return wait_for_scan(request, node, channel);
	return (struct boot_answer){.kind = BOOT_WAIT, .node = node, .reason = channel->reason};
}

int boot_respond(
	const struct boot_request *request, struct boot_answer *ret, struct buf *script, struct err *err)
{
	struct boot_answer answer = decide(request);
	char text[128];
	int r;

	if (answer.kind == BOOT_RELEASE)
		r = node_script(request, &answer, script, err);
	else if (answer.kind == BOOT_WAIT) {
		(void)snprintf(text, sizeof(text), "%s has no release to boot yet", answer.node->name);
		r = wait_script(request, text, answer.is_soon, script, err);
	} else {
		(void)snprintf(text, sizeof(text), "%s is in no cluster file", request->mac);
		r = wait_script(request, text, 0, script, err);
	}
	if (r < 0)
		return r;
	*ret = answer;
	return 0;
}
