/* Owns the hash of blocks. Where its key is kept is blockcache.c's. */
#include "imager/squash/blockhash.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/random.h>

#define NONCE_SIZE 12

struct blockhash {
	EVP_MAC_CTX *keyed; /* copied for each block: the tables of a key are made once */
};

static int set_key(EVP_MAC_CTX *context, const struct blockhash_key *key)
{
	char cipher[] = "AES-128-GCM";
	uint8_t nonce[NONCE_SIZE] = {0};
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, cipher, 0),
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_IV, nonce, sizeof(nonce)),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_init(context, key->bytes, sizeof(key->bytes), params) == 1 ? 0 : -EIO;
}

struct blockhash *blockhash_new(const struct blockhash_key *key)
{
	_cleanup_blockhash_ struct blockhash *h = calloc(1, sizeof(*h));
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "GMAC", NULL);

	if (h && mac)
		h->keyed = EVP_MAC_CTX_new(mac);
	EVP_MAC_free(mac);
	if (!h || !h->keyed || set_key(h->keyed, key) < 0)
		return NULL;
	return TAKE(h);
}

struct blockhash *blockhash_new_random(void)
{
	struct blockhash_key key;

	return getrandom(&key, sizeof(key), 0) == (ssize_t)sizeof(key) ? blockhash_new(&key) : NULL;
}

void blockhash_free(struct blockhash *h)
{
	if (!h)
		return;
	EVP_MAC_CTX_free(h->keyed);
	free(h);
}

int blockhash_of(const struct blockhash *h, const void *data, size_t size, struct blockhash_value *ret)
{
	EVP_MAC_CTX *context = EVP_MAC_CTX_dup(h->keyed);
	size_t len;
	int ok = context && EVP_MAC_update(context, data, size) == 1 &&
		 EVP_MAC_final(context, ret->bytes, &len, sizeof(ret->bytes)) == 1 &&
		 len == sizeof(ret->bytes);

	EVP_MAC_CTX_free(context);
	return ok ? 0 : -EIO;
}
