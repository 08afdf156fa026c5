/* Owns the judgement of whom a mirror may follow: the URL's form, and that it is not this seeder itself. */
#include "seeder/mirror/mirror.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "imager/base/parse.h"

#define SCHEME "http://"

struct place {
	char host[256], port[8];
};

/* http://HOST:PORT and nothing else. */
static int parse_url(const char *url, struct place *ret)
{
	const char *host = strncmp(url, SCHEME, strlen(SCHEME)) ? "" : url + strlen(SCHEME);
	size_t len = strcspn(host, ":/@?#[] ");
	uint16_t port = 0;

	if (len == 0 || len >= sizeof(ret->host) || host[len] != ':')
		return -EINVAL;
	if (parse_u16(host + len + 1, &port) < 0 || port == 0)
		return -EINVAL;
	memcpy(ret->host, host, len);
	ret->host[len] = '\0';
	(void)snprintf(ret->port, sizeof(ret->port), "%u", port);
	return 0;
}

static int is_local(struct in_addr address)
{
	struct ifaddrs *all = NULL;
	int found = 0;

	if (getifaddrs(&all) < 0)
		return 0;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)i->ifa_addr;

		if (in && in->sin_family == AF_INET && in->sin_addr.s_addr == address.s_addr)
			found = 1;
	}
	freeifaddrs(all);
	return found;
}

static int is_self(const struct cluster *self, struct in_addr address)
{
	for (size_t i = 0; i < self->network_count; i++)
		if (self->networks[i].address.s_addr == address.s_addr)
			return 1;
	return is_local(address);
}

int mirror_check_url(const char *url, const struct cluster *self, struct err *err)
{
	const struct addrinfo hints = {
		.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *addresses = NULL;
	struct place place;
	int found = 0;

	if (parse_url(url, &place) < 0)
		return err_set(err, EINVAL,
			"--mirror: '%.100s' is not allowed: http://HOST:PORT, such as http://10.77.0.1:8080",
			url);
	if (getaddrinfo(place.host, place.port, &hints, &addresses) != 0)
		return 0;
	for (const struct addrinfo *a = addresses; a; a = a->ai_next) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)a->ai_addr;

		found |= ntohs(in->sin_port) == self->http_port && is_self(self, in->sin_addr);
	}
	freeaddrinfo(addresses);
	return found ? err_set(err, EINVAL, "--mirror: %.100s is this seeder itself", url) : 0;
}
