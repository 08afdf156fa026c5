/* Owns what a seeder tells its mirrors: the catalog as a list of channels (seeder/wire/channels.h). */
#include "seeder/head.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "seeder/wire/channels.h"

static int add_channel(struct channels *list, const struct catalog_channel *c)
{
	struct channels_row *row = channels_add(list);

	if (!row)
		return -ENOMEM;
	(void)snprintf(row->channel, sizeof(row->channel), "%s", c->ref);
	(void)snprintf(row->reason, sizeof(row->reason), "%.*s", CHANNELS_TEXT - 1, c->reason);
	row->has_release = c->offer != NULL;
	if (c->offer) {
		row->release = c->offer->digest;
		row->sequence = c->offer->release.sequence;
	}
	return 0;
}

static int has_channel(const struct catalog *c, const struct offer *offer)
{
	for (size_t i = 0; i < c->channel_count; i++)
		if (c->channels[i].offer == offer)
			return 1;
	return 0;
}

/* Offered without a channel: nodes boot it or run it. */
static int add_release(struct channels *list, const struct offer *offer)
{
	struct channels_row *row = channels_add(list);

	if (!row)
		return -ENOMEM;
	row->has_release = 1;
	row->release = offer->digest;
	row->sequence = offer->release.sequence;
	return 0;
}

int offers_list(const struct head *h, struct buf *ret)
{
	_cleanup_channels_ struct channels list = {
		.ready = h->catalog && !h->catalog->pending, .id_count = 1};
	const struct catalog *c = h->catalog;
	int r = 0;

	memcpy(list.ids[0], h->id, sizeof(list.ids[0]));
	if (h->mirror)
		mirror_add_ids(h->mirror, &list);
	for (size_t i = 0; r == 0 && c && i < c->channel_count; i++)
		r = add_channel(&list, &c->channels[i]);
	for (size_t i = 0; r == 0 && c && i < c->offer_count; i++)
		if (!has_channel(c, c->offers[i]))
			r = add_release(&list, c->offers[i]);
	return r == 0 ? channels_format(&list, ret) : r;
}
