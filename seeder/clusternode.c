/*
 * Owns the reading of the cluster file's nodes: rows as they stand, then, once groups and networks are known,
 * what they refer to, and the sorted indexes, which show at once what is there twice.
 */
#include "seeder/clusterfile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/buf.h"

struct node_row {
	struct raw_node raw;
	char mac[MAC_TEXT_SIZE];
};

static const struct yaml_key node_keys[] = {
	{.name = "mac", .kind = YAML_MAC, .offset = offsetof(struct node_row, mac), .required = 1},
	{.name = "group", .kind = YAML_NAME, .offset = offsetof(struct node_row, raw.group), .required = 1},
	{.name = "rack", .kind = YAML_NAME, .offset = offsetof(struct node_row, raw.rack)},
	{.name = "address", .kind = YAML_STRING, .offset = offsetof(struct node_row, raw.address)},
	{0},
};

int cluster_node_read(struct yaml_node *at, const char *name, void *base, struct err *err)
{
	struct cluster_reader *reader = base;
	struct cluster *c = reader->cluster;
	struct raw_node *raw = cluster_add_row(&reader->raw, &reader->raw_count, sizeof(*raw));
	struct cluster_node *n = raw ? cluster_add_row(&c->nodes, &c->node_count, sizeof(*n)) : NULL;
	struct node_row row = {0};
	int r;

	if (!n)
		return err_oom(err, name);
	r = cluster_take_name(at, name, n->name, err);
	if (r == 0)
		r = yaml_read_map(at, node_keys, &row, err);
	*raw = row.raw;
	raw->at = at;
	memcpy(n->mac, row.mac, sizeof(n->mac));
	return r;
}

static int find_group(const struct cluster *c, const char *name, size_t *ret)
{
	for (size_t i = 0; i < c->group_count; i++)
		if (!strcmp(c->groups[i].name, name)) {
			*ret = i;
			return 0;
		}
	return -ENOENT;
}

static int unknown_group(const struct cluster *c, const struct raw_node *raw, struct err *err)
{
	_cleanup_buf_ struct buf known = {0};

	for (size_t i = 0; i < c->group_count; i++)
		(void)buf_printf(&known, "%s%s", i ? ", " : "", c->groups[i].name);
	return yaml_fault(raw->at, "group", err, "there is no group '%s'; the file has %s", raw->group,
		known.data ? known.data : "none");
}

static int take_node_address(
	const struct cluster *c, struct cluster_node *n, const struct raw_node *raw, struct err *err)
{
	const struct cluster_network *net;

	if (!raw->address)
		return 0;
	if (inet_pton(AF_INET, raw->address, &n->address) != 1)
		return yaml_fault(raw->at, "address", err, "'%.40s' is no IPv4 address", raw->address);
	net = cluster_network_of(c, n->address);
	if (!net || !cluster_network_is_host(net, n->address))
		return yaml_fault(raw->at, "address", err, "%s is in none of the networks", raw->address);
	if (n->address.s_addr == net->address.s_addr)
		return yaml_fault(raw->at, "address", err, "%s is the head's own", raw->address);
	n->has_address = 1;
	return 0;
}

static int finish_rows(struct cluster_reader *reader, struct err *err)
{
	struct cluster *c = reader->cluster;

	for (size_t i = 0; i < c->node_count; i++) {
		struct cluster_node *n = &c->nodes[i];
		const struct raw_node *raw = &reader->raw[i];

		if (find_group(c, raw->group, &n->group) < 0)
			return unknown_group(c, raw, err);
		if (raw->rack)
			(void)snprintf(n->rack, sizeof(n->rack), "%s", raw->rack);
		if (take_node_address(c, n, raw, err) < 0)
			return -EINVAL;
	}
	return 0;
}

/* ---- indexes: a sorted one shows at once what is there twice ---- */

static int compare_macs(const void *a, const void *b, void *arg)
{
	const struct cluster_node *nodes = arg;

	return strcmp(nodes[*(const size_t *)a].mac, nodes[*(const size_t *)b].mac);
}

static int compare_names(const void *a, const void *b, void *arg)
{
	const struct cluster_node *nodes = arg;

	return strcmp(nodes[*(const size_t *)a].name, nodes[*(const size_t *)b].name);
}

/* Nodes without an address are never equal. */
static int compare_addresses(const void *a, const void *b, void *arg)
{
	const struct cluster_node *nodes = arg;
	size_t i = *(const size_t *)a, j = *(const size_t *)b;

	if (nodes[i].address.s_addr != nodes[j].address.s_addr)
		return nodes[i].address.s_addr < nodes[j].address.s_addr ? -1 : 1;
	if (!nodes[i].has_address)
		return i < j ? -1 : 1;
	return 0;
}

static int make_index(const struct cluster_reader *reader, const char *key,
	int (*compare)(const void *, const void *, void *), size_t **ret, struct err *err)
{
	const struct cluster *c = reader->cluster;
	_cleanup_free_ size_t *index = calloc(c->node_count + 1, sizeof(*index));

	if (!index)
		return err_oom(err, "the nodes");
	for (size_t i = 0; i < c->node_count; i++)
		index[i] = i;
	qsort_r(index, c->node_count, sizeof(*index), compare, c->nodes);
	for (size_t i = 1; i < c->node_count; i++) {
		size_t a = index[i - 1], b = index[i];

		if (compare(&a, &b, c->nodes) == 0)
			return yaml_fault(reader->raw[a > b ? a : b].at, key, err,
				"nodes %s and %s have the same one", c->nodes[a < b ? a : b].name,
				c->nodes[a > b ? a : b].name);
	}
	*ret = TAKE(index);
	return 0;
}

static int make_indexes(struct cluster_reader *reader, struct err *err)
{
	struct cluster *c = reader->cluster;
	int r = make_index(reader, "mac", compare_macs, &c->by_mac, err);

	if (r == 0)
		r = make_index(reader, "name", compare_names, &c->by_name, err);
	if (r == 0)
		r = make_index(reader, "address", compare_addresses, &c->by_address, err);
	return r;
}

int cluster_nodes_finish(struct cluster_reader *reader, struct err *err)
{
	int r = finish_rows(reader, err);

	return r == 0 ? make_indexes(reader, err) : r;
}
