/* What the files of the store share among themselves: private to imager/format. */
#ifndef FORMAT_STOREPRIV_H
#define FORMAT_STOREPRIV_H

#include <sys/types.h>

#include "imager/format/json.h"
#include "imager/format/store.h"

#define STORE_INDEX_LIMIT    (4 << 20)
#define STORE_MANIFEST_LIMIT (1 << 20)

/* Below the store. */
#define STORE_BLOBS "blobs/sha256"

#define OCI_INDEX_TYPE    "application/vnd.oci.image.index.v1+json"
#define OCI_MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define OCI_REF_NAME      "org.opencontainers.image.ref.name"
#define OCI_TITLE         "org.opencontainers.image.title"
#define OCI_VERSION       "org.opencontainers.image.version"

struct store {
	char *path;
	char *work;             /* this writer's folder below .tmp; NULL while it only reads */
	int work_fd;            /* carries the lock on it */
	pid_t owner;            /* a forked child must not remove it */
	const atomic_int *stop; /* store_set_stop */
};

/* ---- storework.c: the lock, the writer's folder, what dead writers left ---- */

/* Takes the store's lock: a descriptor to close, or -errno. */
int store_lock(struct store *s, struct err *err);
/* Makes this process a writer: its folder, and dead writers' leftovers removed. Again: does nothing. */
int store_begin(struct store *s, struct err *err);
/* Notes that this writer put a blob into the store, before it does. store_begin came before. */
int store_note_blob(struct store *s, const struct digest *d, struct err *err);
/* The end of the writer; what it put into the store and nobody names is removed. */
void store_end(struct store *s);

/* ---- index.c: index.json as a tree ---- */

int index_load(struct store *s, json_t **ret, struct err *err);
int index_save(struct store *s, json_t *index, struct err *err);
/* The descriptors; borrowed. */
json_t *index_entries(json_t *index);
/* The ref.name of a descriptor, borrowed; NULL if it has none. */
const char *index_name(const json_t *entry);
/* A descriptor {mediaType, digest, size}, new; NULL when out of memory. */
json_t *index_descriptor(const char *type, const struct release_part *part);
/* 0 or -EBADMSG. */
int index_read_descriptor(const json_t *entry, struct release_part *ret);
/* Lets the name point to the manifest, adding it when it is new. 0 or -ENOMEM. */
int index_point(json_t *index, const char *name, const struct release_part *manifest);
/* All digests that can be reached from an index, as the keys of an object. Fails when anything is unreadable.
 */
int index_reach(struct store *s, json_t *index, json_t **ret, struct err *err);
/* ... from index.json. */
int index_references(struct store *s, json_t **ret, struct err *err);

/* ---- ocimanifest.c: the OCI manifest of a release ---- */

struct ocimanifest {
	struct release_part config;
	struct release_part signatures[STORE_SIGNATURES_MAX];
	size_t signature_count;
	int former_packages; /* its package list is of the form before SPDX */
};

int ocimanifest_format(
	const struct ocimanifest *m, const struct release *release, struct buf *ret, struct err *err);
/* 1: it is a release; 0: some other image; -EBADMSG. */
int ocimanifest_parse(const struct buf *data, struct ocimanifest *ret, struct err *err);

/* ---- storecheck.c ---- */

/* Computes the root image's hash tree again; one without a tree is good. -EBADMSG: not as the manifest says.
 */
int store_check_verity(struct store *s, const struct store_release *rel, struct err *err);

/* ---- storeblob.c ---- */

/* A blob of at most limit bytes whose size must be the part's. */
int store_read_blob(
	struct store *s, const struct release_part *part, size_t limit, struct buf *ret, struct err *err);

#endif
