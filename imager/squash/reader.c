/* Owns opening a squashfs image for reading, by libsquashfs over a mapped file, and finding where its data
 * lies. Comparing is compare.c's. */
#include "imager/squash/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <sqfs/block.h>
#include <sqfs/error.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* ---- the file ---- */

static int read_at(sqfs_file_t *file, sqfs_u64 offset, void *data, size_t size)
{
	const struct squash_reader *r = (const struct squash_reader *)file;

	if (offset > r->size || size > r->size - offset)
		return SQFS_ERROR_OUT_OF_BOUNDS;
	memcpy(data, r->map + offset, size);
	return 0;
}

static int write_at(sqfs_file_t *file, sqfs_u64 offset, const void *data, size_t size)
{
	(void)file;
	(void)offset;
	(void)data;
	(void)size;
	return SQFS_ERROR_UNSUPPORTED;
}

static sqfs_u64 get_size(const sqfs_file_t *file)
{
	return ((const struct squash_reader *)file)->size;
}

static int truncate_to(sqfs_file_t *file, sqfs_u64 size)
{
	(void)file;
	(void)size;
	return SQFS_ERROR_UNSUPPORTED;
}

static int map_file(struct squash_reader *r, struct err *err)
{
	_cleanup_close_ int fd = open(r->path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_path(err, errno, r->path);
	if (!S_ISREG(st.st_mode) || (size_t)st.st_size < sizeof(r->super))
		return err_set(err, EBADMSG, "%s: not a squashfs image", r->path);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return err_path(err, errno, r->path);
	r->map = map;
	r->size = (uint64_t)st.st_size;
	return 0;
}

/* ---- the tables ---- */

int squash_reader_fault(const struct squash_reader *r, int code, const char *what, struct err *err)
{
	if (code == SQFS_ERROR_ALLOC)
		return err_oom(err, r->path);
	return err_set(err, EBADMSG, "%s: %s: damaged squashfs image (error %d)", r->path, what, -code);
}

static int open_compressor(struct squash_reader *r)
{
	sqfs_compressor_config_t config;
	int code = sqfs_compressor_config_init(
		&config, r->super.compression_id, r->super.block_size, SQFS_COMP_FLAG_UNCOMPRESS);

	return code ? code : sqfs_compressor_create(&config, &r->compressor);
}

static int open_xattrs(struct squash_reader *r)
{
	if (r->super.flags & SQFS_FLAG_NO_XATTRS || r->super.xattr_id_table_start == UINT64_MAX)
		return 0;
	r->xattrs = sqfs_xattr_reader_create(0);
	if (!r->xattrs)
		return SQFS_ERROR_ALLOC;
	return sqfs_xattr_reader_load(r->xattrs, &r->super, &r->file, r->compressor);
}

static int open_tables(struct squash_reader *r)
{
	int code;

	/* Each fragment block has at least a byte of its own: a number that cannot be is not worth the
	 * memory. */
	if (r->super.fragment_entry_count > r->size)
		return SQFS_ERROR_CORRUPTED;
	r->ids = sqfs_id_table_create(0);
	r->fragments = sqfs_frag_table_create(0);
	r->data = sqfs_data_reader_create(&r->file, r->super.block_size, r->compressor, 0);
	if (!r->ids || !r->fragments || !r->data)
		return SQFS_ERROR_ALLOC;
	code = sqfs_id_table_read(r->ids, &r->file, &r->super, r->compressor);
	if (!code)
		code = sqfs_frag_table_read(r->fragments, &r->file, &r->super, r->compressor);
	if (!code)
		code = sqfs_data_reader_load_fragment_table(r->data, &r->super);
	return code ? code : open_xattrs(r);
}

static int read_tree(struct squash_reader *r)
{
	sqfs_dir_reader_t *dirs = sqfs_dir_reader_create(&r->super, r->compressor, &r->file, 0);
	int code =
		dirs ? sqfs_dir_reader_get_full_hierarchy(dirs, r->ids, NULL, 0, &r->root) : SQFS_ERROR_ALLOC;

	sqfs_destroy(dirs);
	return code;
}

static int open_parts(struct squash_reader *r, struct err *err)
{
	const struct {
		const char *what;
		int (*open)(struct squash_reader *r);
	} parts[] = {{"compressor", open_compressor}, {"tables", open_tables}, {"tree", read_tree}};

	if (sqfs_super_read(&r->super, &r->file))
		return err_set(err, EBADMSG, "%s: not a squashfs image", r->path);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		int code = parts[i].open(r);

		if (code)
			return squash_reader_fault(r, code, parts[i].what, err);
	}
	return 0;
}

int squash_reader_open(const char *path, struct squash_reader **ret, struct err *err)
{
	_cleanup_squash_reader_ struct squash_reader *r = calloc(1, sizeof(*r));
	int e;

	if (!r)
		return err_oom(err, path);
	r->file = (sqfs_file_t){
		.read_at = read_at, .write_at = write_at, .get_size = get_size, .truncate = truncate_to};
	r->path = path;
	e = map_file(r, err);
	if (e == 0)
		e = open_parts(r, err);
	if (e < 0)
		return e;
	*ret = TAKE(r);
	return 0;
}

void squash_reader_free(struct squash_reader *r)
{
	if (!r)
		return;
	if (r->root)
		sqfs_dir_tree_destroy(r->root);
	sqfs_destroy(r->xattrs);
	sqfs_destroy(r->data);
	sqfs_destroy(r->fragments);
	sqfs_destroy(r->ids);
	sqfs_destroy(r->compressor);
	if (r->map)
		(void)munmap((void *)r->map, (size_t)r->size);
	free(r);
}

/* ---- where the data lies ---- */

struct extents {
	const struct squash_reader *reader;
	struct squash_extent *items;
	size_t count, room;
};

static int add_extent(struct extents *e, uint64_t offset, uint32_t word)
{
	uint64_t size = SQFS_ON_DISK_BLOCK_SIZE(word), limit = e->reader->size;

	if (!size)
		return 0;
	if (offset > limit || size > limit - offset)
		return SQFS_ERROR_OUT_OF_BOUNDS;
	if (e->count == e->room) {
		size_t room = e->room ? e->room * 2 : 1024;
		struct squash_extent *items = reallocarray(e->items, room, sizeof(*items));

		if (!items)
			return SQFS_ERROR_ALLOC;
		e->items = items;
		e->room = room;
	}
	e->items[e->count++] = (struct squash_extent){offset, size};
	return 0;
}

static int add_file(struct extents *e, const sqfs_inode_generic_t *inode)
{
	sqfs_u64 offset = 0;
	int code = sqfs_inode_get_file_block_start(inode, &offset);

	for (size_t i = 0; !code && i < sqfs_inode_get_file_block_count(inode); i++) {
		code = add_extent(e, offset, inode->extra[i]);
		offset += SQFS_ON_DISK_BLOCK_SIZE(inode->extra[i]);
	}
	return code;
}

static int is_file(const sqfs_inode_generic_t *inode)
{
	return inode->base.type == SQFS_INODE_FILE || inode->base.type == SQFS_INODE_EXT_FILE;
}

static int add_tree(struct extents *e, const sqfs_tree_node_t *node)
{
	int code = 0;

	for (; !code && node; node = node->next) {
		if (is_file(node->inode))
			code = add_file(e, node->inode);
		if (!code)
			code = add_tree(e, node->children);
	}
	return code;
}

static int add_fragments(struct extents *e)
{
	sqfs_fragment_t fragment;
	int code = 0;

	for (size_t i = 0; !code && i < sqfs_frag_table_get_size(e->reader->fragments); i++) {
		code = sqfs_frag_table_lookup(e->reader->fragments, (sqfs_u32)i, &fragment);
		if (!code)
			code = add_extent(e, fragment.start_offset, fragment.size);
	}
	return code;
}

static int by_place(const void *a, const void *b)
{
	const struct squash_extent *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

int squash_reader_extents(
	const struct squash_reader *r, struct squash_extent **ret, size_t *ret_count, struct err *err)
{
	struct extents e = {.reader = r};
	size_t kept = 0;
	int code = add_tree(&e, r->root);

	if (!code)
		code = add_fragments(&e);
	if (code) {
		free(e.items);
		return squash_reader_fault(r, code, "data", err);
	}
	if (e.count)
		qsort(e.items, e.count, sizeof(*e.items), by_place);
	for (size_t i = 0; i < e.count; i++)
		if (!kept || e.items[kept - 1].offset != e.items[i].offset)
			e.items[kept++] = e.items[i];
	*ret = e.items;
	*ret_count = kept;
	return 0;
}
