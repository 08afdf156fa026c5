/* Private to the readers of the cluster file: clusterfile.c, clusterrow.c, clusternet.c, clusternode.c,
 * clusterrack.c, clusterseeder.c. */
#ifndef SEEDER_CLUSTERFILE_H
#define SEEDER_CLUSTERFILE_H

#include "imager/format/yaml.h"
#include "seeder/cluster.h"

/* A node as the file has it; its group is looked up once all groups are read. */
struct raw_node {
	struct yaml_node *at;
	char *group, *rack, *address;
};

/* A row of `racks:`. */
struct raw_rack {
	struct yaml_node *at;
	struct yaml_strings nodes, subnets, addresses;
};

struct port {
	uint64_t port;
	uint64_t chains; /* swarm: */
};

struct cluster_reader {
	struct cluster *cluster;
	char *store, *state;
	struct yaml_strings trust, seeders;
	struct port http, swarm;
	struct seed_policy seed; /* of all groups; read before them */
	struct raw_node *raw;    /* beside cluster->nodes */
	size_t raw_count;
	struct raw_rack *raw_racks; /* beside cluster->racks */
	size_t raw_rack_count;
};

/* clusterrow.c: one zeroed row more at the end of *array (a T **), or NULL. */
void *cluster_add_row(void *array, size_t *count, size_t size);
/* The name of a table's row, whose value must be a mapping. 0, or -EINVAL with the fault. */
int cluster_take_name(struct yaml_node *at, const char *name, char ret[CLUSTER_NAME_SIZE], struct err *err);

/* One value of `nodes: NAME:`; base is the reader. */
int cluster_node_read(struct yaml_node *at, const char *name, void *base, struct err *err);
/* After all rows are read: groups, addresses, indexes. */
int cluster_nodes_finish(struct cluster_reader *reader, struct err *err);

/* One value of `racks: NAME:`; base is the reader. */
int cluster_rack_read(struct yaml_node *at, const char *name, void *base, struct err *err);
/* After cluster_nodes_finish: which rack every node is in, and the ranges. */
int cluster_racks_finish(struct cluster_reader *reader, struct err *err);
void cluster_racks_release(struct cluster_reader *reader);

/* The value of `networks: NAME:` into n, whose name is set already. 0, or -EINVAL with the fault. */
int cluster_network_read(struct yaml_node *at, struct cluster_network *n, struct err *err);

/* Cuts text at the divider and gives what follows, or NULL. */
char *cluster_cut(char *text, char divider);
/* "A.B.C.D". 0 or -EINVAL. */
int cluster_parse_address(const char *text, struct in_addr *ret);

/* The value of `seed:`, laid over *p. 0, or -EINVAL with the fault. */
int cluster_seed_read(struct yaml_node *at, struct seed_policy *p, struct err *err);
/* `seeders`, once networks, port and nodes are known. 0, or -EINVAL with the fault. */
int cluster_seeders_take(struct cluster_reader *reader, struct yaml_node *root, struct err *err);

/* Neither the network's own address nor its broadcast. */
int cluster_network_is_host(const struct cluster_network *n, struct in_addr a);

#endif
