/* Owns the kernel command line between seeder and agent: both sides. Words that are not ours are passed over.
 */
#include "seeder/wire/bootargs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "imager/base/cleanup.h"

#define CMDLINE_LIMIT 4096

static void address_text(struct in_addr a, char ret[INET_ADDRSTRLEN])
{
	if (a.s_addr == INADDR_ANY || !inet_ntop(AF_INET, &a, ret, INET_ADDRSTRLEN))
		*ret = '\0';
}

static int format_address(const struct bootargs *a, struct buf *ret)
{
	char address[INET_ADDRSTRLEN], gateway[INET_ADDRSTRLEN], netmask[INET_ADDRSTRLEN];
	int r;

	if (!a->has_address)
		return 0;
	address_text(a->address, address);
	address_text(a->gateway, gateway);
	address_text(a->netmask, netmask);
	r = buf_printf(ret, " ip=%s::%s:%s:%s::off", address, gateway, netmask, a->node);
	for (size_t i = 0; r == 0 && i < BOOTARGS_DNS_MAX && a->dns[i].s_addr != INADDR_ANY; i++) {
		address_text(a->dns[i], address);
		r = buf_printf(ret, ":%s", address);
	}
	return r;
}

int bootargs_format(const struct bootargs *a, struct buf *ret)
{
	char digest[DIGEST_TEXT_SIZE];
	int r;

	digest_format(&a->release, digest);
	r = buf_printf(ret,
		"swarmboot.node=%s swarmboot.mac=%s swarmboot.release=%s swarmboot.seeder=", a->node, a->mac,
		digest);
	for (size_t i = 0; r == 0 && i < a->seeder_count; i++)
		r = buf_printf(ret, "%s%s", i ? "," : "", a->seeders[i]);
	if (r == 0 && a->debug)
		r = buf_puts(ret, " swarmboot.debug=1");
	return r < 0 ? r : format_address(a, ret);
}

static int take_node(struct bootargs *a, char *value)
{
	if (parse_name(value) < 0)
		return -EINVAL;
	memcpy(a->node, value, strlen(value) + 1);
	return 0;
}

static int take_mac(struct bootargs *a, char *value)
{
	return parse_mac(value, a->mac);
}

static int take_release(struct bootargs *a, char *value)
{
	return digest_parse(value, &a->release);
}

static int take_seeder(struct bootargs *a, char *value)
{
	char *save = NULL;

	a->seeder_count = 0;
	for (char *url = strtok_r(value, ",", &save); url; url = strtok_r(NULL, ",", &save)) {
		size_t len = strlen(url);

		if (a->seeder_count == BOOTARGS_SEEDERS_MAX || len >= BOOTARGS_URL_SIZE ||
			strncmp(url, "http://", 7) != 0)
			return -EINVAL;
		memcpy(a->seeders[a->seeder_count++], url, len + 1);
	}
	return a->seeder_count ? 0 : -EINVAL;
}

static int take_debug(struct bootargs *a, char *value)
{
	return parse_bool(!strcmp(value, "1") ? "true" : value, &a->debug);
}

static int take_optional_address(const char *text, struct in_addr *ret)
{
	if (!*text)
		return 0;
	return inet_pton(AF_INET, text, ret) == 1 ? 0 : -EINVAL;
}

static int take_dns(struct bootargs *a, char *const fields[BOOTARGS_DNS_MAX])
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < BOOTARGS_DNS_MAX && fields[i]; i++)
		r = take_optional_address(fields[i], &a->dns[i]);
	return r;
}

/* ip=CLIENT:SERVER:GATEWAY:NETMASK:HOSTNAME:DEVICE:AUTOCONF:DNS0:DNS1 */
static int take_ip(struct bootargs *a, char *value)
{
	char *fields[7 + BOOTARGS_DNS_MAX] = {0};
	size_t count = 0;

	if (!strcmp(value, "dhcp"))
		return 0;
	for (char *field; count < ARRAY_SIZE(fields) && (field = strsep(&value, ":"));)
		fields[count++] = field;
	if (count < 4 || inet_pton(AF_INET, fields[0], &a->address) != 1 ||
		inet_pton(AF_INET, fields[3], &a->netmask) != 1)
		return -EINVAL;
	a->has_address = 1;
	return take_optional_address(fields[2], &a->gateway) < 0 ? -EINVAL : take_dns(a, fields + 7);
}

static const struct key {
	const char *name;
	int (*take)(struct bootargs *a, char *value);
	int required;
	const char *allowed;
} keys[] = {
	{"swarmboot.node=", take_node, 1, "a node's name"},
	{"swarmboot.mac=", take_mac, 1, "a MAC address"},
	{"swarmboot.release=", take_release, 1, "sha256: and 64 hex digits"},
	{"swarmboot.seeder=", take_seeder, 1, "up to 4 http://ADDRESS:PORT, divided by commas"},
	{"swarmboot.debug=", take_debug, 0, "0 or 1"},
	{"ip=", take_ip, 0, "dhcp or CLIENT::GATEWAY:NETMASK:HOSTNAME:DEVICE:off:DNS0:DNS1"},
};

static int take_word(struct bootargs *a, char *word, unsigned *seen, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		size_t len = strlen(keys[i].name);

		if (strncmp(word, keys[i].name, len) != 0)
			continue;
		*seen |= 1U << i;
		if (keys[i].take(a, word + len) < 0)
			return err_set(err, EINVAL, "kernel command line: %s is wrong; allowed is %s",
				keys[i].name, keys[i].allowed);
		return 0;
	}
	return 0;
}

int bootargs_parse(const char *cmdline, struct bootargs *ret, struct err *err)
{
	_cleanup_free_ char *copy = strndup(cmdline, CMDLINE_LIMIT);
	struct bootargs a = {0};
	unsigned seen = 0;
	char *save = NULL;

	if (!copy)
		return err_oom(err, "the kernel command line");
	for (char *w = strtok_r(copy, " \t\n", &save); w; w = strtok_r(NULL, " \t\n", &save)) {
		int r = take_word(&a, w, &seen, err);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].required && !(seen & 1U << i))
			return err_set(err, EINVAL, "kernel command line: %s is missing; wanted is %s",
				keys[i].name, keys[i].allowed);
	*ret = a;
	return 0;
}
