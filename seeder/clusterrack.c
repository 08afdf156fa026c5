/*
 * Owns the racks of the cluster file: those that nodes name and those of `racks:`, which are given by node
 * names, subnets and ranges of addresses. A node is in one rack; what puts it into two is a fault.
 */
#include "seeder/clusterfile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/hostlist.h"
#include "imager/base/parse.h"

static const struct yaml_key rack_keys[] = {
	{.name = "nodes",
		.kind = YAML_STRINGS,
		.offset = offsetof(struct raw_rack, nodes),
		.allowed = "names such as n[001-040], or a list of them"},
	{.name = "subnet",
		.kind = YAML_STRINGS,
		.offset = offsetof(struct raw_rack, subnets),
		.allowed = "a subnet such as 10.77.2.0/24, or a list of them"},
	{.name = "addresses",
		.kind = YAML_STRINGS,
		.offset = offsetof(struct raw_rack, addresses),
		.allowed = "FIRST-LAST, such as 10.77.0.10-10.77.0.60, or a list of them"},
	{0},
};

void cluster_racks_release(struct cluster_reader *reader)
{
	for (size_t i = 0; i < reader->raw_rack_count; i++) {
		yaml_strings_release(&reader->raw_racks[i].nodes);
		yaml_strings_release(&reader->raw_racks[i].subnets);
		yaml_strings_release(&reader->raw_racks[i].addresses);
	}
	free(reader->raw_racks);
}

int cluster_rack_read(struct yaml_node *at, const char *name, void *base, struct err *err)
{
	struct cluster_reader *reader = base;
	struct cluster *c = reader->cluster;
	struct raw_rack *raw = cluster_add_row(&reader->raw_racks, &reader->raw_rack_count, sizeof(*raw));
	char(*rack)[CLUSTER_NAME_SIZE] =
		raw ? cluster_add_row(&c->racks, &c->rack_count, sizeof(*rack)) : NULL;
	int r;

	if (!rack)
		return err_oom(err, name);
	raw->at = at;
	r = cluster_take_name(at, name, *rack, err);
	if (r == 0)
		r = yaml_read_map(at, rack_keys, raw, err);
	if (r == 0 && !raw->nodes.count && !raw->subnets.count && !raw->addresses.count)
		r = yaml_fault(at, name, err, "names nothing; nodes, subnet and addresses are allowed");
	return r;
}

/* ---- by name ---- */

static struct cluster_node *find_node(struct cluster *c, const char *name)
{
	const struct cluster_node *n = cluster_node_by_name(c, name);

	return n ? &c->nodes[n - c->nodes] : NULL;
}

static int take_names(
	struct cluster *c, struct yaml_node *at, const char *rack, const char *text, struct err *err)
{
	_cleanup_hostlist_ struct hostlist list = {0};
	struct err why = {0};

	if (hostlist_parse(text, &list, &why) < 0)
		return yaml_fault(at, "nodes", err, "%s", why.text);
	for (size_t i = 0; i < list.count; i++) {
		struct cluster_node *n = find_node(c, list.names[i]);

		if (!n)
			return yaml_fault(at, "nodes", err, "there is no node '%s'", list.names[i]);
		if (*n->rack && strcmp(n->rack, rack) != 0)
			return yaml_fault(at, "nodes", err, "%s is in rack '%s' already", n->name, n->rack);
		(void)snprintf(n->rack, sizeof(n->rack), "%s", rack);
	}
	return 0;
}

/* ---- by address ---- */

static int parse_subnet(char *text, struct cluster_rack_range *ret)
{
	char *prefix = cluster_cut(text, '/');
	struct in_addr address;
	uint32_t bits, rest;

	if (!prefix || cluster_parse_address(text, &address) < 0 || parse_u32(prefix, &bits) < 0 ||
		bits < 8 || bits > 32)
		return -EINVAL;
	rest = bits == 32 ? 0 : UINT32_MAX >> bits;
	ret->first = ntohl(address.s_addr);
	ret->last = ret->first | rest;
	return ret->first & rest ? -EINVAL : 0;
}

static int parse_range(char *text, struct cluster_rack_range *ret)
{
	char *last = cluster_cut(text, '-');
	struct in_addr a, b;

	if (!last || cluster_parse_address(text, &a) < 0 || cluster_parse_address(last, &b) < 0)
		return -EINVAL;
	ret->first = ntohl(a.s_addr);
	ret->last = ntohl(b.s_addr);
	return ret->first <= ret->last ? 0 : -EINVAL;
}

static int touches_network(const struct cluster *c, const struct cluster_rack_range *range)
{
	for (size_t i = 0; i < c->network_count; i++) {
		uint32_t first = ntohl(c->networks[i].address.s_addr & c->networks[i].netmask.s_addr);
		uint32_t last = first | ~ntohl(c->networks[i].netmask.s_addr);

		if (range->first <= last && range->last >= first)
			return 1;
	}
	return 0;
}

static int check_overlap(const struct cluster *c, const struct cluster_rack_range *new, struct yaml_node *at,
	const char *key, struct err *err)
{
	for (size_t i = 0; i < c->range_count; i++)
		if (new->first <= c->ranges[i].last &&new->last >= c->ranges[i].first)
			return yaml_fault(
				at, key, err, "has addresses of rack '%s'", c->racks[c->ranges[i].rack]);
	return 0;
}

/* One of the two ways to give a range. */
struct range_kind {
	const char *key, *allowed;
	int (*parse)(char *text, struct cluster_rack_range *ret);
};

static const struct range_kind by_subnet = {
	"subnet", "a subnet without host bits, such as 10.77.2.0/24", parse_subnet};
static const struct range_kind by_range = {
	"addresses", "FIRST-LAST, such as 10.77.0.10-10.77.0.60", parse_range};

static int take_range(struct cluster_reader *reader, size_t rack, const struct range_kind *kind, size_t item,
	struct err *err)
{
	const struct raw_rack *raw = &reader->raw_racks[rack];
	const struct yaml_strings *texts = kind == &by_subnet ? &raw->subnets : &raw->addresses;
	struct yaml_node *at = yaml_find_item(raw->at, kind->key, item);
	_cleanup_free_ char *text = strdup(texts->items[item]);
	struct cluster_rack_range range = {.rack = rack}, *new;
	struct cluster *c = reader->cluster;

	if (!text)
		return err_oom(err, "a rack");
	if (kind->parse(text, &range) < 0)
		return yaml_fault(
			at, kind->key, err, "'%.40s' is not allowed: %s", texts->items[item], kind->allowed);
	if (!touches_network(c, &range))
		return yaml_fault(at, kind->key, err, "%s is in none of the networks", texts->items[item]);
	if (check_overlap(c, &range, at, kind->key, err) < 0)
		return -EINVAL;
	new = cluster_add_row(&c->ranges, &c->range_count, sizeof(*new));
	if (!new)
		return err_oom(err, "a rack");
	*new = range;
	return 0;
}

static int take_rack(struct cluster_reader *reader, size_t rack, struct err *err)
{
	const struct raw_rack *raw = &reader->raw_racks[rack];
	int r = 0;

	for (size_t i = 0; r == 0 && i < raw->nodes.count; i++)
		r = take_names(reader->cluster, yaml_find_item(raw->at, "nodes", i),
			reader->cluster->racks[rack], raw->nodes.items[i], err);
	for (size_t i = 0; r == 0 && i < raw->subnets.count; i++)
		r = take_range(reader, rack, &by_subnet, i, err);
	for (size_t i = 0; r == 0 && i < raw->addresses.count; i++)
		r = take_range(reader, rack, &by_range, i, err);
	return r;
}

/* ---- the whole ---- */

static int compare_ranges(const void *a, const void *b)
{
	const struct cluster_rack_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* The index of the rack, which becomes one when it is none yet; -ENOMEM. */
static int rack_index(struct cluster *c, const char *name)
{
	char(*rack)[CLUSTER_NAME_SIZE];

	for (size_t i = 0; i < c->rack_count; i++)
		if (!strcmp(c->racks[i], name))
			return (int)i;
	rack = cluster_add_row(&c->racks, &c->rack_count, sizeof(*rack));
	if (!rack)
		return -ENOMEM;
	(void)snprintf(*rack, sizeof(*rack), "%s", name);
	return (int)c->rack_count - 1;
}

/* A node with an address of its own is in the rack of that address, and must not be named for another. */
static int place_node(struct cluster_reader *reader, size_t i, struct err *err)
{
	struct cluster *c = reader->cluster;
	struct cluster_node *n = &c->nodes[i];
	int rack = n->has_address ? cluster_rack_of(c, NULL, n->address) : -1;

	if (rack >= 0 && *n->rack && strcmp(n->rack, c->racks[rack]) != 0)
		return yaml_fault(reader->raw[i].at, "address", err,
			"is one of rack '%s', but %s is in rack '%s'", c->racks[rack], n->name, n->rack);
	if (rack >= 0)
		memcpy(n->rack, c->racks[rack], sizeof(n->rack));
	if (i > 0 && !strcmp(n->rack, n[-1].rack))
		rack = (int)n[-1].rack_index;
	else
		rack = rack_index(c, n->rack);
	if (rack < 0)
		return err_oom(err, "a rack");
	n->rack_index = (size_t)rack;
	return 0;
}

int cluster_racks_finish(struct cluster_reader *reader, struct err *err)
{
	struct cluster *c = reader->cluster;
	int r = 0;

	for (size_t i = 0; r == 0 && i < reader->raw_rack_count; i++)
		r = take_rack(reader, i, err);
	if (r == 0 && c->range_count)
		qsort(c->ranges, c->range_count, sizeof(*c->ranges), compare_ranges);
	for (size_t i = 0; r == 0 && i < c->node_count; i++)
		r = place_node(reader, i, err);
	return r;
}
