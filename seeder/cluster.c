/*
 * Owns the cluster struct: its end, the look-ups by MAC, name and address, and its keyring. How it is read is
 * in clusterfile.c.
 */
#include "seeder/cluster.h"

#include <errno.h>
#include <string.h>

#include "imager/base/io.h"

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

static int add_key_file(const char *path, struct minisign_keyring *ring, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct minisign_keyring more;
	int r = read_file(path, MINISIGN_KEYRING_MAX * MINISIGN_FILE_LIMIT, &text, NULL, err);

	if (r < 0)
		return r;
	r = minisign_parse_keyring(text, &more, err);
	if (r < 0)
		return err_prefix(err, "%s", path);
	if (more.count > MINISIGN_KEYRING_MAX - ring->count)
		return err_set(err, E2BIG, "%s: more than %d keys", path, MINISIGN_KEYRING_MAX);
	memcpy(ring->keys + ring->count, more.keys, more.count * sizeof(*more.keys));
	ring->count += more.count;
	return 0;
}

int cluster_keyring(const struct cluster *c, struct minisign_keyring *ret, struct err *err)
{
	struct minisign_keyring ring = {0};

	for (size_t i = 0; i < c->trust.count; i++) {
		int r = add_key_file(c->trust.items[i], &ring, err);

		if (r < 0)
			return err_prefix(err, "trust");
	}
	*ret = ring;
	return 0;
}
