/*
 * Owns the search for files with the same content, which are stored once. Only files of one size can be, and
 * most sizes occur once, so few contents are read twice for it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/format/digest.h"
#include "imager/squash/blockhash.h"
#include "imager/squash/data.h"

struct file {
	struct squash_node *node;
	size_t place;         /* in the walk */
	struct digest digest; /* of a small file its hash, and zeros */
};

struct search {
	struct squash_writer *w;
	const struct squash_tree *tree;
	struct blockhash *hash; /* by a key of this search alone */
};

static int compare_sizes(const void *a, const void *b)
{
	const struct file *x = a, *y = b;

	if (x->node->size != y->node->size)
		return x->node->size < y->node->size ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

static int compare_digests(const void *a, const void *b)
{
	const struct file *x = a, *y = b;
	int r = memcmp(x->digest.bytes, y->digest.bytes, sizeof(x->digest.bytes));

	return r ? r : (x->place > y->place) - (x->place < y->place);
}

/* By the writer's buffer: no memory is asked for. */
static int hash_small(const struct search *s, int fd, struct digest *ret)
{
	ssize_t n = read_full(fd, s->w->buffer, SQUASH_BUFFER_SIZE);
	struct blockhash_value value;
	int r = n < 0 ? (int)n : blockhash_of(s->hash, s->w->buffer, (size_t)n, &value);

	if (r < 0)
		return r;
	*ret = (struct digest){0};
	memcpy(ret->bytes, value.bytes, sizeof(value.bytes));
	return 0;
}

static int digest_file(const struct search *s, struct file *f, struct err *err)
{
	_cleanup_free_ char *path = squash_host_path(s->tree, f->node);
	_cleanup_(squash_file_close) struct squash_file file = {.fd = -1};
	int r;

	if (!path)
		return err_oom(err, "a path");
	r = squash_file_open(&file, path, f->node, err);
	if (r < 0)
		return r;
	r = f->node->size <= SQUASH_BUFFER_SIZE ? hash_small(s, file.fd, &f->digest)
						: digest_fd(file.fd, &f->digest, NULL, NULL);
	return r < 0 ? err_path(err, -r, path) : 0;
}

static int match(const struct search *s, struct file *files, size_t count, struct err *err)
{
	struct file *first = files;

	for (size_t i = 0; i < count; i++) {
		int r = digest_file(s, &files[i], err);

		if (r < 0)
			return r;
	}
	qsort(files, count, sizeof(*files), compare_digests);
	for (size_t i = 1; i < count; i++) {
		if (digest_equal(&files[i].digest, &first->digest))
			files[i].node->same = first->node;
		else
			first = &files[i];
	}
	return 0;
}

/* Groups of one size, one after the other. */
static int match_sizes(const struct search *s, struct file *files, size_t count, struct err *err)
{
	size_t end;
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i = end) {
		for (end = i + 1; end < count && files[end].node->size == files[i].node->size;)
			end++;
		if (end - i > 1)
			r = match(s, files + i, end - i, err);
	}
	return r;
}

int squash_find_same(struct squash_writer *w, struct squash_tree *tree, struct err *err)
{
	_cleanup_blockhash_ struct blockhash *hash = blockhash_new_random();
	const struct search search = {.w = w, .tree = tree, .hash = hash};
	_cleanup_free_ struct file *files = calloc(tree->files + 1, sizeof(*files));
	size_t count = 0;

	if (!files || !hash)
		return err_oom(err, "files");
	for (size_t i = 0; i < tree->count; i++)
		if (S_ISREG(tree->all[i]->mode) && tree->all[i]->size)
			files[count++] = (struct file){.node = tree->all[i], .place = i};
	qsort(files, count, sizeof(*files), compare_sizes);
	return match_sizes(&search, files, count, err);
}
