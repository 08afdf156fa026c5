/* dnsmasq's configuration: the whole text of a cluster, and dnsmasq's own opinion of it. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imager/base/proc.h"
#include "seeder/dnsmasq.h"
#include "tests/unit/cluster_sample.h"
#include "tests/unit/tempdir.h"

static const char common[] =
	"port=0\n"
	"bind-dynamic\n"
	"except-interface=lo\n"
	"no-hosts\n"
	"no-resolv\n"
	"no-ping\n"
	"log-facility=-\n"
	"pid-file=/s/dnsmasq.pid\n"
	"dhcp-authoritative\n"
	"dhcp-leasefile=/s/dnsmasq.leases\n"
	"dhcp-lease-max=167\n"
	"enable-tftp\n"
	"tftp-root=/s/tftp\n"
	"tftp-max=64\n"
	"dhcp-match=set:ipxe,175\n"
	"dhcp-userclass=set:ipxe,iPXE\n"
	"dhcp-option=tag:ipxe,encap:175,176,1b\n"
	"dhcp-match=set:bios,option:client-arch,0\n"
	"dhcp-match=set:efi64,option:client-arch,7\n"
	"dhcp-match=set:efi64,option:client-arch,9\n"
	"dhcp-match=set:efihttp,option:client-arch,16\n"
	"dhcp-option-force=tag:efihttp,option:vendor-class,HTTPClient\n"
	"\n"
	"# network boot\n"
	"interface=sbr0\n"
	"dhcp-range=set:boot,10.77.0.100,10.77.0.199,255.255.255.0,3600\n"
	"dhcp-boot=tag:boot,tag:ipxe,http://10.77.0.1:8080/boot.ipxe\n"
	"dhcp-boot=tag:boot,tag:!ipxe,tag:bios,undionly.kpxe\n"
	"dhcp-boot=tag:boot,tag:!ipxe,tag:efi64,snponly.efi\n"
	"dhcp-boot=tag:boot,tag:!ipxe,tag:efihttp,http://10.77.0.1:8080/boot/snponly.efi\n"
	"dhcp-option=tag:boot,option:router,10.77.0.254\n"
	"dhcp-option=tag:boot,option:dns-server,10.77.0.1,10.77.0.2\n"
	"\n"
	"dhcp-host=52:54:00:aa:00:02,n002\n"
	"dhcp-host=52:54:00:aa:00:01,10.77.0.11,n001\n"
	"dhcp-host=52:54:00:aa:00:03,k001\n";

static void test_text(void **state)
{
	_cleanup_cluster_ struct cluster *c = sample_cluster(state);
	_cleanup_buf_ struct buf text = {0};

	assert_int_equal(dnsmasq_config(c, &(struct dnsmasq_options){.state = "/s"}, &text), 0);
	assert_memory_equal(text.data, "# Made by swarmboot", 19);
	assert_string_equal(strchr(text.data, '\n') + 1, common);
}

/* No gateway, no name server, no nodes, root; and two networks. */
static void test_sparse(void **state)
{
	static const char cluster[] =
		"trust: [a]\nnetworks:\n"
		"  a: {interface: e0, address: 10.1.0.1/16, range: 10.1.1.0-10.1.1.255, lease: 1d}\n"
		"  b: {interface: e1, address: 10.2.0.1/16, range: 10.2.1.1-10.2.1.2}\n" SAMPLE_GROUPS;
	static const char *const wanted[] = {"\nuser=root\n", "\ndhcp-option=tag:a,option:router\n",
		"\ndhcp-option=tag:a,option:dns-server\n", "\ndhcp-lease-max=322\n",
		"\ndhcp-range=set:a,10.1.1.0,10.1.1.255,255.255.0.0,86400\n",
		"\ndhcp-boot=tag:b,tag:ipxe,http://10.2.0.1:8080/boot.ipxe\n", "\ninterface=e1\n"};
	_cleanup_cluster_ struct cluster *c = NULL;
	_cleanup_buf_ struct buf text = {0};

	assert_int_equal(load_cluster(state, cluster, &c, NULL), 0);
	assert_int_equal(dnsmasq_config(c, &(struct dnsmasq_options){.state = "/s", .as_root = 1}, &text), 0);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		if (!strstr(text.data, wanted[i]))
			fail_msg("no line %s", wanted[i]);
	assert_null(strstr(text.data, "dhcp-host"));
}

/* Another one answers DHCP on the first network; beside another seeder nobody is sure of all leases. */
static void test_shared(void **state)
{
	static const char cluster[] = "trust: [a]\nseeders: [\"http://10.1.0.2:8080\"]\nnetworks:\n"
				      "  a: {interface: e0, address: 10.1.0.1/16, dhcp: false}\n"
				      "  b: {interface: e1, address: 10.2.0.1/16, range: "
				      "10.2.1.1-10.2.1.2}\n" SAMPLE_GROUPS;
	_cleanup_cluster_ struct cluster *c = NULL;
	_cleanup_buf_ struct buf text = {0};
	struct err err = {0};

	if (load_cluster(state, cluster, &c, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(dnsmasq_config(c, &(struct dnsmasq_options){.state = "/s"}, &text), 0);
	assert_non_null(strstr(text.data, "TFTP only\ninterface=e0\nno-dhcp-interface=e0\n\n# network b\n"));
	assert_non_null(strstr(text.data, "\ndhcp-lease-max=66\n"));
	assert_null(strstr(text.data, "tag:a,"));
	assert_null(strstr(text.data, "dhcp-authoritative"));
}

static uint64_t number_of(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	assert_non_null(at);
	return strtoull(at + strlen(key), NULL, 10);
}

/* Every node and the whole range at once, and all of them by TFTP; and dnsmasq takes it. */
static void test_limits_fit(void **state)
{
	const unsigned nodes = 5000;
	_cleanup_cluster_ struct cluster *c = NULL;
	_cleanup_free_ char *path = path_join(*state, "dnsmasq.conf"), *option = NULL;
	_cleanup_buf_ struct buf file = {0}, text = {0};
	struct err err = {0};

	assert_int_equal(buf_puts(&file, "trust: [a]\nnetworks:\n  a: {interface: e0, address: 10.1.0.1/16, "
					 "range: 10.1.200.0-10.1.209.255}\n" SAMPLE_GROUPS "nodes:\n"),
		0);
	for (unsigned i = 0; i < nodes; i++)
		assert_int_equal(buf_printf(&file,
					 "  n%04u: {mac: \"52:54:00:00:%02x:%02x\", group: compute, address: "
					 "10.1.%u.%u}\n",
					 i, i >> 8, i & 255, 1 + i / 250, 1 + i % 250),
			0);
	if (load_cluster(state, file.data, &c, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(dnsmasq_config(c, &(struct dnsmasq_options){.state = *state}, &text), 0);
	assert_true(number_of(text.data, "\ndhcp-lease-max=") >= nodes + 10 * 256);
	assert_true(number_of(text.data, "\ntftp-max=") >= nodes);
	assert_int_equal(write_file(path, &(struct file_content){text.data, text.len, 0644}, NULL), 0);
	assert_true(asprintf(&option, "--conf-file=%s", path) > 0);
	if (proc_run((const char *const[]){"dnsmasq", "--test", option, NULL}, NULL, &err) < 0)
		fail_msg("%s", err.text);
}

static void test_accepted(void **state)
{
	_cleanup_cluster_ struct cluster *c = sample_cluster(state);
	_cleanup_free_ char *path = path_join(*state, "dnsmasq.conf"), *option = NULL;
	_cleanup_buf_ struct buf text = {0};
	struct err err = {0};

	assert_int_equal(dnsmasq_config(c, &(struct dnsmasq_options){.state = *state}, &text), 0);
	assert_int_equal(write_file(path, &(struct file_content){text.data, text.len, 0644}, NULL), 0);
	assert_true(asprintf(&option, "--conf-file=%s", path) > 0);
	if (proc_run((const char *const[]){"dnsmasq", "--test", option, NULL}, NULL, &err) < 0)
		fail_msg("%s", err.text);
}

static void test_missing_interface(void **state)
{
	_cleanup_cluster_ struct cluster *c = sample_cluster(state);
	struct dnsmasq *d = NULL;
	struct err err = {0};

	(void)snprintf(c->networks[0].interface, sizeof(c->networks[0].interface), "none9");
	assert_int_equal(dnsmasq_start(NULL, c, &d, &err), -ENODEV);
	assert_string_equal(err.text, "network boot: there is no interface none9 on this host");
	assert_null(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(test_text),
		unit_test_in_dir(test_sparse),
		unit_test_in_dir(test_shared),
		unit_test_in_dir(test_limits_fit),
		unit_test_in_dir(test_accepted),
		unit_test_in_dir(test_missing_interface),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
