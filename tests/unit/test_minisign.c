/* Keys and signatures: our own round trips, samples made by minisign itself, and every way to spoil them.
 * tests/cli/sign.bats runs the two programs against each other. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imager/format/minisign.h"
#include "tests/unit/tempdir.h"

/* Made by minisign 0.11: minisign -G -W; minisign -S -t 'hello there' over "hi\n". */
static const char sample_public[] = "untrusted comment: minisign public key CCAA7224825FCD1C\n"
				    "RWQczV+CJHKqzDX+1Dqy7jFWocl9/KimYt/39/MP3MVcHl9QqKWODHVA\n";
static const char sample_secret[] =
	"untrusted comment: minisign encrypted secret key\n"
	"RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAHM1fgiRyqszitJqMxR+QBdLlm8FS"
	"44XdB9NlhnwU/JC0tplko44VcTX+1Dqy7jFWocl9/KimYt/39/"
	"MP3MVcHl9QqKWODHVAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	"AAAAAAA=\n";
static const char sample_signature[] =
	"untrusted comment: signature from minisign secret key\n"
	"RUQczV+CJHKqzCODxxkK6ql0L9qBAGXqJDTnMNPn19qIYrsxUkACKKU0YqjK1ncb5W/FSBxLbQb9GKsa4rYfp8alZ4tSTr/"
	"cAQA=\n"
	"trusted comment: hello there\n"
	"f+sVcU82p+NLjK8WmDwbSk3l/mZ9vkat9IjzyuVrs8xrFmgbjcGdei9glgdbf7lXNx1st1UMDR83IOfK7MzRDA==\n";
static const struct buf sample_data = {.data = (char *)"hi\n", .len = 3};

static struct minisign_keyring sample_ring(void)
{
	struct minisign_keyring ring;

	assert_int_equal(minisign_parse_keyring(sample_public, &ring, NULL), 0);
	return ring;
}

static void test_sample_verifies(void **state)
{
	struct minisign_keyring ring = sample_ring();
	_cleanup_free_ char *comment = NULL;
	struct err err = {0};
	char id[17];

	(void)state;
	minisign_id_text(ring.keys[0].id, id);
	assert_string_equal(id, "CCAA7224825FCD1C");
	if (minisign_verify(&ring, &sample_data, sample_signature, &comment, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(comment, "hello there");
}

/* Ed25519 is deterministic, so our signature differs in the untrusted comment alone. */
static void test_sample_is_signed_again(void **state)
{
	_cleanup_secret_ struct minisign_secret key = {0};
	_cleanup_buf_ struct buf text = {0};

	(void)state;
	assert_int_equal(minisign_parse_secret(sample_secret, NULL, &key, NULL), 0);
	assert_int_equal(minisign_sign(&key, &sample_data, "hello there", &text, NULL), 0);
	assert_string_equal(strchr(text.data, '\n'), strchr(sample_signature, '\n'));
}

static void test_sample_keys_are_written_again(void **state)
{
	struct minisign_keyring ring = sample_ring();
	_cleanup_secret_ struct minisign_secret key = {0};
	_cleanup_buf_ struct buf public = {0}, secret = {0};

	(void)state;
	assert_int_equal(minisign_format_public(&ring.keys[0], &public, NULL), 0);
	assert_string_equal(public.data, sample_public);
	assert_int_equal(minisign_parse_secret(sample_secret, NULL, &key, NULL), 0);
	assert_int_equal(minisign_format_secret(&key, NULL, &secret, NULL), 0);
	assert_string_equal(strchr(secret.data, '\n'), strchr(sample_secret, '\n'));
}

/* ---- spoiled ---- */

static size_t find(const char *text, const char *what)
{
	const char *at = strstr(text, what);

	assert_non_null(at);
	return (size_t)(at - text);
}

/* Every bit of the file but those of the untrusted comment's words, which nothing covers. */
static void test_signature_bit_flips(void **state)
{
	struct minisign_keyring ring = sample_ring();
	size_t from = strlen("untrusted comment: "), to = find(sample_signature, "\n");

	(void)state;
	for (size_t bit = 0; bit < 8 * strlen(sample_signature); bit++) {
		_cleanup_free_ char *text = strdup(sample_signature), *comment = NULL;
		size_t byte = bit / 8;
		int r;

		if (byte >= from && byte < to)
			continue;
		text[byte] = (char)(text[byte] ^ 1 << bit % 8);
		r = minisign_verify(&ring, &sample_data, text, &comment, NULL);
		if (r != -EBADMSG && r != -EKEYREJECTED && r != -ENOKEY)
			fail_msg("bit %zu of byte %zu: %d", bit % 8, byte, r);
		assert_null(comment);
	}
}

static void test_data_bit_flips(void **state)
{
	struct minisign_keyring ring = sample_ring();

	(void)state;
	for (size_t bit = 0; bit < 24; bit++) {
		char data[] = "hi\n";
		struct buf b = {.data = data, .len = 3};

		data[bit / 8] = (char)(data[bit / 8] ^ 1 << bit % 8);
		assert_int_equal(minisign_verify(&ring, &b, sample_signature, NULL, NULL), -EKEYREJECTED);
	}
	for (size_t len = 0; len < 3; len++)
		assert_int_equal(minisign_verify(&ring, &(struct buf){.data = sample_data.data, .len = len},
					 sample_signature, NULL, NULL),
			-EKEYREJECTED);
}

static void test_public_key_bit_flips(void **state)
{
	(void)state;
	for (size_t bit = 0; bit < 8 * 32; bit++) {
		struct minisign_keyring ring = sample_ring();

		ring.keys[0].key[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(
			minisign_verify(&ring, &sample_data, sample_signature, NULL, NULL), -EKEYREJECTED);
	}
}

static void test_signature_refused(void **state)
{
	static const struct {
		const char *from, *to;
		int expected;
	} rows[] = {
		{sample_signature, "", -EBADMSG},
		{"untrusted comment: signature from", "signature from", -EBADMSG},
		{"untrusted comment: ", "Untrusted comment: ", -EBADMSG},
		{"trusted comment: hello", "comment: hello", -EBADMSG},
		{"\ntrusted comment: hello there\n", "\n", -EBADMSG},
		{"\nRUQ", "\n RUQ", -EBADMSG},
		{"\nRUQ", "\n\nRUQ", -EBADMSG},
		{"\nRUQ", "\r\nRUQ", 0}, /* part of the untrusted comment */
		{"AQA=", "AQA", -EBADMSG},
		{"AQA=", "AQA==", -EBADMSG},
		{"AQA=", "AQA=AAAA", -EBADMSG},
		{"AQA=", "AQB=", -EBADMSG}, /* bits that the base64 of these bytes does not have */
		{"RDA==\n", "RDA==\n\n", -EBADMSG},
		{"RDA==\n", "RDA==\ntrailing", -EBADMSG},
		{"RDA==\n", "RDA==", 0},
		{"RDA==\n", "", -EBADMSG},
		{"hello there", "hello there ", -EKEYREJECTED},
		{"hello there", "hello  there", -EKEYREJECTED},
		{"hello there", "", -EKEYREJECTED},
		{"\nRUQc", "\nRWQc", -EBADMSG}, /* over the bytes themselves, not their hash */
		{"\nRUQc", "\nRUQd", -ENOKEY},
	};
	struct minisign_keyring ring = sample_ring();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = NULL;
		size_t at = find(sample_signature, rows[i].from);
		struct err err = {0};

		assert_true(asprintf(&text, "%.*s%s%s", (int)at, sample_signature, rows[i].to,
				    sample_signature + at + strlen(rows[i].from)) >= 0);
		if (minisign_verify(&ring, &sample_data, text, NULL, &err) != rows[i].expected)
			fail_msg("row %zu: %s", i, err.text);
	}
}

static void test_unknown_key_is_named(void **state)
{
	struct minisign_keyring ring = {.count = 1};
	struct minisign_secret secret;
	struct err err = {0};

	(void)state;
	assert_int_equal(minisign_generate(&secret, &ring.keys[0], NULL), 0);
	assert_int_equal(minisign_verify(&ring, &sample_data, sample_signature, NULL, &err), -ENOKEY);
	assert_non_null(strstr(err.text, "CCAA7224825FCD1C"));
	ring.count = 0;
	assert_int_equal(minisign_verify(&ring, &sample_data, sample_signature, NULL, NULL), -ENOKEY);
}

static void test_comment_is_one_line(void **state)
{
	_cleanup_buf_ struct buf text = {0};
	struct minisign_public public;
	struct minisign_secret key;

	(void)state;
	assert_int_equal(minisign_generate(&key, &public, NULL), 0);
	assert_int_equal(minisign_sign(&key, &sample_data, "two\nlines", &text, NULL), -EINVAL);
	assert_null(text.data);
}

/* ---- keyrings ---- */

static char *many_keys(size_t count)
{
	struct buf text = {0};

	assert_int_equal(buf_puts(&text, ""), 0);
	for (size_t i = 0; i < count; i++) {
		_cleanup_buf_ struct buf one = {0};
		struct minisign_public public;
		struct minisign_secret key;

		assert_int_equal(minisign_generate(&key, &public, NULL), 0);
		assert_int_equal(minisign_format_public(&public, &one, NULL), 0);
		assert_int_equal(buf_puts(&text, one.data), 0);
	}
	return buf_steal(&text);
}

static void test_keyring_sizes(void **state)
{
	(void)state;
	for (size_t count = 0; count <= MINISIGN_KEYRING_MAX + 1; count++) {
		_cleanup_free_ char *text = many_keys(count);
		_cleanup_buf_ struct buf again = {0};
		struct minisign_keyring ring = {0};
		int good = count > 0 && count <= MINISIGN_KEYRING_MAX;

		assert_int_equal(minisign_parse_keyring(text, &ring, NULL), good ? 0 : -EBADMSG);
		assert_int_equal(ring.count, good ? count : 0);
		assert_int_equal(minisign_format_keyring(&ring, &again, NULL), 0);
		if (good)
			assert_string_equal(again.data, text);
	}
}

static void test_keyring_refused(void **state)
{
	static const struct {
		const char *text;
		int expected;
	} rows[] = {
		{"", -EBADMSG},
		{"\n", -EBADMSG},
		{"RWQczV+CJHKqzDX+1Dqy7jFWocl9/KimYt/39/MP3MVcHl9QqKWODHVA\n", -EBADMSG},
		{"untrusted comment: x\n", -EBADMSG},
		{"untrusted comment: x\nRWQczV+CJHKqzDX+1Dqy7jFWocl9/KimYt/39/MP3MVcHl9QqKWODHVA", 0},
		{"untrusted comment: x\nRWQczV+CJHKqzDX+1Dqy7jFWocl9/KimYt/39/MP3MVcHl9QqKWODHVA\n\n",
			-EBADMSG},
		{"untrusted comment: x\nRUQczV+CJHKqzDX+1Dqy7jFWocl9/KimYt/39/MP3MVcHl9QqKWODHVA\n",
			-EBADMSG},
		{"untrusted comment: x\nRWQczV+CJHKqzDX+1Dqy7jFWocl9/KimYt/39/MP3MVcHl9QqKWODHU=\n",
			-EBADMSG},
		/* the same key twice is one; another key of the same id is a trick */
		{"untrusted comment: x\nRWQczV+CJHKqzDX+1Dqy7jFWocl9/KimYt/39/MP3MVcHl9QqKWODHVA\n"
		 "untrusted comment: y\nRWQczV+CJHKqzDX+1Dqy7jFWocl9/KimYt/39/MP3MVcHl9QqKWODHVA\n",
			0},
		{"untrusted comment: x\nRWQczV+CJHKqzDX+1Dqy7jFWocl9/KimYt/39/MP3MVcHl9QqKWODHVA\n"
		 "untrusted comment: y\nRWQczV+CJHKqzDX+1Dqy7jFWocl9/KimYt/39/MP3MVcHl9QqKWODHVB\n",
			-EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct minisign_keyring ring = {.count = 42};

		assert_int_equal(minisign_parse_keyring(rows[i].text, &ring, NULL), rows[i].expected);
		assert_int_equal(ring.count, rows[i].expected ? 42 : 1);
	}
}

static void test_keyring_files(void **state)
{
	_cleanup_free_ char *a = path_join(*state, "a.pub"), *b = path_join(*state, "b.pub"),
			    *empty = path_join(*state, "empty.pub"), *none = path_join(*state, "none.pub"),
			    *other = many_keys(1);
	const char *const both[] = {a, b}, *const with_empty[] = {a, empty}, *const with_none[] = {a, none};
	struct minisign_keyring ring;
	struct err err = {0};

	assert_int_equal(
		write_file(a, &(struct file_content){sample_public, strlen(sample_public), 0644}, NULL), 0);
	assert_int_equal(write_file(b, &(struct file_content){other, strlen(other), 0644}, NULL), 0);
	assert_int_equal(write_file(empty, &(struct file_content){"", 0, 0644}, NULL), 0);
	assert_int_equal(minisign_read_keyring(both, 2, &ring, NULL), 0);
	assert_int_equal(ring.count, 2);
	assert_int_equal(minisign_read_keyring(with_empty, 2, &ring, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "empty.pub: holds no public key"));
	assert_int_equal(minisign_read_keyring(with_none, 2, &ring, NULL), -ENOENT);
	assert_int_equal(minisign_read_keyring(NULL, 0, &ring, NULL), -EBADMSG);
}

/* ---- secret keys ---- */

/* The id is covered by nothing in an unencrypted key; a wrong one is found when the signature is not trusted.
 */
static void test_secret_key_bit_flips(void **state)
{
	size_t from = strlen("untrusted comment: "), to = find(sample_secret, "\n");
	struct minisign_secret whole;

	(void)state;
	assert_int_equal(minisign_parse_secret(sample_secret, NULL, &whole, NULL), 0);
	for (size_t bit = 0; bit < 8 * strlen(sample_secret); bit++) {
		_cleanup_free_ char *text = strdup(sample_secret);
		struct minisign_secret key = {0};

		if (bit / 8 >= from && bit / 8 < to)
			continue;
		text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
		if (minisign_parse_secret(text, NULL, &key, NULL) == 0)
			assert_memory_equal(key.key, whole.key, sizeof(key.key));
	}
}

static void test_password(void **state)
{
	_cleanup_buf_ struct buf text = {0};
	struct minisign_secret key, again;
	struct minisign_public public;
	static const struct {
		const char *password;
		int expected;
	} rows[] = {{NULL, -ENOKEY}, {"", -ENOKEY}, {"wrong", -EKEYREJECTED}, {"correct horse", 0}};

	(void)state;
	assert_int_equal(minisign_generate(&key, &public, NULL), 0);
	assert_int_equal(minisign_format_secret(&key, "correct horse", &text, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(&again, 0, sizeof(again));
		assert_int_equal(
			minisign_parse_secret(text.data, rows[i].password, &again, NULL), rows[i].expected);
		if (rows[i].expected == 0)
			assert_memory_equal(&key, &again, sizeof(key));
	}
}

static void test_secret_refused(void **state)
{
	static const struct {
		const char *from, *to;
	} rows[] = {
		{sample_secret, ""},
		{"untrusted comment: ", ""},
		{"RWQAAEIy", "RUQAAEIy"}, /* signature algorithm */
		{"RWQAAEIy", "RWQAAUIy"}, /* encryption */
		{"RWQAAEIy", "RWQAAEIx"}, /* checksum */
		{"AAAAAAA=\n", "AAAAAAA=\n\n"},
		{"AAAAAAA=\n", "AAAA\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = NULL;
		size_t at = find(sample_secret, rows[i].from);
		struct minisign_secret key;

		assert_true(asprintf(&text, "%.*s%s%s", (int)at, sample_secret, rows[i].to,
				    sample_secret + at + strlen(rows[i].from)) >= 0);
		assert_int_equal(minisign_parse_secret(text, "x", &key, NULL), -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sample_verifies),
		cmocka_unit_test(test_sample_is_signed_again),
		cmocka_unit_test(test_sample_keys_are_written_again),
		cmocka_unit_test(test_signature_bit_flips),
		cmocka_unit_test(test_data_bit_flips),
		cmocka_unit_test(test_public_key_bit_flips),
		cmocka_unit_test(test_signature_refused),
		cmocka_unit_test(test_unknown_key_is_named),
		cmocka_unit_test(test_comment_is_one_line),
		cmocka_unit_test(test_keyring_sizes),
		cmocka_unit_test(test_keyring_refused),
		unit_test_in_dir(test_keyring_files),
		cmocka_unit_test(test_secret_key_bit_flips),
		cmocka_unit_test(test_password),
		cmocka_unit_test(test_secret_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
