/*
 * Owns the cluster struct: its end, the look-ups by MAC, name and address, the rack of an address, and its
 * keyring. How it is read is in clusterfile.c.
 */
#include "seeder/cluster.h"

#include <arpa/inet.h>
#include <string.h>

void cluster_free(struct cluster *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->group_count; i++)
		free(c->groups[i].cmdline);
	yaml_strings_release(&c->trust);
	free(c->path);
	free(c->store);
	free(c->state);
	free(c->networks);
	free(c->groups);
	free(c->nodes);
	free(c->racks);
	free(c->ranges);
	free(c->by_mac);
	free(c->by_name);
	free(c->by_address);
	free(c);
}

int cluster_network_has(const struct cluster_network *n, struct in_addr a)
{
	return ((a.s_addr ^ n->address.s_addr) & n->netmask.s_addr) == 0;
}

static const struct cluster_node *find(
	const struct cluster *c, const size_t *index, size_t offset, const char *text)
{
	size_t low = 0, high = c->node_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct cluster_node *n = &c->nodes[index[middle]];
		int order = strcmp(text, (const char *)n + offset);

		if (order == 0)
			return n;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

const struct cluster_node *cluster_node_by_mac(const struct cluster *c, const char *mac)
{
	return find(c, c->by_mac, offsetof(struct cluster_node, mac), mac);
}

const struct cluster_node *cluster_node_by_name(const struct cluster *c, const char *name)
{
	return find(c, c->by_name, offsetof(struct cluster_node, name), name);
}

const struct cluster_node *cluster_node_by_address(const struct cluster *c, struct in_addr address)
{
	size_t low = 0, high = c->node_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c->nodes[c->by_address[middle]].address.s_addr < address.s_addr)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == c->node_count || c->nodes[c->by_address[low]].address.s_addr != address.s_addr)
		return NULL;
	return address.s_addr == INADDR_ANY ? NULL : &c->nodes[c->by_address[low]];
}

const struct cluster_network *cluster_network_of(const struct cluster *c, struct in_addr address)
{
	for (size_t i = 0; i < c->network_count; i++)
		if (cluster_network_has(&c->networks[i], address))
			return &c->networks[i];
	return NULL;
}

static const struct cluster_rack_range *range_of(const struct cluster *c, struct in_addr address)
{
	uint32_t wanted = ntohl(address.s_addr);
	size_t low = 0, high = c->range_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c->ranges[middle].last < wanted)
			low = middle + 1;
		else
			high = middle;
	}
	return low < c->range_count && c->ranges[low].first <= wanted ? &c->ranges[low] : NULL;
}

int cluster_rack_of(const struct cluster *c, const struct cluster_node *node, struct in_addr address)
{
	const struct cluster_rack_range *range;

	if (node && *node->rack)
		return (int)node->rack_index;
	range = range_of(c, address);
	if (range)
		return (int)range->rack;
	return node ? (int)node->rack_index : -1;
}

int cluster_keyring(const struct cluster *c, struct minisign_keyring *ret, struct err *err)
{
	int r = minisign_read_keyring((const char *const *)c->trust.items, c->trust.count, ret, err);

	if (r < 0)
		(void)err_prefix(err, "trust");
	return r;
}
