/*
 * Owns the order in which an image is written: options, data blocks, inodes and directories, tables,
 * superblock. The format itself is libsquashfs' business, the walk of the tree is tree.c's.
 */
#include "imager/squash/write.h"

#include <errno.h>
#include <sched.h>
#include <sqfs/compressor.h>
#include <sqfs/dir_writer.h>
#include <sqfs/error.h>
#include <sqfs/frag_table.h>
#include <sqfs/id_table.h>
#include <sqfs/inode.h>
#include <sqfs/meta_writer.h>
#include <sqfs/xattr_writer.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "imager/base/cleanup.h"

/* The image fills whole pages, so that a loop device shows all of it. */
#define IMAGE_UNIT 4096

static const struct {
	int code, error;
	const char *text;
} faults[] = {
	{SQFS_ERROR_ALLOC, ENOMEM, "out of memory"},
	{SQFS_ERROR_COMPRESSOR, EIO, "the compressor failed"},
	{SQFS_ERROR_INTERNAL, EIO, "a worker failed"},
	{SQFS_ERROR_CORRUPTED, EIO, "the image reads back other than it was written"},
	{SQFS_ERROR_UNSUPPORTED, EINVAL, "squashfs cannot hold it"},
	{SQFS_ERROR_OVERFLOW, EFBIG, "more than squashfs can hold"},
	{SQFS_ERROR_OUT_OF_BOUNDS, EIO, "the image ends early"},
};

int squash_fault(const struct squash_writer *w, int code, const char *what, struct err *err)
{
	if (w->image.code)
		return err_path(err, w->image.code, w->output);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		if (faults[i].code == code)
			return err_set(err, faults[i].error, "%s: %s", what, faults[i].text);
	return err_set(err, EIO, "%s: libsquashfs error %d", what, code);
}

static unsigned count_jobs(unsigned jobs)
{
	cpu_set_t cpus;

	if (jobs)
		return jobs;
	return sched_getaffinity(0, sizeof(cpus), &cpus) < 0 ? 1 : (unsigned)CPU_COUNT(&cpus);
}

static int make_compressor(struct squash_writer *w)
{
	sqfs_compressor_config_t config;
	int r = sqfs_compressor_config_init(&config, SQFS_COMP_ZSTD, w->options->block_size, 0);

	if (r)
		return r;
	config.level = w->options->level;
	return sqfs_compressor_create(&config, &w->compressor);
}

/* Superblock (again at the end, then true) and the compressor's options stand at the front. */
static int write_front(struct squash_writer *w)
{
	int r = sqfs_super_init(
		&w->super, w->options->block_size, (sqfs_u32)w->options->mtime, SQFS_COMP_ZSTD);

	if (r == 0)
		r = sqfs_super_write(&w->super, &w->image.file);
	if (r)
		return r;
	r = w->compressor->write_options(w->compressor, &w->image.file);
	if (r > 0)
		w->super.flags |= SQFS_FLAG_COMPRESSOR_OPTIONS;
	return r < 0 ? r : 0;
}

static int make_tables(struct squash_writer *w)
{
	w->fragments = sqfs_frag_table_create(0);
	w->ids = sqfs_id_table_create(0);
	w->xattrs = sqfs_xattr_writer_create(0);
	w->inodes = sqfs_meta_writer_create(&w->image.file, w->compressor, 0);
	w->names = sqfs_meta_writer_create(&w->image.file, w->compressor, SQFS_META_WRITER_KEEP_IN_MEMORY);
	if (!w->fragments || !w->ids || !w->xattrs || !w->inodes || !w->names)
		return SQFS_ERROR_ALLOC;
	w->dirs = sqfs_dir_writer_create(w->names, 0);
	return w->dirs ? 0 : SQFS_ERROR_ALLOC;
}

int squash_writer_open(
	struct squash_writer *w, const char *output, const struct squash_options *options, struct err *err)
{
	int r;

	*w = (struct squash_writer){.output = output, .options = options, .jobs = count_jobs(options->jobs)};
	r = squash_image_open(&w->image, output, err);
	if (r < 0)
		return r;
	w->cache = blockcache_open(options->cache, options->level);
	w->buffer = malloc(SQUASH_BUFFER_SIZE);
	r = w->buffer ? make_compressor(w) : SQFS_ERROR_ALLOC;
	if (r == 0)
		r = write_front(w);
	if (r == 0)
		r = make_tables(w);
	return r ? squash_fault(w, r, output, err) : 0;
}

/* What uses another object goes before it. */
void squash_writer_close(struct squash_writer *w, int keep)
{
	sqfs_destroy(w->dirs);
	sqfs_destroy(w->names);
	sqfs_destroy(w->inodes);
	sqfs_destroy(w->xattrs);
	sqfs_destroy(w->ids);
	sqfs_destroy(w->fragments);
	sqfs_destroy(w->compressor);
	squash_image_close(&w->image);
	blockcache_close(w->cache, keep);
	free(w->buffer);
}

static int list_dir(struct squash_writer *w, const struct squash_node *dir)
{
	int r = sqfs_dir_writer_begin(w->dirs, 0);

	for (size_t i = 0; r == 0 && i < dir->count; i++) {
		const struct squash_node *node = dir->entries[i].node;

		r = sqfs_dir_writer_add_entry(
			w->dirs, dir->entries[i].name, node->number, node->ref, (sqfs_u16)node->mode);
	}
	return r ? r : sqfs_dir_writer_end(w->dirs);
}

/* The root's is one that no inode has, as mksquashfs does it: readdir(3) hides a ".." of number 0. */
static sqfs_u32 parent_number(const struct squash_writer *w, const struct squash_node *dir)
{
	return dir->parent ? dir->parent->number : w->super.inode_count + 1;
}

static int make_dir(struct squash_writer *w, const struct squash_node *dir, sqfs_inode_generic_t **ret)
{
	sqfs_inode_generic_t *inode;
	int r = list_dir(w, dir);

	if (r)
		return r;
	inode = sqfs_dir_writer_create_inode(w->dirs, 0, dir->xattr, parent_number(w, dir));
	if (!inode)
		return SQFS_ERROR_ALLOC;
	if (inode->base.type == SQFS_INODE_DIR)
		inode->data.dir.nlink = dir->links;
	else
		inode->data.dir_ext.nlink = dir->links;
	*ret = inode;
	return 0;
}

/* The kernel's new_encode_dev (include/linux/kdev_t.h). */
static sqfs_u32 encode_device(dev_t device)
{
	unsigned low = minor(device);

	return (low & 0xff) | major(device) << 8 | (low & ~0xffU) << 12;
}

static int make_special(const struct squash_node *node, sqfs_inode_generic_t **ret)
{
	size_t length = node->target ? strlen(node->target) : 0;
	sqfs_inode_generic_t *inode = calloc(1, sizeof(*inode) + length);

	if (!inode)
		return SQFS_ERROR_ALLOC;
	if (S_ISLNK(node->mode)) {
		inode->base.type = SQFS_INODE_SLINK;
		inode->data.slink.nlink = node->links;
		inode->data.slink.target_size = (sqfs_u32)length;
		memcpy(inode->extra, node->target, length);
	} else if (S_ISFIFO(node->mode)) {
		inode->base.type = SQFS_INODE_FIFO;
		inode->data.ipc.nlink = node->links;
	} else {
		inode->base.type = S_ISBLK(node->mode) ? SQFS_INODE_BDEV : SQFS_INODE_CDEV;
		inode->data.dev.nlink = node->links;
		inode->data.dev.devno = encode_device(node->device);
	}
	*ret = inode;
	return sqfs_inode_set_xattr_index(inode, node->xattr);
}

static int finish_file(const struct squash_node *node)
{
	int r = 0;

	if (node->links > 1)
		r = sqfs_inode_make_extended(node->layout);
	if (r == 0 && node->layout->base.type == SQFS_INODE_EXT_FILE)
		node->layout->data.file_ext.nlink = node->links;
	return r ? r : sqfs_inode_set_xattr_index(node->layout, node->xattr);
}

static int write_inode(struct squash_writer *w, struct squash_node *node, sqfs_inode_generic_t *inode)
{
	sqfs_u32 offset;
	sqfs_u64 block;
	int r;

	inode->base.mode = (sqfs_u16)node->mode;
	inode->base.mod_time = node->mtime;
	inode->base.inode_number = node->number;
	r = sqfs_id_table_id_to_index(w->ids, node->uid, &inode->base.uid_idx);
	if (r == 0)
		r = sqfs_id_table_id_to_index(w->ids, node->gid, &inode->base.gid_idx);
	if (r)
		return r;
	sqfs_meta_writer_get_position(w->inodes, &block, &offset);
	node->ref = block << 16 | offset;
	return sqfs_meta_writer_write_inode(w->inodes, inode);
}

static int write_node(struct squash_writer *w, struct squash_node *node)
{
	sqfs_inode_generic_t *inode = NULL;
	int r;

	if (S_ISREG(node->mode)) {
		r = finish_file(node);
		return r ? r : write_inode(w, node, node->layout);
	}
	r = S_ISDIR(node->mode) ? make_dir(w, node, &inode) : make_special(node, &inode);
	if (r == 0)
		r = write_inode(w, node, inode);
	sqfs_free(inode);
	return r;
}

static int node_fault(
	const struct squash_writer *w, const struct squash_node *node, int code, struct err *err)
{
	_cleanup_buf_ struct buf path = {0};

	if (squash_node_path(node, &path) < 0 || !path.len)
		return squash_fault(w, code, w->output, err);
	return squash_fault(w, code, path.data, err);
}

int squash_writer_inodes(struct squash_writer *w, struct squash_tree *tree, struct err *err)
{
	int r = 0;

	w->super.inode_table_start = w->image.size;
	w->super.inode_count = (sqfs_u32)tree->count;
	for (size_t i = 0; i < tree->count; i++) {
		r = write_node(w, tree->rows[i]);
		if (r)
			return node_fault(w, tree->rows[i], r, err);
	}
	w->super.root_inode_ref = tree->all[0]->ref;
	r = sqfs_meta_writer_flush(w->inodes);
	if (r == 0)
		r = sqfs_meta_writer_flush(w->names);
	w->super.directory_table_start = w->image.size;
	if (r == 0)
		r = sqfs_meta_write_write_to_file(w->names);
	return r ? squash_fault(w, r, "inode table", err) : 0;
}

int squash_writer_finish(struct squash_writer *w, struct err *err)
{
	sqfs_file_t *file = &w->image.file;
	int r = sqfs_frag_table_write(w->fragments, file, &w->super, w->compressor);

	if (r == 0)
		r = sqfs_id_table_write(w->ids, file, &w->super, w->compressor);
	if (r == 0)
		r = sqfs_xattr_writer_flush(w->xattrs, file, &w->super, w->compressor);
	if (r)
		return squash_fault(w, r, "tables", err);
	w->super.bytes_used = w->image.size;
	r = sqfs_super_write(&w->super, file);
	if (r == 0)
		r = squash_image_pad(&w->image, IMAGE_UNIT);
	return r ? squash_fault(w, r, "superblock", err) : 0;
}
