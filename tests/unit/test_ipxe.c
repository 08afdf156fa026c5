/* iPXE scripts: the filling in of templates, and who gets which (boot_respond). */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "seeder/boot.h"
#include "seeder/ipxe.h"
#include "tests/unit/cluster_sample.h"
#include "tests/unit/release_sample.h"
#include "tests/unit/tempdir.h"

static void test_render(void **state)
{
	static const struct ipxe_value values[] = {{"a", "1"}, {"ab", "${net0/mac}"}, {"bad", "x\ny"},
		{"s", "one"}, {"s", "two"}, {"t", "I"}, {"t", "II"}, {0}};
	static const struct {
		const char *template, *expected; /* NULL: refused */
	} rows[] = {
		{"", ""},
		{"plain } }} {", "plain } }} {"},
		{"{{a}}{{ab}}-{{a}}\n", "1${net0/mac}-1\n"},
		{"${netX/mac}", "${netX/mac}"},
		{"a\n{{s}} {{a}}\nb {{a}}", "a\none 1\ntwo 1\nb 1"},
		{"{{s}}{{s}}{{t}}", "oneoneItwotwoII"},
		{"{{s}}\n{{b}}\n", NULL},
		{"{{s\n}}", NULL},
		{"{{b}}", NULL},
		{"{{}}", NULL},
		{"{{a", NULL},
		{"{{a}", NULL},
		{"{{bad}}", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf text = {0};
		struct err err = {0};

		assert_int_equal(
			ipxe_render(rows[i].template, values, &text, &err), rows[i].expected ? 0 : -EINVAL);
		if (rows[i].expected)
			assert_string_equal(text.data, rows[i].expected);
		else
			assert_memory_equal(err.text, "iPXE script: ", 13);
	}
}

static void test_templates(void **state)
{
	static const char *const templates[] = {ipxe_entry, ipxe_node, ipxe_wait};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(templates); i++)
		assert_memory_equal(templates[i], "#!ipxe\n", 7);
}

/* A catalog of one release, for the group "compute"; the other group has nothing. */
struct sample {
	struct offer offer, *offers[1];
	struct catalog_channel channels[2];
	struct catalog catalog;
};

static void fill(struct sample *s)
{
	*s = (struct sample){.offer = {.release = sample_release()},
		.channels = {{.ref = "slurm:stable"}, {.ref = "k3s:7", .reason = "no such release"}}};
	assert_int_equal(digest_bytes("manifest", 8, &s->offer.digest), 0);
	s->offers[0] = &s->offer;
	s->channels[0].offer = &s->offer;
	s->catalog = (struct catalog){
		.offers = s->offers, .offer_count = 1, .channels = s->channels, .channel_count = 2};
}

static struct err scan_fault;

static struct boot_answer respond(const struct cluster *c, const struct catalog *catalog, const char *mac,
	const char *from, struct buf *ret)
{
	struct boot_request request = {.cluster = c, .catalog = catalog, .fault = &scan_fault, .mac = mac};
	struct boot_answer answer = {0};
	struct err err = {0};

	assert_int_equal(inet_pton(AF_INET, from, &request.from), 1);
	if (boot_respond(&request, &answer, ret, &err) < 0)
		fail_msg("%s", err.text);
	return answer;
}

static void test_node(void **state)
{
	_cleanup_cluster_ struct cluster *c = sample_cluster(state);
	static const struct {
		const char *mac, *from, *address;
	} rows[] = {
		{"52:54:00:aa:00:01", "10.77.0.150", " ip=10.77.0.11::10.77.0.254:255.255.255.0:n001::off"},
		{"52:54:00:aa:00:02", "10.77.0.150", " ip=10.77.0.150::10.77.0.254:255.255.255.0:n002::off"},
		{"52:54:00:aa:00:02", "127.0.0.1", NULL},
		{"52:54:00:aa:00:02", "10.77.0.1", NULL},
	};
	struct sample s;

	fill(&s);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf script = {0};
		struct boot_answer answer = respond(c, &s.catalog, rows[i].mac, rows[i].from, &script);

		assert_int_equal(answer.kind, BOOT_RELEASE);
		assert_ptr_equal(answer.offer, &s.offer);
		assert_ptr_equal(answer.node, cluster_node_by_mac(c, rows[i].mac));
		assert_non_null(strstr(script.data, " initrd=initramfs quiet console=ttyS0,115200 "
						    "console=ttyS0 panic=30 swarmboot.node=n00"));
		assert_non_null(strstr(script.data, " swarmboot.seeder=http://10.77.0.1:8080"));
		if (rows[i].address)
			assert_non_null(strstr(script.data, rows[i].address));
		else
			assert_null(strstr(script.data, " ip="));
	}
}

static unsigned long pause_in(const struct buf *script)
{
	const char *at = strstr(script->data, "\nsleep ");

	assert_non_null(at);
	return strtoul(at + 7, NULL, 10);
}

/* Nodes that were switched on as one do not ask again as one. */
static void test_pauses(void **state)
{
	_cleanup_cluster_ struct cluster *c = sample_cluster(state);
	_cleanup_buf_ struct buf one = {0}, two = {0};
	unsigned seen[64] = {0}, most = 0;
	struct sample s;

	for (uint32_t i = 0; i < 400; i++) {
		_cleanup_buf_ struct buf script = {0};
		unsigned long pause;

		assert_int_equal(boot_entry(c, (struct in_addr){htonl(0x0a4d0064 + i)}, &script, NULL), 0);
		pause = pause_in(&script);
		assert_in_range(pause, 5, 44);
		if (++seen[pause] > most)
			most = seen[pause];
	}
	/* 10 on average */
	assert_in_range(most, 10, 30);
	fill(&s);
	(void)respond(c, &s.catalog, "52:54:00:aa:00:01", "10.77.0.150", &one);
	(void)respond(c, &s.catalog, "52:54:00:aa:00:02", "10.77.0.150", &two);
	assert_int_not_equal(pause_in(&one), pause_in(&two));
}

/* Two further seeders, of which one is in the other network. */
#define SEEDERS                                                                                              \
	"seeders: [\"http://10.77.0.3:80\", \"http://10.77.0.1:8080\", \"http://10.78.0.2:8080\"]\n"         \
	"networks:\n"                                                                                        \
	"  boot: {interface: a0, address: 10.77.0.1/24, range: 10.77.0.100-10.77.0.199}\n"                   \
	"  rear: {interface: a1, address: 10.78.0.1/24, range: 10.78.0.100-10.78.0.199}\n"

static void test_seeders(void **state)
{
	static const struct {
		const char *from, *urls[3];
	} rows[] = {
		{"10.77.0.50", {"http://10.77.0.1:8080", "http://10.77.0.3:80"}},
		{"10.78.0.50", {"http://10.78.0.1:8080", "http://10.78.0.2:8080"}},
		{"192.0.2.1", {"http://10.77.0.1:8080", "http://10.77.0.3:80"}},
	};
	_cleanup_cluster_ struct cluster *c = NULL;
	struct err err = {0};

	if (load_cluster(state, SAMPLE_HEAD SEEDERS SAMPLE_GROUPS SAMPLE_NODES, &c, &err) < 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct boot_seeders seeders;
		struct in_addr from;

		assert_int_equal(inet_pton(AF_INET, rows[i].from, &from), 1);
		boot_seeders(c, from, &seeders);
		assert_int_equal(seeders.count, 2);
		for (size_t j = 0; j < 2; j++)
			assert_string_equal(seeders.urls[j], rows[i].urls[j]);
	}
}

/* Each of three gets its share of 3000 nodes, whatever order they stand in; without one its nodes are shared
 * by the two others, and nobody else moves. */
static void test_spread(void **state)
{
	static const struct boot_seeders all = {{"http://10.0.0.1:80", "http://10.0.0.2:80", "http://a"}, 3},
					 turned = {{"http://a", "http://10.0.0.2:80", "http://10.0.0.1:80"},
						 3},
					 rest = {{"http://10.0.0.1:80", "http://10.0.0.2:80"}, 2};
	unsigned first[3] = {0}, second[3] = {0};

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		struct boot_seeders a = all, b = turned, c = rest;
		char mac[MAC_TEXT_SIZE];

		(void)snprintf(mac, sizeof(mac), "52:54:00:00:%02x:%02x", i >> 8, i & 255);
		boot_spread(mac, &a);
		boot_spread(mac, &b);
		boot_spread(mac, &c);
		assert_memory_equal(a.urls, b.urls, sizeof(a.urls));
		for (size_t j = 0; j < 3; j++) {
			first[j] += !strcmp(a.urls[0], all.urls[j]);
			second[j] += !strcmp(a.urls[0], "http://a") && !strcmp(a.urls[1], all.urls[j]);
		}
		if (strcmp(a.urls[0], "http://a") != 0)
			assert_string_equal(a.urls[0], c.urls[0]);
	}
	for (size_t j = 0; j < 3; j++)
		assert_in_range(first[j], 900, 1100);
	assert_in_range(second[0], 430, 570);
	assert_int_equal(second[2], 0);
}

/* Kernel and initramfs from whichever answers, the one that was asked first. */
static void test_two_seeders(void **state)
{
	static const char *const expected[] = {"\nkernel http://10.77.0.1:8080/v1/blobs/sha256:",
		" && goto initramfs ||\nkernel http://10.77.0.3:80/",
		" && goto initramfs ||\ngoto failed\n:initramfs\ninitrd --name initramfs "
		"http://10.77.0.1:8080/",
		" && goto boot ||\ninitrd --name initramfs http://10.77.0.3:80/",
		"\nchain --replace --autofree http://10.77.0.1:8080/v1/boot/52:54:00:aa:00:01.ipxe ||\nchain "
		"--replace --autofree http://10.77.0.3:80/v1/boot/52:54:00:aa:00:01.ipxe ||\ngoto failed\n"};
	_cleanup_cluster_ struct cluster *c = NULL;
	_cleanup_buf_ struct buf script = {0}, wait = {0};
	struct err err = {0};
	const char *at;
	struct sample s;

	if (load_cluster(state, SAMPLE_HEAD SEEDERS SAMPLE_GROUPS SAMPLE_NODES, &c, &err) < 0)
		fail_msg("%s", err.text);
	fill(&s);
	(void)respond(c, &s.catalog, "52:54:00:aa:00:01", "10.77.0.150", &script);
	at = script.data;
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		at = strstr(at, expected[i]);
		if (!at)
			fail_msg("no '%s' in %s", expected[i], script.data);
	}
	assert_true(strstr(script.data, "swarmboot.seeder=http://10.77.0.1:8080,http://10.77.0.3:80 ") ||
		    strstr(script.data, "swarmboot.seeder=http://10.77.0.3:80,http://10.77.0.1:8080 "));
	(void)respond(c, &s.catalog, "52:54:00:aa:00:03", "10.77.0.150", &wait);
	assert_non_null(strstr(wait.data, "sleep 10\nchain --replace --autofree http://10.77.0.3:80/"));
}

#define READING    "the store is still being read"
#define NO_RELEASE "no such release"
#define FAULT      "state: Read-only file system"
/* Of a group that came with the last reload. */
#define LATE_GROUP "  late: {channel: \"late:1\"}\n"
#define LATE_NODE  "  l001: {mac: \"52:54:00:aa:00:04\", group: late}\n"

static void test_waiting(void **state)
{
	_cleanup_cluster_ struct cluster *c = NULL;
	static const struct {
		const char *mac;
		int scanned; /* 2: its channel is still to be read */
		enum boot_kind kind;
		const char *reason, *text, *fault; /* fault: of the last scan */
	} rows[] = {
		{"52:54:00:aa:00:03", 1, BOOT_WAIT, NO_RELEASE, "echo swarmboot: k001 has no release", NULL},
		{"52:54:00:aa:00:01", 0, BOOT_WAIT, READING, "n001 has no release", NULL},
		{"52:54:00:aa:00:01", 0, BOOT_WAIT, READING, "\nsleep 1\n", NULL},
		{"52:54:00:aa:00:03", 1, BOOT_WAIT, NO_RELEASE, "\nsleep 10\n", NULL},
		{"52:54:00:aa:00:03", 2, BOOT_WAIT, NO_RELEASE, "\nsleep 1\n", NULL},
		{"52:54:00:aa:00:01", 0, BOOT_WAIT, FAULT, "\nsleep 10\n", FAULT},
		{"52:54:00:aa:00:03", 1, BOOT_WAIT, NO_RELEASE, "\nsleep 10\n", FAULT},
		{"52:54:00:aa:00:03", 2, BOOT_WAIT, FAULT, "\nsleep 10\n", FAULT},
		{"52:54:00:aa:00:04", 1, BOOT_WAIT, READING, "\nsleep 1\n", NULL},
		{"52:54:00:aa:00:04", 1, BOOT_WAIT, FAULT, "\nsleep 10\n", FAULT},
		{"52:54:00:aa:00:09", 1, BOOT_UNKNOWN, NULL, "52:54:00:aa:00:09 is in no cluster file", NULL},
		{"52:54:00:aa:00:09", 0, BOOT_UNKNOWN, NULL, "\nsleep 10\n", NULL},
	};
	struct err err = {0};
	struct sample s;

	if (load_cluster(state, SAMPLE_HEAD SAMPLE_NETWORK SAMPLE_GROUPS LATE_GROUP SAMPLE_NODES LATE_NODE,
		    &c, &err) < 0)
		fail_msg("%s", err.text);
	fill(&s);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf script = {0};
		struct boot_answer answer;

		s.channels[1].is_pending = rows[i].scanned == 2;
		scan_fault = (struct err){0};
		if (rows[i].fault)
			(void)err_set(&scan_fault, EROFS, "%s", rows[i].fault);
		answer = respond(c, rows[i].scanned ? &s.catalog : NULL, rows[i].mac, "10.77.0.9", &script);

		assert_int_equal(answer.kind, rows[i].kind);
		if (rows[i].reason)
			assert_string_equal(answer.reason, rows[i].reason);
		assert_non_null(strstr(script.data, rows[i].text));
		assert_null(strstr(script.data, "kernel "));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_render),
		cmocka_unit_test(test_templates),
		unit_test_in_dir(test_node),
		unit_test_in_dir(test_seeders),
		cmocka_unit_test(test_spread),
		unit_test_in_dir(test_two_seeders),
		unit_test_in_dir(test_waiting),
		unit_test_in_dir(test_pauses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
