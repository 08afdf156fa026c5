/* Owns the memory of hashed blobs: rows, and their text on disk. The hashing is the catalog's. */
#include "seeder/verified.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "imager/base/buf.h"
#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/base/parse.h"

#define FILE_LIMIT (4 << 20)

void verified_release(struct verified *v)
{
	free(v->rows);
	*v = (struct verified){0};
}

static struct verified_row row_of(const struct digest *d, const struct stat *st)
{
	return (struct verified_row){
		.digest = *d,
		.size = (uint64_t)st->st_size,
		.mtime_ns = (uint64_t)st->st_mtim.tv_sec * 1000000000 + (uint64_t)st->st_mtim.tv_nsec,
		.inode = st->st_ino,
	};
}

static int same(const struct verified_row *a, const struct verified_row *b)
{
	return digest_equal(&a->digest, &b->digest) && a->size == b->size && a->mtime_ns == b->mtime_ns &&
	       a->inode == b->inode;
}

static enum verdict find_row(const struct verified *v, const struct verified_row *row)
{
	for (size_t i = 0; i < v->count; i++)
		if (same(&v->rows[i], row))
			return v->rows[i].verdict;
	return VERDICT_NONE;
}

static int add_row(struct verified *v, const struct verified_row *row)
{
	struct verified_row *rows;

	if (find_row(v, row) != VERDICT_NONE)
		return 0;
	rows = realloc(v->rows, (v->count + 1) * sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	v->rows = rows;
	rows[v->count++] = *row;
	return 0;
}

enum verdict verified_find(const struct verified *v, const struct digest *d, const struct stat *st)
{
	struct verified_row row = row_of(d, st);

	return find_row(v, &row);
}

int verified_add(struct verified *v, const struct digest *d, const struct stat *st, enum verdict verdict)
{
	struct verified_row row = row_of(d, st);

	row.verdict = verdict;
	return add_row(v, &row);
}

int verified_merge(struct verified *to, const struct verified *from)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < from->count; i++)
		r = add_row(to, &from->rows[i]);
	return r;
}

static int parse_line(char *line, struct verified_row *ret)
{
	char *verdict = strsep(&line, " "), *hex = strsep(&line, " "), *size = strsep(&line, " ");
	char *mtime = strsep(&line, " ");

	if (!line || (strcmp(verdict, "good") != 0 && strcmp(verdict, "bad") != 0))
		return -EINVAL;
	ret->verdict = *verdict == 'g' ? VERDICT_GOOD : VERDICT_BAD;
	if (parse_hex(hex, ret->digest.bytes, sizeof(ret->digest.bytes)) < 0)
		return -EINVAL;
	if (parse_u64(size, &ret->size) < 0 || parse_u64(mtime, &ret->mtime_ns) < 0)
		return -EINVAL;
	return parse_u64(line, &ret->inode);
}

int verified_load(const char *path, struct verified *ret)
{
	_cleanup_verified_ struct verified v = {0};
	_cleanup_free_ char *text = NULL;
	char *rest, *line;

	if (read_file(path, FILE_LIMIT, &text, NULL, NULL) < 0)
		return 0;
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		struct verified_row row;

		if (parse_line(line, &row) == 0 && add_row(&v, &row) < 0)
			return -ENOMEM;
	}
	*ret = v;
	v = (struct verified){0};
	return 0;
}

int verified_save(const struct verified *v, const char *path, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};

	for (size_t i = 0; i < v->count; i++) {
		const struct verified_row *row = &v->rows[i];
		char hex[65];

		digest_hex(&row->digest, hex);
		if (buf_printf(&text, "%s %s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
			    row->verdict == VERDICT_GOOD ? "good" : "bad", hex, row->size, row->mtime_ns,
			    row->inode) < 0)
			return err_oom(err, path);
	}
	return write_file_atomic(
		path, &(struct file_content){text.data ? text.data : "", text.len, 0644}, err);
}
