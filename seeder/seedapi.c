/*
 * Owns the routes about seeding: what a node is told, and who is paused. Runs under httpd_lock (head.h).
 *
 * Nodes are paused from the head itself alone: nothing else on the network proves that it is the
 * administrator, and nodes share that network with their users' programs.
 */
#include "seeder/head.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "imager/base/hostlist.h"
#include "imager/base/log.h"
#include "imager/format/json.h"

static struct seed_policy policy_of(const struct head *h, const struct cluster_node *node)
{
	struct seed_policy p = h->cluster->groups[node->group].seed;

	p.paused = status_is_paused(h->status, node->name);
	return p;
}

void seedapi_ask(void *head, const struct httpd_request *q, struct httpd_answer *answer)
{
	struct head *h = head;
	const struct sender sender = api_sender(h, q);
	const struct cluster_node *node;
	struct seed_said said;
	struct seed_policy policy;
	struct err err = {0};
	int r = seed_said_parse(q->body, q->body_len, &said, &err);

	if (r < 0) {
		httpd_sentence(answer, 400, err.text);
		return;
	}
	node = cluster_node_by_mac(h->cluster, said.mac);
	r = node ? sender_check_ask(&sender, node, &err) : 0;
	if (r < 0)
		api_refused(h, &err);
	else
		r = status_seeding(h->status, h->cluster, &said, (uint64_t)time(NULL), &err);
	if (r < 0) {
		httpd_sentence(answer, r == -ENOENT ? 404 : r == -EPERM ? 403 : 500, err.text);
		return;
	}
	sender_found(&sender, said.mac);
	poker_asked(h->poker, q->from);
	policy = policy_of(h, node);
	answer->status = seed_policy_format(&policy, &answer->body) < 0 ? 500 : 200;
	answer->type = "application/json";
}

int seedapi_is_paused(struct in_addr address, void *head)
{
	const struct head *h = head;
	const struct cluster_node *node = api_node_at(h, address);

	return node && status_is_paused(h->status, node->name);
}

/* ---- changes ---- */

/* Where the node is: from the file, else where it was heard from. */
static struct in_addr address_of(const struct head *h, const struct cluster_node *node)
{
	const struct status_row *row = node->has_address ? NULL : status_row(h->status, node->mac);

	return row ? row->address : node->address;
}

static void tell(struct head *h, const struct cluster_node *node)
{
	struct in_addr address = address_of(h, node);

	if (address.s_addr == INADDR_ANY)
		return;
	for (size_t i = 0; i < h->tracker_count; i++)
		tracker_pause(h->trackers[i], address, status_is_paused(h->status, node->name));
	poker_add(h->poker, address);
}

static int same_policy(const struct seed_policy *a, const struct seed_policy *b)
{
	return a->pause_for_job == b->pause_for_job && a->until == b->until && a->rate == b->rate;
}

void seedapi_reloaded(struct head *h, const struct cluster *before)
{
	for (size_t i = 0; i < h->cluster->node_count; i++) {
		const struct cluster_node *node = &h->cluster->nodes[i];
		const struct cluster_node *old = cluster_node_by_mac(before, node->mac);

		if (!old ||
			!same_policy(&h->cluster->groups[node->group].seed, &before->groups[old->group].seed))
			tell(h, node);
	}
}

/* ---- the administrator ---- */

#define PAUSE_FORM "{\"nodes\": HOSTLIST, \"paused\": true or false}"

/* A key that is passed over would be a wish that is not fulfilled. */
static int refuse_unknown(json_t *root, struct err *err)
{
	const char *key;
	json_t *value;

	json_object_foreach(root, key, value)
	{
		if (strcmp(key, "nodes") != 0 && strcmp(key, "paused") != 0)
			return err_set(err, EINVAL, "%.40s: unknown key; wanted is " PAUSE_FORM, key);
	}
	return 0;
}

static int take_request(
	const struct httpd_request *q, struct hostlist *ret_nodes, int *ret_paused, struct err *err)
{
	_cleanup_json_ json_t *root = json_loadb(q->body, q->body_len, JSON_REJECT_DUPLICATES, NULL);
	const char *nodes = json_string_value(json_object_get(root, "nodes"));
	const json_t *paused = json_object_get(root, "paused");

	if (refuse_unknown(root, err) < 0)
		return -EINVAL;
	if (!nodes || !json_is_boolean(paused))
		return err_set(err, EINVAL, "wanted is " PAUSE_FORM);
	*ret_paused = json_is_true(paused);
	return hostlist_parse(nodes, ret_nodes, err);
}

/* The names that are no node's, as a hostlist; borrowed ones. */
static int find_unknown(const struct cluster *c, const struct hostlist *nodes, struct buf *ret)
{
	_cleanup_free_ char **names = calloc(nodes->count, sizeof(char *));
	struct hostlist unknown = {.names = names};

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < nodes->count; i++)
		if (!cluster_node_by_name(c, nodes->names[i]))
			unknown.names[unknown.count++] = nodes->names[i];
	return hostlist_format(&unknown, ret);
}

static int pause_nodes(struct head *h, const struct hostlist *nodes, int paused, struct err *err)
{
	int r = status_pause(h->status, nodes->names, nodes->count, paused, err);

	for (size_t i = 0; r == 0 && i < nodes->count; i++)
		tell(h, cluster_node_by_name(h->cluster, nodes->names[i]));
	if (r == 0)
		log_info("%s the seeding of nodes=%zu", paused ? "pauses" : "resumes", nodes->count);
	return r;
}

void seedapi_pause(void *head, const struct httpd_request *q, struct httpd_answer *answer)
{
	struct head *h = head;
	_cleanup_hostlist_ struct hostlist nodes = {0};
	_cleanup_buf_ struct buf unknown = {0};
	const struct sender sender = api_sender(h, q);
	struct err err = {0};
	int paused = 0;

	if (!sender_is_here(&sender)) {
		httpd_sentence(answer, 403, "nodes are paused from the head itself alone");
		return;
	}
	if (take_request(q, &nodes, &paused, &err) < 0) {
		httpd_sentence(answer, 400, err.text);
		return;
	}
	if (find_unknown(h->cluster, &nodes, &unknown) < 0 ||
		(!unknown.len && pause_nodes(h, &nodes, paused, &err) < 0)) {
		log_error("cannot pause: %s", err.text);
		httpd_sentence(answer, 500, err.text);
		return;
	}
	answer->status = buf_printf(&answer->body, "{\"nodes\":%zu,\"unknown\":\"%s\"}\n",
				 unknown.len ? 0 : nodes.count, unknown.len ? unknown.data : "") < 0
				 ? 500
				 : 200;
	answer->type = "application/json";
}
