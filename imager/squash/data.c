/*
 * Owns the contents of files on their way into the image: cut into blocks, the tails gathered into fragment
 * blocks, all of them written in the order they were cut. Compressing is pool.c's; files with the same
 * content are same.c's.
 *
 * A fragment block that is nearly full ends where a file's name says so: a file that grows or shrinks moves
 * the tails after it only up to such a place, and all further fragment blocks stay what they were, so that
 * the cache knows them.
 */
#include "imager/squash/data.h"

#include <sqfs/block.h>
#include <sqfs/error.h>
#include <sqfs/frag_table.h>
#include <sqfs/inode.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "imager/base/cleanup.h"
#include "imager/squash/pool.h"

#define RAW_BIT     (1U << 24)
#define NO_FRAGMENT 0xFFFFFFFFU
/* Blocks of tails between two places where a fragment block may end early, in the mean. */
#define STRETCH_BLOCKS 4

struct packing {
	struct squash_writer *w;
	const struct squash_tree *tree;
	struct squash_pool *pool;
	struct squash_block *fragment; /* that is being filled, or NULL */
	uint32_t fragments;            /* fragment blocks that were handed in */
};

/* ---- blocks that are done ---- */

static int land_fragment(struct packing *p, const struct squash_block *b, uint64_t at)
{
	return sqfs_frag_table_append(p->w->fragments, at, b->out_size | (b->is_raw ? RAW_BIT : 0), NULL);
}

static void land_data(const struct squash_block *b, uint64_t at)
{
	struct squash_node *node = b->owner;
	sqfs_inode_file_ext_t *file = &node->layout->data.file_ext;

	if (!b->out_size)
		file->sparse += b->size;
	else if (!file->blocks_start)
		file->blocks_start = at;
	node->layout->extra[b->index] = b->out_size | (b->is_raw ? RAW_BIT : 0);
}

static int land(struct packing *p, struct squash_block *b, struct err *err)
{
	struct squash_image *image = &p->w->image;
	uint64_t at = image->size;
	int r = b->error ? SQFS_ERROR_COMPRESSOR : 0;

	if (r == 0 && b->out_size)
		r = image->file.write_at(&image->file, at, b->out, b->out_size);
	if (r == 0 && b->owner)
		land_data(b, at);
	else if (r == 0)
		r = land_fragment(p, b, at);
	squash_pool_give(p->pool, b);
	return r ? squash_fault(p->w, r, "data blocks", err) : 0;
}

static int land_all(struct packing *p, struct err *err)
{
	struct squash_block *b;
	int r = 0;

	while (r == 0 && (b = squash_pool_wait(p->pool)))
		r = land(p, b, err);
	return r;
}

static int take(struct packing *p, struct squash_block **ret, struct err *err)
{
	struct squash_block *b;

	while (!(b = squash_pool_take(p->pool))) {
		int r = land(p, squash_pool_wait(p->pool), err);

		if (r < 0)
			return r;
	}
	*ret = b;
	return 0;
}

/* ---- whole blocks ---- */

static int make_layout(struct squash_node *node, uint32_t block_size)
{
	uint64_t blocks = node->size / block_size + (node->size % block_size != 0);
	sqfs_inode_generic_t *layout;

	if (blocks > UINT32_MAX / sizeof(layout->extra[0]))
		return SQFS_ERROR_OVERFLOW;
	layout = calloc(1, sizeof(*layout) + blocks * sizeof(layout->extra[0]));
	if (!layout)
		return SQFS_ERROR_ALLOC;
	layout->base.type = SQFS_INODE_EXT_FILE;
	layout->data.file_ext = (sqfs_inode_file_ext_t){
		.file_size = node->size,
		.nlink = 1,
		.fragment_idx = NO_FRAGMENT,
		.fragment_offset = NO_FRAGMENT,
		.xattr_idx = SQUASH_NO_XATTR,
	};
	layout->payload_bytes_available = (sqfs_u32)(blocks * sizeof(layout->extra[0]));
	node->layout = layout;
	return 0;
}

static int pack_block(
	struct packing *p, struct squash_file *f, uint32_t index, uint32_t size, struct err *err)
{
	uint64_t at = (uint64_t)index * p->w->options->block_size;
	struct squash_block *b;
	int r;

	f->node->layout->payload_bytes_used += sizeof(f->node->layout->extra[0]);
	if (squash_file_is_hole(f, at, size)) {
		/* Its place in the list of blocks is zero already. */
		f->node->layout->data.file_ext.sparse += size;
		return 0;
	}
	r = take(p, &b, err);
	if (r < 0)
		return r;
	r = squash_file_read(f, b->in, size, at, err);
	if (r < 0) {
		squash_pool_give(p->pool, b);
		return r;
	}
	b->size = size;
	b->owner = f->node;
	b->index = index;
	squash_pool_submit(p->pool, b);
	return 0;
}

/* ---- tails ---- */

static void flush_fragment(struct packing *p)
{
	struct squash_block *b = TAKE(p->fragment);

	if (!b)
		return;
	p->fragments++;
	squash_pool_submit(p->pool, b);
}

/* FNV-1a (RFC draft-eastlake-fnv), its upper bits mixed once more. */
static uint64_t hash_name(const char *name)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 0x100000001b3;
	h ^= h >> 32;
	return h * 0x9e3779b97f4a7c15;
}

/*
 * The more bytes the tail has, the likelier: the stretches are of the same length whatever the files'. Only
 * from three quarters on, as smaller blocks compress less well.
 */
static int ends_fragment(
	const struct squash_block *b, const struct squash_node *node, uint32_t tail, uint32_t block_size)
{
	uint64_t stretch = (uint64_t)STRETCH_BLOCKS * block_size;

	return b->size >= block_size - block_size / 4 &&
	       hash_name(node->name) / (UINT64_MAX / stretch) < tail;
}

static int pack_tail(struct packing *p, struct squash_file *f, uint32_t size, struct err *err)
{
	sqfs_inode_file_ext_t *file = &f->node->layout->data.file_ext;
	struct squash_block *b;
	int r;

	if (p->fragment && p->fragment->size + size > p->w->options->block_size)
		flush_fragment(p);
	if (!p->fragment) {
		r = take(p, &p->fragment, err);
		if (r < 0)
			return r;
		p->fragment->keep_zeros = 1;
	}
	b = p->fragment;
	r = squash_file_read(f, b->in + b->size, size, f->node->size - size, err);
	if (r < 0)
		return r;
	file->fragment_idx = p->fragments;
	file->fragment_offset = b->size;
	b->size += size;
	if (ends_fragment(b, f->node, size, p->w->options->block_size))
		flush_fragment(p);
	return 0;
}

/* ---- the whole ---- */

/* A long tail of a file that has whole blocks is a shorter block: it need not share one to compress well, and
 * a reader gets it without what is not his. */
static int is_fragment(const struct squash_node *node, uint32_t tail, uint32_t block_size)
{
	return tail && (node->size < block_size || tail < block_size / 4);
}

static int pack_contents(struct packing *p, struct squash_file *f, struct err *err)
{
	uint32_t block_size = p->w->options->block_size, count = (uint32_t)(f->node->size / block_size);
	uint32_t tail = (uint32_t)(f->node->size % block_size);
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < count; i++)
		r = pack_block(p, f, i, block_size, err);
	if (r < 0 || !tail)
		return r;
	if (is_fragment(f->node, tail, block_size) && !squash_file_is_hole(f, f->node->size - tail, tail))
		return pack_tail(p, f, tail, err);
	return pack_block(p, f, count, tail, err);
}

static int pack_file(struct packing *p, struct squash_node *node, struct err *err)
{
	_cleanup_free_ char *path = squash_host_path(p->tree, node);
	_cleanup_(squash_file_close) struct squash_file file = {.fd = -1};
	int r;

	if (!path)
		return err_oom(err, "a path");
	r = make_layout(node, p->w->options->block_size);
	if (r)
		return squash_fault(p->w, r, path, err);
	if (!node->size)
		return 0;
	r = squash_file_open(&file, path, node, err);
	if (r == 0)
		r = pack_contents(p, &file, err);
	return r < 0 ? r : squash_file_check(&file, err);
}

static int pack_files(struct packing *p, struct err *err)
{
	const struct squash_options *o = p->w->options;
	uint64_t done = 0;

	for (size_t i = 0; i < p->tree->count; i++) {
		struct squash_node *node = p->tree->all[i];
		int r;

		if (!S_ISREG(node->mode))
			continue;
		r = node->same ? 0 : pack_file(p, node, err);
		if (r < 0)
			return r;
		done += node->size;
		if (o->progress)
			o->progress(done, p->tree->bytes, o->arg);
	}
	flush_fragment(p);
	return land_all(p, err);
}

/* Files of one content share its place; each layout becomes as small as it can be. */
static int settle_layouts(struct packing *p, struct err *err)
{
	for (size_t i = 0; i < p->tree->count; i++) {
		struct squash_node *node = p->tree->all[i], *same = node->same;
		size_t size;

		if (!same)
			continue;
		size = sizeof(*same->layout) + same->layout->payload_bytes_available;
		node->layout = malloc(size);
		if (!node->layout)
			return err_oom(err, "files");
		memcpy(node->layout, same->layout, size);
	}
	for (size_t i = 0; i < p->tree->count; i++)
		if (p->tree->all[i]->layout)
			(void)sqfs_inode_make_basic(p->tree->all[i]->layout);
	return 0;
}

int squash_writer_data(struct squash_writer *w, struct squash_tree *tree, struct err *err)
{
	const struct squash_pool_options options = {
		.level = w->options->level,
		.block_size = w->options->block_size,
		.jobs = w->jobs,
		.cache = w->cache,
	};
	_cleanup_squash_pool_ struct squash_pool *pool = NULL;
	struct packing p = {.w = w, .tree = tree};
	int r = squash_find_same(w, tree, err);

	if (r == 0)
		r = squash_pool_new(&options, &pool, err);
	p.pool = pool;
	if (r == 0)
		r = pack_files(&p, err);
	if (r == 0)
		r = settle_layouts(&p, err);
	return r;
}
