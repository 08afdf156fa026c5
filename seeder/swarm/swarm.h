/*
 * BitTorrent behind a C API: libtorrent-rasterbar 2.0.8, v1 torrents only, TCP only, no DHT, LSD, PEX or
 * UPnP. The one C++ file of the project, swarm.cpp, implements it. No callback comes from libtorrent's
 * threads: the caller polls swarm_fd() and drains events as plain structs. Settings and reasons: swarm.cpp,
 * each at its line.
 */
#ifndef SWARM_SWARM_H
#define SWARM_SWARM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "imager/base/buf.h"
#include "imager/base/err.h"

struct swarm;

enum swarm_role {
	SWARM_SEEDER, /* head node: many connections, mmap I/O */
	SWARM_NODE,   /* fetches into tmpfs, then seeds */
};

struct swarm_options {
	enum swarm_role role;
	const char *listen;   /* "A.B.C.D:PORT"; port 0: any; 0.0.0.0 announces once for every address */
	uint64_t upload_rate; /* bytes/s, 0: unlimited */
};

/* NULL with err set on failure, also when the port is in use: no other one is tried. */
struct swarm *swarm_new(const struct swarm_options *options, struct err *err);
/* Ends the session (announces stopped), waits at most about 2 s. Takes NULL. */
void swarm_free(struct swarm *s);

/* An eventfd, readable while events wait. Not owned by the caller. */
int swarm_fd(const struct swarm *s);
/* The port it listens on. */
uint16_t swarm_port(const struct swarm *s);

struct swarm_torrent {
	const char *torrent; /* the .torrent file's bytes */
	size_t len;
	const char *path; /* the data file itself; its last component need not be the torrent's name */
	/* Announce URLs, NULL-terminated; NULL: none. The first that answers is announced to, a later one
	 * only while those before it fail. */
	const char *const *trackers;
	int complete; /* the file is whole and was hashed by the caller: seed without a check */
	int paused;   /* begin as swarm_pause leaves it */
};

/*
 * Adds it; a handle >= 0, or negative: -EBADMSG (not a private v1 torrent of one file with a plain name, or
 * the complete file's size is another one), -EEXIST (it is there already), else -errno. The fetched file is
 * allocated in full before the first byte (-ENOSPC); what a file that is there already holds is checked
 * and kept.
 */
int swarm_add(struct swarm *s, const struct swarm_torrent *t, struct err *err);
/* Ends its connections; the file stays. The handle is not given out again. */
void swarm_remove(struct swarm *s, int handle);
/* Connects to a peer without a tracker (tests; fallback). A torrent that is complete connects to nobody. 0 or
 * -errno. */
int swarm_connect(struct swarm *s, int handle, const char *address, uint16_t port);

/*
 * Paused: no peer is connected and no byte sent, the trackers are told that it stopped. Again: they are told
 * that it started. 0, -ENOENT (no such handle) or -errno.
 */
int swarm_pause(struct swarm *s, int handle, int paused);
/* Asks the trackers now instead of at the end of the interval. 0, -ENOENT or -errno. */
int swarm_announce(struct swarm *s, int handle);
/* Another bound in place of the options' upload_rate. 0 or -errno. */
int swarm_limit(struct swarm *s, uint64_t upload_rate);

enum swarm_event_kind {
	SWARM_EVENT_DONE,    /* fetched: all pieces are there and hash-checked (SHA-1) */
	SWARM_EVENT_FAILED,  /* disk error or upload mode: text says why; fatal for the torrent */
	SWARM_EVENT_TRACKER, /* a tracker failed: text says which and why; not fatal */
};

struct swarm_event {
	enum swarm_event_kind kind;
	int handle;
	char text[256];
};

/* 1 and *ret, or 0 when none is left (which also clears the eventfd). */
int swarm_next_event(struct swarm *s, struct swarm_event *ret);

struct swarm_stats {
	uint64_t size, done;  /* bytes of the file; verified bytes */
	uint64_t downloaded;  /* payload bytes received, useful or not */
	uint64_t from_marked; /* of these, from addresses named by swarm_mark (the seeders) */
	uint64_t uploaded;    /* payload bytes sent */
	uint64_t wasted;      /* received twice or failed the hash */
	unsigned peers;
};
/* 0, -ENOENT (no such handle) or -errno. Asks the network thread: milliseconds. */
int swarm_stats(struct swarm *s, int handle, struct swarm_stats *ret);
/*
 * How many of the peers lack something, but at most `bytes`: those whom it would cost a reconnect, and all
 * behind them one each, if this one went now. Or -ENOENT, -errno.
 */
int swarm_followers(struct swarm *s, int handle, uint64_t bytes);
/* Names an IPv4 address as a seeder's, for from_marked of torrents added later. 0 or -EINVAL. */
int swarm_mark(struct swarm *s, const char *address);

/* Piece length by size alone: 128 KiB, doubled until there are at most 8192 pieces, 16 MiB at most. */
uint32_t swarm_piece_length(uint64_t size);

struct swarm_make {
	int fd; /* the file */
	uint64_t size;
	const char *name; /* the file's name in the torrent: the digest's hex */
	/* After each piece; negative ends it with that. May be NULL. */
	int (*progress)(uint64_t done, void *arg);
	void *arg;
};
/*
 * The .torrent: v1, one file, private, no date, no creator: the same bytes for the same file everywhere.
 * Appends to ret. 0, -EINVAL (an empty file, a name that is none), -EIO (the file ends early), -errno of
 * the read, or what progress said. Formats: BEP 3, BEP 27.
 */
int swarm_make_torrent(const struct swarm_make *make, struct buf *ret, struct err *err);

struct swarm_info {
	uint8_t infohash[20];
	uint64_t size;
	uint32_t piece_length;
	char name[256]; /* a plain file name */
};
/* What a .torrent says, under the same rules as swarm_add. 0 or -EBADMSG. */
int swarm_inspect(const char *torrent, size_t len, struct swarm_info *ret, struct err *err);

#ifdef __cplusplus
}
#endif

#endif
