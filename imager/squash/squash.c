/*
 * Owns the packing of a tree as a pipeline: scan, attributes, data, inodes, finish. Each stage lives below
 * squash/; what is packed and why is decided elsewhere.
 */
#include "imager/squash/squash.h"

#include <errno.h>
#include <unistd.h>

#include "imager/squash/tree.h"
#include "imager/squash/write.h"

static int check_options(const struct squash_options *o, struct err *err)
{
	if (o->level < 1 || o->level > 22)
		return err_set(err, EINVAL, "zstd level %u: 1 to 22 are allowed", o->level);
	if (o->block_size < 4096 || o->block_size > 1024 * 1024 || o->block_size & (o->block_size - 1))
		return err_set(err, EINVAL, "block size %u: a power of two from 4 KiB to 1 MiB is allowed",
			o->block_size);
	if (o->mtime > UINT32_MAX)
		return err_set(err, EINVAL, "time %llu: squashfs ends in 2106", (unsigned long long)o->mtime);
	return 0;
}

static int pack(struct squash_writer *w, struct squash_tree *tree, struct err *err)
{
	int r = squash_writer_xattrs(w, tree, err);

	if (r == 0)
		r = squash_writer_data(w, tree, err);
	if (r == 0)
		r = squash_writer_inodes(w, tree, err);
	if (r == 0)
		r = squash_writer_finish(w, err);
	return r;
}

static int write_image(struct squash_tree *tree, const char *output, const struct squash_options *options,
	struct squash_result *ret, struct err *err)
{
	struct squash_writer w;
	int r = squash_writer_open(&w, output, options, err);
	int created = w.image.fd >= 0;

	if (r == 0)
		r = pack(&w, tree, err);
	w.result.size = w.image.size;
	w.result.files = tree->files;
	w.result.input_bytes = tree->bytes;
	if (r == 0)
		*ret = w.result;
	squash_writer_close(&w, r >= 0);
	if (r < 0 && created)
		(void)unlink(output);
	return r;
}

int squash_pack(const char *root, const char *output, const struct squash_options *options,
	struct squash_result *ret, struct err *err)
{
	struct squash_tree tree = {0};
	int r = check_options(options, err);

	if (r == 0)
		r = squash_tree_scan(root, options->mtime, &tree, err);
	if (r == 0)
		r = write_image(&tree, output, options, ret, err);
	squash_tree_release(&tree);
	return r;
}
