/* Owns the reading of the cluster file's further seeders: URLs to addresses, in one order for every seeder.
 */
#include "seeder/clusterfile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SCHEME "http://"

/* An address, not a name: the agent has no resolver. */
static int parse_seeder(const char *url, struct cluster_seeder *ret)
{
	char address[INET_ADDRSTRLEN];
	const char *host = strncmp(url, SCHEME, strlen(SCHEME)) ? NULL : url + strlen(SCHEME);
	size_t len = host ? strcspn(host, ":") : 0;

	if (!host || len == 0 || len >= sizeof(address) || host[len] != ':')
		return -EINVAL;
	memcpy(address, host, len);
	address[len] = '\0';
	if (inet_pton(AF_INET, address, &ret->address) != 1 || parse_u16(host + len + 1, &ret->port) < 0)
		return -EINVAL;
	return ret->port ? 0 : -EINVAL;
}

/* So that all seeders of a cluster may have the same list. */
static int is_self(const struct cluster *c, const struct cluster_seeder *s)
{
	for (size_t i = 0; i < c->network_count; i++)
		if (c->networks[i].address.s_addr == s->address.s_addr && c->http_port == s->port)
			return 1;
	return 0;
}

static int is_in_range(const struct cluster_network *n, struct in_addr address)
{
	uint32_t a = ntohl(address.s_addr);

	return n->dhcp && a >= ntohl(n->first.s_addr) && a <= ntohl(n->last.s_addr);
}

/* Nobody else may be given its address. */
static int check_address(
	const struct cluster *c, struct yaml_node *at, const struct cluster_seeder *s, struct err *err)
{
	const struct cluster_node *node = cluster_node_by_address(c, s->address);

	if (node)
		return yaml_fault(at, "seeders", err, "has the address of node %s", node->name);
	for (size_t i = 0; i < c->network_count; i++)
		if (is_in_range(&c->networks[i], s->address))
			return yaml_fault(at, "seeders", err, "has an address in the range of network '%s'",
				c->networks[i].name);
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct cluster_seeder *x = a, *y = b;
	uint32_t ax = ntohl(x->address.s_addr), ay = ntohl(y->address.s_addr);

	if (ax != ay)
		return ax < ay ? -1 : 1;
	return (int)x->port - (int)y->port;
}

static int take_seeder(struct cluster *c, struct yaml_node *at, const char *url, struct err *err)
{
	struct cluster_seeder seeder;
	int r;

	if (parse_seeder(url, &seeder) < 0)
		return yaml_fault(at, "seeders", err,
			"'%.80s' is not allowed: http://ADDRESS:PORT, such as http://10.77.0.2:8080", url);
	if (is_self(c, &seeder))
		return 0;
	for (size_t i = 0; i < c->seeder_count; i++)
		if (compare(&c->seeders[i], &seeder) == 0)
			return yaml_fault(at, "seeders", err, "names %.80s twice", url);
	if (c->seeder_count == CLUSTER_SEEDERS_MAX)
		return yaml_fault(
			at, "seeders", err, "at most %d beside this one are allowed", CLUSTER_SEEDERS_MAX);
	r = check_address(c, at, &seeder, err);
	if (r == 0)
		c->seeders[c->seeder_count++] = seeder;
	return r;
}

int cluster_seeders_take(struct cluster_reader *reader, struct yaml_node *root, struct err *err)
{
	struct cluster *c = reader->cluster;
	int r = 0;

	for (size_t i = 0; r == 0 && i < reader->seeders.count; i++)
		r = take_seeder(c, root, reader->seeders.items[i], err);
	if (c->seeder_count)
		qsort(c->seeders, c->seeder_count, sizeof(*c->seeders), compare);
	return r;
}
