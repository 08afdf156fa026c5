/*
 * Keys and signatures in minisign's file formats (jedisct1.github.io/minisign, "Signature format"): Ed25519
 * over BLAKE2b-512 of the data ("ED", prehashed), with a signed trusted comment. Made and read by Debian's
 * minisign as well. Signatures over the data itself (minisign -l) are refused.
 */
#ifndef FORMAT_MINISIGN_H
#define FORMAT_MINISIGN_H

#include <stddef.h>
#include <stdint.h>

#include "imager/base/buf.h"
#include "imager/base/err.h"

#define MINISIGN_ID_SIZE    8
#define MINISIGN_FILE_LIMIT 4096 /* bytes of a key or signature file */

struct minisign_public {
	uint8_t id[MINISIGN_ID_SIZE];
	uint8_t key[32];
};

struct minisign_secret {
	uint8_t id[MINISIGN_ID_SIZE];
	uint8_t key[64];
};

/* A set of trusted public keys, in one file: minisign public key files one after the other (.pub
 * concatenated). */
#define MINISIGN_KEYRING_MAX 16
struct minisign_keyring {
	struct minisign_public keys[MINISIGN_KEYRING_MAX];
	size_t count;
};

int minisign_generate(
	struct minisign_secret *ret_secret, struct minisign_public *ret_public, struct err *err);

/* The other half of the pair. */
void minisign_public_of(const struct minisign_secret *s, struct minisign_public *ret);

/* Overwrites the key; takes NULL. */
void minisign_forget(struct minisign_secret *s);
#define _cleanup_secret_ _cleanup_(minisign_forget)

/*
 * The secret key file's text. password NULL or "": unencrypted (minisign -W), else scrypt as minisign does,
 * with 256 MiB so that a small build host can sign.
 */
int minisign_format_secret(
	const struct minisign_secret *s, const char *password, struct buf *ret, struct err *err);
int minisign_format_public(const struct minisign_public *p, struct buf *ret, struct err *err);
/* All keys of the ring, as minisign_parse_keyring reads them; what minisign wrote as comments is not kept. */
int minisign_format_keyring(const struct minisign_keyring *ring, struct buf *ret, struct err *err);

/* -EBADMSG: not such a file; -EKEYREJECTED: wrong password; -ENOKEY: encrypted and no password given (NULL).
 */
int minisign_parse_secret(
	const char *text, const char *password, struct minisign_secret *ret, struct err *err);
/* One or more keys; an empty keyring is -EBADMSG, as are two keys of one id or more than
 * MINISIGN_KEYRING_MAX. A key that stands there twice counts once. */
int minisign_parse_keyring(const char *text, struct minisign_keyring *ret, struct err *err);
/* The keys of several files as one ring. Also the errnos of open and read. */
int minisign_read_keyring(
	const char *const *paths, size_t count, struct minisign_keyring *ret, struct err *err);

/* The .minisig text over data. The trusted comment says what the object is (trust.h has that of a release);
 * one line. */
int minisign_sign(const struct minisign_secret *s, const struct buf *data, const char *trusted_comment,
	struct buf *ret, struct err *err);

/*
 * 0 when the signature over data is good and by a key of the ring. -EBADMSG: not a signature file (trailing
 * bytes included); -ENOKEY: unknown key (sentence names its id); -EKEYREJECTED: signature or trusted comment
 * wrong. ret_comment (may be NULL) gets the trusted comment, free().
 */
int minisign_verify(const struct minisign_keyring *ring, const struct buf *data, const char *signature,
	char **ret_comment, struct err *err);

/* The id of the key that a signature file says it is by; nothing is proved by it. 0 or -EBADMSG. */
int minisign_signature_id(const char *signature, uint8_t ret[MINISIGN_ID_SIZE], struct err *err);

/* Upper case hex as minisign prints it. */
void minisign_id_text(const uint8_t id[MINISIGN_ID_SIZE], char ret[17]);

#endif
