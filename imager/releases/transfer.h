/*
 * push, pull, export, import: releases between the store, registries and OCI archives, by skopeo. What leaves
 * is hashed before, what arrives is hashed before it is published (store_adopt). A transfer that fails or is
 * interrupted leaves nothing; one that is killed a folder in STORE/.tmp, which the next writer removes.
 */
#ifndef IMAGER_RELEASES_TRANSFER_H
#define IMAGER_RELEASES_TRANSFER_H

#include <signal.h>

#include "imager/base/buf.h"
#include "imager/base/err.h"
#include "imager/format/store.h"

struct transfer {
	struct store *store;
	int insecure;                              /* plain HTTP, or a certificate that nobody vouches for */
	const char *authfile;                      /* of registries, absolute; NULL: skopeo's own */
	const sigset_t *stop;                      /* blocked signals that end a transfer; NULL: none */
	void (*line)(const char *text, void *arg); /* what skopeo prints; may be NULL */
	void *arg;
};

/*
 * "registry.example/images/slurm", with or without docker:// before it, as skopeo wants it:
 * "docker://registry.example/images/slurm:TAG", where `tag` is taken when the name has none. -EINVAL with a
 * sentence for what is no such name, or has no tag when tag is NULL. *ret is the caller's, free().
 */
int transfer_reference(const char *name, const char *tag, char **ret, struct err *err);

/* reference as transfer_reference made it. -EBADMSG when the release is not as its digests say; then nothing
 * was sent. Afterwards the registry names the same manifest. */
int transfer_push(
	const struct transfer *t, const struct store_release *rel, const char *reference, struct err *err);
/* What store_adopt says of it. */
int transfer_pull(
	const struct transfer *t, const char *reference, struct store_adopted *ret, struct err *err);

/* An oci-archive; a file of that name is replaced. It appears complete or not at all. */
int transfer_export(
	const struct transfer *t, const struct store_release *rel, const char *file, struct err *err);
int transfer_import(const struct transfer *t, const char *file, struct store_adopted *ret, struct err *err);

#endif
