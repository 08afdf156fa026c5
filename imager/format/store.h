/*
 * The store: a folder of releases in the OCI image layout (image-spec v1.0, image-layout.md): oci-layout,
 * index.json, blobs/sha256/<hex>. A release is an OCI image manifest; its config is the release manifest, its
 * layers are kernel, initramfs, root image, package list and, once signed, signatures. index.json names it
 * "PROFILE:SEQUENCE" by the annotation org.opencontainers.image.ref.name; a channel is one more descriptor of
 * the same manifest, named "PROFILE:CHANNEL".
 *
 * A blob or index.json appears complete or not at all. Writers hold an exclusive flock on STORE/.lock.
 */
#ifndef FORMAT_STORE_H
#define FORMAT_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "imager/base/buf.h"
#include "imager/base/err.h"
#include "imager/format/digest.h"
#include "imager/format/minisign.h"
#include "imager/format/release.h"

struct store;

/* create: make the layout if the folder has none. -ENOENT with a sentence when it is not a store. */
int store_open(const char *path, int create, struct store **ret, struct err *err);
void store_close(struct store *s);
DEFINE_CLEANUP(struct store *, store_close)
#define _cleanup_store_ _cleanup_(store_close_p)

const char *store_path(const struct store *s);

/* blobs/sha256/<hex> below the store's path; free(). NULL: out of memory. Says nothing on whether it exists.
 */
char *store_blob_path(const struct store *s, const struct digest *d);

/*
 * Writers work in a temporary folder inside the store (same file system), made by store_temp_dir and removed
 * by its owner; leftovers of a killed writer are removed by the next store_temp_dir when their lock is free.
 * Moves the file `path` (which must be inside such a folder) into place as a blob: hash, fsync, rename, fsync
 * of the folder. A blob that is there already is kept.
 */
int store_temp_dir(struct store *s, char **ret, struct err *err);
int store_add_file(struct store *s, const char *path, struct release_part *ret, struct err *err);
int store_add_bytes(struct store *s, const void *data, size_t len, struct release_part *ret, struct err *err);

/* A release in the store. */
struct store_release {
	struct digest manifest; /* of the OCI manifest */
	struct digest config;   /* of the release manifest: what is called the release's digest everywhere */
	uint64_t config_size;
	struct digest signature; /* of the .minisig blob; only if is_signed */
	int is_signed;
	char name[RELEASE_NAME_SIZE + 24]; /* "PROFILE:SEQUENCE" */
	char channels[256];                /* names of the channels that point to it, divided by a space */
	struct release release;
};

struct store_list {
	struct store_release *items; /* sorted by profile, then sequence */
	size_t count;
};
void store_list_release(struct store_list *l);
#define _cleanup_store_list_ _cleanup_(store_list_release)

/* All releases, read and checked for form (not for signatures; not hashed). */
int store_releases(struct store *s, struct store_list *ret, struct err *err);

/*
 * ref: PROFILE:SEQUENCE, PROFILE:CHANNEL, PROFILE (its newest), or sha256:<hex> of the release manifest.
 * -ENOENT with the known names in the sentence.
 */
int store_resolve(struct store *s, const char *ref, struct store_release *ret, struct err *err);

/*
 * Publishes: under the lock, sets r->sequence to the next of the profile, calls nothing else, writes release
 * manifest, OCI manifest and index.json. If the newest release of the profile has the same content (all but
 * sequence) it is returned instead and nothing is written: building twice is one release. *ret_is_new tells.
 */
int store_publish(
	struct store *s, struct release *r, struct store_release *ret, int *ret_is_new, struct err *err);

/* Adds a signature file's text to a release (replacing one by the same key id). */
int store_add_signature(
	struct store *s, const struct store_release *rel, const struct buf *signature, struct err *err);

/* Points channel to the release. The name must pass parse_name and not be a number. */
int store_tag(struct store *s, const struct store_release *rel, const char *channel, struct err *err);

/*
 * The signed bytes and the signature text of a release. -ENOKEY when it has no signature. verified: also
 * checks it by the ring (then nothing is parsed before the signature is good).
 */
int store_signed_bytes(struct store *s, const struct store_release *rel, struct buf *ret_manifest,
	struct buf *ret_signature, struct err *err);

/* Hashes every blob of the release and compares sizes and digests. -EBADMSG names the part that differs. */
int store_check_blobs(struct store *s, const struct store_release *rel, struct err *err);

#endif
