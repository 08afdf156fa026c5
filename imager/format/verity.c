/*
 * Owns the dm-verity tree of an image: made, and made again to compare. Opening the device is the agent's,
 * and what a release says of it is release.c's.
 */
#include "imager/format/verity.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"

#define DIGEST_SIZE 32
/* Digests in a block: 2^7. */
#define FAN_BITS    7
#define LEVELS_MAX  9
#define THREADS_MAX 16
/* Fewer blocks than this (64 MiB) are not worth a thread. */
#define THREAD_BLOCKS 16384

/* lib/verity/verity.c of cryptsetup 2.6: struct verity_sb, little endian, 512 bytes. */
struct superblock {
	uint8_t signature[8];
	uint32_t version, hash_type;
	uint8_t uuid[16], algorithm[32];
	uint32_t data_block_size, hash_block_size;
	uint64_t data_blocks;
	uint16_t salt_size;
	uint8_t pad1[6];
	uint8_t salt[256];
	uint8_t pad2[168];
};

_Static_assert(sizeof(struct superblock) == 512, "as on disk");

/* ---- where things are ---- */

struct shape {
	uint64_t data_blocks;
	unsigned levels;
	uint64_t start[LEVELS_MAX];  /* block of each level's begin, from the superblock on; 0: the data's */
	uint64_t blocks[LEVELS_MAX]; /* of each level */
	uint64_t total;              /* blocks, with the superblock */
};

static void shape_init(struct shape *s, uint64_t data_size)
{
	uint64_t at = 1;

	*s = (struct shape){.data_blocks = data_size / VERITY_BLOCK};
	while (s->levels < LEVELS_MAX && (s->data_blocks - 1) >> (FAN_BITS * s->levels)) {
		unsigned bits = FAN_BITS * (s->levels + 1);

		s->blocks[s->levels++] = ((s->data_blocks - 1) >> bits) + 1;
	}
	for (unsigned i = s->levels; i-- > 0; at += s->blocks[i])
		s->start[i] = at;
	s->total = at;
}

uint64_t verity_file_size(uint64_t data_size)
{
	struct shape s;

	shape_init(&s, data_size);
	return data_size + s.total * VERITY_BLOCK;
}

/* ---- hashing ---- */

/* Format 1: the salt comes before the block. */
struct salted {
	uint8_t salt[DIGEST_SIZE], block[VERITY_BLOCK];
};

struct range {
	const struct verity_file *file;
	const struct digest *salt;
	uint64_t first, end; /* data blocks */
	uint8_t *digests;    /* of block 0 on */
	pthread_t thread;
	int is_running, r;
};

static int read_block(int fd, void *data, uint64_t at)
{
	ssize_t n = pread_full(fd, data, VERITY_BLOCK, at);

	if (n < 0)
		return (int)n;
	return n == VERITY_BLOCK ? 0 : -EBADMSG;
}

static int is_stopped(const struct verity_file *f)
{
	return f->stop && atomic_load_explicit(f->stop, memory_order_relaxed);
}

static void *hash_range(void *arg)
{
	struct range *range = arg;
	struct salted input;

	memcpy(input.salt, range->salt->bytes, DIGEST_SIZE);
	for (uint64_t i = range->first; range->r == 0 && i < range->end; i++) {
		struct digest d;

		range->r = is_stopped(range->file)
				   ? -ECANCELED
				   : read_block(range->file->fd, input.block, i * VERITY_BLOCK);
		if (range->r == 0)
			range->r = digest_bytes(&input, sizeof(input), &d);
		if (range->r == 0)
			memcpy(range->digests + i * DIGEST_SIZE, d.bytes, DIGEST_SIZE);
	}
	return NULL;
}

static unsigned count_threads(uint64_t blocks)
{
	cpu_set_t cpus;
	unsigned count = sched_getaffinity(0, sizeof(cpus), &cpus) < 0 ? 1 : (unsigned)CPU_COUNT(&cpus);

	if (count > THREADS_MAX)
		count = THREADS_MAX;
	return blocks / THREAD_BLOCKS < count ? (unsigned)(blocks / THREAD_BLOCKS) : count;
}

/* A range whose thread cannot be started is hashed by the caller. */
static int hash_data(
	const struct verity_file *f, const struct digest *salt, uint64_t blocks, uint8_t *digests)
{
	struct range ranges[THREADS_MAX];
	unsigned count = count_threads(blocks);
	int r = 0;

	if (count == 0)
		count = 1;
	for (unsigned i = 0; i < count; i++) {
		ranges[i] = (struct range){.file = f,
			.salt = salt,
			.first = blocks * i / count,
			.end = blocks * (i + 1) / count,
			.digests = digests};
		if (i + 1 < count)
			ranges[i].is_running =
				pthread_create(&ranges[i].thread, NULL, hash_range, &ranges[i]) == 0;
		if (!ranges[i].is_running)
			(void)hash_range(&ranges[i]);
	}
	for (unsigned i = 0; i < count; i++) {
		if (ranges[i].is_running)
			(void)pthread_join(ranges[i].thread, NULL);
		if (r == 0)
			r = ranges[i].r;
	}
	return r;
}

static int hash_blocks(const uint8_t *blocks, uint64_t count, const struct digest *salt, uint8_t *ret)
{
	struct salted input;
	struct digest d;

	memcpy(input.salt, salt->bytes, DIGEST_SIZE);
	for (uint64_t i = 0; i < count; i++) {
		memcpy(input.block, blocks + i * VERITY_BLOCK, VERITY_BLOCK);
		if (digest_bytes(&input, sizeof(input), &d) < 0)
			return -EIO;
		memcpy(ret + i * DIGEST_SIZE, d.bytes, DIGEST_SIZE);
	}
	return 0;
}

/* Fills the tree and the root hash from the data; v has salt and size. */
static int make_tree(const struct verity_file *f, const struct shape *s, struct verity *v, uint8_t *tree)
{
	int r;

	if (!s->levels)
		return hash_data(f, &v->salt, 1, v->root_hash.bytes);
	r = hash_data(f, &v->salt, s->data_blocks, tree + s->start[0] * VERITY_BLOCK);
	for (unsigned i = 1; r == 0 && i < s->levels; i++)
		r = hash_blocks(tree + s->start[i - 1] * VERITY_BLOCK, s->blocks[i - 1], &v->salt,
			tree + s->start[i] * VERITY_BLOCK);
	if (r == 0)
		r = hash_blocks(
			tree + s->start[s->levels - 1] * VERITY_BLOCK, 1, &v->salt, v->root_hash.bytes);
	return r;
}

static void make_superblock(const struct shape *s, const struct verity *v, uint8_t *ret)
{
	struct superblock sb = {
		.signature = "verity\0",
		.version = htole32(1),
		.hash_type = htole32(1),
		.algorithm = "sha256",
		.data_block_size = htole32(VERITY_BLOCK),
		.hash_block_size = htole32(VERITY_BLOCK),
		.data_blocks = htole64(s->data_blocks),
		.salt_size = htole16(DIGEST_SIZE),
	};

	/* A name for people; the salt is as good as chance. */
	memcpy(sb.uuid, v->salt.bytes, sizeof(sb.uuid));
	memcpy(sb.salt, v->salt.bytes, DIGEST_SIZE);
	memcpy(ret, &sb, sizeof(sb));
}

/* Superblock and tree as they are to be in the file; free(). Fills v->root_hash. */
static int compute(const struct verity_file *f, struct verity *v, uint8_t **ret, size_t *ret_len)
{
	_cleanup_free_ uint8_t *tree = NULL;
	struct shape s;
	int r;

	shape_init(&s, v->data_size);
	tree = calloc(s.total, VERITY_BLOCK);
	if (!tree)
		return -ENOMEM;
	make_superblock(&s, v, tree);
	r = make_tree(f, &s, v, tree);
	if (r < 0)
		return r;
	*ret_len = s.total * VERITY_BLOCK;
	*ret = TAKE(tree);
	return 0;
}

/* ---- files ---- */

static int make_salt(int fd, struct digest *ret)
{
	uint8_t block[VERITY_BLOCK];
	int r = read_block(fd, block, 0);

	return r < 0 ? r : digest_bytes(block, sizeof(block), ret);
}

int verity_append(const char *path, struct verity *ret, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
	_cleanup_free_ uint8_t *tree = NULL;
	struct verity v = {0};
	struct stat st;
	size_t len;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_path(err, errno, path);
	if (st.st_size == 0 || st.st_size % VERITY_BLOCK)
		return err_set(err, EINVAL, "%s: its size is no multiple of %d bytes", path, VERITY_BLOCK);
	v.data_size = v.hash_offset = (uint64_t)st.st_size;
	r = make_salt(fd, &v.salt);
	if (r == 0)
		r = compute(&(struct verity_file){.fd = fd}, &v, &tree, &len);
	if (r == 0 && lseek(fd, 0, SEEK_END) < 0)
		r = -errno;
	if (r == 0)
		r = write_full(fd, tree, len);
	if (r < 0) {
		(void)!ftruncate(fd, st.st_size);
		return err_path(err, -r, path);
	}
	*ret = v;
	return 0;
}

/* Whether the file goes on with just these bytes; 1, 0 or -errno. */
static int holds(int fd, const uint8_t *tree, size_t len, uint64_t at)
{
	uint8_t block[VERITY_BLOCK];

	for (size_t i = 0; i < len; i += VERITY_BLOCK) {
		int r = read_block(fd, block, at + i);

		if (r < 0)
			return r;
		if (memcmp(block, tree + i, VERITY_BLOCK) != 0)
			return 0;
	}
	return 1;
}

int verity_check(const struct verity_file *f, const struct verity *v, struct err *err)
{
	_cleanup_free_ uint8_t *tree = NULL;
	struct verity again = *v;
	struct stat st;
	size_t len;
	int r;

	if (fstat(f->fd, &st) < 0)
		return err_set(err, errno, "%s: %s", f->what, strerror(errno));
	if (!v->data_size || v->data_size % VERITY_BLOCK || v->hash_offset != v->data_size ||
		v->data_size > (uint64_t)st.st_size || verity_file_size(v->data_size) != (uint64_t)st.st_size)
		return err_set(err, EBADMSG,
			"%s: %" PRIu64 " bytes of data and their verity tree are not its %lld bytes", f->what,
			v->data_size, (long long)st.st_size);
	r = compute(f, &again, &tree, &len);
	if (r == 0 && !digest_equal(&again.root_hash, &v->root_hash))
		return err_set(err, EBADMSG, "%s: its verity root is not the one its release names", f->what);
	if (r == 0)
		r = holds(f->fd, tree, len, v->hash_offset);
	if (r < 0)
		return err_set(err, -r, "%s: %s", f->what, strerror(-r));
	return r ? 0 : err_set(err, EBADMSG, "%s: its verity tree is not the one of its data", f->what);
}
