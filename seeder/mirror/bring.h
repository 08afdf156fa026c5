/*
 * One release from another seeder into the store, all or nothing: manifest and signature first, then, once a
 * key of the ring has signed it, the parts it names, each of the size and digest it says.
 */
#ifndef MIRROR_BRING_H
#define MIRROR_BRING_H

#include <stdatomic.h>
#include <stdint.h>

#include "imager/base/err.h"
#include "imager/format/minisign.h"
#include "imager/format/store.h"
#include "seeder/blobproof.h"
#include "seeder/wire/channels.h"

/* Below the store: what a transfer has brought so far. It stays when a transfer is interrupted. */
#define BRING_FOLDER ".mirror"

struct bring {
	const char *url; /* of the seeder */
	struct store *store;
	const struct minisign_keyring *ring;
	const struct channels_row *row; /* what it says it offers */
	struct blobproof *proof;        /* what is known of the store's blobs */
	/* Called once when something has to be brought, before anything is. */
	void (*begin)(void *arg);
	/* A part's bytes as they come; negative ends it with that. */
	int (*progress)(const char *what, uint64_t done, uint64_t size, void *arg);
	void *arg;
	const atomic_int *stop; /* as of digest_fd */
	struct tcp_cut *cut;    /* as of http_get */
};

/*
 * 1 when it was brought, 0 when it was here with a good signature already; what of it was missing or damaged
 * then has come anew: by the proof's verdicts, which tell of what a scan has read, or by its size. *ret: as
 * it is in the store. -EBADMSG, -ENOKEY, -EKEYREJECTED: not what it should be; -EEXIST: here is another
 * release of that name; else what network or disk had. The store is as before then, but what was mended
 * already of a release that is here stays mended.
 */
int bring_release(const struct bring *b, struct store_release *ret, struct err *err);

/* Throws away what transfers have left. */
void bring_clean(const struct store *store);

#endif
