/* Owns the list of channels between a seeder and its mirrors: both sides. Who follows whom is not here. */
#include "seeder/wire/channels.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "imager/base/parse.h"
#include "imager/base/text.h"
#include "imager/format/json.h"

void channels_release(struct channels *c)
{
	free(c->rows);
	*c = (struct channels){0};
}

struct channels_row *channels_add(struct channels *c)
{
	struct channels_row *rows;

	if (c->row_count == CHANNELS_ROWS_MAX)
		return NULL;
	rows = realloc(c->rows, (c->row_count + 1) * sizeof(*rows));
	if (!rows)
		return NULL;
	c->rows = rows;
	rows[c->row_count] = (struct channels_row){0};
	return &rows[c->row_count++];
}

const struct channels_row *channels_find(const struct channels *c, const char *channel)
{
	for (size_t i = 0; i < c->row_count; i++)
		if (!strcmp(c->rows[i].channel, channel))
			return &c->rows[i];
	return NULL;
}

int channels_has_id(const struct channels *c, const char *id)
{
	for (size_t i = 0; i < c->id_count; i++)
		if (!strcmp(c->ids[i], id))
			return 1;
	return 0;
}

/* ---- out ---- */

static json_t *row_value(const struct channels_row *row)
{
	char digest[DIGEST_TEXT_SIZE] = "";

	if (row->has_release)
		digest_format(&row->release, digest);
	if (!*row->channel)
		return json_string(digest);
	return json_pack("{s:s,s:s,s:I,s:o}", "channel", row->channel, "release", digest, "sequence",
		(json_int_t)row->sequence, "reason", json_clean(row->reason));
}

int channels_format(const struct channels *c, struct buf *ret)
{
	_cleanup_json_ json_t *ids = json_array(), *channels = json_array(), *releases = json_array();
	_cleanup_json_ json_t *root = NULL;

	for (size_t i = 0; i < c->id_count; i++)
		if (json_array_append_new(ids, json_string(c->ids[i])) < 0)
			return -ENOMEM;
	for (size_t i = 0; i < c->row_count; i++)
		if (json_array_append_new(*c->rows[i].channel ? channels : releases, row_value(&c->rows[i])) <
			0)
			return -ENOMEM;
	root = json_pack("{s:O,s:b,s:O,s:O}", "seeders", ids, "ready", c->ready, "channels", channels,
		"releases", releases);
	return root ? json_add_text(root, JSON_COMPACT, ret) : -ENOMEM;
}

/* ---- in ---- */

static int wrong(const char *key, const char *allowed, struct err *err)
{
	return err_set(err, EBADMSG, "list of channels: %s: wanted is %s", key, allowed);
}

static int take_id(const json_t *value, struct channels *c)
{
	const char *text = json_string_value(value);
	uint8_t bytes[(CHANNELS_ID_SIZE - 1) / 2];

	if (!text || c->id_count == CHANNELS_IDS_MAX || parse_hex(text, bytes, sizeof(bytes)) < 0)
		return -EINVAL;
	memcpy(c->ids[c->id_count++], text, CHANNELS_ID_SIZE);
	return 0;
}

/* "PROFILE:CHANNEL", both of them names. */
static int take_channel(const char *text, struct channels_row *row)
{
	char *colon;

	if (!text || strlen(text) >= sizeof(row->channel))
		return -EINVAL;
	memcpy(row->channel, text, strlen(text) + 1);
	colon = strchr(row->channel, ':');
	if (!colon)
		return -EINVAL;
	*colon = '\0';
	if (parse_name(row->channel) < 0 || parse_name(colon + 1) < 0)
		return -EINVAL;
	*colon = ':';
	return 0;
}

static int take_release(const json_t *value, struct channels_row *row)
{
	const char *text = json_string_value(value);

	row->has_release = text && *text;
	if (row->has_release)
		return digest_parse(text, &row->release);
	return text ? 0 : -EINVAL;
}

static void take_reason(const json_t *value, struct channels_row *row)
{
	const char *text = json_string_value(value);

	text_clean(text ? text : "", row->reason, sizeof(row->reason));
}

static int take_row(const json_t *value, struct channels *c, struct err *err)
{
	const json_t *sequence = json_object_get(value, "sequence");
	struct channels_row *row = channels_add(c);

	if (!row)
		return wrong("channels", "a list that is not so long", err);
	if (take_channel(json_string_value(json_object_get(value, "channel")), row) < 0)
		return wrong("channel", "PROFILE:CHANNEL", err);
	if (take_release(json_object_get(value, "release"), row) < 0)
		return wrong("release", "sha256: and 64 hex digits, or nothing", err);
	if (!json_is_integer(sequence) || json_integer_value(sequence) < 0)
		return wrong("sequence", "a whole number", err);
	row->sequence = (uint64_t)json_integer_value(sequence);
	take_reason(json_object_get(value, "reason"), row);
	return 0;
}

static int take_digest(const json_t *value, struct channels *c, struct err *err)
{
	struct channels_row *row = channels_add(c);

	if (!row)
		return wrong("releases", "a list that is not so long", err);
	if (take_release(value, row) < 0 || !row->has_release)
		return wrong("releases", "a list of sha256: and 64 hex digits", err);
	return 0;
}

static int take_lists(const json_t *root, struct channels *c, struct err *err)
{
	const json_t *ids = json_object_get(root, "seeders"), *channels = json_object_get(root, "channels"),
		     *releases = json_object_get(root, "releases");
	size_t i;
	int r = 0;

	if (!json_is_array(ids) || !json_is_array(channels) || !json_is_array(releases))
		return wrong("seeders, channels, releases", "a list each", err);
	for (i = 0; i < json_array_size(ids); i++)
		if (take_id(json_array_get(ids, i), c) < 0)
			return wrong("seeders", "at most 8 of 32 hex digits each", err);
	for (i = 0; r == 0 && i < json_array_size(channels); i++)
		r = take_row(json_array_get(channels, i), c, err);
	for (i = 0; r == 0 && i < json_array_size(releases); i++)
		r = take_digest(json_array_get(releases, i), c, err);
	return r;
}

int channels_parse(const char *data, size_t len, struct channels *ret, struct err *err)
{
	_cleanup_channels_ struct channels c = {0};
	_cleanup_json_ json_t *root = NULL;
	json_error_t fault;
	int r;

	if (len > CHANNELS_LIMIT)
		return err_set(err, EBADMSG, "list of channels: larger than %d bytes", CHANNELS_LIMIT);
	root = json_loadb(data, len, JSON_REJECT_DUPLICATES, &fault);
	if (!json_is_object(root))
		return err_set(err, EBADMSG, "list of channels: not a JSON object: %s",
			root ? "another type" : fault.text);
	if (!json_is_boolean(json_object_get(root, "ready")))
		return wrong("ready", "true or false", err);
	c.ready = json_is_true(json_object_get(root, "ready"));
	r = take_lists(root, &c, err);
	if (r < 0)
		return r;
	*ret = c;
	c = (struct channels){0};
	return 0;
}
