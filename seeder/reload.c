/* Owns the reading of the cluster file, at the start and again while all is running: what may change, and how
 * it comes into force as a whole or not at all. */
#include "seeder/head.h"

#include <errno.h>
#include <string.h>

int head_load(
	const char *config, struct cluster **ret_cluster, struct minisign_keyring *ret_ring, struct err *err)
{
	_cleanup_cluster_ struct cluster *c = NULL;
	int r = cluster_load(config, &c, err);

	if (r == 0)
		r = cluster_keyring(c, ret_ring, err);
	if (r < 0)
		return r;
	*ret_cluster = TAKE(c);
	return 0;
}

static int same_networks(const struct cluster *a, const struct cluster *b)
{
	if (a->network_count != b->network_count)
		return 0;
	for (size_t i = 0; i < a->network_count; i++)
		if (a->networks[i].address.s_addr != b->networks[i].address.s_addr ||
			strcmp(a->networks[i].interface, b->networks[i].interface) != 0)
			return 0;
	return 1;
}

static int check_same(const struct cluster *a, const struct cluster *b, struct err *err)
{
	const char *what = NULL;

	if (strcmp(a->store, b->store) != 0)
		what = "store";
	else if (strcmp(a->state, b->state) != 0)
		what = "state";
	else if (a->http_port != b->http_port)
		what = "http";
	else if (a->swarm_port != b->swarm_port)
		what = "swarm";
	else if (!same_networks(a, b))
		what = "interface or address of a network";
	return what ? err_set(err, EINVAL, "%s: %s has changed, which needs a restart", b->path, what) : 0;
}

int head_reload(struct head *h, struct err *err)
{
	_cleanup_cluster_ struct cluster *c = NULL;
	struct minisign_keyring ring;
	int r = head_load(h->config, &c, &ring, err);

	if (r == 0)
		r = check_same(h->cluster, c, err);
	if (r == 0)
		r = dnsmasq_reload(h->dnsmasq, c, err);
	if (r < 0)
		return r;
	httpd_lock(h->http);
	r = status_sync(h->status, c);
	if (r == 0) {
		struct cluster *old = h->cluster;

		h->cluster = TAKE(c);
		c = old;
		h->keyring = ring;
		seedapi_reloaded(h, old);
	}
	httpd_unlock(h->http);
	if (r < 0)
		return err_oom(err, "the node table");
	scanner_poke(h->scanner);
	if (h->mirror)
		mirror_poke(h->mirror);
	return 0;
}
