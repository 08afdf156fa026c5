/*
 * A node's report to its seeder: POST /v1/report, JSON, at most REPORT_LIMIT bytes. Sent at every phase,
 * every few per cent of progress, and at every failure. Both sides of the protocol are in this file.
 */
#ifndef WIRE_REPORT_H
#define WIRE_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "imager/base/buf.h"
#include "imager/base/err.h"
#include "imager/base/parse.h"

#define REPORT_LIMIT  16384
#define REPORT_PHASES 16
#define REPORT_TEXT   384

/* In the order of a boot. The first three are the seeder's words for a node that has not reported. */
enum phase {
	PHASE_UNKNOWN,    /* never heard of */
	PHASE_DISCOVERED, /* asked for a boot script, is in no cluster file */
	PHASE_OFFERED,    /* was given a boot script */
	PHASE_START,      /* the agent runs: mounts, modules */
	PHASE_NETWORK,    /* link and address */
	PHASE_RELEASE,    /* manifest and signature fetched and verified */
	PHASE_FETCH,      /* image from the swarm */
	PHASE_VERIFY,     /* digest of the whole image */
	PHASE_MOUNT,      /* loop, squashfs, overlay */
	PHASE_SWITCH,     /* root switched; the system's own init runs */
	PHASE_UP,         /* the system reports running or degraded */
	PHASE_COUNT
};

const char *phase_name(enum phase p);
/* -EINVAL when it is none. */
int phase_parse(const char *text, enum phase *ret);

struct report_phase {
	enum phase phase;
	uint64_t ms; /* how long it took; the current phase: so far */
};

struct report {
	char node[64];
	char mac[MAC_TEXT_SIZE];
	char boot_id[40]; /* /proc/sys/kernel/random/boot_id */
	enum phase phase;
	unsigned percent; /* of the phase, 0..100 */
	char release[72]; /* "sha256:..." of the release manifest that is booting or runs; "" when not known
			   */
	char image[72];   /* "sha256:..." of the root image: only once it was verified; "" before */
	char profile[64]; /* "" until the manifest is verified */
	uint64_t sequence;
	uint64_t bytes_from_seeder, bytes_from_peers; /* from the swarm */
	uint64_t bytes_by_http;                       /* from a seeder by HTTP, when the swarm failed */
	int failed;                                   /* the phase failed and will be tried again */
	char error[REPORT_TEXT];                      /* one sentence; "" when all is well */
	char state[32];                               /* systemd's: "running", "degraded", ...; "" before */
	char failed_units[REPORT_TEXT];               /* names divided by a space */
	uint64_t agent_rss;                           /* peak RSS of the fetcher, bytes; 0 when not known */
	struct report_phase phases[REPORT_PHASES];
	size_t phase_count;
};

/* In both, text is cut to its field and cleaned (imager/base/text.h). */
int report_format(const struct report *r, struct buf *ret); /* 0 or -ENOMEM */
/* data[len] is NUL. -EBADMSG with the key that is wrong, or -ENOMEM. */
int report_parse(const char *data, size_t len, struct report *ret, struct err *err);

#endif
