/* The swarm over loopback: a transfer and its counts, what is refused, what is resumed, how it ends. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "imager/base/io.h"
#include "imager/base/loop.h"
#include "imager/format/digest.h"
#include "seeder/swarm/swarm.h"

#define SIZE    (3 * 1024 * 1024 + 12345)
#define WAIT_MS 20000

struct fixture {
	char dir[32];
	char *seed_path, *leech_path;
	char *data;
	struct buf torrent;
};

static int make_torrent(const char *path, uint64_t size, struct buf *ret, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct swarm_make make = {.fd = fd, .size = size, .name = "image"};

	assert_true(fd >= 0);
	return swarm_make_torrent(&make, ret, err);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct file_content content = {.len = SIZE, .mode = 0644};
	struct err err = {0};

	assert_non_null(f);
	memcpy(f->dir, "/tmp/swarm-test.XXXXXX", 23);
	assert_non_null(mkdtemp(f->dir));
	f->seed_path = path_join(f->dir, "seed.img");
	f->leech_path = path_join(f->dir, "leech.img");
	f->data = malloc(SIZE);
	assert_non_null(f->data);
	srandom(1);
	for (size_t i = 0; i < SIZE; i++)
		f->data[i] = (char)random();
	content.data = f->data;
	assert_int_equal(write_file(f->seed_path, &content, &err), 0);
	assert_int_equal(make_torrent(f->seed_path, SIZE, &f->torrent, &err), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	(void)remove_tree(f->dir, NULL);
	buf_release(&f->torrent);
	free(f->seed_path);
	free(f->leech_path);
	free(f->data);
	free(f);
	return 0;
}

static struct swarm *start(enum swarm_role role, const char *listen)
{
	struct swarm_options options = {.role = role, .listen = listen};
	struct err err = {0};
	struct swarm *s = swarm_new(&options, &err);

	if (!s)
		fail_msg("%s", err.text);
	return s;
}

static int add(struct swarm *s, const struct fixture *f, int complete, struct err *err)
{
	struct swarm_torrent t = {.torrent = f->torrent.data,
		.len = f->torrent.len,
		.path = complete ? f->seed_path : f->leech_path,
		.complete = complete};

	return swarm_add(s, &t, err);
}

/* Waits for the next event on the fd alone. */
static struct swarm_event await(struct swarm *s)
{
	struct pollfd p = {.fd = swarm_fd(s), .events = POLLIN};
	uint64_t end = monotonic_ms() + WAIT_MS;
	struct swarm_event event;

	while (!swarm_next_event(s, &event)) {
		uint64_t now = monotonic_ms();

		if (now >= end || poll(&p, 1, (int)(end - now)) <= 0)
			fail_msg("no event came");
	}
	return event;
}

static void assert_fetched(const struct fixture *f)
{
	_cleanup_free_ char *data = NULL;
	struct err err = {0};
	size_t len;

	assert_int_equal(read_file(f->leech_path, SIZE, &data, &len, &err), 0);
	assert_int_equal(len, SIZE);
	assert_memory_equal(data, f->data, SIZE);
}

static void transfer(const struct fixture *f, const char *mark, struct swarm_stats *ret)
{
	struct swarm *seeder = start(SWARM_SEEDER, "127.0.0.1:0");
	struct swarm *node = start(SWARM_NODE, "127.0.0.2:0");
	struct swarm_event event;
	struct err err = {0};

	assert_int_equal(swarm_mark(node, mark), 0);
	assert_int_equal(add(seeder, f, 1, &err), 0);
	assert_int_equal(add(node, f, 0, &err), 0);
	assert_int_equal(swarm_connect(node, 0, "127.0.0.1", swarm_port(seeder)), 0);
	event = await(node);
	assert_string_equal(event.text, "");
	assert_int_equal(event.kind, SWARM_EVENT_DONE);
	assert_int_equal(event.handle, 0);
	assert_int_equal(swarm_stats(node, 0, ret), 0);
	swarm_free(node);
	swarm_free(seeder);
	assert_fetched(f);
}

static void test_transfer_counts(void **state)
{
	static const struct {
		const char *mark;
		uint64_t from_marked;
	} rows[] = {{"127.0.0.1", SIZE}, {"127.0.0.9", 0}};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct swarm_stats stats;

		(void)unlink(f->leech_path);
		transfer(f, rows[i].mark, &stats);
		assert_int_equal(stats.size, SIZE);
		assert_int_equal(stats.done, SIZE);
		assert_int_equal(stats.downloaded, SIZE);
		assert_int_equal(stats.from_marked, rows[i].from_marked);
		assert_int_equal(stats.wasted, 0);
	}
}

/* What a fetcher that died left behind is checked and kept: only what is missing is fetched again. */
static void test_resume(void **state)
{
	struct fixture *f = *state;
	struct file_content half = {.data = f->data, .len = SIZE / 2, .mode = 0644};
	struct swarm_stats stats;

	assert_int_equal(write_file(f->leech_path, &half, NULL), 0);
	transfer(f, "127.0.0.1", &stats);
	assert_true(stats.downloaded <= SIZE / 2 + swarm_piece_length(SIZE));
	assert_int_equal(stats.done, SIZE);
	transfer(f, "127.0.0.1", &stats);
	assert_int_equal(stats.downloaded, 0);
	assert_int_equal(stats.done, SIZE);
}

/* Pieces that lie about their bytes never count as done. */
static void test_corrupt_seeder(void **state)
{
	struct fixture *f = *state;
	struct swarm *seeder = start(SWARM_SEEDER, "127.0.0.1:0");
	struct swarm *node = start(SWARM_NODE, "127.0.0.2:0");
	struct swarm_stats stats = {0};
	uint64_t end = monotonic_ms() + WAIT_MS;
	_cleanup_close_ int fd = open(f->seed_path, O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, "not what was hashed", 19, 0), 19);
	assert_int_equal(add(seeder, f, 1, NULL), 0);
	assert_int_equal(add(node, f, 0, NULL), 0);
	assert_int_equal(swarm_connect(node, 0, "127.0.0.1", swarm_port(seeder)), 0);
	while (stats.wasted == 0 && monotonic_ms() < end)
		assert_int_equal(swarm_stats(node, 0, &stats), 0);
	assert_true(stats.wasted > 0);
	assert_true(stats.done < SIZE);
	swarm_free(node);
	swarm_free(seeder);
}

/* A seeder whose file is cut while it seeds says so, and lives; also when libtorrent has not looked yet. */
static void truncated_seeder(const struct fixture *f, int looked)
{
	_cleanup_free_ char *data = NULL;
	size_t len;
	struct swarm *seeder = start(SWARM_SEEDER, "127.0.0.1:0");
	struct swarm *node = start(SWARM_NODE, "127.0.0.2:0");
	struct swarm_event event;

	assert_int_equal(add(seeder, f, 1, NULL), 0);
	for (struct swarm_stats stats; looked; looked--)
		assert_int_equal(swarm_stats(seeder, 0, &stats), 0);
	assert_int_equal(truncate(f->seed_path, SIZE / 3), 0);
	assert_int_equal(add(node, f, 0, NULL), 0);
	assert_int_equal(swarm_connect(node, 0, "127.0.0.1", swarm_port(seeder)), 0);
	event = await(seeder);
	assert_int_equal(event.kind, SWARM_EVENT_FAILED);
	assert_non_null(strstr(event.text, "seed.img"));
	swarm_free(node);
	swarm_free(seeder);
	assert_int_equal(read_file(f->seed_path, SIZE, &data, &len, NULL), 0);
	assert_int_equal(len, SIZE / 3);
	assert_memory_equal(data, f->data, len);
}

static void test_truncated_seeder(void **state)
{
	struct fixture *f = *state;
	struct file_content content = {.data = f->data, .len = SIZE, .mode = 0644};

	for (int looked = 0; looked < 20; looked += 4) {
		(void)unlink(f->leech_path);
		assert_int_equal(write_file(f->seed_path, &content, NULL), 0);
		truncated_seeder(f, looked);
	}
}

static void test_events_of_complete(void **state)
{
	struct fixture *f = *state;
	struct swarm *s = start(SWARM_SEEDER, "127.0.0.1:0");
	struct swarm_event event;
	struct swarm_stats stats;

	assert_int_equal(add(s, f, 1, NULL), 0);
	assert_int_equal(swarm_stats(s, 0, &stats), 0);
	assert_int_equal(stats.done, SIZE);
	assert_int_equal(swarm_next_event(s, &event), 0);
	swarm_free(s);
}

static void test_handles(void **state)
{
	struct fixture *f = *state;
	struct swarm *s = start(SWARM_NODE, "127.0.0.1:0");
	struct swarm_stats stats;
	struct err err = {0};

	assert_int_equal(add(s, f, 0, &err), 0);
	assert_int_equal(add(s, f, 0, &err), -EEXIST);
	swarm_remove(s, 0);
	swarm_remove(s, 0);
	swarm_remove(s, 7);
	assert_int_equal(swarm_stats(s, 0, &stats), -ENOENT);
	assert_int_equal(swarm_stats(s, -1, &stats), -ENOENT);
	assert_int_equal(swarm_connect(s, 0, "127.0.0.2", 1), -ENOENT);
	assert_int_equal(swarm_mark(s, "nonsense"), -EINVAL);
	assert_int_equal(add(s, f, 0, &err), 1);
	assert_int_equal(swarm_connect(s, 1, "nonsense", 1), -EINVAL);
	swarm_free(s);
	swarm_free(NULL);
}

static void test_listen_refused(void **state)
{
	struct swarm *first = start(SWARM_NODE, "127.0.0.1:0");
	char taken[32];
	const char *rows[] = {taken, "192.0.2.1:6881", "nonsense", ""};

	(void)state;
	(void)snprintf(taken, sizeof(taken), "127.0.0.1:%u", swarm_port(first));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct swarm_options options = {.role = SWARM_SEEDER, .listen = rows[i]};
		struct err err = {0};

		assert_null(swarm_new(&options, &err));
		assert_non_null(strstr(err.text, "cannot listen on"));
	}
	swarm_free(first);
}

/* A tracker that cannot be reached holds the end back for two seconds at most. */
static void test_free_with_dead_tracker(void **state)
{
	static const char *const trackers[] = {
		"http://192.0.2.1:9/announce", "http://127.0.0.1:1/announce", NULL};
	struct fixture *f = *state;
	struct swarm *s = start(SWARM_NODE, "127.0.0.1:0");
	struct swarm_torrent t = {.torrent = f->torrent.data,
		.len = f->torrent.len,
		.path = f->leech_path,
		.trackers = trackers};
	struct swarm_event event;
	uint64_t begin;

	assert_int_equal(swarm_add(s, &t, NULL), 0);
	event = await(s);
	assert_int_equal(event.kind, SWARM_EVENT_TRACKER);
	assert_non_null(strstr(event.text, "/announce: "));
	begin = monotonic_ms();
	swarm_free(s);
	assert_true(monotonic_ms() - begin < 2500);
}

/* No room: refused before the first byte, with the numbers. */
static void test_no_room(void **state)
{
	static const char big[] =
		"d4:infod6:lengthi1152921504606846976e4:name5:image12:piece lengthi16777216e"
		"6:pieces0:7:privatei1eee";
	struct fixture *f = *state;
	struct swarm *s = start(SWARM_NODE, "127.0.0.1:0");
	struct swarm_torrent t = {.torrent = big, .len = sizeof(big) - 1, .path = f->leech_path};
	struct err err = {0};

	assert_true(swarm_add(s, &t, &err) < 0);
	assert_int_not_equal(err.text[0], '\0');
	swarm_free(s);
}

static void test_wrong_files(void **state)
{
	struct fixture *f = *state;
	struct swarm *s = start(SWARM_SEEDER, "127.0.0.1:0");
	struct err err = {0};

	assert_int_equal(truncate(f->seed_path, SIZE - 1), 0);
	assert_int_equal(add(s, f, 1, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "the torrent says"));
	assert_int_equal(unlink(f->seed_path), 0);
	assert_int_equal(add(s, f, 1, &err), -ENOENT);
	assert_int_equal(mkdir(f->leech_path, 0755), 0);
	assert_true(add(s, f, 0, &err) < 0);
	swarm_free(s);
}

#define PIECE "6:pieces20:aaaaaaaaaaaaaaaaaaaa"

static void test_refused_torrents(void **state)
{
	static const char *const rows[] = {
		"",
		"nonsense",
		"i1e",
		"le",
		"de",
		"d4:infodee",
		"d4:infoi1ee",
		/* not private */
		"d4:infod6:lengthi5e4:name1:a12:piece lengthi262144e" PIECE "ee",
		"d4:infod6:lengthi5e4:name1:a12:piece lengthi262144e" PIECE "7:privatei0eee",
		/* paths */
		"d4:infod6:lengthi5e4:name4:../a12:piece lengthi262144e" PIECE "7:privatei1eee",
		"d4:infod6:lengthi5e4:name3:a/b12:piece lengthi262144e" PIECE "7:privatei1eee",
		"d4:infod6:lengthi5e4:name2:/a12:piece lengthi262144e" PIECE "7:privatei1eee",
		"d4:infod6:lengthi5e4:name2:..12:piece lengthi262144e" PIECE "7:privatei1eee",
		"d4:infod6:lengthi5e4:name0:12:piece lengthi262144e" PIECE "7:privatei1eee",
		/* sizes */
		"d4:infod6:lengthi0e4:name1:a12:piece lengthi262144e6:pieces0:7:privatei1eee",
		"d4:infod6:lengthi-5e4:name1:a12:piece lengthi262144e" PIECE "7:privatei1eee",
		"d4:infod6:lengthi5e4:name1:a12:piece lengthi0e" PIECE "7:privatei1eee",
		"d4:infod6:lengthi5e4:name1:a12:piece lengthi-1e" PIECE "7:privatei1eee",
		"d4:infod6:lengthi9223372036854775807e4:name1:a12:piece lengthi262144e" PIECE
		"7:privatei1eee",
		"d4:infod6:lengthi300000e4:name1:a12:piece lengthi262144e" PIECE "7:privatei1eee",
		"d4:infod6:lengthi5e4:name1:a12:piece "
		"lengthi262144e6:pieces19:aaaaaaaaaaaaaaaaaaa7:privatei1eee",
		/* several files, padding, links, hybrid, unknown keys */
		"d4:infod5:filesld6:lengthi5e4:pathl1:aeee4:name1:a12:piece lengthi262144e" PIECE
		"7:privatei1eee",
		"d4:infod4:attr1:p6:lengthi5e4:name1:a12:piece lengthi262144e" PIECE "7:privatei1eee",
		"d4:infod6:lengthi5e12:meta versioni2e4:name1:a12:piece lengthi262144e" PIECE
		"7:privatei1eee",
		"d4:infod6:lengthi5e4:name1:a6:lengthi5e12:piece lengthi262144e" PIECE "7:privatei1eee",
	};
	static const char good[] =
		"d4:infod6:lengthi5e4:name1:a12:piece lengthi262144e" PIECE "7:privatei1eee";
	struct swarm_info info;

	(void)state;
	assert_int_equal(swarm_inspect(good, sizeof(good) - 1, &info, NULL), 0);
	assert_string_equal(info.name, "a");
	assert_int_equal(info.size, 5);
	assert_int_equal(info.piece_length, 262144);
	for (size_t len = 0; len < sizeof(good) - 1; len++)
		assert_int_equal(swarm_inspect(good, len, &info, NULL), -EBADMSG);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = {0};

		if (swarm_inspect(rows[i], strlen(rows[i]), &info, &err) != -EBADMSG)
			fail_msg("row %zu: not refused", i);
		assert_true(!strncmp(err.text, "torrent: ", 9));
	}
}

static int count_progress(uint64_t done, void *arg)
{
	uint64_t *last = arg;

	assert_true(done > *last);
	*last = done;
	return 0;
}

/* The same file gives the same bytes; they are pinned, as every seeder must agree on the infohash. */
static void test_make(void **state)
{
	static const char expected[] =
		"d4:infod6:lengthi5e4:name5:image12:piece lengthi131072e6:pieces20:"
		"\xaa\xf4\xc6\x1d\xdc\xc5\xe8\xa2\xda\xbe\xde\x0f\x3b\x48\x2c\xd9\xae\xa9\x43\x4d"
		"7:privatei1eee";
	struct fixture *f = *state;
	struct file_content hello = {.data = "hello", .len = 5, .mode = 0644};
	_cleanup_close_ int fd = open(f->seed_path, O_RDONLY | O_CLOEXEC);
	uint64_t done = 0;
	struct swarm_make make = {
		.fd = fd, .size = SIZE, .name = "image", .progress = count_progress, .arg = &done};
	_cleanup_buf_ struct buf again = {0}, small = {0}, none = {0};
	struct err err = {0};

	assert_int_equal(swarm_make_torrent(&make, &again, &err), 0);
	assert_int_equal(done, SIZE);
	assert_int_equal(again.len, f->torrent.len);
	assert_memory_equal(again.data, f->torrent.data, again.len);
	assert_int_equal(write_file(f->leech_path, &hello, &err), 0);
	assert_int_equal(make_torrent(f->leech_path, 5, &small, &err), 0);
	assert_int_equal(small.len, sizeof(expected) - 1);
	assert_memory_equal(small.data, expected, small.len);
	assert_int_equal(make_torrent(f->leech_path, 0, &none, &err), -EINVAL);
	assert_int_equal(make_torrent(f->leech_path, 6, &none, &err), -EIO);
	make.name = "../image";
	assert_int_equal(swarm_make_torrent(&make, &none, &err), -EINVAL);
	assert_int_equal(none.len, 0);
}

/* Asked until the node's count is right, then the count once more. */
static struct swarm_stats until(struct swarm *s, int (*is_so)(const struct swarm_stats *s))
{
	uint64_t end = monotonic_ms() + WAIT_MS;
	struct swarm_stats stats;

	do {
		assert_int_equal(swarm_stats(s, 0, &stats), 0);
		if (monotonic_ms() > end)
			fail_msg("never so: %llu bytes up, %u peers", (unsigned long long)stats.uploaded,
				stats.peers);
	} while (!is_so(&stats));
	return stats;
}

static int has_sent(const struct swarm_stats *s)
{
	return s->uploaded > 0;
}

static int is_alone(const struct swarm_stats *s)
{
	return s->peers == 0;
}

/* In the middle of a transfer that a bound holds up: nobody is connected any more; then it goes on to the
 * end. */
static void test_pause(void **state)
{
	struct fixture *f = *state;
	struct swarm *seeder = start(SWARM_NODE, "127.0.0.1:0");
	struct swarm *node = start(SWARM_NODE, "127.0.0.2:0");
	struct swarm_stats before, after;
	uint64_t paused;

	assert_int_equal(swarm_pause(seeder, 0, 1), -ENOENT);
	assert_int_equal(swarm_announce(seeder, 0), -ENOENT);
	assert_int_equal(swarm_limit(seeder, 512 * 1024), 0);
	assert_int_equal(add(seeder, f, 1, NULL), 0);
	assert_int_equal(add(node, f, 0, NULL), 0);
	assert_int_equal(swarm_connect(node, 0, "127.0.0.1", swarm_port(seeder)), 0);
	(void)until(seeder, has_sent);
	paused = monotonic_ms();
	assert_int_equal(swarm_pause(seeder, 0, 1), 0);
	before = until(seeder, is_alone);
	assert_true(monotonic_ms() - paused < 1000);
	/* It is not let in again. */
	assert_int_equal(swarm_connect(node, 0, "127.0.0.1", swarm_port(seeder)), 0);
	(void)until(node, is_alone);
	after = until(seeder, is_alone);
	assert_int_equal(after.uploaded, before.uploaded);
	assert_true(after.uploaded < SIZE);
	assert_int_equal(swarm_limit(seeder, 0), 0);
	assert_int_equal(swarm_pause(seeder, 0, 0), 0);
	assert_int_equal(swarm_connect(node, 0, "127.0.0.1", swarm_port(seeder)), 0);
	assert_int_equal(await(node).kind, SWARM_EVENT_DONE);
	swarm_free(node);
	swarm_free(seeder);
	assert_fetched(f);
}

/* Who lacks a part, and who as good as nothing; none once it is whole. */
static void test_followers(void **state)
{
	struct fixture *f = *state;
	struct swarm *seeder = start(SWARM_NODE, "127.0.0.1:0");
	struct swarm *node = start(SWARM_NODE, "127.0.0.2:0");
	uint64_t end = monotonic_ms() + WAIT_MS;

	assert_int_equal(swarm_followers(seeder, 0, SIZE), -ENOENT);
	assert_int_equal(swarm_limit(seeder, 512 * 1024), 0);
	assert_int_equal(add(seeder, f, 1, NULL), 0);
	assert_int_equal(add(node, f, 0, NULL), 0);
	assert_int_equal(swarm_followers(seeder, 0, SIZE), 0);
	assert_int_equal(swarm_connect(node, 0, "127.0.0.1", swarm_port(seeder)), 0);
	(void)until(seeder, has_sent);
	assert_int_equal(swarm_followers(seeder, 0, SIZE), 1);
	assert_int_equal(swarm_followers(seeder, 0, 0), 0);
	assert_int_equal(swarm_limit(seeder, 0), 0);
	assert_int_equal(await(node).kind, SWARM_EVENT_DONE);
	/* its last HAVE is on its way */
	while (swarm_followers(seeder, 0, SIZE) != 0)
		assert_true(monotonic_ms() < end);
	/* what it is fed by is none */
	assert_int_equal(swarm_followers(node, 0, SIZE), 0);
	swarm_free(node);
	swarm_free(seeder);
}

/* 3 MiB at 2 MiB/s: the bound holds although the peer is on this host's own network. */
static void test_limit(void **state)
{
	struct fixture *f = *state;
	struct swarm_options options = {
		.role = SWARM_NODE, .listen = "127.0.0.1:0", .upload_rate = 2 * 1024 * 1024};
	struct swarm *seeder = swarm_new(&options, NULL), *node = start(SWARM_NODE, "127.0.0.2:0");
	uint64_t begin = monotonic_ms();

	assert_non_null(seeder);
	assert_int_equal(add(seeder, f, 1, NULL), 0);
	assert_int_equal(add(node, f, 0, NULL), 0);
	assert_int_equal(swarm_connect(node, 0, "127.0.0.1", swarm_port(seeder)), 0);
	assert_int_equal(await(node).kind, SWARM_EVENT_DONE);
	assert_true(monotonic_ms() - begin > 1000);
	swarm_free(node);
	swarm_free(seeder);
}

static void test_piece_length(void **state)
{
	static const struct {
		uint64_t size;
		uint32_t expected;
	} rows[] = {
		{1, 128 << 10},
		{1ULL << 30, 128 << 10},
		{(1ULL << 30) + 1, 256 << 10},
		{2ULL << 30, 256 << 10},
		{(2ULL << 30) + 1, 512 << 10},
		{1ULL << 40, 16 << 20},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(swarm_piece_length(rows[i].size), rows[i].expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_piece_length),
		cmocka_unit_test_setup_teardown(test_followers, setup, teardown),
		cmocka_unit_test(test_refused_torrents),
		cmocka_unit_test_setup_teardown(test_make, setup, teardown),
		cmocka_unit_test_setup_teardown(test_transfer_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resume, setup, teardown),
		cmocka_unit_test_setup_teardown(test_corrupt_seeder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_truncated_seeder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_events_of_complete, setup, teardown),
		cmocka_unit_test_setup_teardown(test_handles, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pause, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
		cmocka_unit_test(test_listen_refused),
		cmocka_unit_test_setup_teardown(test_free_with_dead_tracker, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_files, setup, teardown),
	};

	return cmocka_run_group_tests_name("swarm", tests, NULL, NULL);
}
