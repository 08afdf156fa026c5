/*
 * The cluster file: who is who. Networks, groups and nodes as a struct that is whole and checked, or a
 * sentence "file:line: key: what is wrong". The format is described in docs/cluster.md. What changes by
 * itself (phases, discovered MACs) is not here but in status.h.
 */
#ifndef SEEDER_CLUSTER_H
#define SEEDER_CLUSTER_H

#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "imager/base/cleanup.h"
#include "imager/base/err.h"
#include "imager/base/parse.h"
#include "imager/format/minisign.h"
#include "imager/format/yaml.h"
#include "seeder/wire/seed.h"

#define CLUSTER_NAME_SIZE 64
#define CLUSTER_REF_SIZE  132
#define CLUSTER_DNS_MAX   4
/* This one and the further ones are what the boot arguments have room for. */
#define CLUSTER_SEEDERS_MAX 3

struct cluster_network {
	char name[CLUSTER_NAME_SIZE];
	char interface[IFNAMSIZ];
	struct in_addr address; /* the head's own */
	unsigned prefix;        /* 8..30 */
	struct in_addr netmask;
	int dhcp;                   /* 0: somebody else answers there */
	struct in_addr first, last; /* addresses for whoever has none in the file; 0.0.0.0 without dhcp */
	struct in_addr gateway;     /* 0.0.0.0: none */
	struct in_addr dns[CLUSTER_DNS_MAX];
	size_t dns_count;
	uint64_t lease; /* seconds */
};

struct cluster_group {
	char name[CLUSTER_NAME_SIZE];
	char channel[CLUSTER_REF_SIZE]; /* a store reference: "PROFILE:CHANNEL", "PROFILE:SEQUENCE" */
	char *cmdline;                  /* further kernel arguments, "" for none */
	struct seed_policy seed;        /* never paused: that is in status.h */
};

/* Addresses first to last, in host order, all of one rack. */
struct cluster_rack_range {
	uint32_t first, last;
	size_t rack; /* index into racks */
};

struct cluster_node {
	char name[CLUSTER_NAME_SIZE];
	char mac[MAC_TEXT_SIZE];
	size_t group;                 /* index into groups */
	char rack[CLUSTER_NAME_SIZE]; /* by its name or its own address; "": that does not tell */
	size_t rack_index;            /* index into racks */
	int has_address;
	struct in_addr address;
};

/* A further seeder that nodes may use: http://ADDRESS:PORT. */
struct cluster_seeder {
	struct in_addr address;
	uint16_t port; /* of its HTTP */
};

struct cluster {
	char *path;  /* the file it came from */
	char *store; /* folders; relative ones are taken from the cluster file's folder */
	char *state;
	struct yaml_strings trust; /* public key files, likewise */
	uint16_t http_port, swarm_port;
	struct cluster_seeder seeders[CLUSTER_SEEDERS_MAX]; /* by address, without this one itself */
	size_t seeder_count;
	unsigned chains; /* how many nodes a seeder feeds at once, 1 to 64 (seeder/policy.h) */
	struct cluster_network *networks;
	size_t network_count;
	struct cluster_group *groups;
	size_t group_count;
	struct cluster_node *nodes; /* in the order of the file */
	size_t node_count;
	/* Those of `racks:`, then those that nodes name; nodes without one share the rack "". */
	char (*racks)[CLUSTER_NAME_SIZE];
	size_t rack_count;
	struct cluster_rack_range *ranges; /* sorted, none overlaps another */
	size_t range_count;
	size_t *by_mac, *by_name, *by_address; /* indexes into nodes, sorted */
};

/* -EINVAL for anything wrong in the file, else the errno of reading it. *ret: cluster_free(). */
int cluster_load(const char *path, struct cluster **ret, struct err *err);
void cluster_free(struct cluster *c);
DEFINE_CLEANUP(struct cluster *, cluster_free)
#define _cleanup_cluster_ _cleanup_(cluster_free_p)

/* NULL when there is none. mac in its canonical form (parse_mac). */
const struct cluster_node *cluster_node_by_mac(const struct cluster *c, const char *mac);
const struct cluster_node *cluster_node_by_name(const struct cluster *c, const char *name);
const struct cluster_node *cluster_node_by_address(const struct cluster *c, struct in_addr address);
/* The network the address lies in, or NULL. */
const struct cluster_network *cluster_network_of(const struct cluster *c, struct in_addr address);

/*
 * The rack, as an index into racks, of a node (NULL: none of the file's) that speaks from this address
 * (0.0.0.0: not known): the node's own, else the one whose range holds the address. -1: no node, no range.
 */
int cluster_rack_of(const struct cluster *c, const struct cluster_node *node, struct in_addr address);

int cluster_network_has(const struct cluster_network *n, struct in_addr address);

/* Reads all key files of `trust` into one ring; errors as minisign_read_keyring. */
int cluster_keyring(const struct cluster *c, struct minisign_keyring *ret, struct err *err);

#endif
