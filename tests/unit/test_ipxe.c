/* iPXE scripts: the filling in of templates, and who gets which (boot_respond). */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "seeder/boot.h"
#include "seeder/ipxe.h"
#include "tests/unit/cluster_sample.h"
#include "tests/unit/release_sample.h"
#include "tests/unit/tempdir.h"

static void test_render(void **state)
{
	static const struct ipxe_value values[] = {{"a", "1"}, {"ab", "${net0/mac}"}, {"bad", "x\ny"}, {0}};
	static const struct {
		const char *template, *expected; /* NULL: refused */
	} rows[] = {
		{"", ""},
		{"plain } }} {", "plain } }} {"},
		{"{{a}}{{ab}}-{{a}}\n", "1${net0/mac}-1\n"},
		{"${netX/mac}", "${netX/mac}"},
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

static struct boot_answer respond(const struct cluster *c, const struct catalog *catalog, const char *mac,
	const char *from, struct buf *ret)
{
	struct boot_request request = {.cluster = c, .catalog = catalog, .mac = mac};
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

static void test_waiting(void **state)
{
	_cleanup_cluster_ struct cluster *c = sample_cluster(state);
	static const struct {
		const char *mac;
		int scanned;
		enum boot_kind kind;
		const char *reason, *text;
	} rows[] = {
		{"52:54:00:aa:00:03", 1, BOOT_WAIT, "no such release", "echo swarmboot: k001 has no release"},
		{"52:54:00:aa:00:01", 0, BOOT_WAIT, "the store is still being read", "n001 has no release"},
		{"52:54:00:aa:00:09", 1, BOOT_UNKNOWN, NULL, "52:54:00:aa:00:09 is in no cluster file"},
	};
	struct sample s;

	fill(&s);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf script = {0};
		struct boot_answer answer =
			respond(c, rows[i].scanned ? &s.catalog : NULL, rows[i].mac, "10.77.0.9", &script);

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
		unit_test_in_dir(test_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
