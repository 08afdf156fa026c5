/* Owns the proof of blobs and hash trees, and when there is no need to read them again. What is proved, and
 * what for, is the catalog's. */
#include "seeder/blobproof.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

int blobproof_load(struct blobproof *p, const char *memory, const atomic_int *stop)
{
	p->stop = stop;
	return verified_load(memory, &p->known);
}

int blobproof_save(struct blobproof *p, const char *memory, struct err *err)
{
	int is_stopped = blobproof_is_stopped(p), r;

	/* One that was stopped has not come to all that was known. */
	if (is_stopped && verified_merge(&p->proved, &p->known) < 0)
		return err_oom(err, memory);
	r = verified_save(&p->proved, memory, err);
	return r == 0 && is_stopped ? err_set(err, ECANCELED, "the scan was ended") : r;
}

void blobproof_release(struct blobproof *p)
{
	verified_release(&p->known);
	verified_release(&p->proved);
}

int blobproof_is_stopped(const struct blobproof *p)
{
	return p->stop && atomic_load(p->stop);
}

static enum verdict find(const struct blobproof *p, const struct digest *d, const struct stat *st)
{
	enum verdict verdict = verified_find(&p->proved, d, st);

	return verdict == VERDICT_NONE ? verified_find(&p->known, d, st) : verdict;
}

static int still_to_read(const char *what, struct err *err)
{
	return err_set(err, EAGAIN, "%s: is still being read", what);
}

/* ---- blobs ---- */

static int hash_blob(
	const struct blobproof *p, int fd, const struct suspect *b, enum verdict *ret, struct err *err)
{
	struct digest digest;
	uint64_t size;
	int r = p->is_bound ? still_to_read(b->what, err) : digest_fd(fd, &digest, &size, p->stop);

	if (r == -EAGAIN)
		return r;
	if (r < 0)
		return err_set(err, -r, "%s: cannot be read: %s", b->what, strerror(-r));
	*ret = size == b->part->size && digest_equal(&digest, &b->part->digest) ? VERDICT_GOOD : VERDICT_BAD;
	return 0;
}

static int judge_blob(
	struct blobproof *p, int fd, const struct suspect *b, const struct stat *st, struct err *err)
{
	enum verdict verdict = find(p, &b->part->digest, st);
	int r = verdict == VERDICT_NONE ? hash_blob(p, fd, b, &verdict, err) : 0;

	if (r < 0)
		return r;
	if (verified_add(&p->proved, &b->part->digest, st, verdict) < 0)
		return err_oom(err, b->what);
	if (verdict == VERDICT_BAD)
		return err_set(err, EBADMSG, "%s: its bytes are not those of the signed digest", b->what);
	return 0;
}

int blobproof_blob(struct blobproof *p, const struct suspect *b, struct proved_blob *ret, struct err *err)
{
	_cleanup_free_ char *path = store_blob_path(b->store, &b->part->digest);
	_cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	struct stat st;
	int r;

	if (!path)
		return err_oom(err, b->what);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_path(err, errno, path);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != b->part->size)
		return err_set(err, EBADMSG, "%s: has %lld bytes where the manifest says %llu", b->what,
			(long long)st.st_size, (unsigned long long)b->part->size);
	r = judge_blob(p, fd, b, &st, err);
	if (r < 0)
		return r;
	*ret = (struct proved_blob){
		.part = *b->part, .path = TAKE(path), .inode = st.st_ino, .mtime = st.st_mtim};
	return 0;
}

enum verdict blobproof_recall(const struct blobproof *p, const struct suspect *b)
{
	_cleanup_free_ char *path = store_blob_path(b->store, &b->part->digest);
	struct stat st;

	if (!path)
		return VERDICT_NONE;
	if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != b->part->size)
		return VERDICT_BAD;
	return find(p, &b->part->digest, &st);
}

/* ---- hash trees ---- */

/* What is to be remembered of a hash tree: a digest of the image and of all that is said of its tree. */
static int tree_key(const struct release *r, struct digest *ret)
{
	const struct {
		struct digest image, root_hash, salt;
		uint64_t data_size, hash_offset;
	} key = {r->root.digest, r->verity.root_hash, r->verity.salt, r->verity.data_size,
		r->verity.hash_offset};

	return digest_bytes(&key, sizeof(key), ret);
}

static int judge_tree(
	struct blobproof *p, int fd, const struct release *r, const struct stat *st, struct err *err)
{
	static const char what[] = "root image";
	enum verdict verdict;
	struct digest key;

	if (tree_key(r, &key) < 0)
		return err_oom(err, what);
	verdict = find(p, &key, st);
	if (verdict == VERDICT_NONE && p->is_bound)
		return still_to_read(what, err);
	if (verdict == VERDICT_NONE) {
		int e = verity_check(&(struct verity_file){fd, what, p->stop}, &r->verity, err);

		if (e < 0 && e != -EBADMSG)
			return e;
		verdict = e == 0 ? VERDICT_GOOD : VERDICT_BAD;
	}
	if (verified_add(&p->proved, &key, st, verdict) < 0)
		return err_oom(err, what);
	if (verdict == VERDICT_BAD)
		return err_set(err, EBADMSG, "%s: its hash tree is not the signed one", what);
	return 0;
}

int blobproof_tree(
	struct blobproof *p, const struct release *r, const struct proved_blob *root, struct err *err)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (!r->verity.data_size)
		return 0;
	fd = proved_blob_open(root);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_path(err, fd < 0 ? -fd : errno, root->path);
	return judge_tree(p, fd, r, &st, err);
}

int proved_blob_open(const struct proved_blob *b)
{
	_cleanup_close_ int fd = open(b->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_ino != b->inode || (uint64_t)st.st_size != b->part.size ||
		st.st_mtim.tv_sec != b->mtime.tv_sec || st.st_mtim.tv_nsec != b->mtime.tv_nsec)
		return -ESTALE;
	return TAKE_FD(fd);
}
