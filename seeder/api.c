/* Owns the routes of the seeder's HTTP: what is asked, found and answered. Runs under httpd_lock (head.h). */
#include "seeder/head.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "imager/base/io.h"
#include "imager/base/log.h"
#include "imager/format/json.h"
#include "seeder/boot.h"

#define JSON   "application/json"
#define BINARY "application/octet-stream"

#define REFUSED_EVERY_MS 10000

static uint64_t now_s(void)
{
	return (uint64_t)time(NULL);
}

static void fail(struct httpd_answer *answer, const struct err *err)
{
	log_error("cannot answer: %s", err->text);
	httpd_sentence(answer, 500, err->text);
}

struct sender api_sender(const struct head *h, const struct httpd_request *q)
{
	return (struct sender){.cluster = h->cluster, .status = h->status, .from = q->from};
}

void api_refused(struct head *h, const struct err *why)
{
	uint64_t now = monotonic_ms();

	h->refused++;
	if (now < h->refused_from_ms)
		return;
	log_warn("refused: %s requests=%u", why->text, h->refused);
	h->refused = 0;
	h->refused_from_ms = now + REFUSED_EVERY_MS;
}

/* ---- boot scripts ---- */

static void get_entry(void *arg, const struct httpd_request *q, struct httpd_answer *answer)
{
	struct head *h = arg;
	struct err err = {0};

	if (boot_entry(h->cluster, q->from, &answer->body, &err) < 0)
		fail(answer, &err);
	else
		answer->status = 200;
}

static int record(struct head *h, const char *mac, const struct boot_answer *boot)
{
	struct status_offer offer = {.reason = boot->reason};
	char release[DIGEST_TEXT_SIZE];

	if (boot->kind == BOOT_UNKNOWN) {
		if (!status_row(h->status, mac))
			log_info("discovered mac=%s, which is in no cluster file", mac);
		return status_discovered(h->status, mac, now_s());
	}
	if (boot->offer) {
		digest_format(&boot->offer->digest, release);
		offer.release = release;
		offer.profile = boot->offer->release.profile;
		offer.sequence = boot->offer->release.sequence;
	}
	return status_offered(h->status, boot->node, &offer, now_s());
}

static void get_boot(void *arg, const struct httpd_request *q, struct httpd_answer *answer)
{
	struct head *h = arg;
	char mac[MAC_TEXT_SIZE];
	struct boot_request request = {.cluster = h->cluster,
		.catalog = h->catalog,
		.fault = &h->scan_fault,
		.mac = mac,
		.from = q->from};
	struct boot_answer boot;
	struct sender sender;
	struct err err = {0};

	if (parse_mac(q->rest, mac) < 0) {
		httpd_sentence(answer, 400, "that is no MAC address");
		return;
	}
	if (boot_respond(&request, &boot, &answer->body, &err) < 0) {
		fail(answer, &err);
		return;
	}
	if (record(h, mac, &boot) < 0)
		log_error("out of memory for the row of %s", mac);
	sender = api_sender(h, q);
	sender_boots(&sender, mac);
	answer->status = 200;
}

/* The loader again, for firmware that boots by HTTP instead of TFTP. */
static void get_loader(void *arg, const struct httpd_request *q, struct httpd_answer *answer)
{
	struct head *h = arg;
	_cleanup_free_ char *folder = path_join(h->cluster->state, "tftp");
	_cleanup_free_ char *path = folder ? path_join(folder, q->rest) : NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (path && path_is_inside(q->rest))
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		httpd_sentence(answer, 404, "there is no such loader");
		return;
	}
	answer->status = 200;
	answer->type = "application/efi";
	answer->size = (uint64_t)st.st_size;
	answer->fd = TAKE_FD(fd);
}

/* ---- releases ---- */

/* The offer a path names by a digest, or NULL with the answer given. */
static const struct offer *find_offer(const struct head *h, const char *text, struct httpd_answer *answer,
	const struct offer *(*find)(const struct catalog *c, const struct digest *d))
{
	struct digest digest;
	const struct offer *o = NULL;

	if (digest_parse(text, &digest) == 0)
		o = find(h->catalog, &digest);
	if (!o)
		httpd_sentence(answer, 404, "nothing of that digest is offered");
	return o;
}

static void send_bytes(struct httpd_answer *answer, const struct buf *bytes, const char *type)
{
	answer->status = buf_add(&answer->body, bytes->data, bytes->len) < 0 ? 500 : 200;
	answer->type = type;
}

static void get_release(void *arg, const struct httpd_request *q, struct httpd_answer *answer)
{
	const struct offer *o = find_offer(arg, q->rest, answer, catalog_release);

	if (o)
		send_bytes(answer, &o->manifest, RELEASE_MEDIA_TYPE);
}

static void get_signature(void *arg, const struct httpd_request *q, struct httpd_answer *answer)
{
	const struct offer *o = find_offer(arg, q->rest, answer, catalog_release);

	if (o)
		send_bytes(answer, &o->signature, NULL);
}

static void get_torrent(void *arg, const struct httpd_request *q, struct httpd_answer *answer)
{
	const struct offer *o = find_offer(arg, q->rest, answer, catalog_image);

	if (o)
		send_bytes(answer, &o->torrent, "application/x-bittorrent");
}

static void get_blob(void *arg, const struct httpd_request *q, struct httpd_answer *answer)
{
	struct head *h = arg;
	struct digest digest;
	const struct proved_blob *blob = NULL;
	int fd;

	if (digest_parse(q->rest, &digest) == 0)
		blob = catalog_blob(h->catalog, &digest);
	if (!blob) {
		httpd_sentence(answer, 404, "nothing of that digest is offered");
		return;
	}
	fd = proved_blob_open(blob);
	if (fd < 0) {
		log_error("%s: %s", blob->path,
			fd == -ESTALE ? "was changed since it was hashed" : strerror(-fd));
		scanner_poke(h->scanner);
		httpd_sentence(answer, 503, "the blob's file has changed and is being looked at");
		return;
	}
	answer->status = 200;
	answer->type = BINARY;
	answer->fd = fd;
	answer->size = blob->part.size;
	digest_format(&digest, answer->etag);
}

/* ---- the swarm ---- */

/* Nodes whose address the file does not give are known by where they asked for their script. */
const struct cluster_node *api_node_at(const struct head *h, struct in_addr address)
{
	const struct cluster_node *node = cluster_node_by_address(h->cluster, address);
	const struct status_row *row = node ? NULL : status_row_at(h->status, address);

	return row ? cluster_node_by_mac(h->cluster, row->mac) : node;
}

/* Who is not known at all, by the racks' ranges. */
int api_rack_of(struct in_addr address, void *head)
{
	const struct head *h = head;

	return cluster_rack_of(h->cluster, api_node_at(h, address), address);
}

/* That of the network the client is in. */
static struct tracker *tracker_of(const struct head *h, struct in_addr client)
{
	const struct cluster_network *n = cluster_network_of(h->cluster, client);

	return h->trackers[n ? (size_t)(n - h->cluster->networks) : 0];
}

static void get_announce(void *arg, const struct httpd_request *q, struct httpd_answer *answer)
{
	int r = tracker_announce(tracker_of(arg, q->from), q->query, q->from, monotonic_ms(), &answer->body);

	answer->status = r < 0 ? 500 : 200;
}

static void get_scrape(void *arg, const struct httpd_request *q, struct httpd_answer *answer)
{
	int r = tracker_scrape(tracker_of(arg, q->from), q->query, monotonic_ms(), &answer->body);

	answer->status = r < 0 ? 500 : 200;
}

/* ---- the node table ---- */

/* What was known of a node before it reported. */
struct known {
	enum phase phase;
	char error[REPORT_TEXT];
};

static void tell_report(const struct known *before, const struct report *now)
{
	if (now->failed)
		log_warn("node %s: %s failed: %s", now->node, phase_name(now->phase), now->error);
	else if (*now->error && strcmp(before->error, now->error) != 0)
		log_warn("node %s: %s: %s", now->node, phase_name(now->phase), now->error);
	else if (before->phase != now->phase)
		log_info("node %s: %s%s%s", now->node, phase_name(now->phase), *now->state ? " state=" : "",
			now->state);
}

/* A node that another seeder sent off: its release may be in the store without being offered so far. */
static int is_new_release(const struct head *h, const struct status_row *row, const struct report *report)
{
	struct digest release;

	return (!row || strcmp(row->last.release, report->release) != 0) &&
	       digest_parse(report->release, &release) == 0 && !catalog_release(h->catalog, &release);
}

/* One that boots anew may be elsewhere than before. */
static int is_new_boot(const struct status_row *row, const struct report *report)
{
	return !row || (*report->boot_id && strcmp(row->last.boot_id, report->boot_id) != 0);
}

static int apply_report(struct head *h, const struct httpd_request *q, const struct report *report,
	struct known *before, struct err *err)
{
	const struct cluster_node *node = cluster_node_by_mac(h->cluster, report->mac);
	const struct status_row *row = status_row(h->status, report->mac);
	const struct sender sender = api_sender(h, q);
	int is_new = is_new_release(h, row, report), boots = is_new_boot(row, report), r;

	if (node && sender_check_report(&sender, node, err) < 0) {
		api_refused(h, err);
		return -EPERM;
	}
	if (row) {
		before->phase = row->last.phase;
		memcpy(before->error, row->error, sizeof(before->error));
	}
	r = status_apply(h->status, h->cluster, report, now_s(), err);
	if (r == 0)
		(boots ? sender_boots : sender_found)(&sender, report->mac);
	if (r == 0 && is_new)
		scanner_poke(h->scanner);
	return r;
}

/* Parsed and logged without the lock: of all requests these are the most. */
static void post_report(void *arg, const struct httpd_request *q, struct httpd_answer *answer)
{
	struct report report;
	struct known before = {0};
	struct err err = {0};
	int r = report_parse(q->body, q->body_len, &report, &err);

	if (r < 0) {
		httpd_sentence(answer, 400, err.text);
		return;
	}
	httpd_lock(q->httpd);
	r = apply_report(arg, q, &report, &before, &err);
	httpd_unlock(q->httpd);
	if (r < 0) {
		httpd_sentence(answer, r == -ENOENT ? 404 : r == -EPERM ? 403 : 500, err.text);
		return;
	}
	tell_report(&before, &report);
	answer->status = 204;
}

/* Written without the lock: it takes long. */
static void get_nodes(void *arg, const struct httpd_request *q, struct httpd_answer *answer)
{
	struct head *h = arg;
	const struct status_guard guard = head_guard(q->httpd);
	int r = status_json(h->status, &h->cluster, &guard, &answer->body);

	answer->status = r < 0 ? 500 : 200;
	answer->type = JSON;
}

static json_t *channel_value(const struct catalog_channel *c)
{
	char digest[DIGEST_TEXT_SIZE] = "";

	if (c->offer)
		digest_format(&c->offer->digest, digest);
	return json_pack("{s:s,s:s,s:I,s:o}", "channel", c->ref, "release", digest, "sequence",
		(json_int_t)(c->offer ? c->offer->release.sequence : 0), "reason", json_clean(c->reason));
}

/* ready: the store was read once. */
static void get_health(void *arg, const struct httpd_request *q, struct httpd_answer *answer)
{
	struct head *h = arg;
	_cleanup_json_ json_t *channels = json_array();
	_cleanup_free_ char *text = NULL;
	json_t *root;

	(void)q;
	for (size_t i = 0; h->catalog && i < h->catalog->channel_count; i++)
		(void)json_array_append_new(channels, channel_value(&h->catalog->channels[i]));
	root = json_pack("{s:b,s:s,s:o,s:O}", "ready", h->catalog && !h->catalog->pending, "version",
		SWARMBOOT_VERSION, "fault", json_clean(h->scan_fault.text), "channels", channels);
	if (root && h->mirror)
		(void)json_object_set_new(root, "mirror", mirror_value(h->mirror));
	text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	answer->status = text && buf_printf(&answer->body, "%s\n", text) == 0 ? 200 : 500;
	answer->type = JSON;
}

static void get_channels(void *arg, const struct httpd_request *q, struct httpd_answer *answer)
{
	(void)q;
	answer->status = offers_list(arg, &answer->body) < 0 ? 500 : 200;
	answer->type = JSON;
}

const struct httpd_route api_routes[] = {
	{"GET", "/boot.ipxe", NULL, 0, get_entry, 0},
	{"GET", "/boot/", "", 0, get_loader, 0},
	{"GET", "/v1/boot/", ".ipxe", 0, get_boot, 0},
	{"GET", "/v1/releases/", ".minisig", 0, get_signature, 0},
	{"GET", "/v1/releases/", "", 0, get_release, 0},
	{"GET", "/v1/torrents/", ".torrent", 0, get_torrent, 0},
	{"GET", "/v1/blobs/", "", 0, get_blob, 0},
	{"GET", "/v1/channels", NULL, 0, get_channels, 0},
	{"GET", "/announce", NULL, 0, get_announce, 0},
	{"GET", "/scrape", NULL, 0, get_scrape, 0},
	{"POST", "/v1/report", NULL, REPORT_LIMIT, post_report, 1},
	{"POST", "/v1/seed", NULL, SEED_LIMIT, seedapi_ask, 0},
	{"POST", "/v1/pause", NULL, PAUSE_LIMIT, seedapi_pause, 0},
	{"GET", "/v1/nodes", NULL, 0, get_nodes, 1},
	{"GET", "/v1/health", NULL, 0, get_health, 0},
	{0},
};
