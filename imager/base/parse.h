/*
 * Text to values. Every function takes the whole string: leading or trailing characters, signs where none
 * belong and values out of range are refused. 0 or -EINVAL (-ERANGE when it does not fit); *ret is untouched
 * on failure.
 */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int parse_u64(const char *text, uint64_t *ret);
int parse_u32(const char *text, uint32_t *ret);
int parse_u16(const char *text, uint16_t *ret);
/* true, false, yes, no, on, off */
int parse_bool(const char *text, int *ret);
/* Bytes: a number with an optional KiB, MiB, GiB or TiB (K, M, G, T mean the same). */
int parse_size(const char *text, uint64_t *ret);
/* Bytes a second: a size as above with "/s" behind it, or bits as "800Mbit/s" (bit, kbit, Mbit, Gbit: powers
 * of 1000, as links are told). */
int parse_rate(const char *text, uint64_t *ret);
/* A time in seconds: a number with an optional s, m, h or d. */
int parse_seconds(const char *text, uint64_t *ret);
/* Octal permission bits, at most 07777. */
int parse_mode(const char *text, mode_t *ret);
/* Exactly len bytes as 2*len lower or upper case hex digits. */
int parse_hex(const char *text, uint8_t *ret, size_t len);
/* The number of bytes from the text's begin that are whole characters of UTF-8 (RFC 3629): strlen(text) if
 * all are. */
size_t parse_utf8(const char *text);
/* Base64 (RFC 4648, section 4) with its padding and nothing else. ret has room for 3 bytes of every 4 digits.
 */
int parse_base64(const char *text, uint8_t *ret, size_t *ret_len);
/* Writes 2*len digits and a NUL. */
void format_hex(const uint8_t *data, size_t len, char *ret);

#define MAC_TEXT_SIZE 18
/* aa:bb:cc:dd:ee:ff, also with dashes or upper case; *ret gets the canonical lower case colon form. */
int parse_mac(const char *text, char ret[MAC_TEXT_SIZE]);

/* Node, profile, group, channel names: 1 to 63 of [a-z0-9._-], beginning and ending with a letter or digit.
 */
int parse_name(const char *text);

#endif
