/* Owns what is done to text that others have written. What it means is the parsers' (parse.c). */
#include "imager/base/text.h"

#include <stdint.h>
#include <string.h>

#include "imager/base/cleanup.h"

/* Table 3-7 of the Unicode standard. */
size_t text_character(const char *c)
{
	static const struct {
		unsigned char first, last, low, high; /* of the first byte, and of the second */
		size_t len;
	} rows[] = {{0x01, 0x7f, 0, 0, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
	const unsigned char *b = (const unsigned char *)c;
	size_t row = 0;

	while (row < ARRAY_SIZE(rows) && (*b < rows[row].first || *b > rows[row].last))
		row++;
	if (row == ARRAY_SIZE(rows))
		return 0;
	if (rows[row].len > 1 && (b[1] < rows[row].low || b[1] > rows[row].high))
		return 0;
	for (size_t i = 2; i < rows[row].len; i++)
		if (b[i] < 0x80 || b[i] > 0xbf)
			return 0;
	return rows[row].len;
}

static uint32_t code_of(const char *c, size_t len)
{
	uint32_t code = (unsigned char)*c & (len == 1 ? 0x7f : 0xff >> (len + 1));

	for (size_t i = 1; i < len; i++)
		code = code << 6 | ((unsigned char)c[i] & 0x3f);
	return code;
}

/* What moves the cursor or turns the text around. */
static int is_obeyed(uint32_t code)
{
	static const struct {
		uint32_t first, last;
	} rows[] = {{0, 0x1f}, {0x7f, 0x9f}, {0x61c, 0x61c}, {0x200e, 0x200f}, {0x2028, 0x202e},
		{0x2066, 0x2069}, {0xfeff, 0xfeff}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (code >= rows[i].first && code <= rows[i].last)
			return 1;
	return 0;
}

void text_clean(const char *text, char *ret, size_t size)
{
	size_t at = 0;

	while (*text) {
		size_t len = text_character(text);
		const char *piece = text;

		text += len ? len : 1;
		if (!len || is_obeyed(code_of(piece, len))) {
			piece = TEXT_BROKEN;
			len = strlen(TEXT_BROKEN);
		}
		if (len >= size - at)
			break;
		memcpy(ret + at, piece, len);
		at += len;
	}
	ret[at] = '\0';
}

int text_mend(const char *data, size_t len, struct buf *ret)
{
	int r = buf_add(ret, "", 0);

	for (size_t at = 0; r == 0 && at < len;) {
		size_t good = 0, one;

		while (at + good < len && (one = text_character(data + at + good)))
			good += one;
		r = buf_add(ret, data + at, good);
		at += good;
		if (r == 0 && at < len) {
			r = buf_puts(ret, TEXT_BROKEN);
			at++;
		}
	}
	return r;
}

size_t text_cut(const char *text, size_t columns)
{
	size_t at = 0;

	for (; text[at] && columns; columns--) {
		size_t len = text_character(text + at);

		at += len ? len : 1;
	}
	return at;
}
