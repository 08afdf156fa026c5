/* Owns link, address and route of the boot, through libnl-route. No DHCP: iPXE has asked already. */
#include "initramfs/link.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>
#include <poll.h>
#include <string.h>
#include <strings.h>

#include "imager/base/cleanup.h"
#include "imager/base/loop.h"

DEFINE_CLEANUP(struct nl_sock *, nl_socket_free)
DEFINE_CLEANUP(struct rtnl_link *, rtnl_link_put)
DEFINE_CLEANUP(struct rtnl_addr *, rtnl_addr_put)
DEFINE_CLEANUP(struct rtnl_route *, rtnl_route_put)
DEFINE_CLEANUP(struct nl_addr *, nl_addr_put)
DEFINE_CLEANUP(struct nl_cache *, nl_cache_free)
#define _cleanup_socket_ _cleanup_(nl_socket_free_p)
#define _cleanup_link_   _cleanup_(rtnl_link_put_p)
#define _cleanup_addr_   _cleanup_(rtnl_addr_put_p)
#define _cleanup_route_  _cleanup_(rtnl_route_put_p)
#define _cleanup_nladdr_ _cleanup_(nl_addr_put_p)
#define _cleanup_cache_  _cleanup_(nl_cache_free_p)

static int nl_fail(struct err *err, int code, const char *what)
{
	return err_set(err, EIO, "%s: %s", what, nl_geterror(code));
}

int netmask_prefix(struct in_addr netmask)
{
	uint32_t mask = ntohl(netmask.s_addr), host = ~mask;

	if (host & (host + 1))
		return -EINVAL;
	return __builtin_popcount(mask);
}

static int open_netlink(struct nl_sock **ret, struct err *err)
{
	_cleanup_socket_ struct nl_sock *nl = nl_socket_alloc();
	int r;

	if (!nl)
		return err_oom(err, "netlink");
	r = nl_connect(nl, NETLINK_ROUTE);
	if (r < 0)
		return nl_fail(err, r, "netlink");
	*ret = TAKE(nl);
	return 0;
}

/* A second socket that only says that something about the links has changed. */
static int open_events(struct nl_sock **ret, struct err *err)
{
	_cleanup_socket_ struct nl_sock *nl = NULL;
	int r = open_netlink(&nl, err);

	if (r < 0)
		return r;
	r = nl_socket_add_memberships(nl, RTNLGRP_LINK, RTNLGRP_NONE);
	if (r == 0)
		r = nl_socket_set_nonblocking(nl);
	if (r < 0)
		return nl_fail(err, r, "netlink events");
	*ret = TAKE(nl);
	return 0;
}

static void wait_event(struct nl_sock *events, int timeout_ms)
{
	struct pollfd fd = {.fd = nl_socket_get_fd(events), .events = POLLIN};
	char sink[8192];

	if (poll(&fd, 1, timeout_ms) <= 0)
		return;
	while (read(fd.fd, sink, sizeof(sink)) > 0)
		;
}

static int has_mac(struct rtnl_link *link, const char *mac)
{
	struct nl_addr *address = rtnl_link_get_addr(link);
	char text[64];

	if (!address || rtnl_link_get_arptype(link) != ARPHRD_ETHER)
		return 0;
	return !strcasecmp(nl_addr2str(address, text, sizeof(text)), mac);
}

/* *ret stays NULL when there is none. */
static int find(struct nl_sock *nl, const char *mac, struct rtnl_link **ret, struct err *err)
{
	_cleanup_cache_ struct nl_cache *cache = NULL;
	int r = rtnl_link_alloc_cache(nl, AF_UNSPEC, &cache);

	if (r < 0)
		return nl_fail(err, r, "cannot list the links");
	for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o)) {
		if (!has_mac((struct rtnl_link *)o, mac))
			continue;
		nl_object_get(o);
		*ret = (struct rtnl_link *)o;
		break;
	}
	return 0;
}

static int wait_link(struct nl_sock *nl, struct nl_sock *events, const struct link_plan *plan, int *ret_index,
	struct err *err)
{
	for (;;) {
		_cleanup_link_ struct rtnl_link *link = NULL;
		int r = find(nl, plan->mac, &link, err);

		if (r < 0)
			return r;
		if (link) {
			*ret_index = rtnl_link_get_ifindex(link);
			return 0;
		}
		if (monotonic_ms() >= plan->deadline_ms)
			return err_set(err, ENODEV, "no network link has the address %s", plan->mac);
		wait_event(events, 1000);
		r = plan->while_waiting ? plan->while_waiting(err) : 0;
		if (r < 0)
			return r;
	}
}

static int set_up(struct nl_sock *nl, int index, struct err *err)
{
	_cleanup_link_ struct rtnl_link *any = rtnl_link_alloc(), *change = rtnl_link_alloc();
	int r;

	if (!any || !change)
		return err_oom(err, "a link");
	rtnl_link_set_ifindex(any, index);
	rtnl_link_set_flags(change, IFF_UP);
	r = rtnl_link_change(nl, any, change, 0);
	return r < 0 ? nl_fail(err, r, "cannot set the link up") : 0;
}

static int wait_carrier(
	struct nl_sock *nl, struct nl_sock *events, const struct link_plan *plan, int index, struct err *err)
{
	for (;;) {
		_cleanup_link_ struct rtnl_link *link = NULL;
		int r = rtnl_link_get_kernel(nl, index, NULL, &link);

		if (r < 0)
			return nl_fail(err, r, "the link is gone");
		if (rtnl_link_get_flags(link) & IFF_RUNNING)
			return 0;
		if (monotonic_ms() >= plan->deadline_ms)
			return err_set(
				err, ENETDOWN, "%s (%s) has no carrier", rtnl_link_get_name(link), plan->mac);
		wait_event(events, 1000);
	}
}

static int add_address(struct nl_sock *nl, int index, const struct link_plan *plan, struct err *err)
{
	_cleanup_nladdr_ struct nl_addr *local =
		nl_addr_build(AF_INET, &plan->address, sizeof(plan->address));
	_cleanup_addr_ struct rtnl_addr *address = rtnl_addr_alloc();
	int prefix = netmask_prefix(plan->netmask), r;

	if (prefix < 0)
		return err_set(err, EINVAL, "the netmask is none");
	if (!local || !address)
		return err_oom(err, "an address");
	nl_addr_set_prefixlen(local, prefix);
	rtnl_addr_set_ifindex(address, index);
	r = rtnl_addr_set_local(address, local);
	if (r == 0)
		r = rtnl_addr_add(nl, address, 0);
	return r < 0 && r != -NLE_EXIST ? nl_fail(err, r, "cannot set the address") : 0;
}

static int add_route(struct nl_sock *nl, int index, const struct link_plan *plan, struct err *err)
{
	_cleanup_nladdr_ struct nl_addr *gateway =
		nl_addr_build(AF_INET, &plan->gateway, sizeof(plan->gateway));
	_cleanup_nladdr_ struct nl_addr *all = NULL;
	_cleanup_route_ struct rtnl_route *route = rtnl_route_alloc();
	struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
	int r;

	if (hop && gateway) {
		rtnl_route_nh_set_ifindex(hop, index);
		rtnl_route_nh_set_gateway(hop, gateway);
	}
	if (!route || !gateway || !hop || nl_addr_parse("0.0.0.0/0", AF_INET, &all) < 0) {
		if (hop)
			rtnl_route_nh_free(hop);
		return err_oom(err, "a route");
	}
	rtnl_route_add_nexthop(route, hop);
	r = rtnl_route_set_dst(route, all);
	if (r == 0)
		r = rtnl_route_add(nl, route, NLM_F_REPLACE);
	return r < 0 && r != -NLE_EXIST ? nl_fail(err, r, "cannot set the default route") : 0;
}

int link_configure(const struct link_plan *plan, struct err *err)
{
	_cleanup_socket_ struct nl_sock *nl = NULL, *events = NULL;
	int index = 0, r;

	r = open_netlink(&nl, err);
	if (r == 0)
		r = open_events(&events, err);
	if (r == 0)
		r = wait_link(nl, events, plan, &index, err);
	if (r == 0)
		r = set_up(nl, index, err);
	if (r == 0)
		r = wait_carrier(nl, events, plan, index, err);
	if (r == 0)
		r = add_address(nl, index, plan, err);
	if (r == 0 && plan->gateway.s_addr != INADDR_ANY)
		r = add_route(nl, index, plan, err);
	return r;
}
