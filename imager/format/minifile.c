/* Owns the lines of minisign's files; what the base64 holds is the business of minisign.c and secretkey.c. */
#include "imager/format/minifile.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define BASE64_MAX_BYTES 256

int minifile_line(const char **text, const char *prefix, const char **ret, size_t *ret_len)
{
	size_t len = strcspn(*text, "\n"), skip = strlen(prefix);

	if (len < skip || memcmp(*text, prefix, skip) != 0)
		return -EBADMSG;
	*ret = *text + skip;
	*ret_len = len - skip;
	*text += len + ((*text)[len] == '\n');
	return 0;
}

/* libsodium 1.0.18 also takes '+' and '/' with the eighth bit set, which would be a second spelling. */
static int is_ascii(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] > 0x7f)
			return 0;
	return 1;
}

int minifile_base64(const char **text, void *ret, size_t len)
{
	const char *line = NULL;
	size_t line_len = 0, got = 0;
	int r = minifile_line(text, "", &line, &line_len);

	if (r < 0)
		return r;
	if (!is_ascii(line, line_len) || sodium_base642bin(ret, len, line, line_len, NULL, &got, NULL,
						 sodium_base64_VARIANT_ORIGINAL) != 0)
		return -EBADMSG;
	return got == len ? 0 : -EBADMSG;
}

int minifile_add_base64(struct buf *b, const void *data, size_t len)
{
	char text[sodium_base64_ENCODED_LEN(BASE64_MAX_BYTES, sodium_base64_VARIANT_ORIGINAL)];
	int r;

	if (len > BASE64_MAX_BYTES)
		return -ENOMEM;
	(void)sodium_bin2base64(text, sizeof(text), data, len, sodium_base64_VARIANT_ORIGINAL);
	r = buf_printf(b, "%s\n", text);
	sodium_memzero(text, sizeof(text));
	return r;
}
