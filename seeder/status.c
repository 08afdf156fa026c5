/*
 * Owns the node table: which rows there are, and what an event does to one. How it gets into its file and
 * back is statusfile.c's, its JSON statusjson.c's, the set of paused nodes pauses.c's.
 */
#include "seeder/status.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imager/base/text.h"
#include "seeder/statuspriv.h"

const struct status_row *const *status_rows(const struct status *s, size_t *ret_count)
{
	*ret_count = s->count;
	return (const struct status_row *const *)s->rows;
}

/* ---- rows ---- */

/* Where the MAC is or belongs. */
size_t status_place_of(const struct status *s, const char *mac)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(s->rows[middle]->mac, mac) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct status_row *find_row(const struct status *s, const char *mac)
{
	size_t place = status_place_of(s, mac);

	return place < s->count && !strcmp(s->rows[place]->mac, mac) ? s->rows[place] : NULL;
}

const struct status_row *status_row(const struct status *s, const char *mac)
{
	return find_row(s, mac);
}

void status_seen_at(struct status *s, const char *mac, struct in_addr address)
{
	struct status_row *row = find_row(s, mac);

	if (row)
		statusplace_put(&s->places, row, address);
	else
		statusplace_free_up(&s->places, address);
}

const struct status_row *status_row_at(const struct status *s, struct in_addr address)
{
	return statusplace_find(&s->places, address);
}

struct status_row *status_add_row(struct status *s, const char *mac)
{
	size_t place = status_place_of(s, mac);
	struct status_row **rows = realloc(s->rows, (s->count + 1) * sizeof(*rows));
	struct status_row *row;

	if (!rows)
		return NULL;
	s->rows = rows;
	row = calloc(1, sizeof(*row));
	if (!row)
		return NULL;
	memmove(rows + place + 1, rows + place, (s->count - place) * sizeof(*rows));
	rows[place] = row;
	s->count++;
	(void)snprintf(row->mac, sizeof(row->mac), "%s", mac);
	(void)snprintf(row->last.mac, sizeof(row->last.mac), "%s", mac);
	row->changed = STATUS_CHANGED;
	return row;
}

static int remove_row(struct status *s, size_t place)
{
	char(*removed)[MAC_TEXT_SIZE] = realloc(s->removed, (s->removed_count + 1) * sizeof(*removed));

	if (!removed)
		return -ENOMEM;
	s->removed = removed;
	memcpy(removed[s->removed_count++], s->rows[place]->mac, MAC_TEXT_SIZE);
	statusplace_take_out(&s->places, s->rows[place]);
	free(s->rows[place]);
	s->count--;
	memmove(s->rows + place, s->rows + place + 1, (s->count - place) * sizeof(*s->rows));
	return 0;
}

static void name_row(struct status_row *row, const char *node)
{
	(void)snprintf(row->node, sizeof(row->node), "%s", node);
	(void)snprintf(row->last.node, sizeof(row->last.node), "%s", node);
	row->changed = STATUS_CHANGED;
}

static void set_phase(struct status_row *row, enum phase phase, uint64_t now)
{
	if (row->last.phase != phase || !row->since)
		row->since = now;
	row->last.phase = phase;
	row->seen = now;
	row->changed = STATUS_CHANGED;
}

/* ---- events ---- */

void status_row_apply(struct status_row *row, const struct report *report, uint64_t now)
{
	set_phase(row, report->phase, now);
	row->last = *report;
	if (report->failed || *report->error) {
		(void)snprintf(row->error, sizeof(row->error), "%s",
			*report->error ? report->error : "failed without a word");
		row->error_phase = report->phase;
	} else if (report->phase > row->error_phase || report->phase == PHASE_UP) {
		row->error[0] = '\0';
		row->error_phase = PHASE_UNKNOWN;
	}
}

/* The row of a node that names itself by both, made when it is missing. */
static int find_node(struct status *s, const struct cluster *cluster, const char *name, const char *mac,
	uint64_t now, struct status_row **ret, struct err *err)
{
	const struct cluster_node *node = cluster_node_by_mac(cluster, mac);

	if (!node && cluster_node_by_name(cluster, name))
		return err_set(err, EPERM, "node %s has another MAC than %s", name, mac);
	if (!node) {
		if (status_discovered(s, mac, now) < 0)
			return err_oom(err, mac);
		return err_set(err, ENOENT, "MAC %s is in no cluster file", mac);
	}
	if (strcmp(node->name, name) != 0)
		return err_set(err, EPERM, "MAC %s is that of node %s, not of %s", mac, node->name, name);
	*ret = find_row(s, mac);
	if (!*ret)
		*ret = status_add_row(s, mac);
	return *ret ? 0 : err_oom(err, name);
}

int status_apply(struct status *s, const struct cluster *cluster, const struct report *report, uint64_t now,
	struct err *err)
{
	struct status_row *row;
	int r = find_node(s, cluster, report->node, report->mac, now, &row, err);

	if (r < 0)
		return r;
	status_row_apply(row, report, now);
	name_row(row, report->node);
	return 0;
}

int status_seeding(struct status *s, const struct cluster *cluster, const struct seed_said *said,
	uint64_t now, struct err *err)
{
	struct status_row *row;
	int r = find_node(s, cluster, said->node, said->mac, now, &row, err);

	if (r < 0)
		return r;
	row->seeding = said->state;
	row->has_paused_by = said->has_paused_by;
	memcpy(row->paused_by, said->paused_by, sizeof(row->paused_by));
	row->seen = now;
	name_row(row, said->node);
	return 0;
}

/* The discovered row that was not seen for longest goes when there are too many: anyone can make up MACs. */
static int limit_discovered(struct status *s)
{
	size_t count = 0, oldest = 0;

	for (size_t i = 0; i < s->count; i++) {
		if (*s->rows[i]->node)
			continue;
		if (!count++ || s->rows[i]->seen < s->rows[oldest]->seen)
			oldest = i;
	}
	return count >= STATUS_DISCOVERED_MAX ? remove_row(s, oldest) : 0;
}

int status_discovered(struct status *s, const char *mac, uint64_t now)
{
	struct status_row *row = find_row(s, mac);

	if (!row) {
		if (limit_discovered(s) < 0)
			return -ENOMEM;
		row = status_add_row(s, mac);
	}
	if (!row)
		return -ENOMEM;
	set_phase(row, PHASE_DISCOVERED, now);
	return 0;
}

int status_offered(
	struct status *s, const struct cluster_node *node, const struct status_offer *offer, uint64_t now)
{
	struct status_row *row = find_row(s, node->mac);
	enum phase before;

	if (!row)
		row = status_add_row(s, node->mac);
	if (!row)
		return -ENOMEM;
	/* A new boot begins: what the last one measured is over, its fault is not. */
	before = row->last.phase;
	row->seeding = SEED_UNKNOWN;
	row->has_paused_by = 0;
	row->last = (struct report){.phase = before, .failed = !offer->release};
	memcpy(row->last.mac, row->mac, sizeof(row->last.mac));
	name_row(row, node->name);
	set_phase(row, PHASE_OFFERED, now);
	if (!offer->release) {
		text_clean(offer->reason, row->error, sizeof(row->error));
		row->error_phase = PHASE_OFFERED;
		return 0;
	}
	(void)snprintf(row->last.release, sizeof(row->last.release), "%s", offer->release);
	(void)snprintf(row->last.profile, sizeof(row->last.profile), "%s", offer->profile);
	row->last.sequence = offer->sequence;
	if (row->error_phase == PHASE_OFFERED)
		row->error[0] = '\0';
	return 0;
}

/* ---- the cluster's nodes ---- */

static int sync_node(struct status *s, const struct cluster_node *node)
{
	struct status_row *row = find_row(s, node->mac);

	if (!row)
		row = status_add_row(s, node->mac);
	if (!row)
		return -ENOMEM;
	if (strcmp(row->node, node->name) != 0) {
		char mac[MAC_TEXT_SIZE];

		memcpy(mac, row->mac, sizeof(mac));
		statusplace_take_out(&s->places, row);
		*row = (struct status_row){.seen = row->seen};
		memcpy(row->mac, mac, sizeof(mac));
		memcpy(row->last.mac, mac, sizeof(mac));
		name_row(row, node->name);
	}
	return 0;
}

int status_sync(struct status *s, const struct cluster *cluster)
{
	for (size_t i = s->count; i-- > 0;) {
		const struct status_row *row = s->rows[i];

		if (*row->node && !cluster_node_by_mac(cluster, row->mac) && remove_row(s, i) < 0)
			return -ENOMEM;
	}
	for (size_t i = 0; i < cluster->node_count; i++)
		if (sync_node(s, &cluster->nodes[i]) < 0)
			return -ENOMEM;
	return 0;
}

/* ---- paused nodes ---- */

int status_pause(struct status *s, char *const *names, size_t count, int paused, struct err *err)
{
	const struct pauses_change change = {.names = names, .count = count, .paused = paused};

	return pauses_apply(&s->paused, s->db, &change, err);
}

int status_is_paused(const struct status *s, const char *node)
{
	return pauses_has(&s->paused, node);
}
