/* Owns the folder and what is added to it: opening, making, adding. What the blobs mean is in ocimanifest.c
 * and releases.c. */
#include "imager/format/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "imager/format/storepriv.h"

#define LAYOUT_FILE  "oci-layout"
#define LAYOUT_TEXT  "{\"imageLayoutVersion\":\"1.0.0\"}\n"
#define LAYOUT_LIMIT 4096

const char *store_choose(const char *given)
{
	const char *env = getenv("SWARMBOOT_STORE");

	if (given)
		return given;
	return env && *env ? env : STORE_DEFAULT;
}

const char *store_path(const struct store *s)
{
	return s->path;
}

void store_set_stop(struct store *s, const atomic_int *stop)
{
	s->stop = stop;
}

/* ---- opening ---- */

static int check_layout(const struct store *s, struct err *err)
{
	_cleanup_free_ char *path = path_join(s->path, LAYOUT_FILE), *text = NULL;
	_cleanup_json_ json_t *root = NULL;
	const char *version;
	int r;

	if (!path)
		return err_oom(err, s->path);
	r = read_file(path, LAYOUT_LIMIT, &text, NULL, err);
	if (r == -ENOENT)
		return err_set(err, ENOENT, "%s: not a store: it has no " LAYOUT_FILE, s->path);
	if (r < 0)
		return r;
	root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	version = json_string_value(json_object_get(root, "imageLayoutVersion"));
	if (!version || strcmp(version, "1.0.0") != 0)
		return err_set(err, EBADMSG, "%s: not an OCI image layout of version 1.0.0", path);
	return 0;
}

/* A store whose making was interrupted counts as empty. */
static int check_empty(const char *path, struct err *err)
{
	static const char *const ours[] = {"blobs", "index.json", LAYOUT_FILE, ".lock", ".tmp"};
	_cleanup_closedir_ DIR *dir = opendir(path);

	if (!dir)
		return err_path(err, errno, path);
	for (struct dirent *e; (e = readdir(dir));) {
		int known = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");

		for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
			known |= !strncmp(e->d_name, ours[i], strlen(ours[i]));
		if (!known)
			return err_set(err, ENOTEMPTY, "%s: neither a store nor empty: it holds '%s'", path,
				e->d_name);
	}
	return 0;
}

/* The layout file comes last: it makes the folder a store. */
static int make_layout(struct store *s, struct err *err)
{
	_cleanup_free_ char *blobs = path_join(s->path, STORE_BLOBS),
			    *layout = path_join(s->path, LAYOUT_FILE);
	_cleanup_json_ json_t *index =
		json_pack("{s:i,s:s,s:[]}", "schemaVersion", 2, "mediaType", OCI_INDEX_TYPE, "manifests");
	_cleanup_close_ int lock = -1;
	int r;

	if (!blobs || !layout || !index)
		return err_oom(err, s->path);
	r = mkdir_p(blobs, err);
	if (r < 0)
		return r;
	lock = store_lock(s, err);
	if (lock < 0)
		return lock;
	if (access(layout, F_OK) == 0)
		return 0;
	r = index_save(s, index, err);
	if (r < 0)
		return r;
	return write_file_atomic(layout, &(struct file_content){LAYOUT_TEXT, strlen(LAYOUT_TEXT), 0644}, err);
}

static int open_layout(struct store *s, int create, struct err *err)
{
	int r = check_layout(s, err);

	if (r != -ENOENT || !create)
		return r;
	r = mkdir_p(s->path, err);
	if (r == 0)
		r = check_empty(s->path, err);
	if (r == 0)
		r = make_layout(s, err);
	return r == 0 ? check_layout(s, err) : r;
}

int store_open(const char *path, int create, struct store **ret, struct err *err)
{
	_cleanup_store_ struct store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_oom(err, "the store");
	s->work_fd = -1;
	s->path = strdup(path);
	if (!s->path)
		return err_oom(err, "the store");
	r = open_layout(s, create, err);
	if (r < 0)
		return r;
	*ret = TAKE(s);
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	store_end(s);
	free(s->path);
	free(s);
}

/* ---- blobs ---- */

int store_temp_dir(struct store *s, char **ret, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	int r = store_begin(s, err);

	if (r < 0)
		return r;
	path = path_join(s->work, "dir-XXXXXX");
	if (!path)
		return err_oom(err, s->work);
	if (!mkdtemp(path) || chmod(path, 0755) < 0)
		return err_path(err, errno, path);
	*ret = TAKE(path);
	return 0;
}

static int open_plain(const char *path, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_path(err, errno, path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "%s: not a plain file", path);
	return TAKE_FD(fd);
}

/* Whether the blob is there with its bytes: what has only their number may be damaged. 1, 0, -ECANCELED. */
static int is_there(const struct store *s, const char *blob, const struct release_part *part, int fresh)
{
	_cleanup_close_ int fd = open_plain(blob, NULL);
	struct digest digest;
	struct stat old, new;
	int r;

	if (fd < 0 || fstat(fd, &old) < 0 || fstat(fresh, &new) < 0 || (uint64_t)old.st_size != part->size)
		return 0;
	if (old.st_dev == new.st_dev && old.st_ino == new.st_ino)
		return 1;
	r = digest_fd(fd, &digest, NULL, s->stop);
	return r < 0 ? r == -ECANCELED ? r : 0 : digest_equal(&digest, &part->digest);
}

static int place_blob(
	struct store *s, const char *path, int fd, const struct release_part *part, struct err *err)
{
	_cleanup_free_ char *blob = store_blob_path(s, &part->digest),
			    *blobs = path_join(s->path, STORE_BLOBS);
	int r = blob && blobs ? is_there(s, blob, part, fd) : err_oom(err, path);

	if (r == -ECANCELED)
		return err_path(err, ECANCELED, path);
	if (r < 0)
		return r;
	if (fchmod(fd, 0644) < 0)
		return err_path(err, errno, path);
	if (r == 0)
		return place_file(fd, path, blob, err);
	if (unlink(path) < 0)
		return err_path(err, errno, path);
	return sync_dir(blobs, err);
}

int store_add_file(struct store *s, const char *path, struct release_part *ret, struct err *err)
{
	_cleanup_close_ int fd = -1;
	struct release_part part = {0};
	int r = store_begin(s, err);

	if (r < 0)
		return r;
	fd = open_plain(path, err);
	if (fd < 0)
		return fd;
	r = digest_fd(fd, &part.digest, &part.size, s->stop);
	if (r < 0)
		return err_path(err, -r, path);
	r = store_note_blob(s, &part.digest, err);
	if (r == 0)
		r = place_blob(s, path, fd, &part, err);
	if (r == 0)
		*ret = part;
	return r;
}

int store_add_bytes(struct store *s, const void *data, size_t len, struct release_part *ret, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	int r = store_begin(s, err);

	if (r < 0)
		return r;
	path = path_join(s->work, "bytes");
	if (!path)
		return err_oom(err, s->work);
	r = write_file(path, &(struct file_content){data, len, 0644}, err);
	return r < 0 ? r : store_add_file(s, path, ret, err);
}
