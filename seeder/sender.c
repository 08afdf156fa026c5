/* Owns who may speak for a node. What is said is the routes' business. */
#include "seeder/sender.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

int sender_is_here(const struct sender *s)
{
	if (ntohl(s->from.s_addr) >> 24 == 127)
		return 1;
	for (size_t i = 0; i < s->cluster->network_count; i++)
		if (s->cluster->networks[i].address.s_addr == s->from.s_addr)
			return 1;
	return 0;
}

static int refuse(const struct sender *s, const struct cluster_node *node, const char *why, struct err *err)
{
	char from[INET_ADDRSTRLEN] = "";

	(void)inet_ntop(AF_INET, &s->from, from, sizeof(from));
	return err_set(err, EPERM, "%s may not speak for node %s: %s", from, node->name, why);
}

static int refuse_other(
	const struct sender *s, const struct cluster_node *node, const char *other, struct err *err)
{
	char why[CLUSTER_NAME_SIZE + 32];

	(void)snprintf(why, sizeof(why), "that is the address of %s", other);
	return refuse(s, node, why, err);
}

int sender_check_report(const struct sender *s, const struct cluster_node *node, struct err *err)
{
	const struct cluster_node *other = cluster_node_by_address(s->cluster, s->from);

	return other && other != node ? refuse_other(s, node, other->name, err) : 0;
}

static int refuse_place(
	const struct sender *s, const struct cluster_node *node, struct in_addr place, struct err *err)
{
	char why[INET_ADDRSTRLEN + 16], address[INET_ADDRSTRLEN] = "";

	(void)inet_ntop(AF_INET, &place, address, sizeof(address));
	(void)snprintf(why, sizeof(why), "it is at %s", address);
	return refuse(s, node, why, err);
}

int sender_check_ask(const struct sender *s, const struct cluster_node *node, struct err *err)
{
	const struct status_row *row = status_row(s->status, node->mac), *other;
	struct in_addr place = node->has_address ? node->address : row ? row->address : (struct in_addr){0};
	int r = sender_check_report(s, node, err);

	if (r < 0 || sender_is_here(s))
		return r;
	if (place.s_addr != INADDR_ANY)
		return place.s_addr == s->from.s_addr ? 0 : refuse_place(s, node, place, err);
	other = status_row_at(s->status, s->from);
	return other ? refuse_other(s, node, *other->node ? other->node : other->mac, err) : 0;
}

/* Whether a request may say where this MAC is. */
static int may_place(const struct sender *s, const char *mac)
{
	const struct cluster_node *node = cluster_node_by_mac(s->cluster, mac);

	return !(node && node->has_address) && !sender_is_here(s) &&
	       !cluster_node_by_address(s->cluster, s->from);
}

void sender_boots(const struct sender *s, const char *mac)
{
	if (may_place(s, mac))
		status_seen_at(s->status, mac, s->from);
}

void sender_found(const struct sender *s, const char *mac)
{
	const struct status_row *row = status_row(s->status, mac);

	if (row && row->address.s_addr == INADDR_ANY && may_place(s, mac))
		status_seen_at(s->status, mac, s->from);
}
