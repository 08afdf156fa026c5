/*
 * Owns the JSON form of the node table, as GET /v1/nodes and `status --json` give it (docs/cluster.md). Ten
 * thousand rows take a third of a second to write, so the guard is held to copy some rows at a time, and not
 * to write them.
 */
#include "seeder/statuspriv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imager/format/json.h"

#define BATCH 64 /* rows copied under the guard at once */

static json_t *phases_of(const struct report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < r->phase_count; i++)
		(void)json_array_append_new(
			list, json_pack("{s:s,s:f}", "name", phase_name(r->phases[i].phase), "seconds",
				      (double)r->phases[i].ms / 1000));
	return list;
}

/* A row and what else is told of its node. */
struct view {
	struct status_row row;
	char group[CLUSTER_NAME_SIZE], rack[CLUSTER_NAME_SIZE];
	int is_paused;
};

static json_t *node_of(const struct view *v)
{
	const struct status_row *row = &v->row;
	const struct report *r = &row->last;

	return json_pack("{s:o,s:o,s:o,s:o,s:o,s:i,s:o,s:o,s:o,s:I,s:I,s:I,s:o,s:b,s:o,s:o,s:I,s:I,s:o,s:I,"
			 "s:I,s:o,s:o,s:b,s:o}",
		"node", json_clean(row->node), "mac", json_clean(row->mac), "group", json_clean(v->group),
		"rack", json_clean(v->rack), "phase", json_clean(phase_name(r->phase)), "percent",
		(int)r->percent, "release", json_clean(r->release), "image", json_clean(r->image), "profile",
		json_clean(r->profile), "sequence", (json_int_t)r->sequence, "since", (json_int_t)row->since,
		"seen", (json_int_t)row->seen, "error", json_clean(row->error), "failed", r->failed, "state",
		json_clean(r->state), "failed_units", json_clean(r->failed_units), "bytes_from_seeder",
		(json_int_t)r->bytes_from_seeder, "bytes_from_peers", (json_int_t)r->bytes_from_peers,
		"boot_id", json_clean(r->boot_id), "agent_rss", (json_int_t)r->agent_rss, "bytes_by_http",
		(json_int_t)r->bytes_by_http, "phases", phases_of(r), "seeding",
		json_clean(seed_state_name(row->seeding)), "seed_paused", v->is_paused, "seed_paused_by",
		row->has_paused_by ? json_clean(row->paused_by) : json_null());
}

/* ---- under the guard ---- */

struct reading {
	const struct status *table;
	struct cluster *const *cluster;
	char (*macs)[MAC_TEXT_SIZE]; /* whose rows are told, in this order */
	size_t count, next;
	struct view views[BATCH];
	size_t view_count;
};

static int list_rows(struct reading *r)
{
	const struct cluster *c = *r->cluster;
	const struct status *s = r->table;

	r->macs = calloc(c->node_count + s->count + 1, sizeof(*r->macs));
	if (!r->macs)
		return -ENOMEM;
	for (size_t i = 0; i < c->node_count; i++)
		memcpy(r->macs[r->count++], c->nodes[i].mac, MAC_TEXT_SIZE);
	for (size_t i = 0; i < s->count; i++)
		if (!*s->rows[i]->node)
			memcpy(r->macs[r->count++], s->rows[i]->mac, MAC_TEXT_SIZE);
	return 0;
}

static void look(const struct reading *r, const struct status_row *row, struct view *ret)
{
	const struct cluster *c = *r->cluster;
	const struct cluster_node *node = cluster_node_by_mac(c, row->mac);
	int rack = cluster_rack_of(c, node, row->address);

	ret->row = *row;
	(void)snprintf(ret->group, sizeof(ret->group), "%s", node ? c->groups[node->group].name : "");
	(void)snprintf(ret->rack, sizeof(ret->rack), "%s", rack < 0 ? "" : c->racks[rack]);
	ret->is_paused = status_is_paused(r->table, row->node);
}

/* Those that are gone since they were listed are left out. */
static void take_views(struct reading *r)
{
	for (r->view_count = 0; r->next < r->count && r->view_count < BATCH; r->next++) {
		const struct status_row *row = status_row(r->table, r->macs[r->next]);

		if (row)
			look(r, row, &r->views[r->view_count++]);
	}
}

/* ---- without it ---- */

static int write_view(const struct view *v, int is_first, struct buf *ret)
{
	_cleanup_json_ json_t *node = node_of(v);
	_cleanup_free_ char *form = node ? json_dumps(node, JSON_COMPACT) : NULL;

	if (!form || (!is_first && buf_puts(ret, ",") < 0))
		return -ENOMEM;
	return buf_puts(ret, form);
}

static int read_rows(struct reading *r, const struct status_guard *guard, struct buf *ret)
{
	int is_first = 1, e = 0;

	while (e == 0 && r->next < r->count) {
		status_hold(guard);
		take_views(r);
		status_let_go(guard);
		for (size_t i = 0; e == 0 && i < r->view_count; i++, is_first = 0)
			e = write_view(&r->views[i], is_first, ret);
	}
	return e;
}

int status_json(const struct status *s, struct cluster *const *cluster, const struct status_guard *guard,
	struct buf *ret)
{
	_cleanup_free_ struct reading *r = calloc(1, sizeof(*r));
	int e;

	if (!r)
		return -ENOMEM;
	r->table = s;
	r->cluster = cluster;
	status_hold(guard);
	e = list_rows(r);
	status_let_go(guard);
	if (e == 0)
		e = buf_puts(ret, "{\"nodes\":[");
	if (e == 0)
		e = read_rows(r, guard, ret);
	free(r->macs);
	return e == 0 ? buf_puts(ret, "]}\n") : e;
}
