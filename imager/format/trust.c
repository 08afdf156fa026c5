/* Owns the order in which a release comes to be trusted: signature, meaning, comment. */
#include "imager/format/trust.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void trust_comment(const struct release *r, char ret[TRUST_COMMENT_SIZE])
{
	(void)snprintf(ret, TRUST_COMMENT_SIZE, "swarmboot release %s:%" PRIu64, r->profile, r->sequence);
}

int release_verify(const struct minisign_keyring *ring, const struct buf *manifest, const char *signature,
	struct release *ret, struct err *err)
{
	_cleanup_free_ char *comment = NULL;
	char expected[TRUST_COMMENT_SIZE];
	struct release release;
	int r = minisign_verify(ring, manifest, signature, &comment, err);

	if (r < 0)
		return r;
	r = release_parse(manifest->data, manifest->len, &release, err);
	if (r < 0)
		return r;
	trust_comment(&release, expected);
	if (strcmp(comment, expected) != 0)
		return err_set(
			err, EKEYREJECTED, "the signature is for '%.100s', not for '%s'", comment, expected);
	*ret = release;
	return 0;
}
