/* Owns a node's report: struct to JSON and back. Reading is by one table of fields, so that both sides agree.
 */
#include "seeder/wire/report.h"

#include <errno.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/base/text.h"
#include "imager/format/json.h"

static const char *const phase_names[PHASE_COUNT] = {
	[PHASE_UNKNOWN] = "unknown",
	[PHASE_DISCOVERED] = "discovered",
	[PHASE_OFFERED] = "offered",
	[PHASE_START] = "start",
	[PHASE_NETWORK] = "network",
	[PHASE_RELEASE] = "release",
	[PHASE_FETCH] = "fetch",
	[PHASE_VERIFY] = "verify",
	[PHASE_MOUNT] = "mount",
	[PHASE_SWITCH] = "switch",
	[PHASE_UP] = "up",
};

const char *phase_name(enum phase p)
{
	return p < PHASE_COUNT ? phase_names[p] : "unknown";
}

int phase_parse(const char *text, enum phase *ret)
{
	for (unsigned i = 0; i < PHASE_COUNT; i++) {
		if (strcmp(text, phase_names[i]) != 0)
			continue;
		*ret = (enum phase)i;
		return 0;
	}
	return -EINVAL;
}

enum kind { TEXT, NUMBER };

static const struct field {
	const char *name;
	enum kind kind;
	size_t offset, size; /* size: of a text field */
} fields[] = {
#define TEXT_FIELD(f)                                                                                        \
	{                                                                                                    \
#f, TEXT, offsetof(struct report, f), sizeof(((struct report *)0)->f)                        \
	}
#define NUMBER_FIELD(f)                                                                                      \
	{                                                                                                    \
#f, NUMBER, offsetof(struct report, f), 0                                                    \
	}
	TEXT_FIELD(node),
	TEXT_FIELD(mac),
	TEXT_FIELD(boot_id),
	TEXT_FIELD(release),
	TEXT_FIELD(image),
	TEXT_FIELD(profile),
	TEXT_FIELD(error),
	TEXT_FIELD(state),
	TEXT_FIELD(failed_units),
	NUMBER_FIELD(sequence),
	NUMBER_FIELD(bytes_from_seeder),
	NUMBER_FIELD(bytes_from_peers),
	NUMBER_FIELD(bytes_by_http),
	NUMBER_FIELD(agent_rss),
};

static json_t *field_value(const struct report *r, const struct field *f)
{
	const char *at = (const char *)r + f->offset;
	char text[REPORT_TEXT];

	if (f->kind == TEXT) {
		text_clean(at, text, sizeof(text));
		return json_string(text);
	}
	return json_integer((json_int_t) * (const uint64_t *)(const void *)at);
}

static json_t *phases_value(const struct report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->phase_count; i++)
		(void)json_array_append_new(
			list, json_pack("{s:s,s:I}", "name", phase_name(r->phases[i].phase), "ms",
				      (json_int_t)r->phases[i].ms));
	return list;
}

int report_format(const struct report *r, struct buf *ret)
{
	_cleanup_json_ json_t *root = json_object();
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (json_object_set_new(root, fields[i].name, field_value(r, &fields[i])) < 0)
			return -ENOMEM;
	if (json_object_set_new(root, "phase", json_string(phase_name(r->phase))) < 0 ||
		json_object_set_new(root, "percent", json_integer(r->percent)) < 0 ||
		json_object_set_new(root, "failed", json_boolean(r->failed)) < 0 ||
		json_object_set_new(root, "phases", phases_value(r)) < 0)
		return -ENOMEM;
	text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
	return text ? buf_puts(ret, text) : -ENOMEM;
}

static int wrong(const char *key, const char *allowed, struct err *err)
{
	return err_set(err, EBADMSG, "report: %s: wanted is %s", key, allowed);
}

static int take_field(const json_t *root, const struct field *f, struct report *r, struct err *err)
{
	const json_t *value = json_object_get(root, f->name);
	char *at = (char *)r + f->offset;

	if (!value)
		return 0;
	if (f->kind == TEXT) {
		if (!json_is_string(value))
			return wrong(f->name, "a text", err);
		text_clean(json_string_value(value), at, f->size);
		return 0;
	}
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return wrong(f->name, "a whole number", err);
	*(uint64_t *)(void *)at = (uint64_t)json_integer_value(value);
	return 0;
}

static int take_phases(const json_t *list, struct report *r, struct err *err)
{
	const json_t *item;
	size_t i;

	if (!list)
		return 0;
	if (!json_is_array(list) || json_array_size(list) > REPORT_PHASES)
		return wrong("phases", "a list of at most 16", err);
	json_array_foreach(list, i, item)
	{
		const char *name = json_string_value(json_object_get(item, "name"));
		const json_t *ms = json_object_get(item, "ms");

		if (!name || phase_parse(name, &r->phases[i].phase) < 0 || !json_is_integer(ms) ||
			json_integer_value(ms) < 0)
			return wrong("phases", "objects of a phase's name and ms", err);
		r->phases[i].ms = (uint64_t)json_integer_value(ms);
	}
	r->phase_count = json_array_size(list);
	return 0;
}

static int take_state(const json_t *root, struct report *r, struct err *err)
{
	const char *phase = json_string_value(json_object_get(root, "phase"));
	const json_t *percent = json_object_get(root, "percent");
	const json_t *failed = json_object_get(root, "failed");

	if (!phase || phase_parse(phase, &r->phase) < 0)
		return wrong("phase", "the name of a phase", err);
	if (percent && (!json_is_integer(percent) || json_integer_value(percent) < 0 ||
			       json_integer_value(percent) > 100))
		return wrong("percent", "0 to 100", err);
	r->percent = (unsigned)json_integer_value(percent);
	if (failed && !json_is_boolean(failed))
		return wrong("failed", "true or false", err);
	r->failed = json_is_true(failed);
	return take_phases(json_object_get(root, "phases"), r, err);
}

static int check(struct report *r, struct err *err)
{
	if (parse_name(r->node) < 0)
		return wrong("node", "a node's name", err);
	if (parse_mac(r->mac, r->mac) < 0)
		return wrong("mac", "a MAC address", err);
	return 0;
}

int report_parse(const char *data, size_t len, struct report *ret, struct err *err)
{
	_cleanup_json_ json_t *root = NULL;
	_cleanup_buf_ struct buf text = {0};
	json_error_t fault;
	struct report r = {0};
	int x;

	if (len > REPORT_LIMIT)
		return err_set(err, EBADMSG, "report: larger than %d bytes", REPORT_LIMIT);
	/* A report must not get lost for a text that is no UTF-8: it may be the reason of a failure. */
	if (text_mend(data, len, &text) < 0)
		return err_oom(err, "a report");
	root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &fault);
	if (!json_is_object(root))
		return err_set(
			err, EBADMSG, "report: not a JSON object: %s", root ? "another type" : fault.text);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		x = take_field(root, &fields[i], &r, err);
		if (x < 0)
			return x;
	}
	x = take_state(root, &r, err);
	if (x == 0)
		x = check(&r, err);
	if (x < 0)
		return x;
	*ret = r;
	return 0;
}
