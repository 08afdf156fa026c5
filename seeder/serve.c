/*
 * Owns the serve command: the head's parts started in declared order and stopped in reverse, signals, reload.
 * What the parts do is in their own files; what they share is head.h.
 */
#include "seeder/head.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "imager/base/log.h"
#include "imager/format/store.h"
#include "seeder/commands.h"
#include "seeder/limits.h"

#define HTTP_TIMEOUT_S 30
#define FLUSH_MS       1000
#define CHECK_MS       2000

struct serve_options {
	const char *config, *mirror;
	int debug;
};

/* ---- parts ---- */

/* The folders, so that everything after it finds them. */
static int start_folders(struct head *h, struct err *err)
{
	_cleanup_store_ struct store *store = NULL;
	int r = mkdir_p(h->cluster->state, err);

	return r == 0 ? store_open(h->cluster->store, 1, &store, err) : r;
}

/* Takes a tenth of the time at most: ten thousand rows that change all the time are written more rarely. */
static int on_flush(void *arg)
{
	struct head *h = arg;
	const struct status_guard guard = head_guard(h->http);
	struct err err = {0};
	uint64_t begun = monotonic_ms();

	if (begun < h->flush_from)
		return 0;
	if (status_flush(h->status, &guard, &err) < 0)
		log_error("the node table is not written: %s", err.text);
	h->flush_from = begun + 10 * (monotonic_ms() - begun);
	return 0;
}

static int start_status(struct head *h, struct err *err)
{
	_cleanup_free_ char *path = path_join(h->cluster->state, "nodes.db");
	int r = path ? status_open(path, &h->status, err) : err_oom(err, "the node table");

	if (r == 0 && status_sync(h->status, h->cluster) < 0)
		r = err_oom(err, "the node table");
	return r;
}

static void stop_status(struct head *h)
{
	status_close(h->status);
}

static int start_trackers(struct head *h, struct err *err)
{
	h->trackers = calloc(h->cluster->network_count, sizeof(struct tracker *));
	if (!h->trackers)
		return err_oom(err, "the trackers");
	for (; h->tracker_count < h->cluster->network_count; h->tracker_count++) {
		h->trackers[h->tracker_count] = tracker_new((struct topology){.rack_of = api_rack_of,
			.is_paused = seedapi_is_paused,
			.arg = h,
			.chains = h->cluster->chains});
		if (!h->trackers[h->tracker_count])
			return err_oom(err, "a tracker");
	}
	return 0;
}

static void stop_trackers(struct head *h)
{
	for (size_t i = 0; i < h->tracker_count; i++)
		tracker_free(h->trackers[i]);
	free(h->trackers);
}

static int start_http(struct head *h, struct err *err)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	_cleanup_close_ int listening = httpd_listen(h->cluster->http_port, err);
	const struct httpd_options options = {
		.listening = listening,
		.routes = api_routes,
		.arg = h,
		.threads = cpus < 2                   ? 2
			   : cpus > HTTPD_THREADS_MAX ? HTTPD_THREADS_MAX
						      : (unsigned)cpus,
		.connections = limits_connections(h->cluster),
		.timeout_s = HTTP_TIMEOUT_S,
	};

	if (listening < 0)
		return listening;
	/* Nodes that have lost the head ask now: they wait for this, a moment, instead of being sent away. */
	scanner_first(h->scanner);
	return httpd_start(&options, &h->http, err);
}

static void stop_http(struct head *h)
{
	httpd_stop(h->http);
}

static int start_scanner(struct head *h, struct err *err)
{
	const struct scanner_client client = {.wish = offers_wish, .done = offers_apply, .arg = h};

	return scanner_start(h->loop, h->cluster->store, &client, &h->scanner, err);
}

static void stop_scanner(struct head *h)
{
	scanner_stop(h->scanner);
}

static int start_dnsmasq(struct head *h, struct err *err)
{
	return dnsmasq_start(h->loop, h->cluster, &h->dnsmasq, err);
}

static void stop_dnsmasq(struct head *h)
{
	dnsmasq_stop(h->dnsmasq);
}

static void on_mirror(void *arg)
{
	struct head *h = arg;

	scanner_poke(h->scanner);
}

static int start_mirror(struct head *h, struct err *err)
{
	const struct mirror_options options = {
		.url = h->mirror_url, .id = h->id, .wish = offers_wish, .changed = on_mirror, .arg = h};

	return h->mirror_url ? mirror_start(h->loop, &options, &h->mirror, err) : 0;
}

static void stop_mirror(struct head *h)
{
	mirror_stop(h->mirror);
}

static int on_poke(void *arg)
{
	struct head *h = arg;

	httpd_lock(h->http);
	poker_run(h->poker, monotonic_ms());
	httpd_unlock(h->http);
	return 0;
}

static int start_poker(struct head *h, struct err *err)
{
	return poker_new(&h->poker, err);
}

static void stop_poker(struct head *h)
{
	poker_free(h->poker);
}

static int start_timers(struct head *h, struct err *err)
{
	if (loop_add_timer(h->loop, FLUSH_MS, FLUSH_MS, on_flush, h) < 0 ||
		loop_add_timer(h->loop, CHECK_MS, CHECK_MS, offers_check, h) < 0 ||
		loop_add_timer(h->loop, POKER_RUN_MS, POKER_RUN_MS, on_poke, h) < 0)
		return err_set(err, EMFILE, "cannot set a timer");
	return 0;
}

/* From the top down at the start, from the bottom up at the end. Routes use all that stands above http. */
static const struct part {
	const char *name;
	int (*start)(struct head *h, struct err *err);
	void (*stop)(struct head *h);
} parts[] = {
	{"folders", start_folders, NULL},
	{"status", start_status, stop_status},
	{"trackers", start_trackers, stop_trackers},
	{"swarm", offers_start_swarm, offers_stop_swarm},
	{"poker", start_poker, stop_poker},
	{"scanner", start_scanner, stop_scanner},
	{"mirror", start_mirror, stop_mirror},
	{"http", start_http, stop_http},
	{"dnsmasq", start_dnsmasq, stop_dnsmasq},
	{"timers", start_timers, NULL},
};

static void stop_parts(struct head *h, size_t count)
{
	while (count-- > 0) {
		log_debug("stops %s", parts[count].name);
		if (parts[count].stop)
			parts[count].stop(h);
	}
}

static int start_parts(struct head *h, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		int r;

		log_debug("starts %s", parts[i].name);
		r = parts[i].start(h, err);
		if (r < 0) {
			/* Stopping takes what was not or only half started. */
			stop_parts(h, i + 1);
			return r;
		}
	}
	return 0;
}

/* ---- signals ---- */

static int on_hangup(void *arg)
{
	struct head *h = arg;
	struct err err = {0};

	if (head_reload(h, &err) < 0)
		log_error("keeps the cluster as it was: %s", err.text);
	else
		log_info("read %s again nodes=%zu groups=%zu", h->config, h->cluster->node_count,
			h->cluster->group_count);
	return 0;
}

static int on_end(void *arg)
{
	struct head *h = arg;

	log_info("ends");
	loop_stop(h->loop, 0);
	return 0;
}

static int add_signals(struct head *h, struct err *err)
{
	/* sendfile to a client that is gone. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (loop_add_signal(h->loop, SIGHUP, on_hangup, h) < 0 ||
		loop_add_signal(h->loop, SIGTERM, on_end, h) < 0 ||
		loop_add_signal(h->loop, SIGINT, on_end, h) < 0)
		return err_set(err, EIO, "cannot watch signals");
	return 0;
}

/* ---- the command ---- */

static int serve(struct head *h, struct err *err)
{
	int r = add_signals(h, err);

	if (r == 0)
		r = start_parts(h, err);
	if (r < 0)
		return r;
	log_info("serves nodes=%zu groups=%zu http=%u swarm=%u", h->cluster->node_count,
		h->cluster->group_count, h->cluster->http_port, h->cluster->swarm_port);
	r = loop_run(h->loop);
	stop_parts(h, ARRAY_SIZE(parts));
	return r < 0 ? err_set(err, -r, "the loop failed: %s", strerror(-r)) : 0;
}

static int make_id(char ret[CHANNELS_ID_SIZE])
{
	uint8_t bytes[(CHANNELS_ID_SIZE - 1) / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -EIO;
	format_hex(bytes, sizeof(bytes), ret);
	return 0;
}

static int run_serve(const void *arg, char **args, struct err *err)
{
	const struct serve_options *options = arg;
	struct head h = {.config = options->config, .mirror_url = options->mirror};
	int r;

	(void)args;
	if (!options->config)
		return err_set(err, EINVAL, "--config is missing"), CLI_USAGE;
	log_open("swarmboot: ", STDERR_FILENO, options->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	if (head_load(h.config, &h.cluster, &h.keyring, err) < 0)
		return CLI_FAULT;
	if (h.mirror_url && mirror_check_url(h.mirror_url, h.cluster, err) < 0) {
		cluster_free(h.cluster);
		return CLI_USAGE;
	}
	if (make_id(h.id) < 0)
		return err_set(err, EIO, "no random numbers are to be had");
	limits_raise(h.cluster);
	h.loop = loop_new();
	r = h.loop ? serve(&h, err) : err_oom(err, "the loop");
	loop_free(h.loop);
	catalog_free(h.catalog);
	cluster_free(h.cluster);
	return r;
}

static const struct cli_option options_table[] = {
	{"config", 'c', CLI_STRING, offsetof(struct serve_options, config), "FILE", "the cluster file"},
	{"mirror", 'm', CLI_STRING, offsetof(struct serve_options, mirror), "URL",
		"follow the channels of the seeder there"},
	{"debug", 0, CLI_FLAG, offsetof(struct serve_options, debug), NULL, "log at debug level"},
	{0},
};

const struct cli_command command_serve = {
	.name = "serve",
	.arguments = "--config FILE [--mirror URL]",
	.summary = "offer releases to the nodes of a cluster and seed their images",
	.text = "Reads the cluster file (docs/cluster.md), and until it is ended: answers DHCP and TFTP on "
		"the boot "
		"networks (dnsmasq, run as a child), gives every node an iPXE script for the release of its "
		"group's channel, serves release files over HTTP, tracks and seeds the images by BitTorrent, "
		"and "
		"keeps the node table, which `swarmboot status` shows.\n"
		"\n"
		"A release is offered once its signature by a key of 'trust' is good and its files have the "
		"digests "
		"it names. New releases and moved channels are picked up by themselves. SIGHUP reads the "
		"cluster "
		"file again; a file with a fault is reported and changes nothing. SIGTERM ends it.\n"
		"\n"
		"With --mirror http://HOST:PORT it follows the channels of the seeder there: brings the "
		"releases of "
		"its own groups' channels, checks them by its own 'trust' keys, points its channels to them, "
		"and "
		"offers them like its own; while the other one is down it serves on what it has.\n"
		"\n"
		"It needs root for DHCP and TFTP. A fault of the cluster file is exit status 2.",
	.options = options_table,
	.options_size = sizeof(struct serve_options),
	.run = run_serve,
};
