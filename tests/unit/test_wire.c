/* Boot arguments and reports: what one side writes the other reads, and each fault has its sentence. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/base/text.h"
#include "seeder/wire/bootargs.h"
#include "seeder/wire/report.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define GOOD                                                                                                 \
	"console=ttyS0 swarmboot.node=n1 swarmboot.mac=52:54:00:00:00:01 swarmboot.release=sha256:" HEX      \
	" swarmboot.seeder=http://10.0.0.1:8080"

static void test_bootargs_round(void **state)
{
	struct bootargs a = {.node = "n1", .mac = "52:54:00:00:00:01", .seeder_count = 2, .has_address = 1},
			b;
	_cleanup_buf_ struct buf text = {0};
	struct err err = {0};

	(void)state;
	(void)strcpy(a.seeders[0], "http://10.0.0.1:8080");
	(void)strcpy(a.seeders[1], "http://10.0.0.2:8080");
	assert_int_equal(digest_parse("sha256:" HEX, &a.release), 0);
	(void)inet_pton(AF_INET, "10.0.0.11", &a.address);
	(void)inet_pton(AF_INET, "255.255.255.0", &a.netmask);
	(void)inet_pton(AF_INET, "10.0.0.3", &a.dns[0]);
	(void)inet_pton(AF_INET, "10.0.0.4", &a.dns[1]);
	assert_int_equal(bootargs_format(&a, &text), 0);
	assert_non_null(strstr(text.data, " ip=10.0.0.11:::255.255.255.0:n1::off:10.0.0.3:10.0.0.4"));
	assert_int_equal(bootargs_parse(text.data, &b, &err), 0);
	assert_memory_equal(&a, &b, sizeof(a));
}

static void test_bootargs_faults(void **state)
{
	static const struct {
		const char *cmdline, *says;
	} rows[] = {
		{"quiet", "swarmboot.node= is missing"},
		{GOOD " swarmboot.node=UPPER", "swarmboot.node= is wrong"},
		{GOOD " swarmboot.mac=52:54", "swarmboot.mac= is wrong"},
		{GOOD " swarmboot.release=sha256:12", "swarmboot.release= is wrong"},
		{GOOD " swarmboot.seeder=", "swarmboot.seeder= is wrong"},
		{GOOD " swarmboot.seeder=ftp://x", "swarmboot.seeder= is wrong"},
		{GOOD " swarmboot.seeder=http://1,http://2,http://3,http://4,http://5", "up to 4"},
		{GOOD " ip=10.0.0.1", "ip= is wrong"},
		{GOOD " ip=10.0.0.1:::255.0.0.0:::off:x", "ip= is wrong"},
		{GOOD " ip=10.0.0.1::bad:255.0.0.0", "ip= is wrong"},
		{GOOD " ip=10.0.0.1::::h::off", "ip= is wrong"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bootargs a;
		struct err err = {0};

		assert_int_equal(bootargs_parse(rows[i].cmdline, &a, &err), -EINVAL);
		if (!strstr(err.text, rows[i].says))
			fail_msg("row %zu: '%s' does not say '%s'", i, err.text, rows[i].says);
	}
}

static void test_bootargs_dhcp(void **state)
{
	struct bootargs a;
	struct err err = {0};

	(void)state;
	assert_int_equal(
		bootargs_parse(GOOD " ip=dhcp swarmboot.debug=1 swarmboot.unknown=x\n", &a, &err), 0);
	assert_int_equal(a.has_address, 0);
	assert_int_equal(a.debug, 1);
}

static void test_report_round(void **state)
{
	struct report a = {
		.node = "n1", .mac = "52:54:00:00:00:01", .phase = PHASE_FETCH, .percent = 40, .failed = 1};
	struct report b;
	_cleanup_buf_ struct buf text = {0};
	struct err err = {0};

	(void)state;
	(void)strcpy(a.error, "image: \"no\" peer");
	a.bytes_from_peers = 1ULL << 40;
	a.phases[0] = (struct report_phase){PHASE_START, 12};
	a.phases[1] = (struct report_phase){PHASE_NETWORK, 345};
	a.phase_count = 2;
	assert_int_equal(report_format(&a, &text), 0);
	assert_true(text.len < REPORT_LIMIT);
	assert_int_equal(report_parse(text.data, text.len, &b, &err), 0);
	assert_memory_equal(&a, &b, sizeof(a));
}

static void test_report_faults(void **state)
{
#define NODE "\"node\":\"n1\",\"mac\":\"52:54:00:00:00:01\",\"phase\":\"fetch\""
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"", "not a JSON object"},
		{"[]", "not a JSON object"},
		{"{}", "phase: wanted"},
		{"{\"phase\":\"fetch\"}", "node: wanted"},
		{"{\"node\":\"n1\",\"phase\":\"fetch\"}", "mac: wanted"},
		{"{" NODE ",\"percent\":101}", "percent: wanted"},
		{"{" NODE ",\"percent\":-1}", "percent: wanted"},
		{"{" NODE ",\"sequence\":-1}", "sequence: wanted"},
		{"{" NODE ",\"error\":5}", "error: wanted"},
		{"{" NODE ",\"failed\":\"yes\"}", "failed: wanted"},
		{"{" NODE ",\"phases\":{}}", "phases: wanted"},
		{"{" NODE ",\"phases\":[{\"name\":\"x\",\"ms\":1}]}", "phases: wanted"},
		{"{" NODE "," NODE "}", "not a JSON object"},
		{"{" NODE "} trailing", "not a JSON object"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct report r;
		struct err err = {0};

		assert_int_equal(report_parse(rows[i].text, strlen(rows[i].text), &r, &err), -EBADMSG);
		if (!strstr(err.text, rows[i].says))
			fail_msg("row %zu: '%s' does not say '%s'", i, err.text, rows[i].says);
	}
}

/* What a node says is shown on a terminal: no escape sequences, nothing beyond the field. */
static void test_report_tames_text(void **state)
{
	static const char text[] = "{" NODE ",\"error\":\"a\\u001b[2Jb\",\"state\":"
				   "\"0123456789012345678901234567890123456789\",\"unknown\":1}";
	struct report r;

	(void)state;
	assert_int_equal(report_parse(text, strlen(text), &r, NULL), 0);
	assert_string_equal(r.error, "a" TEXT_BROKEN "[2Jb");
	assert_int_equal(strlen(r.state), sizeof(r.state) - 1);
}

/* Neither half a character nor one that terminals obey (U+009B) may keep a report from its way. */
static void test_report_with_broken_text(void **state)
{
	static const char text[] = "{" NODE ",\"error\":\"\\u009b2J \\u00fc\"}";
	static const char raw[] = "{" NODE ",\"error\":\"raw \xff\xfe \xc3\",\"state\":\"\xe2\x82\"}";
	struct report a = {.node = "n1", .mac = "52:54:00:00:00:01", .phase = PHASE_FETCH}, b;
	_cleanup_buf_ struct buf json = {0};

	(void)state;
	(void)strcpy(a.error, "no room: \xc3");
	assert_int_equal(report_format(&a, &json), 0);
	assert_int_equal(report_parse(json.data, json.len, &b, NULL), 0);
	assert_string_equal(b.error, "no room: " TEXT_BROKEN);
	assert_int_equal(report_parse(text, strlen(text), &b, NULL), 0);
	assert_string_equal(b.error, TEXT_BROKEN "2J \xc3\xbc");
	/* as it comes from the wire: no JSON, strictly */
	assert_int_equal(report_parse(raw, strlen(raw), &b, NULL), 0);
	assert_string_equal(b.error, "raw " TEXT_BROKEN TEXT_BROKEN " " TEXT_BROKEN);
	assert_string_equal(b.state, TEXT_BROKEN TEXT_BROKEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bootargs_round),
		cmocka_unit_test(test_bootargs_faults),
		cmocka_unit_test(test_bootargs_dhcp),
		cmocka_unit_test(test_report_round),
		cmocka_unit_test(test_report_faults),
		cmocka_unit_test(test_report_tames_text),
		cmocka_unit_test(test_report_with_broken_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
