/* Owns public keys, keyrings and signatures in minisign's formats. Secret key files are in secretkey.c. */
#include "imager/format/minisign.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "imager/base/io.h"
#include "imager/format/minifile.h"

/* The two letters before the key id say which algorithm. */
#define ALGORITHM_KEY       "Ed"
#define ALGORITHM_PREHASHED "ED"
#define HASH_SIZE           64

/* What the base64 of the files decodes to; bytes only, so there is no padding. */
struct public_blob {
	uint8_t algorithm[2], id[MINISIGN_ID_SIZE], key[32];
};

struct signature_blob {
	uint8_t algorithm[2], id[MINISIGN_ID_SIZE], signature[crypto_sign_BYTES];
};

struct signature {
	struct signature_blob blob;
	const char *comment; /* into the text */
	size_t comment_len;
	uint8_t global[crypto_sign_BYTES];
};

void minisign_id_text(const uint8_t id[MINISIGN_ID_SIZE], char ret[17])
{
	static const char digits[] = "0123456789ABCDEF";

	/* minisign prints the id as a little-endian number */
	for (size_t i = 0; i < MINISIGN_ID_SIZE; i++) {
		ret[2 * i] = digits[id[MINISIGN_ID_SIZE - 1 - i] >> 4];
		ret[2 * i + 1] = digits[id[MINISIGN_ID_SIZE - 1 - i] & 15];
	}
	ret[16] = '\0';
}

/* ---- public keys ---- */

static int add_public(const struct minisign_public *p, struct buf *b)
{
	struct public_blob blob = {.algorithm = ALGORITHM_KEY};
	char id[17];
	int r;

	memcpy(blob.id, p->id, sizeof(blob.id));
	memcpy(blob.key, p->key, sizeof(blob.key));
	minisign_id_text(p->id, id);
	r = buf_printf(b, MINIFILE_UNTRUSTED "minisign public key %s\n", id);
	return r < 0 ? r : minifile_add_base64(b, &blob, sizeof(blob));
}

int minisign_format_public(const struct minisign_public *p, struct buf *ret, struct err *err)
{
	struct minisign_keyring ring = {.keys = {*p}, .count = 1};

	return minisign_format_keyring(&ring, ret, err);
}

int minisign_format_keyring(const struct minisign_keyring *ring, struct buf *ret, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};

	for (size_t i = 0; i < ring->count; i++)
		if (add_public(&ring->keys[i], &text) < 0)
			return err_oom(err, "the public keys");
	buf_move(ret, &text);
	return 0;
}

static const struct minisign_public *find_key(
	const struct minisign_keyring *ring, const uint8_t id[MINISIGN_ID_SIZE])
{
	for (size_t i = 0; i < ring->count; i++)
		if (!memcmp(ring->keys[i].id, id, MINISIGN_ID_SIZE))
			return &ring->keys[i];
	return NULL;
}

static int add_key(struct minisign_keyring *ring, const struct minisign_public *key, struct err *err)
{
	const struct minisign_public *known = find_key(ring, key->id);
	char id[17];

	minisign_id_text(key->id, id);
	if (known && sodium_memcmp(known->key, key->key, sizeof(key->key)) != 0)
		return err_set(err, EBADMSG, "two different keys have the id %s", id);
	if (known)
		return 0;
	if (ring->count == MINISIGN_KEYRING_MAX)
		return err_set(err, EBADMSG, "more than %d keys in the keyring", MINISIGN_KEYRING_MAX);
	ring->keys[ring->count++] = *key;
	return 0;
}

static int take_public(const char **text, struct minisign_public *ret)
{
	struct public_blob blob;
	const char *comment;
	size_t len;

	if (minifile_line(text, MINIFILE_UNTRUSTED, &comment, &len) < 0 ||
		minifile_base64(text, &blob, sizeof(blob)) < 0 ||
		memcmp(blob.algorithm, ALGORITHM_KEY, sizeof(blob.algorithm)) != 0)
		return -EBADMSG;
	memcpy(ret->id, blob.id, sizeof(ret->id));
	memcpy(ret->key, blob.key, sizeof(ret->key));
	return 0;
}

static int add_keys(const char *text, struct minisign_keyring *ring, struct err *err)
{
	if (!*text)
		return err_set(err, EBADMSG, "holds no public key");
	while (*text) {
		struct minisign_public key;
		int r;

		if (take_public(&text, &key) < 0)
			return err_set(err, EBADMSG, "not a minisign public key file");
		r = add_key(ring, &key, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int minisign_parse_keyring(const char *text, struct minisign_keyring *ret, struct err *err)
{
	struct minisign_keyring ring = {0};
	int r = add_keys(text, &ring, err);

	if (r < 0) {
		(void)err_prefix(err, "keyring");
		return r;
	}
	*ret = ring;
	return 0;
}

int minisign_read_keyring(
	const char *const *paths, size_t count, struct minisign_keyring *ret, struct err *err)
{
	struct minisign_keyring ring = {0};

	if (!count)
		return err_set(err, EBADMSG, "no public key given");
	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *text = NULL;
		int r = read_file(paths[i], MINISIGN_FILE_LIMIT, &text, NULL, err);

		if (r < 0)
			return r;
		r = add_keys(text, &ring, err);
		if (r < 0) {
			(void)err_prefix(err, "%s", paths[i]);
			return r;
		}
	}
	*ret = ring;
	return 0;
}

/* ---- signatures ---- */

static int hash_data(const struct buf *data, uint8_t ret[HASH_SIZE], struct err *err)
{
	if (sodium_init() < 0 ||
		crypto_generichash(ret, HASH_SIZE, (const uint8_t *)data->data, data->len, NULL, 0) != 0)
		return err_set(err, EIO, "the crypto library failed");
	return 0;
}

/* The second signature is over the first and the trusted comment. */
static int global_message(
	const uint8_t signature[crypto_sign_BYTES], const char *comment, size_t len, struct buf *ret)
{
	int r = buf_add(ret, signature, crypto_sign_BYTES);

	return r < 0 ? r : buf_add(ret, comment, len);
}

static int add_signature(const struct signature *s, struct buf *b)
{
	if (buf_puts(b, MINIFILE_UNTRUSTED "signature from a swarmboot key\n") < 0 ||
		minifile_add_base64(b, &s->blob, sizeof(s->blob)) < 0 ||
		buf_printf(b, MINIFILE_TRUSTED "%.*s\n", (int)s->comment_len, s->comment) < 0 ||
		minifile_add_base64(b, s->global, sizeof(s->global)) < 0)
		return -ENOMEM;
	return 0;
}

int minisign_sign(const struct minisign_secret *s, const struct buf *data, const char *trusted_comment,
	struct buf *ret, struct err *err)
{
	_cleanup_buf_ struct buf message = {0}, text = {0};
	struct signature sig = {.blob.algorithm = ALGORITHM_PREHASHED,
		.comment = trusted_comment,
		.comment_len = strlen(trusted_comment)};
	uint8_t hash[HASH_SIZE];
	int r;

	if (strchr(trusted_comment, '\n') || sig.comment_len > MINISIGN_FILE_LIMIT / 2)
		return err_set(err, EINVAL, "the trusted comment of a signature must be one short line");
	r = hash_data(data, hash, err);
	if (r < 0)
		return r;
	memcpy(sig.blob.id, s->id, sizeof(sig.blob.id));
	(void)crypto_sign_detached(sig.blob.signature, NULL, hash, sizeof(hash), s->key);
	if (global_message(sig.blob.signature, sig.comment, sig.comment_len, &message) < 0)
		return err_oom(err, "the signature");
	(void)crypto_sign_detached(sig.global, NULL, (const uint8_t *)message.data, message.len, s->key);
	if (add_signature(&sig, &text) < 0)
		return err_oom(err, "the signature");
	buf_move(ret, &text);
	return 0;
}

static int parse_signature(const char *text, struct signature *ret, struct err *err)
{
	const char *comment;
	size_t len;

	if (minifile_line(&text, MINIFILE_UNTRUSTED, &comment, &len) < 0 ||
		minifile_base64(&text, &ret->blob, sizeof(ret->blob)) < 0 ||
		minifile_line(&text, MINIFILE_TRUSTED, &ret->comment, &ret->comment_len) < 0 ||
		minifile_base64(&text, ret->global, sizeof(ret->global)) < 0 || *text)
		return err_set(err, EBADMSG, "not a minisign signature file");
	if (memcmp(ret->blob.algorithm, ALGORITHM_PREHASHED, sizeof(ret->blob.algorithm)) != 0)
		return err_set(err, EBADMSG, "the signature is not of minisign's prehashed kind");
	return 0;
}

int minisign_signature_id(const char *signature, uint8_t ret[MINISIGN_ID_SIZE], struct err *err)
{
	struct signature sig;
	int r = parse_signature(signature, &sig, err);

	if (r == 0)
		memcpy(ret, sig.blob.id, MINISIGN_ID_SIZE);
	return r;
}

static int check_signature(const struct signature *sig, const struct minisign_public *key,
	const struct buf *data, struct err *err)
{
	_cleanup_buf_ struct buf message = {0};
	uint8_t hash[HASH_SIZE];
	int r = hash_data(data, hash, err);

	if (r < 0)
		return r;
	if (crypto_sign_verify_detached(sig->blob.signature, hash, sizeof(hash), key->key) != 0)
		return err_set(err, EKEYREJECTED,
			"the signature is wrong: these are not the bytes that "
			"were signed");
	if (global_message(sig->blob.signature, sig->comment, sig->comment_len, &message) < 0)
		return err_oom(err, "the signature");
	if (crypto_sign_verify_detached(sig->global, (const uint8_t *)message.data, message.len, key->key) !=
		0)
		return err_set(err, EKEYREJECTED, "the signature's trusted comment was changed");
	return 0;
}

int minisign_verify(const struct minisign_keyring *ring, const struct buf *data, const char *signature,
	char **ret_comment, struct err *err)
{
	const struct minisign_public *key;
	struct signature sig;
	char id[17], *comment;
	int r = parse_signature(signature, &sig, err);

	if (r < 0)
		return r;
	minisign_id_text(sig.blob.id, id);
	key = find_key(ring, sig.blob.id);
	if (!key)
		return err_set(err, ENOKEY, "signed by the key %s, which is not trusted here", id);
	r = check_signature(&sig, key, data, err);
	if (r < 0 || !ret_comment)
		return r;
	comment = strndup(sig.comment, sig.comment_len);
	if (!comment)
		return err_oom(err, "the trusted comment");
	*ret_comment = comment;
	return 0;
}
