/* Link, address and route, in a network namespace of the test's own where one end of a veth pair is the
 * node's card. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/base/loop.h"
#include "imager/base/proc.h"
#include "initramfs/link.h"

#define MAC "52:54:00:aa:00:01"

/* ip(8) of a line of words. */
static void ip(const char *line)
{
	const char *argv[24] = {"ip"};
	_cleanup_free_ char *copy = strdup(line);
	char *save = NULL;
	struct err err = {0};
	size_t n = 1;

	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[n++] = w;
	if (proc_run(argv, NULL, &err) < 0)
		fail_msg("ip %s: %s", line, err.text);
}

static int says(const char *object, const char *text)
{
	const char *const argv[] = {"ip", "-o", object, "show", NULL};
	_cleanup_free_ char *out = NULL;

	assert_int_equal(proc_capture(argv, 65536, &out, NULL), 0);
	return strstr(out, text) != NULL;
}

static struct link_plan plan_for(uint64_t ms)
{
	struct link_plan plan = {.mac = MAC, .deadline_ms = monotonic_ms() + ms};

	(void)inet_pton(AF_INET, "10.5.0.11", &plan.address);
	(void)inet_pton(AF_INET, "10.5.0.1", &plan.gateway);
	(void)inet_pton(AF_INET, "255.255.0.0", &plan.netmask);
	return plan;
}

static void test_configures(void **state)
{
	struct link_plan plan = plan_for(5000);
	struct err err = {0};

	(void)state;
	ip("link add other type veth peer name far0");
	ip("link add card address " MAC " type veth peer name far1");
	ip("link set far1 up");
	if (link_configure(&plan, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(says("address", "card    inet 10.5.0.11/16"));
	assert_true(says("route", "default via 10.5.0.1 dev card"));
	/* Again, as after a failure further on. */
	plan.deadline_ms = monotonic_ms() + 5000;
	assert_int_equal(link_configure(&plan, &err), 0);
	ip("link del card");
	ip("link del other");
}

static int make_card(struct err *err)
{
	(void)err;
	ip("link add card address " MAC " type veth peer name far1");
	ip("link set far1 up");
	return 0;
}

/* As when the card is plugged in, or its driver loaded, after the start. */
static void test_waits_for_link(void **state)
{
	struct link_plan plan = plan_for(10000);
	struct err err = {0};

	(void)state;
	plan.while_waiting = make_card;
	if (link_configure(&plan, &err) < 0)
		fail_msg("%s", err.text);
	ip("link del card");
}

static void test_no_link(void **state)
{
	struct link_plan plan = plan_for(100);
	struct err err = {0};

	(void)state;
	assert_int_equal(link_configure(&plan, &err), -ENODEV);
	assert_string_equal(err.text, "no network link has the address " MAC);
}

static void test_no_carrier(void **state)
{
	struct link_plan plan = plan_for(100);
	struct err err = {0};

	(void)state;
	ip("link add card address " MAC " type veth peer name far1");
	assert_int_equal(link_configure(&plan, &err), -ENETDOWN);
	assert_string_equal(err.text, "card (" MAC ") has no carrier");
	ip("link del card");
}

static int own_namespace(void **state)
{
	(void)state;
	return unshare(CLONE_NEWNET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_configures),
		cmocka_unit_test(test_waits_for_link),
		cmocka_unit_test(test_no_link),
		cmocka_unit_test(test_no_carrier),
	};

	return cmocka_run_group_tests(tests, own_namespace, NULL);
}
