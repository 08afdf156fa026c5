/* Owns SHA-256 digests: of bytes, of files, as a stream, and their one spelling. Over OpenSSL's EVP, which
 * uses the processor's SHA instructions. */
#include "imager/format/digest.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "imager/base/io.h"
#include "imager/base/parse.h"

#define DIGEST_PREFIX "sha256:"
#define BLOCK_SIZE    (256 * 1024)

struct digest_stream {
	EVP_MD_CTX *context;
};

int digest_parse(const char *text, struct digest *ret)
{
	size_t prefix = strlen(DIGEST_PREFIX);

	if (strncmp(text, DIGEST_PREFIX, prefix) != 0)
		return -EINVAL;
	text += prefix;
	if (text[strspn(text, "0123456789abcdef")])
		return -EINVAL;
	return parse_hex(text, ret->bytes, sizeof(ret->bytes));
}

void digest_format(const struct digest *d, char ret[DIGEST_TEXT_SIZE])
{
	memcpy(ret, DIGEST_PREFIX, strlen(DIGEST_PREFIX));
	digest_hex(d, ret + strlen(DIGEST_PREFIX));
}

void digest_hex(const struct digest *d, char ret[65])
{
	format_hex(d->bytes, sizeof(d->bytes), ret);
}

int digest_equal(const struct digest *a, const struct digest *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

int digest_bytes(const void *data, size_t len, struct digest *ret)
{
	struct digest d;

	if (EVP_Digest(data, len, d.bytes, NULL, EVP_sha256(), NULL) != 1)
		return -EIO;
	*ret = d;
	return 0;
}

struct digest_stream *digest_stream_new(void)
{
	struct digest_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->context = EVP_MD_CTX_new();
	if (!s->context || EVP_DigestInit_ex(s->context, EVP_sha256(), NULL) != 1) {
		digest_stream_free(s);
		return NULL;
	}
	return s;
}

void digest_stream_free(struct digest_stream *s)
{
	if (!s)
		return;
	EVP_MD_CTX_free(s->context);
	free(s);
}

int digest_stream_add(struct digest_stream *s, const void *data, size_t len)
{
	return EVP_DigestUpdate(s->context, data, len) == 1 ? 0 : -EIO;
}

int digest_stream_end(struct digest_stream *s, struct digest *ret)
{
	struct digest d;

	if (EVP_DigestFinal_ex(s->context, d.bytes, NULL) != 1)
		return -EIO;
	*ret = d;
	return 0;
}

int digest_fd(int fd, struct digest *ret, uint64_t *ret_size, const atomic_int *stop)
{
	_cleanup_digest_stream_ struct digest_stream *s = digest_stream_new();
	_cleanup_free_ void *block = malloc(BLOCK_SIZE);
	uint64_t size = 0;
	ssize_t n;
	int r;

	if (!s || !block)
		return -ENOMEM;
	while ((n = pread_full(fd, block, BLOCK_SIZE, size)) > 0) {
		r = digest_stream_add(s, block, (size_t)n);
		if (r < 0)
			return r;
		size += (uint64_t)n;
		if (stop && atomic_load_explicit(stop, memory_order_relaxed))
			return -ECANCELED;
	}
	if (n < 0)
		return (int)n;
	r = digest_stream_end(s, ret);
	if (r == 0 && ret_size)
		*ret_size = size;
	return r;
}
