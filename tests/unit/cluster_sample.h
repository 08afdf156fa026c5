/* A cluster file for the tests of what reads a cluster. */
#ifndef TESTS_CLUSTER_SAMPLE_H
#define TESTS_CLUSTER_SAMPLE_H

#include <string.h>

#include "imager/base/io.h"
#include "seeder/cluster.h"

#define SAMPLE_HEAD "store: /srv/store\nstate: state\ntrust: [a.pub, /etc/b.pub]\n"
#define SAMPLE_NETWORK                                                                                       \
	"networks:\n"                                                                                        \
	"  boot:\n"                                                                                          \
	"    interface: sbr0\n"                                                                              \
	"    address: 10.77.0.1/24\n"                                                                        \
	"    range: 10.77.0.100-10.77.0.199\n"                                                               \
	"    gateway: 10.77.0.254\n"                                                                         \
	"    dns: [10.77.0.1, 10.77.0.2]\n"
#define SAMPLE_GROUPS                                                                                        \
	"groups:\n"                                                                                          \
	"  compute: {channel: \"slurm:stable\", cmdline: \"console=ttyS0\"}\n"                               \
	"  k3s: {channel: \"k3s:7\"}\n"
#define SAMPLE_NODES                                                                                         \
	"nodes:\n"                                                                                           \
	"  n002: {mac: \"52:54:00:AA:00:02\", group: compute, rack: r2}\n"                                   \
	"  n001: {mac: \"52-54-00-aa-00-01\", group: compute, rack: r1, address: 10.77.0.11}\n"              \
	"  k001: {mac: \"52:54:00:aa:00:03\", group: k3s, rack: r2}\n"
#define SAMPLE_CLUSTER SAMPLE_HEAD SAMPLE_NETWORK SAMPLE_GROUPS SAMPLE_NODES

/* Writes the text into the test's folder and reads it. */
static inline int load_cluster(void **state, const char *text, struct cluster **ret, struct err *err)
{
	_cleanup_free_ char *path = path_join(*state, "cluster.yaml");

	assert_int_equal(write_file(path, &(struct file_content){text, strlen(text), 0644}, NULL), 0);
	return cluster_load(path, ret, err);
}

static inline struct cluster *sample_cluster(void **state)
{
	struct cluster *c = NULL;
	struct err err = {0};

	if (load_cluster(state, SAMPLE_CLUSTER, &c, &err) < 0)
		fail_msg("%s", err.text);
	return c;
}

#endif
