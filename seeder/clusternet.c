/* Owns the reading of one network of the cluster file: addresses as text to addresses that fit together. */
#include "seeder/clusterfile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_LEASE 3600
#define LEASE_MIN     120 /* what dnsmasq allows */
#define LEASE_MAX     (365 * 86400)

struct raw_network {
	char *interface, *address, *range, *gateway, *lease;
	struct yaml_strings dns;
	int dhcp;
};

static void raw_network_release(struct raw_network *r)
{
	free(r->interface);
	free(r->address);
	free(r->range);
	free(r->gateway);
	free(r->lease);
	yaml_strings_release(&r->dns);
}

static uint32_t host_order(struct in_addr a)
{
	return ntohl(a.s_addr);
}

int cluster_network_is_host(const struct cluster_network *n, struct in_addr a)
{
	uint32_t part = host_order(a) & ~host_order(n->netmask);

	return cluster_network_has(n, a) && part != 0 && part != ~host_order(n->netmask);
}

int cluster_parse_address(const char *text, struct in_addr *ret)
{
	return inet_pton(AF_INET, text, ret) == 1 ? 0 : -EINVAL;
}

char *cluster_cut(char *text, char divider)
{
	char *at = strchr(text, divider);

	if (at)
		*at++ = '\0';
	return at;
}

static int take_own_address(struct cluster_network *n, char *text)
{
	char *prefix = cluster_cut(text, '/');
	uint32_t bits;

	if (!prefix || cluster_parse_address(text, &n->address) < 0 || parse_u32(prefix, &bits) < 0)
		return -EINVAL;
	if (bits < 8 || bits > 30)
		return -EINVAL;
	n->prefix = bits;
	n->netmask.s_addr = htonl(UINT32_MAX << (32 - bits));
	return cluster_network_is_host(n, n->address) ? 0 : -EINVAL;
}

static int take_range(struct cluster_network *n, char *text)
{
	char *last = cluster_cut(text, '-');

	if (!last || cluster_parse_address(text, &n->first) < 0 || cluster_parse_address(last, &n->last) < 0)
		return -EINVAL;
	return host_order(n->first) <= host_order(n->last) ? 0 : -EINVAL;
}

static int check_range(struct yaml_node *at, const struct cluster_network *n, struct err *err)
{
	if (!cluster_network_is_host(n, n->first) || !cluster_network_is_host(n, n->last))
		return yaml_fault(at, "range", err, "lies outside the network of 'address'");
	if (host_order(n->address) >= host_order(n->first) && host_order(n->address) <= host_order(n->last))
		return yaml_fault(at, "range", err, "holds the head's own address");
	return 0;
}

/* Where somebody else answers DHCP it is of no use, but a wrong one is a fault there too: it shows on the day
 * when 'dhcp: false' is taken out. */
static int read_range(
	struct yaml_node *at, struct cluster_network *n, const struct raw_network *raw, struct err *err)
{
	n->dhcp = raw->dhcp;
	if (!raw->range)
		return n->dhcp ? yaml_fault(at, "range", err,
					 "is missing; it may be for a network with 'dhcp: false'")
			       : 0;
	if (take_range(n, raw->range) < 0)
		return yaml_fault(
			at, "range", err, "is not allowed: FIRST-LAST, such as 10.77.0.100-10.77.0.199");
	if (check_range(at, n, err) < 0)
		return -EINVAL;
	if (!n->dhcp)
		n->first.s_addr = n->last.s_addr = INADDR_ANY;
	return 0;
}

static int take_gateway(
	struct yaml_node *at, struct cluster_network *n, const struct raw_network *raw, struct err *err)
{
	if (raw->gateway && (cluster_parse_address(raw->gateway, &n->gateway) < 0 ||
				    !cluster_network_is_host(n, n->gateway)))
		return yaml_fault(at, "gateway", err, "'%.40s' is no address of this network", raw->gateway);
	if (raw->dns.count > CLUSTER_DNS_MAX)
		return yaml_fault(at, "dns", err, "at most %d servers are allowed", CLUSTER_DNS_MAX);
	for (size_t i = 0; i < raw->dns.count; i++)
		if (cluster_parse_address(raw->dns.items[i], &n->dns[n->dns_count++]) < 0)
			return yaml_fault(at, "dns", err, "'%.40s' is no IPv4 address", raw->dns.items[i]);
	return 0;
}

static int take_network(
	struct yaml_node *at, struct cluster_network *n, const struct raw_network *raw, struct err *err)
{
	if (!*raw->interface || strlen(raw->interface) >= IFNAMSIZ || strpbrk(raw->interface, "/ \t,:"))
		return yaml_fault(at, "interface", err, "'%.40s' is no name of an interface", raw->interface);
	(void)snprintf(n->interface, sizeof(n->interface), "%.*s", IFNAMSIZ - 1, raw->interface);
	if (take_own_address(n, raw->address) < 0)
		return yaml_fault(at, "address", err,
			"is not allowed: the head's own address and prefix, such as 10.77.0.1/24 (/8 to "
			"/30)");
	if (read_range(at, n, raw, err) < 0)
		return -EINVAL;
	n->lease = DEFAULT_LEASE;
	if (raw->lease &&
		(parse_seconds(raw->lease, &n->lease) < 0 || n->lease < LEASE_MIN || n->lease > LEASE_MAX))
		return yaml_fault(at, "lease", err,
			"'%.40s' is not allowed: a time such as 1h, from 2m to 365d", raw->lease);
	return take_gateway(at, n, raw, err);
}

static const struct yaml_key network_keys[] = {
	{.name = "interface",
		.kind = YAML_STRING,
		.offset = offsetof(struct raw_network, interface),
		.required = 1},
	{.name = "address",
		.kind = YAML_STRING,
		.offset = offsetof(struct raw_network, address),
		.required = 1},
	{.name = "dhcp", .kind = YAML_BOOL, .offset = offsetof(struct raw_network, dhcp)},
	{.name = "range", .kind = YAML_STRING, .offset = offsetof(struct raw_network, range)},
	{.name = "gateway", .kind = YAML_STRING, .offset = offsetof(struct raw_network, gateway)},
	{.name = "dns", .kind = YAML_STRINGS, .offset = offsetof(struct raw_network, dns)},
	{.name = "lease", .kind = YAML_STRING, .offset = offsetof(struct raw_network, lease)},
	{0},
};

int cluster_network_read(struct yaml_node *at, struct cluster_network *n, struct err *err)
{
	_cleanup_(raw_network_release) struct raw_network raw = {.dhcp = 1};
	int r = yaml_read_map(at, network_keys, &raw, err);

	return r == 0 ? take_network(at, n, &raw, err) : r;
}
