/*
 * From bytes to a trusted release, in the one order that is safe: the signature over the bytes is checked,
 * then the bytes are parsed, then the trusted comment is compared with what they say. The imager's verify,
 * the seeder's catalog and the agent all come through here.
 */
#ifndef FORMAT_TRUST_H
#define FORMAT_TRUST_H

#include "imager/base/buf.h"
#include "imager/base/err.h"
#include "imager/format/minisign.h"
#include "imager/format/release.h"

#define TRUST_COMMENT_SIZE (RELEASE_NAME_SIZE + 48)

/* The trusted comment of a release's signature: "swarmboot release PROFILE:SEQUENCE". It keeps a signature
 * over some other kind of object by the same key from being taken for one over a release. */
void trust_comment(const struct release *r, char ret[TRUST_COMMENT_SIZE]);

/*
 * 0, with *ret filled, when a key of the ring signed these bytes as this release. -ENOKEY (no such key in the
 * ring), -EKEYREJECTED (signature, or the comment is for another object), -EBADMSG (signature file or, after
 * a good signature, manifest not as described). *ret is untouched on failure.
 */
int release_verify(const struct minisign_keyring *ring, const struct buf *manifest, const char *signature,
	struct release *ret, struct err *err);

#endif
