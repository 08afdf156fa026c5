/*
 * fixture_release STORE PROFILE WORD: publishes a release whose kernel, initramfs and root image are made of
 * WORD, for tests that need a store and no build. The same word gives the same release. Prints its name.
 * FIXTURE_INITRAMFS, FIXTURE_ROOT and FIXTURE_PACKAGES in the environment name files that are these instead.
 * FIXTURE_KERNEL is the release of the kernel. FIXTURE_VERITY=good puts a hash tree behind the root image;
 * with =bad the manifest names another root hash than the tree's. FIXTURE_HOLE is a number of bytes: the root
 * image is a hole of that size under a digest that is not its own, for whoever begins to hash it. FIXTURE_KEY
 * is a key file without a password that signs it, as `swarmboot sign` would hash it, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "imager/base/parse.h"
#include "imager/format/store.h"
#include "imager/format/trust.h"

#define ROOT_SIZE (300 * 1024)

/* Bytes that do not compress to nothing and differ by word and part (xorshift32). */
static void fill(char *data, size_t len, const char *word, uint32_t part)
{
	uint32_t x = 2463534242u + part;

	for (const char *p = word; *p; p++)
		x = x * 31 + (unsigned char)*p;
	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		data[i] = (char)x;
	}
}

/* The file that the variable names, else these bytes. */
static int add_part(struct store *s, const char *variable, const struct file_content *bytes,
	struct release_part *ret, struct err *err)
{
	const char *path = getenv(variable);
	_cleanup_free_ char *data = NULL;
	size_t len;
	int e;

	if (!path)
		return store_add_bytes(s, bytes->data, bytes->len, ret, err);
	e = read_file(path, (size_t)1 << 30, &data, &len, err);
	return e < 0 ? e : store_add_bytes(s, data, len, ret, err);
}

static int add_hole(struct store *s, const char *word, struct release_part *ret, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;

	(void)digest_bytes(word, strlen(word), &ret->digest);
	path = store_blob_path(s, &ret->digest);
	fd = path ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644) : -1;
	if (parse_u64(getenv("FIXTURE_HOLE"), &ret->size) < 0 || fd < 0 ||
		ftruncate(fd, (off_t)ret->size) < 0)
		return err_set(err, EINVAL, "no hole of that size can be made");
	return 0;
}

static int sign(struct store *s, const struct store_release *rel, struct err *err)
{
	_cleanup_secret_ struct minisign_secret key = {0};
	_cleanup_buf_ struct buf manifest = {0}, signature = {0};
	_cleanup_free_ char *text = NULL;
	char comment[TRUST_COMMENT_SIZE];
	int e = read_file(getenv("FIXTURE_KEY"), 4096, &text, NULL, err);

	trust_comment(&rel->release, comment);
	if (e == 0)
		e = minisign_parse_secret(text, NULL, &key, err);
	if (e == 0)
		e = store_manifest_bytes(s, rel, &manifest, err);
	if (e == 0)
		e = minisign_sign(&key, &manifest, comment, &signature, err);
	return e == 0 ? store_add_signature(s, rel, &signature, err) : e;
}

static int add_root(struct store *s, const struct file_content *bytes, struct release *r, struct err *err)
{
	const char *verity = getenv("FIXTURE_VERITY");
	_cleanup_free_ char *folder = NULL, *path = NULL;
	int e;

	if (!verity)
		return add_part(s, "FIXTURE_ROOT", bytes, &r->root, err);
	e = store_temp_dir(s, &folder, err);
	path = e == 0 ? path_join(folder, "root") : NULL;
	if (path)
		e = write_file(path, bytes, err);
	if (e == 0)
		e = verity_append(path, &r->verity, err);
	if (e == 0)
		e = store_add_file(s, path, &r->root, err);
	if (!strcmp(verity, "bad"))
		r->verity.root_hash.bytes[0] ^= 1;
	return e;
}

static int add_parts(struct store *s, const char *word, struct release *r, struct err *err)
{
	static const char packages[] =
		"[{\"name\":\"bash\",\"version\":\"5.2.15-2+b2\",\"arch\":\"amd64\"}]\n";
	static char data[ROOT_SIZE];
	int e;

	fill(data, sizeof(data), word, 1);
	e = store_add_bytes(s, data, 20000, &r->kernel, err);
	fill(data, sizeof(data), word, 2);
	if (e == 0)
		e = add_part(
			s, "FIXTURE_INITRAMFS", &(struct file_content){data, 30000, 0}, &r->initramfs, err);
	fill(data, sizeof(data), word, 3);
	if (e == 0 && getenv("FIXTURE_HOLE"))
		e = add_hole(s, word, &r->root, err);
	else if (e == 0)
		e = add_root(s, &(struct file_content){data, sizeof(data), 0644}, r, err);
	if (e == 0)
		e = add_part(s, "FIXTURE_PACKAGES", &(struct file_content){packages, strlen(packages), 0},
			&r->packages, err);
	return e;
}

static int publish(char **argv, struct err *err)
{
	struct release r = {.arch = "amd64",
		.version = "fixture",
		.created = 1700000000,
		.kernel_release = "6.1.0-fixture-amd64",
		.cmdline = "quiet",
		.package_count = 1};
	_cleanup_store_ struct store *s = NULL;
	const char *kernel = getenv("FIXTURE_KERNEL");
	struct store_release rel;
	int is_new, e;

	if (kernel)
		(void)snprintf(r.kernel_release, sizeof(r.kernel_release), "%s", kernel);
	(void)snprintf(r.profile, sizeof(r.profile), "%s", argv[2]);
	(void)digest_bytes(argv[3], strlen(argv[3]), &r.source);
	e = store_open(argv[1], 1, &s, err);
	if (e == 0)
		e = add_parts(s, argv[3], &r, err);
	if (e == 0)
		e = store_publish(s, &r, &rel, &is_new, err);
	if (e == 0 && getenv("FIXTURE_KEY"))
		e = sign(s, &rel, err);
	if (e == 0)
		(void)printf("%s\n", rel.name);
	return e;
}

int main(int argc, char **argv)
{
	struct err err = {0};

	if (argc != 4) {
		(void)fprintf(stderr, "usage: fixture_release STORE PROFILE WORD\n");
		return 2;
	}
	if (publish(argv, &err) < 0) {
		(void)fprintf(stderr, "fixture_release: %s\n", err.text);
		return 1;
	}
	return 0;
}
