/* Owns the comparison of two things of one name in two images. Stored bytes that are the same are not
 * unpacked. */
#include "imager/squash/reader.h"

#include <errno.h>
#include <sqfs/block.h>
#include <sqfs/error.h>
#include <sqfs/xattr.h>
#include <string.h>

#define NONE           0xFFFFFFFFU /* no fragment, no attributes */
#define ATTRIBUTES_MAX 65536

struct side {
	struct squash_reader *reader;
	const sqfs_inode_generic_t *inode;
};

DEFINE_CLEANUP(sqfs_u8 *, sqfs_free)
#define _cleanup_sqfs_ _cleanup_(sqfs_free_p)

/* ---- contents ---- */

/* 1: both store the block in the same bytes; 0: they may differ, unpacked they need not. */
static int same_stored(const struct side s[2], const uint64_t offset[2], const uint32_t word[2])
{
	uint64_t size = SQFS_ON_DISK_BLOCK_SIZE(word[0]);

	if (word[0] != word[1] || s[0].reader->super.compression_id != s[1].reader->super.compression_id)
		return 0;
	for (int i = 0; i < 2; i++)
		if (offset[i] > s[i].reader->size || size > s[i].reader->size - offset[i])
			return 0;
	return !memcmp(s[0].reader->map + offset[0], s[1].reader->map + offset[1], size);
}

static int same_block(const struct side s[2], size_t index)
{
	_cleanup_sqfs_ sqfs_u8 *a = NULL, *b = NULL;
	size_t size[2] = {0, 0};
	int code = sqfs_data_reader_get_block(s[0].reader->data, s[0].inode, index, &size[0], &a);

	if (!code)
		code = sqfs_data_reader_get_block(s[1].reader->data, s[1].inode, index, &size[1], &b);
	if (code)
		return code;
	return size[0] == size[1] && (!size[0] || !memcmp(a, b, size[0]));
}

/* The library keeps the fragment block it unpacked last, and files come in the order of their fragments. */
static int same_tail(const struct side s[2])
{
	_cleanup_sqfs_ sqfs_u8 *a = NULL, *b = NULL;
	size_t size[2] = {0, 0};
	int code = sqfs_data_reader_get_fragment(s[0].reader->data, s[0].inode, &size[0], &a);

	if (!code)
		code = sqfs_data_reader_get_fragment(s[1].reader->data, s[1].inode, &size[1], &b);
	if (code)
		return code;
	return size[0] == size[1] && (!size[0] || !memcmp(a, b, size[0]));
}

static int same_fragment(const struct side s[2])
{
	sqfs_u32 index[2], place[2];
	uint64_t offset[2];
	uint32_t word[2];

	for (int i = 0; i < 2; i++) {
		sqfs_fragment_t fragment;
		int code = sqfs_inode_get_frag_location(s[i].inode, &index[i], &place[i]);

		if (code)
			return code;
		if (index[i] == NONE)
			return same_tail(s);
		code = sqfs_frag_table_lookup(s[i].reader->fragments, index[i], &fragment);
		if (code)
			return code;
		offset[i] = fragment.start_offset;
		word[i] = fragment.size;
	}
	return (place[0] == place[1] && same_stored(s, offset, word)) || same_tail(s);
}

static int same_blocks(const struct side s[2])
{
	size_t count = sqfs_inode_get_file_block_count(s[0].inode);
	uint64_t offset[2];
	int same = 1;

	/* One has its tail in a fragment, the other in a block of its own. */
	if (count != sqfs_inode_get_file_block_count(s[1].inode))
		return SQFS_ERROR_UNSUPPORTED;
	for (int i = 0; i < 2; i++) {
		sqfs_u64 start = 0;
		int code = sqfs_inode_get_file_block_start(s[i].inode, &start);

		if (code)
			return code;
		offset[i] = start;
	}
	for (size_t i = 0; same == 1 && i < count; i++) {
		const uint32_t word[2] = {s[0].inode->extra[i], s[1].inode->extra[i]};

		if (!same_stored(s, offset, word))
			same = same_block(s, i);
		for (int j = 0; j < 2; j++)
			offset[j] += SQFS_ON_DISK_BLOCK_SIZE(word[j]);
	}
	return same == 1 ? same_fragment(s) : same;
}

/* Whatever way the two are cut into blocks. */
static int same_bytes(const struct side s[2], uint64_t size)
{
	const uint32_t step = 128 * 1024;
	_cleanup_free_ uint8_t *data = malloc(2 * (size_t)step);
	int same = 1;

	if (!data)
		return SQFS_ERROR_ALLOC;
	for (uint64_t at = 0; same == 1 && at < size; at += step) {
		sqfs_s32 n[2];

		for (int i = 0; i < 2; i++) {
			n[i] = sqfs_data_reader_read(
				s[i].reader->data, s[i].inode, at, data + (size_t)i * step, step);
			if (n[i] < 0)
				return n[i];
		}
		same = n[0] == n[1] && !memcmp(data, data + step, (size_t)n[0]);
	}
	return same;
}

/* 1, 0, or a negative SQFS_ERROR. */
static int same_file(const struct side s[2])
{
	sqfs_u64 size[2] = {0, 0};

	for (int i = 0; i < 2; i++) {
		int code = sqfs_inode_get_file_size(s[i].inode, &size[i]);

		if (code)
			return code;
	}
	if (size[0] != size[1])
		return 0;
	if (s[0].reader->super.block_size == s[1].reader->super.block_size) {
		int same = same_blocks(s);

		if (same != SQFS_ERROR_UNSUPPORTED)
			return same;
	}
	return same_bytes(s, size[0]);
}

static uint16_t type_of(const sqfs_inode_generic_t *inode)
{
	uint16_t type = inode->base.type;

	return type >= SQFS_INODE_EXT_DIR ? (uint16_t)(type - SQFS_INODE_EXT_DIR + SQFS_INODE_DIR) : type;
}

static uint32_t device_of(const sqfs_inode_generic_t *inode)
{
	int is_basic = inode->base.type == SQFS_INODE_BDEV || inode->base.type == SQFS_INODE_CDEV;

	return is_basic ? inode->data.dev.devno : inode->data.dev_ext.devno;
}

static uint32_t target_size(const sqfs_inode_generic_t *inode)
{
	return inode->base.type == SQFS_INODE_SLINK ? inode->data.slink.target_size
						    : inode->data.slink_ext.target_size;
}

static int same_content(const struct side s[2])
{
	const sqfs_inode_generic_t *a = s[0].inode, *b = s[1].inode;

	switch (type_of(a)) {
	case SQFS_INODE_FILE:
		return same_file(s);
	case SQFS_INODE_SLINK:
		return target_size(a) == target_size(b) && !memcmp(a->extra, b->extra, target_size(a));
	case SQFS_INODE_BDEV:
	case SQFS_INODE_CDEV:
		return device_of(a) == device_of(b);
	default:
		return 1;
	}
}

/* ---- extended attributes ---- */

struct attribute {
	sqfs_xattr_entry_t *key;
	sqfs_xattr_value_t *value;
};

struct attributes {
	struct attribute *items;
	size_t count;
};

static void attributes_release(struct attributes *a)
{
	for (size_t i = 0; i < a->count; i++) {
		sqfs_free(a->items[i].key);
		sqfs_free(a->items[i].value);
	}
	free(a->items);
}
#define _cleanup_attributes_ _cleanup_(attributes_release)

static int by_key(const void *a, const void *b)
{
	const struct attribute *x = a, *y = b;

	return strcmp((const char *)x->key->key, (const char *)y->key->key);
}

static int read_attributes(sqfs_xattr_reader_t *reader, uint32_t index, struct attributes *ret)
{
	sqfs_xattr_id_t set;
	int code = reader ? sqfs_xattr_reader_get_desc(reader, index, &set) : SQFS_ERROR_OUT_OF_BOUNDS;

	if (!code && set.count > ATTRIBUTES_MAX)
		code = SQFS_ERROR_CORRUPTED;
	if (!code && set.count)
		code = sqfs_xattr_reader_seek_kv(reader, &set);
	if (code)
		return code;
	ret->items = calloc(set.count + 1, sizeof(*ret->items));
	if (!ret->items)
		return SQFS_ERROR_ALLOC;
	while (!code && ret->count < set.count) {
		struct attribute *a = &ret->items[ret->count++];

		code = sqfs_xattr_reader_read_key(reader, &a->key);
		if (!code)
			code = sqfs_xattr_reader_read_value(reader, a->key, &a->value);
	}
	if (!code)
		qsort(ret->items, ret->count, sizeof(*ret->items), by_key);
	return code;
}

static int same_attribute(const struct attribute *a, const struct attribute *b)
{
	return !by_key(a, b) && a->value->size == b->value->size &&
	       !memcmp(a->value->value, b->value->value, a->value->size);
}

static int same_xattrs(const struct side s[2])
{
	_cleanup_attributes_ struct attributes a = {0}, b = {0};
	sqfs_u32 index[2] = {NONE, NONE};
	int code = 0, same;

	for (int i = 0; i < 2; i++)
		(void)sqfs_inode_get_xattr_index(s[i].inode, &index[i]);
	if (index[0] != NONE)
		code = read_attributes(s[0].reader->xattrs, index[0], &a);
	if (!code && index[1] != NONE)
		code = read_attributes(s[1].reader->xattrs, index[1], &b);
	if (code)
		return code;
	same = a.count == b.count;
	for (size_t i = 0; same && i < a.count; i++)
		same = same_attribute(&a.items[i], &b.items[i]);
	return same;
}

/* ---- all of it ---- */

int squash_compare(struct squash_reader *ra, const sqfs_tree_node_t *a, struct squash_reader *rb,
	const sqfs_tree_node_t *b, struct err *err)
{
	const struct side s[2] = {{ra, a->inode}, {rb, b->inode}};
	int bits = 0, content, xattrs = same_xattrs(s);

	if (xattrs < 0)
		return squash_reader_fault(ra, xattrs, "attributes", err);
	if (type_of(a->inode) != type_of(b->inode))
		return SQUASH_DIFFERS_TYPE;
	content = same_content(s);
	if (content < 0)
		return squash_reader_fault(ra, content, "data", err);
	if (!content)
		bits |= SQUASH_DIFFERS_CONTENT;
	if ((a->inode->base.mode ^ b->inode->base.mode) & 07777)
		bits |= SQUASH_DIFFERS_MODE;
	if (a->uid != b->uid || a->gid != b->gid)
		bits |= SQUASH_DIFFERS_OWNER;
	return xattrs ? bits : bits | SQUASH_DIFFERS_XATTR;
}
