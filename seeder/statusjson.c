/* Owns the JSON form of the node table, as GET /v1/nodes and `status --json` give it (docs/cluster.md). */
#include "seeder/status.h"

#include <errno.h>
#include <string.h>

#include "imager/format/json.h"

static json_t *phases_of(const struct report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < r->phase_count; i++)
		(void)json_array_append_new(
			list, json_pack("{s:s,s:f}", "name", phase_name(r->phases[i].phase), "seconds",
				      (double)r->phases[i].ms / 1000));
	return list;
}

static const char *rack_of(
	const struct status_row *row, const struct cluster_node *node, const struct cluster *cluster)
{
	int rack = cluster_rack_of(cluster, node, row->address);

	return rack < 0 ? "" : cluster->racks[rack];
}

static json_t *node_of(const struct status *s, const struct status_row *row, const struct cluster *cluster)
{
	const struct cluster_node *node = cluster_node_by_mac(cluster, row->mac);
	const struct report *r = &row->last;

	return json_pack("{s:o,s:o,s:o,s:o,s:o,s:i,s:o,s:o,s:o,s:I,s:I,s:I,s:o,s:b,s:o,s:o,s:I,s:I,s:o,s:I,"
			 "s:I,s:o,s:o,s:b,s:o}",
		"node", json_clean(row->node), "mac", json_clean(row->mac), "group",
		json_clean(node ? cluster->groups[node->group].name : ""), "rack",
		json_clean(rack_of(row, node, cluster)), "phase", json_clean(phase_name(r->phase)), "percent",
		(int)r->percent, "release", json_clean(r->release), "image", json_clean(r->image), "profile",
		json_clean(r->profile), "sequence", (json_int_t)r->sequence, "since", (json_int_t)row->since,
		"seen", (json_int_t)row->seen, "error", json_clean(row->error), "failed", r->failed, "state",
		json_clean(r->state), "failed_units", json_clean(r->failed_units), "bytes_from_seeder",
		(json_int_t)r->bytes_from_seeder, "bytes_from_peers", (json_int_t)r->bytes_from_peers,
		"boot_id", json_clean(r->boot_id), "agent_rss", (json_int_t)r->agent_rss, "bytes_by_http",
		(json_int_t)r->bytes_by_http, "phases", phases_of(r), "seeding",
		json_clean(seed_state_name(row->seeding)), "seed_paused", status_is_paused(s, row->node),
		"seed_paused_by", row->has_paused_by ? json_clean(row->paused_by) : json_null());
}

static int add_node(
	json_t *list, const struct status *s, const struct status_row *row, const struct cluster *cluster)
{
	return json_array_append_new(list, node_of(s, row, cluster)) < 0 ? -ENOMEM : 0;
}

static int add_nodes(json_t *list, const struct status *s, const struct cluster *cluster)
{
	size_t count;
	const struct status_row *const *rows = status_rows(s, &count);
	int r = 0;

	for (size_t i = 0; r == 0 && i < cluster->node_count; i++) {
		const struct status_row *row = status_row(s, cluster->nodes[i].mac);

		r = row ? add_node(list, s, row, cluster) : 0;
	}
	for (size_t i = 0; r == 0 && i < count; i++)
		if (!*rows[i]->node)
			r = add_node(list, s, rows[i], cluster);
	return r;
}

int status_json(const struct status *s, const struct cluster *cluster, struct buf *ret)
{
	_cleanup_json_ json_t *root = json_object();
	_cleanup_free_ char *text_form = NULL;
	json_t *list = json_array();

	if (!root || json_object_set_new(root, "nodes", list) < 0 || add_nodes(list, s, cluster) < 0)
		return -ENOMEM;
	text_form = json_dumps(root, JSON_COMPACT);
	if (!text_form || buf_printf(ret, "%s\n", text_form) < 0)
		return -ENOMEM;
	return 0;
}
