/* Owns secret keys: making them, and minisign's secret key file, with and without a password. Who may read
 * the file is looked at by imager/releases/sign.c. */
#include "imager/format/minisign.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "imager/format/minifile.h"

#define ALGORITHM_KEY      "Ed"
#define ALGORITHM_SCRYPT   "Sc"
#define ALGORITHM_CHECKSUM "B2"

/* What is written; minisign itself takes 2^25 and 1 GiB. Read: whatever the file says, up to its own. */
#define SCRYPT_OPERATIONS     (UINT64_C(1) << 23)
#define SCRYPT_MEMORY         (UINT64_C(256) << 20)
#define SCRYPT_OPERATIONS_MAX (UINT64_C(1) << 26)
#define SCRYPT_MEMORY_MAX     (UINT64_C(1) << 30)

/* What the password hides. */
struct sealed {
	uint8_t id[MINISIGN_ID_SIZE], key[64], checksum[32];
};

/* What the base64 of the file decodes to; bytes only, so there is no padding. */
struct secret_blob {
	uint8_t algorithm[2], kdf[2], checksum_algorithm[2], salt[32], operations[8], memory[8];
	struct sealed sealed;
};

static void forget_blob(struct secret_blob *blob)
{
	sodium_memzero(blob, sizeof(*blob));
}
#define _cleanup_blob_ _cleanup_(forget_blob)

/* libsodium's secret key is the seed and the public key after it. */
void minisign_public_of(const struct minisign_secret *s, struct minisign_public *ret)
{
	memcpy(ret->id, s->id, sizeof(ret->id));
	memcpy(ret->key, s->key + 32, sizeof(ret->key));
}

void minisign_forget(struct minisign_secret *s)
{
	if (s)
		sodium_memzero(s, sizeof(*s));
}

int minisign_generate(struct minisign_secret *ret_secret, struct minisign_public *ret_public, struct err *err)
{
	struct minisign_public public;

	if (sodium_init() < 0)
		return err_set(err, EIO, "the crypto library failed");
	randombytes_buf(public.id, sizeof(public.id));
	(void)crypto_sign_keypair(public.key, ret_secret->key);
	memcpy(ret_secret->id, public.id, sizeof(public.id));
	*ret_public = public;
	return 0;
}

static void put_le64(uint8_t ret[8], uint64_t value)
{
	for (int i = 0; i < 8; i++)
		ret[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get_le64(const uint8_t data[8])
{
	uint64_t value = 0;

	for (int i = 7; i >= 0; i--)
		value = value << 8 | data[i];
	return value;
}

static void make_checksum(const struct secret_blob *blob, uint8_t ret[32])
{
	crypto_generichash_state state;

	(void)crypto_generichash_init(&state, NULL, 0, 32);
	(void)crypto_generichash_update(&state, blob->algorithm, sizeof(blob->algorithm));
	(void)crypto_generichash_update(&state, blob->sealed.id, sizeof(blob->sealed.id));
	(void)crypto_generichash_update(&state, blob->sealed.key, sizeof(blob->sealed.key));
	(void)crypto_generichash_final(&state, ret, 32);
}

/* Seals what is open and opens what is sealed: an XOR with a stream made from the password. */
static int turn_seal(struct secret_blob *blob, const char *password, struct err *err)
{
	uint64_t operations = get_le64(blob->operations), memory = get_le64(blob->memory);
	uint8_t stream[sizeof(struct sealed)], *bytes = (uint8_t *)&blob->sealed;

	if (operations > SCRYPT_OPERATIONS_MAX || memory > SCRYPT_MEMORY_MAX)
		return err_set(err, EBADMSG, "secret key: its password needs more than 1 GiB to check");
	if (crypto_pwhash_scryptsalsa208sha256(stream, sizeof(stream), password, strlen(password), blob->salt,
		    operations, (size_t)memory) != 0)
		return err_oom(err, "the password's scrypt");
	for (size_t i = 0; i < sizeof(stream); i++)
		bytes[i] ^= stream[i];
	sodium_memzero(stream, sizeof(stream));
	return 0;
}

static int seal(struct secret_blob *blob, const char *password, struct err *err)
{
	memcpy(blob->kdf, ALGORITHM_SCRYPT, sizeof(blob->kdf));
	randombytes_buf(blob->salt, sizeof(blob->salt));
	put_le64(blob->operations, SCRYPT_OPERATIONS);
	put_le64(blob->memory, SCRYPT_MEMORY);
	make_checksum(blob, blob->sealed.checksum);
	return turn_seal(blob, password, err);
}

int minisign_format_secret(
	const struct minisign_secret *s, const char *password, struct buf *ret, struct err *err)
{
	_cleanup_blob_ struct secret_blob blob = {
		.algorithm = ALGORITHM_KEY, .checksum_algorithm = ALGORITHM_CHECKSUM};
	_cleanup_buf_ struct buf text = {0};
	int encrypt = password && *password, r = 0;

	if (sodium_init() < 0)
		return err_set(err, EIO, "the crypto library failed");
	memcpy(blob.sealed.id, s->id, sizeof(blob.sealed.id));
	memcpy(blob.sealed.key, s->key, sizeof(blob.sealed.key));
	if (encrypt)
		r = seal(&blob, password, err);
	if (r < 0)
		return r;
	if (buf_printf(&text, MINIFILE_UNTRUSTED "minisign %ssecret key\n", encrypt ? "encrypted " : "") <
			0 ||
		minifile_add_base64(&text, &blob, sizeof(blob)) < 0)
		return err_oom(err, "the secret key");
	buf_move(ret, &text);
	return 0;
}

/* The public half that the file repeats must be that of the seed: it goes into every signature. */
static int is_whole(const uint8_t key[64])
{
	uint8_t public[32], secret[64];
	int same;

	(void)crypto_sign_seed_keypair(public, secret, key);
	same = sodium_memcmp(secret, key, sizeof(secret)) == 0;
	sodium_memzero(secret, sizeof(secret));
	return same;
}

static int open_sealed(struct secret_blob *blob, const char *password, struct err *err)
{
	uint8_t checksum[32];
	int r;

	if (!password || !*password)
		return err_set(err, ENOKEY, "secret key: it is encrypted and no password was given");
	r = turn_seal(blob, password, err);
	if (r < 0)
		return r;
	make_checksum(blob, checksum);
	if (sodium_memcmp(checksum, blob->sealed.checksum, sizeof(checksum)) != 0)
		return err_set(err, EKEYREJECTED, "secret key: wrong password");
	return 0;
}

static int take_secret(const char *text, struct secret_blob *ret)
{
	const char *comment;
	size_t len;

	if (minifile_line(&text, MINIFILE_UNTRUSTED, &comment, &len) < 0 ||
		minifile_base64(&text, ret, sizeof(*ret)) < 0 || *text)
		return -EBADMSG;
	if (memcmp(ret->algorithm, ALGORITHM_KEY, sizeof(ret->algorithm)) != 0 ||
		memcmp(ret->checksum_algorithm, ALGORITHM_CHECKSUM, sizeof(ret->checksum_algorithm)) != 0)
		return -EBADMSG;
	return 0;
}

int minisign_parse_secret(
	const char *text, const char *password, struct minisign_secret *ret, struct err *err)
{
	static const uint8_t kdf_none[2] = {0, 0};
	_cleanup_blob_ struct secret_blob blob = {0};
	int r = 0;

	if (sodium_init() < 0)
		return err_set(err, EIO, "the crypto library failed");
	if (take_secret(text, &blob) < 0)
		return err_set(err, EBADMSG, "secret key: not a minisign secret key file");
	if (!memcmp(blob.kdf, ALGORITHM_SCRYPT, sizeof(blob.kdf)))
		r = open_sealed(&blob, password, err);
	else if (memcmp(blob.kdf, kdf_none, sizeof(kdf_none)) != 0)
		r = err_set(err, EBADMSG, "secret key: encrypted in an unknown way");
	if (r < 0)
		return r;
	if (!is_whole(blob.sealed.key))
		return err_set(err, EBADMSG, "secret key: damaged: its two halves do not belong together");
	memcpy(ret->id, blob.sealed.id, sizeof(ret->id));
	memcpy(ret->key, blob.sealed.key, sizeof(ret->key));
	return 0;
}
