/* Owns the answer to a node that asks what to boot, kernel command line included. Records nothing. */
#include "seeder/boot.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "seeder/ipxe.h"
#include "seeder/wire/bootargs.h"

#define NO_CATALOG "the store is still being read"

void boot_base(const struct cluster *c, struct in_addr from, char ret[BOOT_BASE_SIZE])
{
	const struct cluster_network *n = cluster_network_of(c, from);
	char address[INET_ADDRSTRLEN] = "";

	(void)inet_ntop(AF_INET, n ? &n->address : &c->networks[0].address, address, sizeof(address));
	(void)snprintf(ret, BOOT_BASE_SIZE, "http://%s:%u", address, c->http_port);
}

int boot_entry(const struct cluster *c, struct in_addr from, struct buf *script, struct err *err)
{
	char base[BOOT_BASE_SIZE];

	boot_base(c, from, base);
	return ipxe_render(ipxe_entry, (const struct ipxe_value[]){{"base", base}, {0}}, script, err);
}

static int wait_script(
	const struct boot_request *request, const char *reason, struct buf *script, struct err *err)
{
	char base[BOOT_BASE_SIZE];

	boot_base(request->cluster, request->from, base);
	return ipxe_render(ipxe_wait,
		(const struct ipxe_value[]){{"base", base}, {"mac", request->mac}, {"reason", reason}, {0}},
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
	struct bootargs args = {.release = answer->offer->digest, .seeder_count = 1};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(words); i++)
		if (*words[i])
			r = buf_printf(ret, "%s ", words[i]);
	memcpy(args.node, node->name, sizeof(args.node));
	memcpy(args.mac, node->mac, sizeof(args.mac));
	boot_base(request->cluster, request->from, args.seeders[0]);
	take_address(&args, request, node);
	return r == 0 ? bootargs_format(&args, ret) : r;
}

static int node_script(const struct boot_request *request, const struct boot_answer *answer,
	struct buf *script, struct err *err)
{
	_cleanup_buf_ struct buf arguments = {0};
	char base[BOOT_BASE_SIZE], kernel[DIGEST_TEXT_SIZE], initramfs[DIGEST_TEXT_SIZE], release[128];
	const struct release *r = &answer->offer->release;

	if (add_arguments(request, answer, &arguments) < 0)
		return err_oom(err, "a boot script");
	boot_base(request->cluster, request->from, base);
	digest_format(&r->kernel.digest, kernel);
	digest_format(&r->initramfs.digest, initramfs);
	(void)snprintf(release, sizeof(release), "%s:%llu", r->profile, (unsigned long long)r->sequence);
	return ipxe_render(ipxe_node,
		(const struct ipxe_value[]){{"base", base}, {"node", answer->node->name},
			{"mac", answer->node->mac}, {"release", release}, {"kernel", kernel},
			{"initramfs", initramfs}, {"arguments", arguments.data}, {0}},
		script, err);
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
	return (struct boot_answer){
		.kind = BOOT_WAIT, .node = node, .reason = channel ? channel->reason : NO_CATALOG};
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
		r = wait_script(request, text, script, err);
	} else {
		(void)snprintf(text, sizeof(text), "%s is in no cluster file", request->mac);
		r = wait_script(request, text, script, err);
	}
	if (r < 0)
		return r;
	*ret = answer;
	return 0;
}
