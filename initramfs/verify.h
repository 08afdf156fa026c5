/*
 * prove: bytes -> a trusted release, a trusted image. Signature first, meaning second; every check fails
 * closed.
 */
#ifndef INITRAMFS_VERIFY_H
#define INITRAMFS_VERIFY_H

#include "imager/base/buf.h"
#include "imager/base/err.h"
#include "imager/format/digest.h"
#include "imager/format/minisign.h"
#include "imager/format/release.h"

/* What the initramfs carries of itself, below /etc/swarmboot: agent.json and keys. */
struct identity {
	char profile[RELEASE_NAME_SIZE];
	char arch[16];
	char kernel[RELEASE_NAME_SIZE]; /* uname -r of the kernel it was made for */
	struct minisign_keyring keyring;
};

/* dir: "/etc/swarmboot". -EBADMSG or the errno of a file that cannot be read, with its name. */
int identity_load(const char *dir, struct identity *ret, struct err *err);

/*
 * The release manifest's bytes: their digest is the one the node was told to boot, the signature is by a
 * trusted key, and the release is for this profile, architecture and kernel. *ret only after all of these.
 * -EBADMSG, -ENOKEY, -EKEYREJECTED as release_verify; -EINVAL: another digest; -ESTALE:
 * for another profile, architecture or kernel.
 */
struct release_evidence {
	struct digest wanted; /* from the boot arguments */
	struct buf manifest, signature;
};
void release_evidence_release(struct release_evidence *e);
int release_prove(const struct identity *identity, const struct release_evidence *evidence,
	struct release *ret, struct err *err);

/*
 * The image file, after whoever wrote it is gone: takes it away from its owner (root, 0444), opens it once,
 * and proves size and SHA-256 of exactly that descriptor. Returns the read-only descriptor, or -EBADMSG, or
 * -errno.
 */
int image_prove(const char *path, const struct release_part *wanted, struct err *err);

#endif
