/*
 * The store: a folder of releases in the OCI image layout (image-spec v1.0, image-layout.md): oci-layout,
 * index.json, blobs/sha256/<hex>. A release is an OCI image manifest; its config is the release manifest, its
 * layers are kernel, initramfs, root image, package list and, once signed, signatures. index.json names it
 * "PROFILE:SEQUENCE" by the annotation org.opencontainers.image.ref.name; a channel is one more descriptor of
 * the same manifest, named "PROFILE:CHANNEL". Other images in the folder are left alone and not listed.
 *
 * A blob or index.json appears complete or not at all. Writers hold an exclusive flock on STORE/.lock while
 * they change index.json, and one on their folder below STORE/.tmp as long as they live; what a killed writer
 * left is removed by the next one. Readers need no lock and no write access.
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

/* The folder to use: the one given, else $SWARMBOOT_STORE, else STORE_DEFAULT. */
#define STORE_DEFAULT     "/var/lib/swarmboot/store"
#define STORE_OPTION_HELP "the store; default: $SWARMBOOT_STORE, else " STORE_DEFAULT
const char *store_choose(const char *given);

/*
 * create: make the layout if the folder is missing or empty. -ENOENT with a sentence when it is not a store,
 * -ENOTEMPTY when it is to be made one and holds other things, -EBADMSG when it is of another version.
 */
int store_open(const char *path, int create, struct store **ret, struct err *err);
/* Removes what this writer has put into the store without publishing it; takes NULL. */
void store_close(struct store *s);
DEFINE_CLEANUP(struct store *, store_close)
#define _cleanup_store_ _cleanup_(store_close_p)

const char *store_path(const struct store *s);

/* Once another thread sets it, which must outlive the store, whatever hashes here ends with -ECANCELED. */
void store_set_stop(struct store *s, const atomic_int *stop);

/* blobs/sha256/<hex> below the store's path; free(). NULL: out of memory. Says nothing on whether it exists.
 */
char *store_blob_path(const struct store *s, const struct digest *d);

/*
 * Writers work in temporary folders inside the store (same file system, mode 0755), made by store_temp_dir.
 * The caller frees the path; the folder is removed by its owner or by store_close, and after a kill by the
 * next writer.
 *
 * store_add_file moves the file `path`, inside such a folder or elsewhere below the store, into place as a
 * blob: hash, place_file of base/io.h. A blob that is there already is kept when its bytes are right, and
 * replaced when they are not. What no release names when the store is closed is removed again.
 */
int store_temp_dir(struct store *s, char **ret, struct err *err);
int store_add_file(struct store *s, const char *path, struct release_part *ret, struct err *err);
int store_add_bytes(struct store *s, const void *data, size_t len, struct release_part *ret, struct err *err);

#define STORE_SIGNATURES_MAX 8
#define STORE_CHANNELS_SIZE  1024

struct store_signature {
	struct digest digest;             /* of the .minisig blob */
	uint8_t key_id[MINISIGN_ID_SIZE]; /* as the file says; nothing is proved by it */
};

/* A release in the store. */
struct store_release {
	struct release_part manifest; /* the OCI manifest; another one once a signature is added */
	struct release_part config; /* the release manifest: what is called the release's digest everywhere */
	struct store_signature signatures[STORE_SIGNATURES_MAX];
	size_t signature_count;
	char name[RELEASE_NAME_SIZE + 24];  /* "PROFILE:SEQUENCE" */
	char channels[STORE_CHANNELS_SIZE]; /* names of the channels that point to it, divided by a space */
	struct release release;             /* as its manifest says, whether signed or not */
};

struct store_list {
	struct store_release *items; /* sorted by profile, then sequence */
	size_t count;
	struct err damage; /* on the last release that was left out because it cannot be read; code 0: none */
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
 * manifest, OCI manifest and index.json. The four parts must be blobs already. If the newest release of the
 * profile has the same content (all but sequence) it is returned instead and nothing is written: building
 * twice is one release. *ret_is_new tells.
 */
int store_publish(
	struct store *s, struct release *r, struct store_release *ret, int *ret_is_new, struct err *err);

/* Adds a signature file's text to a release (replacing one by the same key id). */
int store_add_signature(
	struct store *s, const struct store_release *rel, const struct buf *signature, struct err *err);

/* Points channel to the release. The name must pass parse_name and not be a number. */
int store_tag(struct store *s, const struct store_release *rel, const char *channel, struct err *err);

/*
 * Takes over the one release of another OCI layout (what a transfer brought), which must be in a folder of
 * store_temp_dir: its blobs are moved out of there. All of it is hashed, its sequence and signatures stay; a
 * release that is here already gets what signatures it lacks; what of it is missing or damaged here is
 * replaced, also when it cannot be read for that. Nothing is changed on failure: -EBADMSG: no
 * release, more than one, or bytes not as their digests say; -EEXIST: the profile has another release of that
 * sequence here.
 */
struct store_adopted {
	struct store_release release; /* as it is here now */
	int is_new;                   /* 0: it was here already */
	size_t new_signatures;        /* of one that was */
};
int store_adopt(struct store *s, const char *layout, struct store_adopted *ret, struct err *err);

/* What the OCI manifest of a release names: its config and layers. free() *ret. -EBADMSG with a sentence for
 * the manifest of anything but a release. */
int store_manifest_parts(
	const struct buf *manifest, struct release_part **ret, size_t *ret_count, struct err *err);

/* The bytes of a release manifest; nothing is proved. */
int store_manifest_bytes(struct store *s, const struct store_release *rel, struct buf *ret, struct err *err);

/* A release that a trusted key signed, with what proves it. */
struct store_signed {
	struct buf manifest, signature;
	struct release release;
};
void store_signed_release(struct store_signed *p);
#define _cleanup_store_signed_ _cleanup_(store_signed_release)

/*
 * Finds the signature by a key of the ring and checks it (release_verify: before anything is parsed) and that
 * the bytes are those of rel->config. -ENOKEY: no signature, or none by these keys; -EKEYREJECTED, -EBADMSG
 * as in trust.h.
 */
int store_verify(struct store *s, const struct store_release *rel, const struct minisign_keyring *ring,
	struct store_signed *ret, struct err *err);

/*
 * Makes an empty layout that of this one release, for store_adopt: writes its manifests and its signature.
 * The four parts are put at store_blob_path by the caller, before or after; nothing is looked at here.
 */
int store_lay(struct store *layout, const struct store_signed *proof, struct err *err);

/* Hashes every blob of the release, compares sizes and digests, and computes the root image's hash tree
 * again. -EBADMSG names the part that differs. */
int store_check_blobs(struct store *s, const struct store_release *rel, struct err *err);

#endif
