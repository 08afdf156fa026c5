/*
 * Owns the text of dnsmasq's configuration; its process is dnsmasq.c's. The way in: firmware PXE gets a
 * loader by its architecture (RFC 4578 option 93), the loader comes back as iPXE (option 175 or user class)
 * and gets the URL of the first script.
 */
#include "seeder/dnsmasq.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LEASES_MORE 64 /* beyond what the cluster file asks for */
#define TFTP_MIN    64
/* To a lease that it does not know it says no at once. Beside another seeder's DHCP that would be wrong. */
#define AUTHORITATIVE "dhcp-authoritative\n"

/* Architectures of RFC 4578 and the IANA registry "Processor Architecture Types". */
static const struct loader {
	unsigned arch;
	const char *tag, *file;
	int http;
} loaders[] = {
	{0, "bios", "undionly.kpxe", 0},
	{7, "efi64", "snponly.efi", 0},
	{9, "efi64", "snponly.efi", 0},
	{16, "efihttp", "snponly.efi", 1},
};

/* A node's line goes without an address when the file gives none: the range then does. */
static int add_host(const struct cluster_node *n, struct buf *ret)
{
	char address[INET_ADDRSTRLEN] = "";

	if (n->has_address)
		(void)inet_ntop(AF_INET, &n->address, address, sizeof(address));
	return buf_printf(ret, "dhcp-host=%s,%s%s%s\n", n->mac, address, *address ? "," : "", n->name);
}

static int add_loader(const char *network, const char *base, const struct loader *l, struct buf *ret)
{
	if (l->http)
		return buf_printf(ret, "dhcp-boot=tag:%s,tag:!ipxe,tag:%s,%s/boot/%s\n", network, l->tag,
			base, l->file);
	return buf_printf(ret, "dhcp-boot=tag:%s,tag:!ipxe,tag:%s,%s\n", network, l->tag, l->file);
}

static int add_servers(const struct cluster_network *n, struct buf *ret)
{
	char text[INET_ADDRSTRLEN] = "";
	int r = 0;

	if (n->gateway.s_addr != INADDR_ANY)
		(void)inet_ntop(AF_INET, &n->gateway, text, sizeof(text));
	/* Without a value dnsmasq keeps quiet, where it would name itself by default. */
	r = buf_printf(ret, "dhcp-option=tag:%s,option:router%s%s\n", n->name, *text ? "," : "", text);
	if (r == 0)
		r = buf_printf(ret, "dhcp-option=tag:%s,option:dns-server", n->name);
	for (size_t i = 0; r == 0 && i < n->dns_count; i++) {
		(void)inet_ntop(AF_INET, &n->dns[i], text, sizeof(text));
		r = buf_printf(ret, ",%s", text);
	}
	return r == 0 ? buf_puts(ret, "\n") : r;
}

static int add_network(const struct cluster *c, const struct cluster_network *n, struct buf *ret)
{
	char first[INET_ADDRSTRLEN], last[INET_ADDRSTRLEN], mask[INET_ADDRSTRLEN], own[INET_ADDRSTRLEN],
		base[64];
	int r;

	if (!n->dhcp)
		return buf_printf(ret, "\n# network %s, TFTP only\ninterface=%s\nno-dhcp-interface=%s\n",
			n->name, n->interface, n->interface);
	(void)inet_ntop(AF_INET, &n->first, first, sizeof(first));
	(void)inet_ntop(AF_INET, &n->last, last, sizeof(last));
	(void)inet_ntop(AF_INET, &n->netmask, mask, sizeof(mask));
	(void)inet_ntop(AF_INET, &n->address, own, sizeof(own));
	(void)snprintf(base, sizeof(base), "http://%s:%u", own, c->http_port);
	r = buf_printf(ret,
		"\n# network %s\n"
		"interface=%s\n"
		"dhcp-range=set:%s,%s,%s,%s,%" PRIu64 "\n"
		"dhcp-boot=tag:%s,tag:ipxe,%s/boot.ipxe\n",
		n->name, n->interface, n->name, first, last, mask, n->lease, n->name, base);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(loaders); i++)
		if (i == 0 || strcmp(loaders[i].tag, loaders[i - 1].tag) != 0)
			r = add_loader(n->name, base, &loaders[i], ret);
	return r == 0 ? add_servers(n, ret) : r;
}

static uint64_t count_addresses(const struct cluster *c)
{
	uint64_t count = c->node_count;

	for (size_t i = 0; i < c->network_count; i++)
		count += !c->networks[i].dhcp
				 ? 0
				 : ntohl(c->networks[i].last.s_addr) - ntohl(c->networks[i].first.s_addr) + 1;
	return count;
}

static int add_common(const struct cluster *c, const struct dnsmasq_options *options, struct buf *ret)
{
	int r = buf_printf(ret,
		"# Made by swarmboot from %s at every start: changes belong there.\n"
		"port=0\n"
		"bind-dynamic\n"
		"except-interface=lo\n"
		"no-hosts\n"
		"no-resolv\n"
		"no-ping\n"
		"log-facility=-\n"
		"pid-file=%s/dnsmasq.pid\n"
		"%s"
		"dhcp-leasefile=%s/dnsmasq.leases\n"
		"dhcp-lease-max=%" PRIu64 "\n"
		"enable-tftp\n"
		"tftp-root=%s/tftp\n"
		"tftp-max=%zu\n",
		c->path, options->state, c->seeder_count ? "" : AUTHORITATIVE, options->state,
		count_addresses(c) + LEASES_MORE, options->state,
		c->node_count > TFTP_MIN ? c->node_count : TFTP_MIN);

	if (r == 0 && options->as_root)
		r = buf_puts(ret, "user=root\n");
	return r;
}

static int add_matches(struct buf *ret)
{
	/* iPXE's no-pxedhcp (175.176): no 3 s wait for a proxy's offer, ours is the whole answer. */
	int r = buf_puts(ret, "dhcp-match=set:ipxe,175\ndhcp-userclass=set:ipxe,iPXE\n"
			      "dhcp-option=tag:ipxe,encap:175,176,1b\n");

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(loaders); i++)
		r = buf_printf(
			ret, "dhcp-match=set:%s,option:client-arch,%u\n", loaders[i].tag, loaders[i].arch);
	/* UEFI takes the offer of an HTTP URL only from who calls itself an HTTP boot server (UEFI 24.7.2).
	 */
	return r == 0 ? buf_puts(ret, "dhcp-option-force=tag:efihttp,option:vendor-class,HTTPClient\n") : r;
}

int dnsmasq_config(const struct cluster *c, const struct dnsmasq_options *options, struct buf *ret)
{
	int r = add_common(c, options, ret);

	if (r == 0)
		r = add_matches(ret);
	for (size_t i = 0; r == 0 && i < c->network_count; i++)
		r = add_network(c, &c->networks[i], ret);
	if (r == 0)
		r = buf_puts(ret, "\n");
	for (size_t i = 0; r == 0 && i < c->node_count; i++)
		r = add_host(&c->nodes[i], ret);
	return r;
}
