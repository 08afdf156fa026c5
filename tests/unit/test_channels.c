/* The list of channels between a seeder and its mirrors: what one side writes the other reads. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/base/text.h"
#include "seeder/wire/channels.h"

#define HEX    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX
#define ID     "0123456789abcdef0123456789abcdef"

static struct channels_row *add(struct channels *c, const char *channel)
{
	struct channels_row *row = channels_add(c);

	assert_non_null(row);
	(void)snprintf(row->channel, sizeof(row->channel), "%s", channel);
	return row;
}

static void test_round(void **state)
{
	_cleanup_channels_ struct channels a = {.ids = {ID}, .id_count = 1, .ready = 1}, b = {0};
	_cleanup_buf_ struct buf text = {0};
	struct channels_row *row = add(&a, "slurm:stable");
	struct err err = {0};

	(void)state;
	assert_int_equal(digest_parse(DIGEST, &row->release), 0);
	row->has_release = 1;
	row->sequence = 7;
	row = add(&a, "k3s:3");
	(void)snprintf(row->reason, sizeof(row->reason), "no such release");
	row = add(&a, "");
	row->has_release = 1;
	assert_int_equal(channels_format(&a, &text), 0);
	assert_int_equal(channels_parse(text.data, text.len, &b, &err), 0);
	assert_true(b.ready);
	assert_true(channels_has_id(&b, ID));
	assert_false(channels_has_id(&b, "0"));
	assert_int_equal(b.row_count, 3);
	assert_int_equal(channels_find(&b, "slurm:stable")->sequence, 7);
	assert_true(digest_equal(&channels_find(&b, "slurm:stable")->release, &a.rows[0].release));
	assert_false(channels_find(&b, "k3s:3")->has_release);
	assert_string_equal(channels_find(&b, "k3s:3")->reason, "no such release");
	assert_true(b.rows[2].has_release);
	assert_null(channels_find(&b, "slurm:canary"));
}

/* A reason names files, and is cut where its room ends. */
static void test_reason_of_any_bytes(void **state)
{
	_cleanup_channels_ struct channels a = {.ids = {ID}, .id_count = 1, .ready = 1}, b = {0};
	_cleanup_buf_ struct buf text = {0};
	struct channels_row *row = add(&a, "slurm:stable");

	(void)state;
	(void)snprintf(row->reason, sizeof(row->reason), "/srv/caf\xe9/store: half \xc3");
	assert_int_equal(channels_format(&a, &text), 0);
	assert_int_equal(channels_parse(text.data, text.len, &b, NULL), 0);
	assert_string_equal(channels_find(&b, "slurm:stable")->reason,
		"/srv/caf" TEXT_BROKEN "/store: half " TEXT_BROKEN);
}

#define LIST(channels)              "{\"seeders\":[\"" ID "\"],\"ready\":true,\"channels\":[" channels "],\"releases\":[]}"
#define ROW(channel, release, rest) LIST("{\"channel\":\"" channel "\",\"release\":\"" release "\"" rest "}")

static void test_faults(void **state)
{
	static const struct {
		const char *text, *says; /* NULL: it is good */
	} rows[] = {
		{LIST(""), NULL},
		{ROW("a:b", DIGEST, ",\"sequence\":1"), NULL},
		{ROW("a:b", "", ",\"sequence\":0,\"more\":[]"), NULL},
		{"", "not a JSON object"},
		{"[]", "not a JSON object"},
		{"{\"a\":1,\"a\":2}", "not a JSON object"},
		{"{}", "ready: wanted is true or false"},
		{"{\"ready\":true}", "seeders, channels, releases: wanted is a list each"},
		{"{\"ready\":true,\"seeders\":[\"x\"],\"channels\":[],\"releases\":[]}",
			"seeders: wanted is"},
		{"{\"ready\":true,\"seeders\":[],\"channels\":[],\"releases\":[\"\"]}",
			"releases: wanted is"},
		{LIST("1"), "channel: wanted is PROFILE:CHANNEL"},
		{ROW("a", DIGEST, ",\"sequence\":1"), "channel: wanted is"},
		{ROW("../a:b", DIGEST, ",\"sequence\":1"), "channel: wanted is"},
		{ROW("a:b:c", DIGEST, ",\"sequence\":1"), "channel: wanted is"},
		{ROW("a:b", "sha256:12", ",\"sequence\":1"), "release: wanted is"},
		{ROW("a:b", "md5:" HEX, ",\"sequence\":1"), "release: wanted is"},
		{ROW("a:b", DIGEST, ""), "sequence: wanted is"},
		{ROW("a:b", DIGEST, ",\"sequence\":-1"), "sequence: wanted is"},
		{ROW("a:b", DIGEST, ",\"sequence\":1.5"), "sequence: wanted is"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_channels_ struct channels c = {0};
		struct err err = {0};
		int r = channels_parse(rows[i].text, strlen(rows[i].text), &c, &err);

		if (r != (rows[i].says ? -EBADMSG : 0) || (rows[i].says && !strstr(err.text, rows[i].says)))
			fail_msg("row %zu: %d '%s'", i, r, err.text);
	}
}

static void test_bounds(void **state)
{
	_cleanup_channels_ struct channels c = {0}, d = {0};
	_cleanup_buf_ struct buf text = {0};
	_cleanup_free_ char *large = calloc(1, CHANNELS_LIMIT + 1);

	(void)state;
	assert_int_equal(channels_parse(large, CHANNELS_LIMIT + 1, &d, NULL), -EBADMSG);
	assert_int_equal(buf_puts(&text, "{\"ready\":true,\"seeders\":[],\"channels\":[],\"releases\":["), 0);
	for (size_t i = 0; i <= CHANNELS_ROWS_MAX; i++)
		assert_int_equal(buf_printf(&text, "%s\"" DIGEST "\"", i ? "," : ""), 0);
	assert_int_equal(buf_puts(&text, "]}"), 0);
	assert_int_equal(channels_parse(text.data, text.len, &d, NULL), -EBADMSG);
	while (channels_add(&c))
		;
	assert_int_equal(c.row_count, CHANNELS_ROWS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_reason_of_any_bytes),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
