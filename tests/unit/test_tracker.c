/* The announce protocol: queries good and bad, and the bytes of the answers. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "seeder/tracker.h"

#define HASH          "info_hash=%01AAAAAAAAAAAAAAAAAAA"
#define GOOD          HASH "&port=6881&left=5"
#define HEAD(c, i, s) "d8:completei" c "e10:incompletei" i "e8:intervali" s "e12:min intervali1e5:peers"
#define SEEDER        "\x0a\x4d\x00\x01\x1a\xe1"

static int rack_of(struct in_addr address, void *arg)
{
	(void)arg;
	return (ntohl(address.s_addr) >> 8) == 0x0a4d00 ? 0 : -1;
}

static struct in_addr ip(const char *text)
{
	struct in_addr address;

	assert_int_equal(inet_pton(AF_INET, text, &address), 1);
	return address;
}

static const uint8_t *infohash(void)
{
	return (const uint8_t *)"\x01"
				"AAAAAAAAAAAAAAAAAAA";
}

static struct tracker *make(void)
{
	struct tracker *t = tracker_new((struct topology){.rack_of = rack_of, .chains = 4});

	assert_non_null(t);
	assert_int_equal(tracker_add_seeder(t, infohash(), ip("10.77.0.1"), 6881), 0);
	return t;
}

struct bytes {
	const char *data;
	size_t len;
};
#define BYTES(text)                                                                                          \
	{                                                                                                    \
		text, sizeof(text) - 1                                                                       \
	}

static void check(struct tracker *t, const char *query, const char *from, struct bytes expected)
{
	_cleanup_buf_ struct buf answer = {0};

	assert_int_equal(tracker_announce(t, query, ip(from), 1000, &answer), 0);
	if (answer.len != expected.len || memcmp(answer.data, expected.data, answer.len) != 0)
		fail_msg("%s from %s: got %s", query, from, answer.data);
}

static void test_answers(void **state)
{
	static const struct {
		const char *from, *query;
		struct bytes expected;
	} rows[] = {
		{"10.77.0.11", GOOD "&event=started", BYTES(HEAD("1", "1", "2") "6:" SEEDER "e")},
		{"10.77.0.12", GOOD,
			BYTES(HEAD("1", "2", "2") "6:\x0a\x4d\x00\x0b\x1a\xe1"
						  "e")},
		/* what it says of its own address is not believed; unknown keys are nothing */
		{"10.77.0.11", GOOD "&ip=1.2.3.4&ipv4=1.2.3.4&compact=0&x&=&&key=%zz",
			BYTES(HEAD("1", "2", "2") "6:" SEEDER "e")},
		/* another order, escapes in lower case, BEP 21's event */
		{"10.77.0.11",
			"event=paused&left=5&port=6881&info_hash=%01%41%41%41%41%41%41%41%41%41%41%41%41%41%"
			"41"
			"%41%41%41%41%41",
			BYTES(HEAD("1", "2", "2") "6:" SEEDER "e")},
		{"10.77.0.11", HASH "&port=6881&left=0&event=completed", BYTES(HEAD("2", "1", "30") "0:e")},
		{"10.77.0.11", HASH "&port=6881&left=0&event=stopped", BYTES(HEAD("1", "1", "30") "0:e")},
		{"10.77.0.11", HASH "&port=6881&left=0&event=stopped", BYTES(HEAD("1", "1", "30") "0:e")},
		/* a stranger gets several, or as many as it wants */
		{"192.0.2.1", GOOD "&numwant=-1",
			BYTES(HEAD("1", "2", "2") "12:" SEEDER "\x0a\x4d\x00\x0c\x1a\xe1"
						  "e")},
		{"192.0.2.1", GOOD "&numwant=1", BYTES(HEAD("1", "2", "2") "6:" SEEDER "e")},
		{"192.0.2.1", GOOD "&numwant=0", BYTES(HEAD("1", "2", "2") "0:e")},
	};
	_cleanup_tracker_ struct tracker *t = make();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check(t, rows[i].query, rows[i].from, rows[i].expected);
}

static int is_paused(struct in_addr address, void *arg)
{
	return address.s_addr == *(const in_addr_t *)arg;
}

/* Told at the announce, or between two of them. */
static void test_paused(void **state)
{
	in_addr_t paused = ip("10.77.0.11").s_addr;
	struct topology topology = {.rack_of = rack_of, .is_paused = is_paused, .arg = &paused, .chains = 4};
	_cleanup_tracker_ struct tracker *t = tracker_new(topology);

	(void)state;
	assert_int_equal(tracker_add_seeder(t, infohash(), ip("10.77.0.1"), 6881), 0);
	check(t, GOOD, "10.77.0.11", (struct bytes)BYTES(HEAD("1", "1", "2") "6:" SEEDER "e"));
	check(t, GOOD, "10.77.0.12", (struct bytes)BYTES(HEAD("1", "2", "2") "6:" SEEDER "e"));
	tracker_pause(t, ip("10.77.0.11"), 0);
	tracker_pause(t, ip("10.77.0.12"), 1);
	check(t, GOOD, "10.77.0.13",
		(struct bytes)BYTES(HEAD("1", "3", "2") "6:\x0a\x4d\x00\x0b\x1a\xe1"
							"e"));
}

#define WRONG(len, key)                                                                                      \
	"d14:failure reason" len ":" key " is missing, wrong or there twice"                                 \
	"e"

static void test_failures(void **state)
{
	static const struct {
		const char *query, *expected;
	} rows[] = {
		{NULL, WRONG("42", "info_hash")},
		{"", WRONG("42", "info_hash")},
		{"&&&", WRONG("42", "info_hash")},
		{"port=1&left=1", WRONG("42", "info_hash")},
		{"info_hash&port=1&left=1", WRONG("42", "info_hash")},
		{"info_hash=&port=1&left=1", WRONG("42", "info_hash")},
		{"info_hash=AAAAAAAAAAAAAAAAAAA&port=1&left=1", WRONG("42", "info_hash")},
		{"info_hash=AAAAAAAAAAAAAAAAAAAAA&port=1&left=1", WRONG("42", "info_hash")},
		{"info_hash=AAAAAAAAAAAAAAAAAAA%4&port=1&left=1", WRONG("42", "info_hash")},
		{"info_hash=AAAAAAAAAAAAAAAAAAA%&port=1&left=1", WRONG("42", "info_hash")},
		{"info_hash=AAAAAAAAAAAAAAAAAAA%4g&port=1&left=1", WRONG("42", "info_hash")},
		{HASH "&" GOOD, WRONG("42", "info_hash")},
		{HASH "&left=5", WRONG("37", "port")},
		{HASH "&port=0&left=5", WRONG("37", "port")},
		{HASH "&port=65536&left=5", WRONG("37", "port")},
		{HASH "&port=-1&left=5", WRONG("37", "port")},
		{HASH "&port=80%00&left=5", WRONG("37", "port")},
		{HASH "&port=80", WRONG("37", "left")},
		{HASH "&port=80&left=", WRONG("37", "left")},
		{HASH "&port=80&left=-5", WRONG("37", "left")},
		{HASH "&port=80&left=18446744073709551616", WRONG("37", "left")},
		{GOOD "&numwant=many", WRONG("40", "numwant")},
		{GOOD "&downloaded=1e9", WRONG("43", "downloaded")},
		{"info_hash=AAAAAAAAAAAAAAAAAAAA&port=80&left=5", "d14:failure reason20:no such torrent here"
								  "e"},
	};
	_cleanup_tracker_ struct tracker *t = make();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check(t, rows[i].query, "10.77.0.11",
			(struct bytes){rows[i].expected, strlen(rows[i].expected)});
}

/* Long values are refused, not cut; the query's length itself is bounded by the HTTP server. */
static void test_long_query(void **state)
{
	_cleanup_tracker_ struct tracker *t = make();
	_cleanup_buf_ struct buf query = {0};

	(void)state;
	assert_int_equal(buf_puts(&query, HASH "&left=5&port="), 0);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(buf_puts(&query, "0"), 0);
	assert_int_equal(buf_puts(&query, "80"), 0);
	check(t, query.data, "10.77.0.11", (struct bytes)BYTES(WRONG("37", "port")));
}

/* Every prefix and every single changed byte gets a well-formed answer. */
static void test_mangled(void **state)
{
	static const char query[] = GOOD "&downloaded=0&event=started&numwant=8";
	_cleanup_tracker_ struct tracker *t = make();
	char mangled[sizeof(query)];

	(void)state;
	for (size_t i = 0; i < sizeof(query) - 1; i++)
		for (unsigned c = 0; c < 256; c++) {
			_cleanup_buf_ struct buf answer = {0};

			memcpy(mangled, query, sizeof(query));
			mangled[i] = (char)c;
			assert_int_equal(tracker_announce(t, mangled, ip("10.77.0.11"), 1, &answer), 0);
			assert_true(answer.len > 2 && answer.data[0] == 'd' &&
				    answer.data[answer.len - 1] == 'e');
		}
}

#define FILE1(c, d, i)                                                                                       \
	"20:\x01"                                                                                            \
	"AAAAAAAAAAAAAAAAAAAd8:completei" c "e10:downloadedi" d "e10:incompletei" i "ee"
#define FILE2                                                                                                \
	"20:\x01"                                                                                            \
	"BBBBBBBBBBBBBBBBBBBd8:completei1e10:downloadedi0e10:incompletei0ee"

static void scrape(struct tracker *t, const char *query, const char *expected)
{
	_cleanup_buf_ struct buf answer = {0};

	assert_int_equal(tracker_scrape(t, query, 2000, &answer), 0);
	if (strcmp(answer.data, expected) != 0)
		fail_msg("%s: got %s", query, answer.data);
}

static void test_scrape(void **state)
{
	static const struct {
		const char *query, *expected;
	} rows[] = {
		{NULL, "d5:filesd" FILE1("2", "1", "1") FILE2 "ee"},
		{"", "d5:filesd" FILE1("2", "1", "1") FILE2 "ee"},
		{"x=1&info_hash", "d5:filesd" FILE1("2", "1", "1") FILE2 "ee"},
		{HASH, "d5:filesd" FILE1("2", "1", "1") "ee"},
		{"info_hash=%01BBBBBBBBBBBBBBBBBBB&" HASH "&" HASH,
			"d5:filesd" FILE1("2", "1", "1") FILE2 "ee"},
		{"info_hash=AAAAAAAAAAAAAAAAAAAA", "d5:filesdee"},
		{"info_hash=A", "d14:failure reason37:info_hash is wrong or there too oftene"},
		{HASH "%", "d14:failure reason37:info_hash is wrong or there too oftene"},
	};
	_cleanup_tracker_ struct tracker *t = make();
	_cleanup_buf_ struct buf query = {0};

	(void)state;
	/* added in another order than they are listed in */
	tracker_drop(t, infohash());
	assert_int_equal(tracker_add_seeder(t,
				 (const uint8_t *)"\x01"
						  "BBBBBBBBBBBBBBBBBBB",
				 ip("10.77.0.1"), 6881),
		0);
	assert_int_equal(tracker_add_seeder(t, infohash(), ip("10.77.0.1"), 6881), 0);
	check(t, GOOD, "10.77.0.11", (struct bytes)BYTES(HEAD("1", "1", "2") "6:" SEEDER "e"));
	check(t, HASH "&port=6881&left=0", "10.77.0.11", (struct bytes)BYTES(HEAD("2", "0", "30") "0:e"));
	check(t, HASH "&port=6881&left=0", "10.77.0.11", (struct bytes)BYTES(HEAD("2", "0", "30") "0:e"));
	check(t, GOOD "&numwant=0", "192.0.2.1", (struct bytes)BYTES(HEAD("2", "1", "2") "0:e"));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		scrape(t, rows[i].query, rows[i].expected);
	for (int i = 0; i < TRACKER_SCRAPE_MAX; i++)
		assert_int_equal(buf_puts(&query, HASH "&"), 0);
	scrape(t, query.data, "d5:filesd" FILE1("2", "1", "1") "ee");
	assert_int_equal(buf_puts(&query, HASH), 0);
	scrape(t, query.data, "d14:failure reason37:info_hash is wrong or there too oftene");
}

static void test_drop(void **state)
{
	_cleanup_tracker_ struct tracker *t = make();

	(void)state;
	check(t, GOOD, "10.77.0.11", (struct bytes)BYTES(HEAD("1", "1", "2") "6:" SEEDER "e"));
	tracker_drop(t, infohash());
	tracker_drop(t, infohash());
	check(t, GOOD, "10.77.0.11",
		(struct bytes)BYTES("d14:failure reason20:no such torrent here"
				    "e"));
}

static void *announce_many(void *arg)
{
	for (unsigned i = 0; i < 2000; i++) {
		_cleanup_buf_ struct buf answer = {0};
		struct in_addr from = {.s_addr = htonl(0x0a4d0000 + 2 + i % 200)};

		if (tracker_announce(arg, GOOD "&event=started", from, i, &answer) < 0)
			return arg;
	}
	return NULL;
}

static void test_threads(void **state)
{
	_cleanup_tracker_ struct tracker *t = make();
	pthread_t threads[4];
	void *failed;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, announce_many, t), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_paused),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_long_query),
		cmocka_unit_test(test_mangled),
		cmocka_unit_test(test_scrape),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests_name("tracker", tests, NULL, NULL);
}
