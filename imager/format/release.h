/*
 * The release manifest: kernel, initramfs, root image and package list bound together by digests; its bytes
 * are what is signed. JSON, media type RELEASE_MEDIA_TYPE, at most RELEASE_LIMIT bytes; the format is
 * described in docs/release.md.
 *
 * The signature over the bytes is checked before release_parse sees them.
 */
#ifndef FORMAT_RELEASE_H
#define FORMAT_RELEASE_H

#include <stddef.h>
#include <stdint.h>

#include "imager/base/buf.h"
#include "imager/base/err.h"
#include "imager/format/digest.h"
#include "imager/format/verity.h"

#define RELEASE_LIMIT        65536
#define RELEASE_MEDIA_TYPE   "application/vnd.swarmboot.release.v1+json"
#define RELEASE_NAME_SIZE    64
#define RELEASE_CMDLINE_SIZE 1024
/* What every JSON reader keeps exact (RFC 8259, section 6). */
#define RELEASE_NUMBER_MAX (UINT64_C(1) << 53)

struct release_part {
	struct digest digest;
	uint64_t size; /* bytes */
};

struct release {
	char profile[RELEASE_NAME_SIZE];        /* parse_name() */
	uint64_t sequence;                      /* grows by one with every release of a profile, from 1 */
	char version[RELEASE_NAME_SIZE];        /* free text for people, from the profile; may be "" */
	char arch[16];                          /* "amd64" (Debian's words) */
	uint64_t created;                       /* seconds since 1970: SOURCE_DATE_EPOCH of the build */
	char kernel_release[RELEASE_NAME_SIZE]; /* uname -r */
	char cmdline[RELEASE_CMDLINE_SIZE];     /* the profile's own kernel arguments */
	struct release_part kernel, initramfs, root, packages;
	struct verity verity; /* behind the root image; data_size 0: there is none */
	uint64_t package_count;
	struct digest source;    /* of the profile's merged text */
	uint64_t overlay_limit;  /* bytes the node's overlay tmpfs may hold; 0: the agent's default */
	uint64_t memory_reserve; /* bytes of RAM a node must have besides image and overlay; 0: likewise */
};

/* The same struct gives the same bytes: fixed key order, no white space, a newline at the end. 0 or -ENOMEM.
 */
int release_format(const struct release *r, struct buf *ret);

/*
 * -EBADMSG with "release manifest: KEY: what is wrong" for anything not as described: unknown keys under
 * "critical", missing keys (but memory_reserve and root.verity, which older releases do not have), wrong
 * types, sizes outside 0..2^53, names that parse_name refuses. Unknown keys elsewhere are ignored.
 */
int release_parse(const char *data, size_t len, struct release *ret, struct err *err);

#endif
