/* The torrent cache: one file per image, the same bytes again, broken ones made anew, nothing half-written.
 */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "imager/base/io.h"
#include "seeder/swarm/swarm.h"
#include "seeder/torrent.h"

#define SIZE 350000 /* three pieces */

struct fixture {
	char dir[32];
	char *state, *image, *cached;
	struct torrent_image source;
	unsigned hashed; /* pieces */
};

static int count_piece(uint64_t done, void *arg)
{
	unsigned *hashed = arg;

	assert_true(done <= SIZE);
	(*hashed)++;
	return 0;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	_cleanup_free_ char *data = calloc(1, SIZE);
	struct file_content content = {.data = data, .len = SIZE, .mode = 0644};
	char hex[65];

	assert_non_null(f);
	memcpy(f->dir, "/tmp/torrent-test.XXXXXX", 25);
	assert_non_null(mkdtemp(f->dir));
	f->state = path_join(f->dir, "state");
	f->image = path_join(f->dir, "image");
	assert_int_equal(write_file(f->image, &content, NULL), 0);
	f->source = (struct torrent_image){
		.path = f->image, .size = SIZE, .progress = count_piece, .arg = &f->hashed};
	assert_int_equal(digest_bytes(data, SIZE, &f->source.digest), 0);
	digest_hex(&f->source.digest, hex);
	assert_true(asprintf(&f->cached, "%s/torrents/%s.torrent", f->state, hex) > 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	(void)remove_tree(f->dir, NULL);
	free(f->state);
	free(f->image);
	free(f->cached);
	free(f);
	return 0;
}

static void make(struct fixture *f, struct buf *ret)
{
	struct err err = {0};

	f->hashed = 0;
	if (torrent_make(f->state, &f->source, ret, &err) < 0)
		fail_msg("%s", err.text);
}

static unsigned count_files(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	unsigned count = 0;

	assert_non_null(dir);
	for (const struct dirent *e; (e = readdir(dir));)
		count += e->d_name[0] != '.';
	return count;
}

static void test_made_once(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct buf first = {0}, second = {0};
	_cleanup_free_ char *parent = path_join(f->state, "torrents");
	struct swarm_info info;
	char hex[65];

	make(f, &first);
	assert_int_equal(f->hashed, 3);
	make(f, &second);
	assert_int_equal(f->hashed, 0);
	assert_int_equal(first.len, second.len);
	assert_memory_equal(first.data, second.data, first.len);
	assert_int_equal(count_files(parent), 1);
	assert_int_equal(swarm_inspect(first.data, first.len, &info, NULL), 0);
	digest_hex(&f->source.digest, hex);
	assert_string_equal(info.name, hex);
	assert_int_equal(info.size, SIZE);
}

/* Whatever lies under the name is used only if it is the torrent of this image. */
static void test_broken_cache(void **state)
{
	static const char other[] = "d4:infod6:lengthi5e4:name1:a12:piece lengthi262144e"
				    "6:pieces20:aaaaaaaaaaaaaaaaaaaa7:privatei1eee";
	const char *rows[] = {"", "nonsense", other};
	struct fixture *f = *state;
	_cleanup_buf_ struct buf good = {0};

	make(f, &good);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct file_content content = {.data = rows[i], .len = strlen(rows[i]), .mode = 0644};
		_cleanup_buf_ struct buf again = {0};
		_cleanup_free_ char *cached = NULL;
		size_t len;

		assert_int_equal(write_file(f->cached, &content, NULL), 0);
		make(f, &again);
		assert_int_equal(f->hashed, 3);
		assert_int_equal(read_file(f->cached, 1 << 20, &cached, &len, NULL), 0);
		assert_int_equal(len, good.len);
		assert_memory_equal(cached, good.data, len);
		assert_memory_equal(again.data, good.data, len);
	}
}

static void test_failures_leave_nothing(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct buf torrent = {0};
	struct err err = {0};
	struct stat st;

	f->source.size = SIZE + 1;
	assert_int_equal(torrent_make(f->state, &f->source, &torrent, &err), -EIO);
	f->source.size = 0;
	assert_int_equal(torrent_make(f->state, &f->source, &torrent, &err), -EINVAL);
	assert_int_equal(unlink(f->image), 0);
	f->source.size = SIZE;
	assert_int_equal(torrent_make(f->state, &f->source, &torrent, &err), -ENOENT);
	assert_non_null(strstr(err.text, f->image));
	assert_int_equal(torrent.len, 0);
	assert_int_equal(stat(f->cached, &st), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_made_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken_cache, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failures_leave_nothing, setup, teardown),
	};

	return cmocka_run_group_tests_name("torrent", tests, NULL, NULL);
}
