/*
 * Owns the cluster file's meaning: the schema tables, and the checks across its parts (groups that exist,
 * nothing named twice, addresses that fit). Does not touch the network: whether an interface is there is
 * asked by whoever uses it.
 */
#include "seeder/clusterfile.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/buf.h"
#include "imager/base/io.h"
#include "seeder/policy.h"

#define DEFAULT_STORE  "/var/lib/swarmboot/store"
#define DEFAULT_CHAINS 1
#define DEFAULT_STATE  "/var/lib/swarmboot/state"
#define DEFAULT_HTTP   8080
#define DEFAULT_SWARM  6881
#define CMDLINE_LIMIT  1024

static void reader_release(struct cluster_reader *r)
{
	for (size_t i = 0; i < r->raw_count; i++) {
		free(r->raw[i].group);
		free(r->raw[i].rack);
		free(r->raw[i].address);
	}
	free(r->raw);
	cluster_racks_release(r);
	free(r->store);
	free(r->state);
	yaml_strings_release(&r->trust);
	yaml_strings_release(&r->seeders);
	cluster_free(r->cluster);
}

static int overlaps(const struct cluster_network *a, const struct cluster_network *b)
{
	return cluster_network_has(a, b->address) || cluster_network_has(b, a->address);
}

static int each_network(struct yaml_node *at, const char *name, void *base, struct err *err)
{
	struct cluster *c = ((struct cluster_reader *)base)->cluster;
	struct cluster_network *n = cluster_add_row(&c->networks, &c->network_count, sizeof(*n));
	int r;

	if (!n)
		return err_oom(err, name);
	r = cluster_take_name(at, name, n->name, err);
	if (r == 0)
		r = cluster_network_read(at, n, err);
	if (r < 0)
		return r;
	for (struct cluster_network *other = c->networks; other < n; other++)
		if (overlaps(other, n) || !strcmp(other->interface, n->interface))
			return yaml_fault(
				at, name, err, "has addresses or interface of network '%s'", other->name);
	return 0;
}

/* ---- groups ---- */

struct raw_group {
	char *channel, *cmdline;
};

static void raw_group_release(struct raw_group *r)
{
	free(r->channel);
	free(r->cmdline);
}

static const struct yaml_key group_keys[] = {
	{.name = "channel",
		.kind = YAML_STRING,
		.offset = offsetof(struct raw_group, channel),
		.required = 1},
	{.name = "cmdline", .kind = YAML_STRING, .offset = offsetof(struct raw_group, cmdline)},
	{.name = "seed", .kind = YAML_ELSEWHERE},
	{0},
};

static int is_ref(const char *text)
{
	char profile[CLUSTER_REF_SIZE];
	char *channel;

	if (strlen(text) >= sizeof(profile))
		return 0;
	memcpy(profile, text, strlen(text) + 1);
	channel = strchr(profile, ':');
	if (!channel)
		return 0;
	*channel++ = '\0';
	return parse_name(profile) == 0 && parse_name(channel) == 0;
}

static int is_cmdline(const char *text)
{
	for (const char *p = text; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			return 0;
	return strlen(text) < CMDLINE_LIMIT;
}

/* The keys of `seed:` in a mapping that may have it. */
static int read_seed(struct yaml_node *at, struct seed_policy *p, struct err *err)
{
	struct yaml_node *seed = yaml_find(at, "seed");

	return seed ? cluster_seed_read(seed, p, err) : 0;
}

static int each_group(struct yaml_node *at, const char *name, void *base, struct err *err)
{
	struct cluster *c = ((struct cluster_reader *)base)->cluster;
	_cleanup_(raw_group_release) struct raw_group raw = {0};
	struct cluster_group *g = cluster_add_row(&c->groups, &c->group_count, sizeof(*g));
	int r;

	if (!g)
		return err_oom(err, name);
	r = cluster_take_name(at, name, g->name, err);
	if (r == 0)
		r = yaml_read_map(at, group_keys, &raw, err);
	if (r < 0)
		return r;
	if (!is_ref(raw.channel))
		return yaml_fault(at, "channel", err,
			"'%.80s' is not allowed: PROFILE:CHANNEL or PROFILE:SEQUENCE", raw.channel);
	(void)snprintf(g->channel, sizeof(g->channel), "%s", raw.channel);
	if (raw.cmdline && !is_cmdline(raw.cmdline))
		return yaml_fault(at, "cmdline", err, "at most %d printable ASCII characters are allowed",
			CMDLINE_LIMIT - 1);
	g->cmdline = raw.cmdline ? TAKE(raw.cmdline) : strdup("");
	if (!g->cmdline)
		return err_oom(err, name);
	g->seed = ((struct cluster_reader *)base)->seed;
	return read_seed(at, &g->seed, err);
}

/* ---- the whole ---- */

static const struct yaml_key port_keys[] = {
	{.name = "port",
		.kind = YAML_U64,
		.offset = offsetof(struct port, port),
		.required = 1,
		.allowed = "a port from 1 to 65535"},
	{0},
};

static const struct yaml_key swarm_keys[] = {
	{.name = "port",
		.kind = YAML_U64,
		.offset = offsetof(struct port, port),
		.allowed = "a port from 1 to 65535"},
	{.name = "chains",
		.kind = YAML_U64,
		.offset = offsetof(struct port, chains),
		.allowed = "how many nodes a seeder feeds at once"},
	{0},
};

static const struct yaml_key cluster_keys[] = {
	{.name = "store", .kind = YAML_STRING, .offset = offsetof(struct cluster_reader, store)},
	{.name = "state", .kind = YAML_STRING, .offset = offsetof(struct cluster_reader, state)},
	{.name = "trust",
		.kind = YAML_STRINGS,
		.offset = offsetof(struct cluster_reader, trust),
		.required = 1,
		.allowed = "a list of public key files"},
	{.name = "http",
		.kind = YAML_MAP,
		.offset = offsetof(struct cluster_reader, http),
		.keys = port_keys},
	{.name = "swarm",
		.kind = YAML_MAP,
		.offset = offsetof(struct cluster_reader, swarm),
		.keys = swarm_keys},
	{.name = "seed", .kind = YAML_ELSEWHERE},
	{.name = "seeders",
		.kind = YAML_STRINGS,
		.offset = offsetof(struct cluster_reader, seeders),
		.allowed = "a list of http://ADDRESS:PORT"},
	{.name = "networks", .kind = YAML_TABLE, .each = each_network, .required = 1},
	{.name = "groups", .kind = YAML_TABLE, .each = each_group, .required = 1},
	{.name = "racks", .kind = YAML_TABLE, .each = cluster_rack_read},
	{.name = "nodes", .kind = YAML_TABLE, .each = cluster_node_read},
	{0},
};

static int take_port(struct yaml_node *at, const char *key, uint64_t port, uint16_t *ret, struct err *err)
{
	if (port < 1 || port > UINT16_MAX)
		return yaml_fault(at, key, err, "a port from 1 to 65535 is wanted");
	*ret = (uint16_t)port;
	return 0;
}

/* A path of the file: from the root, or from the folder the file is in. Absolute, as dnsmasq leaves ours. */
static char *resolve(const char *file, const char *path)
{
	_cleanup_free_ char *real = realpath(file, NULL);

	if (*path == '/' || !real)
		return real ? strdup(path) : NULL;
	return path_join(dirname(real), path);
}

static int take_paths(struct cluster_reader *reader, struct err *err)
{
	struct cluster *c = reader->cluster;

	c->store = resolve(c->path, reader->store ? reader->store : DEFAULT_STORE);
	c->state = resolve(c->path, reader->state ? reader->state : DEFAULT_STATE);
	if (!c->store || !c->state)
		return err_oom(err, c->path);
	for (size_t i = 0; i < reader->trust.count; i++) {
		char *path = resolve(c->path, reader->trust.items[i]);

		if (!path)
			return err_oom(err, c->path);
		free(reader->trust.items[i]);
		reader->trust.items[i] = path;
	}
	c->trust = reader->trust;
	reader->trust = (struct yaml_strings){0};
	return 0;
}

static int read_cluster(struct cluster_reader *reader, struct yaml_node *root, struct err *err)
{
	int r = read_seed(root, &reader->seed, err);

	if (r == 0)
		r = yaml_read_map(root, cluster_keys, reader, err);
	if (r == 0 && !reader->trust.count)
		r = yaml_fault(
			root, "trust", err, "names no public key file, so no release could be trusted");
	if (r == 0 && !reader->cluster->network_count)
		r = yaml_fault(root, "networks", err, "names no network");
	if (r == 0)
		r = take_port(root, "http", reader->http.port, &reader->cluster->http_port, err);
	if (r == 0)
		r = take_port(root, "swarm", reader->swarm.port, &reader->cluster->swarm_port, err);
	if (r == 0 && reader->http.port == reader->swarm.port)
		r = yaml_fault(root, "swarm", err, "has the port of http");
	if (r == 0 && (reader->swarm.chains < 1 || reader->swarm.chains > POLICY_CHAINS_MAX))
		r = yaml_fault(
			root, "swarm.chains", err, "a number from 1 to %d is wanted", POLICY_CHAINS_MAX);
	reader->cluster->chains = (unsigned)reader->swarm.chains;
	if (r == 0)
		r = cluster_nodes_finish(reader, err);
	if (r == 0)
		r = cluster_racks_finish(reader, err);
	if (r == 0)
		r = cluster_seeders_take(reader, root, err);
	return r == 0 ? take_paths(reader, err) : r;
}

int cluster_load(const char *path, struct cluster **ret, struct err *err)
{
	_cleanup_yaml_ struct yaml_doc *doc = NULL;
	_cleanup_(reader_release) struct cluster_reader reader = {
		.http = {DEFAULT_HTTP}, .swarm = {DEFAULT_SWARM, DEFAULT_CHAINS}};
	int r = yaml_load(path, &doc, err);

	if (r < 0)
		return r;
	reader.cluster = calloc(1, sizeof(*reader.cluster));
	if (!reader.cluster || !(reader.cluster->path = strdup(path)))
		return err_oom(err, path);
	r = read_cluster(&reader, yaml_root(doc), err);
	if (r < 0)
		return r;
	*ret = TAKE(reader.cluster);
	return 0;
}
