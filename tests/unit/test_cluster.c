/* The cluster file: a good one field by field, and the sentence of each fault. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "tests/unit/cluster_sample.h"
#include "tests/unit/tempdir.h"

static struct in_addr address(const char *text)
{
	struct in_addr a;

	assert_int_equal(inet_pton(AF_INET, text, &a), 1);
	return a;
}

#define assert_address(a, text) assert_int_equal((a).s_addr, address(text).s_addr)

static void test_whole(void **state)
{
	_cleanup_cluster_ struct cluster *c = sample_cluster(state);
	_cleanup_free_ char *own = path_join(*state, "state"), *key = path_join(*state, "a.pub");
	const struct cluster_network *n = &c->networks[0];

	assert_string_equal(c->store, "/srv/store");
	assert_string_equal(c->state, own);
	assert_int_equal(c->trust.count, 2);
	assert_string_equal(c->trust.items[0], key);
	assert_string_equal(c->trust.items[1], "/etc/b.pub");
	assert_int_equal(c->http_port, 8080);
	assert_int_equal(c->swarm_port, 6881);
	assert_int_equal(c->chains, 1);
	assert_int_equal(c->network_count, 1);
	assert_string_equal(n->name, "boot");
	assert_string_equal(n->interface, "sbr0");
	assert_address(n->address, "10.77.0.1");
	assert_address(n->netmask, "255.255.255.0");
	assert_address(n->first, "10.77.0.100");
	assert_address(n->last, "10.77.0.199");
	assert_address(n->gateway, "10.77.0.254");
	assert_int_equal(n->dns_count, 2);
	assert_int_equal(n->lease, 3600);
	assert_int_equal(c->group_count, 2);
	assert_string_equal(c->groups[0].cmdline, "console=ttyS0");
	assert_string_equal(c->groups[1].channel, "k3s:7");
	assert_string_equal(c->groups[1].cmdline, "");
}

static void test_nodes(void **state)
{
	_cleanup_cluster_ struct cluster *c = sample_cluster(state);
	const struct cluster_node *n = cluster_node_by_mac(c, "52:54:00:aa:00:01");

	assert_int_equal(c->node_count, 3);
	assert_string_equal(c->nodes[0].name, "n002");
	assert_non_null(n);
	assert_string_equal(n->name, "n001");
	assert_string_equal(c->groups[n->group].name, "compute");
	assert_true(n->has_address);
	assert_ptr_equal(cluster_node_by_name(c, "n001"), n);
	assert_ptr_equal(cluster_node_by_address(c, address("10.77.0.11")), n);
	assert_int_equal(n->rack_index, 1);
	assert_int_equal(cluster_node_by_name(c, "k001")->rack_index, 0);
	assert_false(cluster_node_by_name(c, "k001")->has_address);
	assert_null(cluster_node_by_mac(c, "52:54:00:aa:00:09"));
	assert_null(cluster_node_by_name(c, "n"));
	assert_null(cluster_node_by_address(c, address("10.77.0.12")));
	assert_null(cluster_node_by_address(c, address("0.0.0.0")));
	assert_ptr_equal(cluster_network_of(c, address("10.77.0.200")), &c->networks[0]);
	assert_null(cluster_network_of(c, address("10.78.0.1")));
}

#define RACKS                                                                                                \
	"racks:\n"                                                                                           \
	"  r1: {nodes: \"n[001-002],n004\"}\n"                                                               \
	"  r2:\n"                                                                                            \
	"    subnet: 10.77.0.32/28\n"                                                                        \
	"    addresses: [10.77.0.10-10.77.0.20, 10.77.0.22-10.77.0.22]\n"                                    \
	"    nodes: [n007, \"n[005-006]\"]\n"
#define MAC(n) "mac: \"52:54:00:aa:00:0" n "\", group: compute"
#define RACK_NODES                                                                                                                         \
	"nodes:\n"                                                                                                                         \
	"  n003: {" MAC(                                                                                                                   \
		"3") "}\n"                                                                                                                 \
		     "  n001: {" MAC(                                                                                                      \
			     "1") "}\n"                                                                                                    \
				  "  n002: {" MAC(                                                                                         \
					  "2") ", rack: r1, address: 10.77.0.9}\n"                                                         \
					       "  n004: {" MAC(                                                                            \
						       "4") ", address: 10.77.0.21}\n"                                                     \
							    "  n005: {" MAC(                                                               \
								    "5") ", address: 10.77.0.20}\n"                                        \
									 "  n006: {" MAC(                                                  \
										 "6") ", address: "                                        \
										      "10.77.0.99}\n"                                      \
										      "  n007: {" MAC(                                     \
											      "7") ", "                                    \
												   "rack: "                                \
												   "r2}\n"                                 \
												   "  "                                    \
												   "n008: "                                \
												   "{" MAC("8") ", address: 10.77.0.47}\n" \
														"  n009: {" MAC(           \
															"9") ", rack: r9, address: 10.77.0.48}\n"
#define RACK_FILE SAMPLE_HEAD SAMPLE_NETWORK SAMPLE_GROUPS RACKS RACK_NODES

/* Named by the list, by the node, by the node's own address, by the one it speaks from. */
static void test_racks(void **state)
{
	static const struct {
		const char *node, *from, *rack; /* NULL: none */
	} rows[] = {
		{"n001", "0.0.0.0", "r1"},
		{"n001", "10.77.0.10", "r1"}, /* its name is stronger */
		{"n002", "10.77.0.9", "r1"},
		{"n004", "0.0.0.0", "r1"},
		{"n005", "0.0.0.0", "r2"},
		{"n006", "0.0.0.0", "r2"},
		{"n007", "0.0.0.0", "r2"},
		{"n008", "0.0.0.0", "r2"},
		{"n009", "10.77.0.48", "r9"},
		{"n003", "0.0.0.0", ""},
		{"n003", "10.77.0.9", ""},
		{"n003", "10.77.0.10", "r2"},
		{"n003", "10.77.0.20", "r2"},
		{"n003", "10.77.0.21", ""},
		{"n003", "10.77.0.22", "r2"},
		{"n003", "10.77.0.31", ""},
		{"n003", "10.77.0.32", "r2"},
		{"n003", "10.77.0.47", "r2"},
		{"n003", "10.77.0.48", ""},
		{NULL, "10.77.0.33", "r2"},
		{NULL, "10.77.0.48", NULL},
		{NULL, "0.0.0.0", NULL},
	};
	_cleanup_cluster_ struct cluster *c = NULL;
	struct err err = {0};

	if (load_cluster(state, RACK_FILE, &c, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(c->rack_count, 4);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct cluster_node *n = rows[i].node ? cluster_node_by_name(c, rows[i].node) : NULL;
		int rack = cluster_rack_of(c, n, address(rows[i].from));

		assert_true(!rows[i].node || n);
		if ((rack < 0) != !rows[i].rack || (rack >= 0 && strcmp(c->racks[rack], rows[i].rack) != 0))
			fail_msg("row %zu: in rack %d", i, rack);
	}
}

static void test_without_nodes(void **state)
{
	_cleanup_cluster_ struct cluster *c = NULL;

	assert_int_equal(load_cluster(state, SAMPLE_HEAD SAMPLE_NETWORK SAMPLE_GROUPS, &c, NULL), 0);
	assert_int_equal(c->node_count, 0);
	assert_null(cluster_node_by_mac(c, "52:54:00:aa:00:01"));
}

/* The group's keys go over those of the whole, wherever either stands; what is not given is without a bound.
 */
static void test_seed(void **state)
{
	static const struct {
		const char *whole, *group;
		struct seed_policy expected;
	} rows[] = {
		{"", "", {0}},
		{"seed: {until: 2h, rate: 100MiB/s, pause_when: job}\n", "",
			{.until = 7200, .rate = 104857600, .pause_for_job = 1}},
		{"", ", seed: {until: 30m, rate: 800Mbit/s, pause_when: job}",
			{.until = 1800, .rate = 100000000, .pause_for_job = 1}},
		{"seed: {until: 2h, rate: 100MiB/s, pause_when: job}\n",
			", seed: {until: always, rate: unlimited, pause_when: never}", {0}},
		{"seed: {until: 90}\n", ", seed: {rate: 16KiB/s}", {.until = 90, .rate = 16384}},
		{"seed: {rate: 2147483647/s}\n", ", seed: {}", {.rate = INT32_MAX}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (int before = 0; before < 2; before++) {
			_cleanup_cluster_ struct cluster *c = NULL;
			_cleanup_free_ char *text = NULL;
			struct err err = {0};

			assert_true(asprintf(&text,
					    "%s" SAMPLE_HEAD SAMPLE_NETWORK
					    "groups:\n  a: {channel: \"x:y\"%s}\n%s",
					    before ? rows[i].whole : "", rows[i].group,
					    before ? "" : rows[i].whole) > 0);
			if (load_cluster(state, text, &c, &err) < 0)
				fail_msg("row %zu: %s", i, err.text);
			assert_memory_equal(&c->groups[0].seed, &rows[i].expected, sizeof(rows[i].expected));
		}
	}
}

#define NO_DHCP(r) "networks:\n  boot: {interface: sbr0, address: 10.77.0.1/24, dhcp: false, range: " r "}\n"
#define NET(a, r)  "networks:\n  boot: {interface: sbr0, address: " a ", range: " r "}\n"
#define NODE(text) SAMPLE_HEAD SAMPLE_NETWORK SAMPLE_GROUPS "nodes:\n" text "\n"
#define WITH(text) SAMPLE_HEAD SAMPLE_NETWORK SAMPLE_GROUPS "nodes:\n" N1 text
#define N1         "  n1: {mac: \"52:54:00:aa:00:01\", group: compute, address: 10.77.0.11}\n"

static const struct {
	const char *text;
	const char *fault; /* after the path */
} faults[] = {
	{SAMPLE_NETWORK SAMPLE_GROUPS, ":1: trust: is missing"},
	{"trust: []\n" SAMPLE_NETWORK SAMPLE_GROUPS, ":1: trust: names no public key file"},
	{SAMPLE_HEAD SAMPLE_GROUPS, ":1: networks: is missing"},
	{SAMPLE_HEAD "networks: {}\n" SAMPLE_GROUPS, ":4: networks: names no network"},
	{SAMPLE_HEAD SAMPLE_NETWORK, ":1: groups: is missing"},
	{SAMPLE_CLUSTER "mode: x\n", ":18: mode: unknown key; allowed are store, state, trust, http"},
	{SAMPLE_CLUSTER "http: {port: 0}\n", ":18: http: a port from 1 to 65535 is wanted"},
	{SAMPLE_CLUSTER "http: {port: 65536}\n", ":18: http: a port from 1 to 65535 is wanted"},
	{SAMPLE_CLUSTER "http: {port: 6881}\n", ":1: swarm: has the port of http"},
	{SAMPLE_CLUSTER "swarm: {chains: 0}\n", ": swarm.chains: a number from 1 to 64 is wanted"},
	{SAMPLE_CLUSTER "swarm: {chains: 65}\n", ": swarm.chains: a number from 1 to 64 is wanted"},
	{SAMPLE_CLUSTER "seed: 1\n", ":18: a mapping of keys to values is wanted"},
	{SAMPLE_CLUSTER "seed: {when: 1}\n", ":18: when: unknown key; allowed are until, rate, pause_when"},
	{SAMPLE_CLUSTER "seed:\n  until: 0s\n",
		":19: until: '0s' is not allowed: 'always', or a time after the boot such as 30m"},
	{SAMPLE_CLUSTER "seed: {until: 366d}\n", ":18: until: '366d' is not allowed"},
	{SAMPLE_CLUSTER "seed: {rate: 100MB/s}\n",
		":18: rate: '100MB/s' is not allowed: 'unlimited', or a rate such as 100MiB/s or 800Mbit/s"},
	{SAMPLE_CLUSTER "seed: {rate: 16383/s}\n", ":18: rate: '16383/s' is not allowed"},
	{SAMPLE_CLUSTER "seed: {rate: 2147483648/s}\n", ":18: rate: '2147483648/s' is not allowed"},
	{SAMPLE_CLUSTER "seed: {pause_when: jobs}\n",
		":18: pause_when: 'jobs' is not allowed: 'job' or 'never'"},
	{SAMPLE_HEAD SAMPLE_NETWORK "groups:\n  a: {channel: \"x:y\", seed: {rate: fast}}\n",
		":12: rate: 'fast' is not allowed"},
	{SAMPLE_HEAD NET("10.77.0.1", "10.77.0.5-10.77.0.9") SAMPLE_GROUPS, ":5: address: is not allowed"},
	{SAMPLE_HEAD NET("10.77.0.0/24", "10.77.0.5-10.77.0.9") SAMPLE_GROUPS, ":5: address: is not allowed"},
	{SAMPLE_HEAD NET("10.77.0.1/31", "10.77.0.5-10.77.0.9") SAMPLE_GROUPS, ":5: address: is not allowed"},
	{SAMPLE_HEAD NET("10.77.0.1/24x", "10.77.0.5-10.77.0.9") SAMPLE_GROUPS,
		":5: address: is not allowed"},
	{SAMPLE_HEAD NET("10.77.0.1/24", "10.77.0.5") SAMPLE_GROUPS, ":5: range: is not allowed"},
	{SAMPLE_HEAD NET("10.77.0.1/24", "10.77.0.9-10.77.0.5") SAMPLE_GROUPS, ":5: range: is not allowed"},
	{SAMPLE_HEAD NET("10.77.0.1/24", "10.77.1.5-10.77.1.9") SAMPLE_GROUPS, ":5: range: lies outside"},
	{SAMPLE_HEAD NET("10.77.0.1/24", "10.77.0.5-10.77.0.255") SAMPLE_GROUPS, ":5: range: lies outside"},
	{SAMPLE_HEAD "networks:\n  boot: {interface: sbr0, address: 10.77.0.1/24}\n" SAMPLE_GROUPS,
		":5: range: is missing; it may be for a network with 'dhcp: false'"},
	{SAMPLE_HEAD NET("10.77.0.6/24", "10.77.0.5-10.77.0.9") SAMPLE_GROUPS,
		":5: range: holds the head's own address"},
	/* checked also where it is of no use */
	{SAMPLE_HEAD NO_DHCP("10.77.0.5") SAMPLE_GROUPS, ":5: range: is not allowed"},
	{SAMPLE_HEAD NO_DHCP("10.77.1.5-10.77.1.9") SAMPLE_GROUPS, ":5: range: lies outside"},
	{SAMPLE_HEAD NO_DHCP("10.77.0.1-10.77.0.9") SAMPLE_GROUPS, ":5: range: holds the head's own address"},
	{SAMPLE_HEAD SAMPLE_NETWORK "    lease: 1m\n" SAMPLE_GROUPS, ":11: lease: '1m' is not allowed"},
	{SAMPLE_HEAD SAMPLE_NETWORK
		"  two: {interface: e1, address: 10.77.0.3/16, range: 10.77.9.1-10.77.9.2}\n" SAMPLE_GROUPS,
		":11: two: has addresses or interface of network 'boot'"},
	{SAMPLE_HEAD
		"networks:\n  boot: {interface: \"a/b\", address: 10.77.0.1/24, range: 1-2}\n" SAMPLE_GROUPS,
		":5: interface: 'a/b' is no name of an interface"},
	{SAMPLE_HEAD SAMPLE_NETWORK "groups:\n  a: {channel: slurm}\n",
		":12: channel: 'slurm' is not allowed"},
	{SAMPLE_HEAD SAMPLE_NETWORK "groups:\n  a: {channel: \"../x:y\"}\n", ":12: channel: '../x:y'"},
	{SAMPLE_HEAD SAMPLE_NETWORK "groups:\n  A: {channel: \"x:y\"}\n", ":12: A: is no name"},
	{SAMPLE_HEAD SAMPLE_NETWORK "groups:\n  a: {channel: \"x:y\", cmdline: \"a\\nb\"}\n",
		":12: cmdline: at most 1023 printable"},
	{NODE("  n1: {group: compute}"), ":15: mac: is missing"},
	{NODE("  n1: {mac: \"52:54:00:aa:00\", group: compute}"),
		":15: mac: '52:54:00:aa:00' is not allowed"},
	{NODE("  n1: {mac: \"52:54:00:aa:00:01\", group: gpu}"),
		":15: group: there is no group 'gpu'; the file has compute, k3s"},
	{NODE(N1 "  n2: {mac: \"52:54:00:AA:00:01\", group: k3s}"),
		":16: mac: nodes n1 and n2 have the same one"},
	{NODE(N1 "  n2: {mac: \"52:54:00:aa:00:02\", group: k3s, address: 10.77.0.11}"),
		":16: address: nodes n1 and n2 have the same one"},
	{NODE("  n1: {mac: \"52:54:00:aa:00:01\", group: k3s, address: 10.78.0.1}"),
		":15: address: 10.78.0.1 is in none of the networks"},
	{NODE("  n1: {mac: \"52:54:00:aa:00:01\", group: k3s, address: 10.77.0.1}"),
		":15: address: 10.77.0.1 is the head's own"},
	{NODE("  n1: {mac: \"52:54:00:aa:00:01\", group: k3s, address: 10.77.0.255}"),
		":15: address: 10.77.0.255 is in none of the networks"},
	{NODE("  n1: {mac: \"52:54:00:aa:00:01\", group: k3s, address: 10.77.0}"),
		":15: address: '10.77.0' is no IPv4 address"},
	{WITH("racks:\n  r1: {}\n"), ":17: r1: names nothing; nodes, subnet and addresses are allowed"},
	{WITH("racks:\n  R: {nodes: n1}\n"), ":17: R: is no name"},
	{WITH("racks:\n  r1: {node: n1}\n"), ":17: node: unknown key; allowed are nodes, subnet, addresses"},
	{WITH("racks:\n  r1:\n    nodes:\n      - n1\n      - n2\n"), ":20: nodes: there is no node 'n2'"},
	{WITH("racks:\n  r1: {nodes: \"n[1\"}\n"), ":17: nodes: 'n[1': one pair of brackets is allowed"},
	{WITH("racks:\n  r1: {nodes: n1}\n  r2: {nodes: n1}\n"), ":18: nodes: n1 is in rack 'r1' already"},
	{NODE("  n1: {mac: \"52:54:00:aa:00:01\", group: k3s, rack: r1}") "racks:\n  r2: {nodes: n1}\n",
		":17: nodes: n1 is in rack 'r1' already"},
	{WITH("racks:\n  r1: {nodes: n1}\n  r2: {subnet: 10.77.0.8/29}\n"),
		":15: address: is one of rack 'r2', but n1 is in rack 'r1'"},
	{WITH("racks:\n  r1: {subnet: 10.77.0.9/29}\n"),
		":17: subnet: '10.77.0.9/29' is not allowed: a subnet"},
	{WITH("racks:\n  r1: {subnet: 10.77.0.8/33}\n"), ":17: subnet: '10.77.0.8/33' is not allowed"},
	{WITH("racks:\n  r1: {subnet: 10.77.0.8}\n"), ":17: subnet: '10.77.0.8' is not allowed"},
	{WITH("racks:\n  r1: {subnet: 10.78.0.0/24}\n"),
		":17: subnet: 10.78.0.0/24 is in none of the networks"},
	{WITH("racks:\n  r1: {addresses: 10.77.0.9-10.77.0.8}\n"),
		":17: addresses: '10.77.0.9-10.77.0.8' is not allowed: FIRST-LAST"},
	{WITH("racks:\n  r1: {addresses: 10.77.0.9-}\n"), ":17: addresses: '10.77.0.9-' is not allowed"},
	{WITH("racks:\n  r1: {subnet: 10.77.0.0/28}\n  r2: {addresses: 10.77.0.15-10.77.0.20}\n"),
		":18: addresses: has addresses of rack 'r1'"},
	{NODE("  n1:"), ":15: n1: has no value"},
	{SAMPLE_CLUSTER "seeders: [\"http://head:8080\"]\n", "seeders: 'http://head:8080' is not allowed"},
	{SAMPLE_CLUSTER "seeders: [\"http://10.77.0.2\"]\n", "seeders: 'http://10.77.0.2' is not allowed"},
	{SAMPLE_CLUSTER "seeders: [\"http://10.77.0.2:80/\"]\n", "is not allowed: http://ADDRESS:PORT"},
	{SAMPLE_CLUSTER "seeders: [\"https://10.77.0.2:80\"]\n", "is not allowed: http://ADDRESS:PORT"},
	{SAMPLE_CLUSTER "seeders: [\"http://10.77.0.2:0\"]\n", "is not allowed: http://ADDRESS:PORT"},
	{SAMPLE_CLUSTER "seeders: [\"http://10.77.0.2:80\", \"http://10.77.0.2:80\"]\n",
		"seeders: names http://10.77.0.2:80 twice"},
	{SAMPLE_CLUSTER "seeders: [\"http://10.77.0.2:80\", \"http://10.77.0.3:80\", "
			"\"http://10.77.0.4:80\", \"http://10.77.0.5:80\"]\n",
		"seeders: at most 3 beside this one"},
	{SAMPLE_CLUSTER "seeders: [\"http://10.77.0.11:80\"]\n", "seeders: has the address of node n001"},
	{SAMPLE_CLUSTER "seeders: [\"http://10.77.0.110:80\"]\n", "seeders: has an address in the range of"},
	{NODE("  n1: here"), ":15: n1: a mapping of keys to values is wanted"},
};

static void test_faults(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		_cleanup_cluster_ struct cluster *c = NULL;
		struct err err = {0};

		if (load_cluster(state, faults[i].text, &c, &err) != -EINVAL)
			fail_msg("row %zu (%s) was taken", i, faults[i].fault);
		assert_null(c);
		if (!strstr(err.text, faults[i].fault))
			fail_msg("row %zu: '%s' has no '%s'", i, err.text, faults[i].fault);
	}
}

/* In one order, whatever the file's is, and without the seeder itself. */
static void test_seeders(void **state)
{
	static const char text[] =
		SAMPLE_CLUSTER "seeders: [\"http://10.77.0.200:80\", \"http://10.77.0.1:8080\", "
			       "\"http://10.77.0.2:81\", \"http://10.77.0.2:80\"]\n";
	_cleanup_cluster_ struct cluster *c = NULL;
	struct err err = {0};

	if (load_cluster(state, text, &c, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(c->seeder_count, 3);
	assert_int_equal(c->seeders[0].port, 80);
	assert_int_equal(c->seeders[1].port, 81);
	assert_int_equal(c->seeders[2].address.s_addr, address("10.77.0.200").s_addr);
}

/* One name under two keys is the parser's fault already, before the index sees it. */
static void test_name_twice(void **state)
{
	_cleanup_cluster_ struct cluster *c = NULL;
	struct err err = {0};

	assert_true(
		load_cluster(state, NODE(N1 "  n1: {mac: \"52:54:00:aa:00:02\", group: k3s}"), &c, &err) < 0);
	assert_non_null(strstr(err.text, "cluster.yaml:"));
}

static void test_missing_file(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "none.yaml");
	struct cluster *c = NULL;
	struct err err = {0};

	assert_int_equal(cluster_load(path, &c, &err), -ENOENT);
	assert_non_null(strstr(err.text, path));
}

static void put_key(void **state, const char *name, const struct minisign_public *key)
{
	_cleanup_free_ char *path = path_join(*state, name);
	_cleanup_buf_ struct buf text = {0};

	assert_int_equal(minisign_format_public(key, &text, NULL), 0);
	assert_int_equal(write_file(path, &(struct file_content){text.data, text.len, 0644}, NULL), 0);
}

static void test_keyring(void **state)
{
	static const char text[] = "trust: [a.pub, b.pub]\n" SAMPLE_NETWORK SAMPLE_GROUPS;
	_cleanup_cluster_ struct cluster *c = NULL;
	struct minisign_secret secret;
	struct minisign_public a, b;
	struct minisign_keyring ring = {0};
	struct err err = {0};

	assert_int_equal(load_cluster(state, text, &c, NULL), 0);
	assert_int_equal(cluster_keyring(c, &ring, &err), -ENOENT);
	assert_non_null(strstr(err.text, "a.pub"));
	assert_int_equal(minisign_generate(&secret, &a, NULL), 0);
	assert_int_equal(minisign_generate(&secret, &b, NULL), 0);
	put_key(state, "a.pub", &a);
	put_key(state, "b.pub", &b);
	assert_int_equal(cluster_keyring(c, &ring, NULL), 0);
	assert_int_equal(ring.count, 2);
	assert_memory_equal(ring.keys[1].key, b.key, sizeof(b.key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_whole),
		unit_test_in_dir(test_nodes),
		unit_test_in_dir(test_racks),
		unit_test_in_dir(test_without_nodes),
		unit_test_in_dir(test_seed),
		unit_test_in_dir(test_faults),
		unit_test_in_dir(test_seeders),
		unit_test_in_dir(test_name_twice),
		unit_test_in_dir(test_missing_file),
		unit_test_in_dir(test_keyring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
