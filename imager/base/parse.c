/* Owns the reading of numbers, sizes, addresses and names from text. Strict: the whole string or nothing. */
#include "imager/base/parse.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/base/text.h"

static int parse_digits(const char *text, size_t len, unsigned base, uint64_t *ret)
{
	uint64_t value = 0;

	if (len == 0)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned)text[i] - '0';

		if (digit >= base)
			return -EINVAL;
		if (value > (UINT64_MAX - digit) / base)
			return -ERANGE;
		value = value * base + digit;
	}
	*ret = value;
	return 0;
}

int parse_u64(const char *text, uint64_t *ret)
{
	return parse_digits(text, strlen(text), 10, ret);
}

static int parse_below(const char *text, uint64_t max, uint64_t *ret)
{
	int r = parse_u64(text, ret);

	if (r < 0)
		return r;
	return *ret > max ? -ERANGE : 0;
}

int parse_u32(const char *text, uint32_t *ret)
{
	uint64_t value;
	int r = parse_below(text, UINT32_MAX, &value);

	if (r == 0)
		*ret = (uint32_t)value;
	return r;
}

int parse_u16(const char *text, uint16_t *ret)
{
	uint64_t value;
	int r = parse_below(text, UINT16_MAX, &value);

	if (r == 0)
		*ret = (uint16_t)value;
	return r;
}

int parse_bool(const char *text, int *ret)
{
	static const struct {
		const char *text;
		int value;
	} words[] = {{"true", 1}, {"false", 0}, {"yes", 1}, {"no", 0}, {"on", 1}, {"off", 0}};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(text, words[i].text))
			continue;
		*ret = words[i].value;
		return 0;
	}
	return -EINVAL;
}

int parse_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	size_t digits = strspn(text, "0123456789");
	const char *unit = text + digits, *found;
	unsigned shift = 0;
	uint64_t value;
	int r = parse_digits(text, digits, 10, &value);

	if (r < 0)
		return r;
	if (*unit) {
		found = strchr(units, *unit);
		if (!found || (unit[1] && strcmp(unit + 1, "iB")))
			return -EINVAL;
		shift = 10 * (unsigned)(found - units + 1);
	}
	if (value > UINT64_MAX >> shift)
		return -ERANGE;
	*ret = value << shift;
	return 0;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* Digits and one of the units, with nothing between. */
static int parse_units(const char *text, const struct unit *units, size_t count, uint64_t *ret)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t value;
	int r = parse_digits(text, digits, 10, &value);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(text + digits, units[i].name))
			continue;
		if (value > UINT64_MAX / units[i].factor)
			return -ERANGE;
		*ret = value * units[i].factor;
		return 0;
	}
	return -EINVAL;
}

static int parse_bits(const char *text, uint64_t *ret)
{
	static const struct unit units[] = {
		{"bit", 1}, {"kbit", 1000}, {"Mbit", 1000000}, {"Gbit", 1000000000}};
	uint64_t bits;
	int r = parse_units(text, units, ARRAY_SIZE(units), &bits);

	if (r == 0)
		*ret = bits / 8;
	return r;
}

int parse_rate(const char *text, uint64_t *ret)
{
	char amount[32];
	size_t len = strlen(text);
	int r;

	if (len < 2 || len - 2 >= sizeof(amount) || strcmp(text + len - 2, "/s") != 0)
		return -EINVAL;
	memcpy(amount, text, len - 2);
	amount[len - 2] = '\0';
	r = parse_bits(amount, ret);
	return r == -EINVAL ? parse_size(amount, ret) : r;
}

int parse_seconds(const char *text, uint64_t *ret)
{
	static const struct unit units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};

	return parse_units(text, units, ARRAY_SIZE(units), ret);
}

int parse_mode(const char *text, mode_t *ret)
{
	uint64_t value;
	int r = parse_digits(text, strlen(text), 8, &value);

	if (r < 0)
		return r;
	if (value > 07777)
		return -ERANGE;
	*ret = (mode_t)value;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int parse_hex(const char *text, uint8_t *ret, size_t len)
{
	if (strlen(text) != 2 * len)
		return -EINVAL;
	for (size_t i = 0; i < 2 * len; i++)
		if (hex_digit(text[i]) < 0)
			return -EINVAL;
	for (size_t i = 0; i < len; i++)
		ret[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
	return 0;
}

size_t parse_utf8(const char *text)
{
	size_t done = 0, len;

	while (text[done] && (len = text_character(text + done)))
		done += len;
	return done;
}

/* The digits of a group of four; bits that no byte takes must be zero, so that bytes have one spelling. */
static int parse_group(const char *text, uint8_t ret[3])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t count = text[3] != '=' ? 4 : text[2] != '=' ? 3 : 2;
	uint32_t value = 0;

	for (size_t i = 0; i < 4; i++) {
		const char *digit = i < count ? strchr(digits, text[i]) : digits;

		if (!digit || !*digit)
			return -EINVAL;
		value = value << 6 | (uint32_t)(digit - digits);
	}
	for (size_t i = 0; i < 3; i++)
		ret[i] = (uint8_t)(value >> (16 - 8 * i));
	return (count < 4 && ret[2]) || (count < 3 && ret[1]) ? -EINVAL : (int)count - 1;
}

int parse_base64(const char *text, uint8_t *ret, size_t *ret_len)
{
	size_t len = strlen(text), done = 0;

	if (len % 4)
		return -EINVAL;
	for (size_t i = 0; i < len; i += 4) {
		uint8_t bytes[3];
		int n = parse_group(text + i, bytes);

		if (n < 0 || (n < 3 && i + 4 < len))
			return -EINVAL;
		memcpy(ret + done, bytes, (size_t)n);
		done += (size_t)n;
	}
	*ret_len = done;
	return 0;
}

void format_hex(const uint8_t *data, size_t len, char *ret)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		ret[2 * i] = digits[data[i] >> 4];
		ret[2 * i + 1] = digits[data[i] & 15];
	}
	ret[2 * len] = '\0';
}

int parse_mac(const char *text, char ret[MAC_TEXT_SIZE])
{
	char mac[MAC_TEXT_SIZE];

	if (strlen(text) != MAC_TEXT_SIZE - 1)
		return -EINVAL;
	for (size_t i = 0; i < MAC_TEXT_SIZE - 1; i++) {
		int separator = i % 3 == 2;

		if (separator ? text[i] != ':' && text[i] != '-' : hex_digit(text[i]) < 0)
			return -EINVAL;
		mac[i] = separator ? ':' : (char)tolower((unsigned char)text[i]);
	}
	mac[MAC_TEXT_SIZE - 1] = '\0';
	memcpy(ret, mac, sizeof(mac));
	return 0;
}

static int is_alnum_lower(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

int parse_name(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > 63 || !is_alnum_lower(text[0]) || !is_alnum_lower(text[len - 1]))
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (!is_alnum_lower(text[i]) && !strchr("._-", text[i]))
			return -EINVAL;
	return 0;
}
